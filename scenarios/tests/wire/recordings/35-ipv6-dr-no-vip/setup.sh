. ../lib6.sh
topo6; dirvip6; web6 r1 r2; vs6 rr -g; xs r2 net.ipv6.conf.all.forwarding=1
sleep 10; capall $ALL
mark get1; tx 3 c tt get $VIP6 80
mark get2; tx 3 c tt get $VIP6 80
sleep 8
dump
