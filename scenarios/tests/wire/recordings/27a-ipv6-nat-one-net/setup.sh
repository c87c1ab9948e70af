. ../lib6.sh
topo6; dirvip6; xs d net.ipv6.conf.all.forwarding=1
for h in r1 r2; do ip -n $h route replace default via 2001:db8::1; done
web6 r1 r2; vs6 rr -m
sleep 10; capall $ALL
mark get1; x c tt get $VIP6 80
mark get2; x c tt get $VIP6 80
sleep 8; neigh6 rt d r1 r2
dump
