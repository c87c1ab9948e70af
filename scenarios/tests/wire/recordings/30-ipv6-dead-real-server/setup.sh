. ../lib6.sh
topo6; dirvip6; ip -n r1 addr add $VIP6/128 dev lo; ip -n r2 link set eth0 down; web6 r1; vs6 rr -g
sleep 10; capall $ALL
mark get1; x c tt get $VIP6 80
mark get2; x c tt get $VIP6 80
mark nobody; x c tt get 2001:db8:1::99 80
sleep 8; neigh6 c rt d
dump
