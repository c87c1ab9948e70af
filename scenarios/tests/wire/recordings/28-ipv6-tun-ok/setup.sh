. ../lib6.sh
topo6; ip -n d addr add $VIP6/128 dev eth0 preferred_lft 0; web6 r1 r2; vs6 rr -i
for h in r1 r2; do xs $h net.ipv6.conf.ip6tnl0.accept_ra=0; ip -n $h link set ip6tnl0 up; ip -n $h addr add $VIP6/128 dev ip6tnl0; done
sleep 10; capall $ALL r1.ip6tnl0
mark get1; x c tt get $VIP6 80
mark get2; x c tt get $VIP6 80
sleep 12; neigh6 rt d r1 r2; x d ipvsadm -Lnc
dump
