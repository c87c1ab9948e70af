. ../lib6.sh
topo6; dirvip6; ip -n r1 addr add $VIP6/128 dev eth0; web6 d r1
sleep 10; capall $ALL
mark get1; x c tt get $VIP6 80; neigh6 rt
mark static; ip -n rt neigh replace $VIP6 lladdr 02:00:00:00:00:0d dev eth1 nud permanent
mark get2; x c tt get $VIP6 80
mark get3; x r2 ping -c 1 2001:db8::11; x c tt get $VIP6 80
sleep 6; neigh6 rt d r1
dump
