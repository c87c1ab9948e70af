. ../lib.sh
modprobe ip_gre
topo; dirvip; for h in r1 r2; do rsarp $h; ip -n $h addr add $VIP/32 dev gre0; ip -n $h link set gre0 up; x $h ethtool -K gre0 gro off; xs $h net.ipv4.conf.gre0.rp_filter=0; done
web r1 r2; vs rr '-i --tun-type gre'
capall rt.eth0 rt.eth1 d.eth0 r1.eth0 r2.eth0 r1.gre0
mark get1; x c tt get $VIP 80
mark get2; x c tt get $VIP 80
sleep 10; neigh rt d r1 r2
mark 'get3: 3000 bytes'; x c tt get $VIP 80 '' 3000
mark 'get4: gre0 of r1 down'; ip -n r1 link set gre0 down; x c tt get $VIP 80
mark 'get5: a checksum that nobody expects'; x d ipvsadm -e -t $VIP:80 -r 10.0.0.12:80 -i --tun-type gre --tun-csum; tx 4 c tt get $VIP 80
dump
