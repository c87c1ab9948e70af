. ../lib.sh
topo; dirvip; web r1 r2; for h in r1 r2; do rsarp $h; x $h iptables -t nat -A PREROUTING -p tcp -d $VIP --dport 80 -j REDIRECT --to-ports 8080; x $h tt serve 8080 100 & done; sleep 0.2; vs rr -g
capall $ALL
mark get1; x c tt get $VIP 80
mark get2; x c tt get $VIP 80
mark 'get3: 3000 bytes'; x c tt get $VIP 80 '' 3000
mark 'the rules go'; for h in r1 r2; do x $h iptables -t nat -F; done; tx 3 c tt get $VIP 80
mark 'to a port where nobody listens'; for h in r1 r2; do x $h iptables -t nat -A PREROUTING -p tcp -d $VIP --dport 80 -j REDIRECT --to-ports 81; done; x c tt get $VIP 80
mark 'udp, to a port where nobody listens'; x r1 iptables -t nat -A PREROUTING -p udp -d $VIP --dport 54 -j REDIRECT --to-ports 55; x d ipvsadm -A -u $VIP:54 -s rr; x d ipvsadm -a -u $VIP:54 -r 10.0.0.11 -g; x c tt udp $VIP 54 100
dump
