. ../lib6.sh
topo6; ip -n d addr add $VIP6/128 dev eth0 preferred_lft 0; web6 r1 r2; vs6 rr -i; x d ipvsadm -d -t [$VIP6]:80 -r [2001:db8::12]:80
for h in r1 r2; do xs $h net.ipv6.conf.ip6tnl0.accept_ra=0; ip -n $h link set ip6tnl0 up; ip -n $h addr add $VIP6/128 dev ip6tnl0; x $h ethtool -K ip6tnl0 gro off; done
sleep 10; capall c.eth0 rt.eth1 d.eth0 r1.eth0 r1.ip6tnl0
mark get; x c tt get $VIP6 80
mark 'get with a request of two full segments'; tx 8 c tt get $VIP6 80 - 2856; x d ipvsadm -Lnc
mark 'second get'; tx 8 c tt get $VIP6 80 - 4000
mark 'a smaller MTU on the way to the real server'; ip -n d route add 2001:db8::11/128 dev eth0 mtu 1400; tx 8 c tt get $VIP6 80 - 2776
dump
