. ../lib6.sh
topo6; ip -n d addr add $VIP6/128 dev eth0 preferred_lft 0; web6 r1 r2; vs6 rr -i
for h in r1 r2; do ip -n $h addr add $VIP6/128 dev lo; done
sleep 10; capall $ALL
mark get1; tx 4 c tt get $VIP6 80; x d ipvsadm -Lnc
sleep 6
dump
