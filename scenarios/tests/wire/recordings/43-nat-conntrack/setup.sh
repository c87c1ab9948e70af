. ../lib.sh
topo; dirvip; xs d net.ipv4.ip_forward=1; for h in r1 r2; do ip -n $h route replace default via 10.0.0.1; done; web r1 r2; vs rr -m
x d iptables -A INPUT -p tcp --dport 80 -m state --state NEW,ESTABLISHED -j ACCEPT; x d iptables -P INPUT DROP; x d iptables -A FORWARD -m state --state ESTABLISHED -j ACCEPT; x d iptables -P FORWARD DROP
xs d net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.eth0.send_redirects=0
capall rt.eth0 rt.eth1 d.eth0 r1.eth0 r2.eth0
mark 'conntrack=1'; xs d net.ipv4.vs.conntrack=1; x c tt get $VIP 80; x c tt get $VIP 80; x d ipvsadm -Lnc
mark 'conntrack=0'; xs d net.ipv4.vs.conntrack=0; tx 4 c tt get $VIP 80; x d ipvsadm -Lnc
mark 'INVALID may pass, too'; x d iptables -A FORWARD -m state --state NEW,INVALID -j ACCEPT; x d iptables -A INPUT -m state --state INVALID -j ACCEPT; x c tt get $VIP 80
dump
