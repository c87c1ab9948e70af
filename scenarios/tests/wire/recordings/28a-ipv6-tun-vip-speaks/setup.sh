. ../lib6.sh
topo6; dirvip6; web6 r1 r2; vs6 rr -i
for h in r1 r2; do xs $h net.ipv6.conf.ip6tnl0.accept_ra=0; ip -n $h link set ip6tnl0 up; ip -n $h addr add $VIP6/128 dev ip6tnl0; done
sleep 10; capall $ALL r1.ip6tnl0 r2.ip6tnl0
mark get1; tx 4 c tt get $VIP6 80; x d ipvsadm -Lnc
sleep 6; neigh6 d r1 r2
dump
