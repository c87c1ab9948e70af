. ../lib6.sh
topo6; for h in d r1 r2; do xs $h net.ipv6.conf.all.accept_dad=1; done
sleep 10; FILTER="not ip6 proto 0"; capall rt.eth1 d.eth0 r1.eth0 r2.eth0
mark first; ip -n d addr add $VIP6/128 dev eth0; x d ip -6 addr show dev eth0; sleep 3; x d ip -6 addr show dev eth0
mark second; ip -n r1 addr add $VIP6/128 dev eth0; sleep 3; x r1 ip -6 addr show dev eth0
mark lo; ip -n r2 addr add $VIP6/128 dev lo; sleep 3; x r2 ip -6 addr show dev lo
mark nodad; ip -n r2 addr add 2001:db8::77/64 dev eth0 nodad; sleep 3
sleep 2
dump
