. ../lib6.sh
mkns6 c rt d r1 r2; sw swc; sw swl; sw sws
plug6 c eth0 swc 0c 2001:db8:1::10/64; plug6 rt eth0 swc 1e 2001:db8:1::1/64; plug6 rt eth1 swl fe 2001:db8::fe/64
plug6 d eth0 swl 0d 2001:db8::1/64; plug6 d eth1 sws d1 2001:db8:2::1/64; plug6 r1 eth0 sws 11 2001:db8:2::11/64; plug6 r2 eth0 sws 12 2001:db8:2::12/64
xs rt net.ipv6.conf.all.forwarding=1; xs d net.ipv6.conf.all.forwarding=1
ip -n c route add default via 2001:db8:1::1; ip -n d route add default via 2001:db8::fe
for h in r1 r2; do ip -n $h route add default via 2001:db8:2::1; done
dirvip6; web6 r1 r2
x d ipvsadm -A -t [$VIP6]:80 -s rr
for h in 11 12; do x d ipvsadm -a -t [$VIP6]:80 -r [2001:db8:2::$h]:80 -m; done
sleep 10; capall $ALL d.eth1
mark get1; x c tt get $VIP6 80
mark get2; x c tt get $VIP6 80
sleep 12; neigh6 rt d r1 r2; x d ipvsadm -Lnc
dump
