. ../lib6.sh
topo6; sleep 10; FILTER="not ip6 proto 0"; capall $ALL
mark ping; x rt ping -c 1 2001:db8::11
sleep 1; neigh6 rt
mark quiet; ip -n d addr add 2001:db8::50/128 dev eth0; sleep 2
xs d net.ipv6.conf.all.ndisc_notify=1
mark all; ip -n d addr add 2001:db8::51/128 dev eth0; sleep 2
xs d net.ipv6.conf.all.ndisc_notify=0 net.ipv6.conf.eth0.ndisc_notify=1
mark eth0; ip -n d addr add 2001:db8::52/128 dev eth0; sleep 2
mark updown; ip -n d link set eth0 down; sleep 1; ip -n d link set eth0 up; sleep 3; x d ip -6 addr show dev eth0
dump
