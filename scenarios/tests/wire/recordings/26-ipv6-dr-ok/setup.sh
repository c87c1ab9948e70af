. ../lib6.sh
topo6; dirvip6; ip -n r1 addr add $VIP6/128 dev lo; ip -n r2 addr add $VIP6/128 dev lo; web6 r1 r2; vs6 rr -g
sleep 10; capall $ALL
mark get1; x c tt get $VIP6 80
mark get2; x c tt get $VIP6 80
sleep 12; neigh6 rt d r1 r2; x d ipvsadm -Lnc
dump
