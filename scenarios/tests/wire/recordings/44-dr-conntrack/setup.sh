. ../lib.sh
topo; dirvip; for h in r1 r2; do rsdr $h; done; web r1 r2; vs rr -g
x d iptables -A INPUT -p tcp --dport 80 -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT; x d iptables -A INPUT -p tcp --dport 80 -j DROP
capall rt.eth0 rt.eth1 d.eth0 r1.eth0 r2.eth0
mark 'conntrack=0: the FIN is INVALID'; x c tt get $VIP 80; x d ipvsadm -Lnc
sleep 3
mark 'INVALID may pass, too'; x d iptables -I INPUT -m conntrack --ctstate INVALID -j ACCEPT; x c tt get $VIP 80
mark 'the same with conntrack=1'; xs d net.ipv4.vs.conntrack=1; x c tt get $VIP 80; x d iptables -D INPUT 1
mark 'conntrack=1: only the SYN fits'; x d iptables -I INPUT -p tcp -m conntrack --ctstate INVALID -j REJECT --reject-with tcp-reset; x c tt get $VIP 80; x d ipvsadm -Lnc
dump
