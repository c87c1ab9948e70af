. ../lib.sh
modprobe fou
topo; dirvip; for h in r1 r2; do rsarp $h; x $h ip fou add port 6080 gue; ip -n $h addr add $VIP/32 dev tunl0; ip -n $h link set tunl0 up; x $h ethtool -K tunl0 gro off; xs $h net.ipv4.conf.tunl0.rp_filter=0; done
web r1 r2; vs rr '-i --tun-type gue --tun-port 6080'
capall rt.eth0 rt.eth1 d.eth0 r1.eth0 r2.eth0 r1.tunl0
mark get1; x c tt get $VIP 80
mark get2; x c tt get $VIP 80
sleep 10; neigh rt d r1 r2
mark 'get3: 3000 bytes'; x c tt get $VIP 80 '' 3000
mark 'get4: nobody at the port of r1'; x r1 ip fou del port 6080; x c tt get $VIP 80
mark 'get5: checksums'; x d ipvsadm -e -t $VIP:80 -r 10.0.0.12:80 -i --tun-type gue --tun-port 6080 --tun-csum; x c tt get $VIP 80
dump
