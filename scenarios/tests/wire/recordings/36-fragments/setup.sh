. ../lib.sh
topo; dirvip; xs d net.ipv4.ip_forward=1; rsarp r1; ip -n r1 addr add $VIP/32 dev tunl0; ip -n r1 link set tunl0 up; x r1 ethtool -K tunl0 gro off; ip -n r2 route replace default via 10.0.0.1
x r1 tt udpserve 54 100 $VIP & x r2 tt udpserve 55 3000 & x r1 tt udpserve 56 100 $VIP & sleep 0.2
x d ipvsadm -A -u $VIP:54 -s rr; x d ipvsadm -a -u $VIP:54 -r 10.0.0.11 -g
x d ipvsadm -A -u $VIP:55 -s rr; x d ipvsadm -a -u $VIP:55 -r 10.0.0.12 -m
x d ipvsadm -A -u $VIP:56 -s rr; x d ipvsadm -a -u $VIP:56 -r 10.0.0.11 -i
capall c.eth0 rt.eth1 d.eth0 r1.eth0 r1.tunl0 r2.eth0
mark 'ping of 3000 bytes'; x c ping -c 1 -W 2 -s 3000 10.0.0.1
mark 'a router with a smaller MTU fragments again'; ip -n rt route replace 10.0.0.0/24 dev eth1 src 10.0.0.254 mtu 1400; x c ping -c 1 -W 2 -s 3000 10.0.0.11
mark 'it must not: DF'; x c ping -c 1 -W 1 -s 1472 10.0.0.11; ip -n c route get 10.0.0.11
mark 'the next one is cut by the sender'; x c ping -c 1 -W 1 -s 1472 10.0.0.11; ip -n rt route replace 10.0.0.0/24 dev eth1 src 10.0.0.254
mark 'direct routing, request of 3000 bytes'; x c tt udp $VIP 54 3000
mark 'masquerading, request and answer of 3000 bytes'; x c tt udp $VIP 55 3000
mark 'tunnel, request of 3000 bytes'; x c tt udp $VIP 56 3000
x d ipvsadm -Lnc
mark 'the second fragment is lost'; x rt iptables -A FORWARD -f -j DROP; x c ping -c 1 -W 1 -s 2000 10.0.0.1; sleep 31
dump
