. ../lib6.sh
topo6; dirvip6; web6 d r1
sleep 10; FILTER="not ip6 proto 0"; capall $ALL
mark get1; x c tt get $VIP6 80
mark 'moves silently'; ip -n d addr del $VIP6/128 dev eth0; ip -n r1 addr add $VIP6/128 dev eth0; tx 20 c tt get $VIP6 80; neigh6 rt
mark 'moves back, announced'; ip -n r1 addr del $VIP6/128 dev eth0; xs d net.ipv6.conf.eth0.ndisc_notify=1; ip -n d addr add $VIP6/128 dev eth0; tx 20 c tt get $VIP6 80; neigh6 rt
sleep 12; neigh6 rt
dump
