# Helpers of the IPv6 set-ups (beside those of lib.sh, whose machine it is: veth links, Linux bridges, 100 us of delay on every host port,
# offloads off; CAPTURES is a scratch folder). tt is the same tool for IPv6. No router advertisements; addresses are used at once.
sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
mkns6() { for _n in "$@"; do ip netns add $_n; ip netns exec $_n sysctl -qw net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.disable_ipv6=0 net.ipv6.conf.all.accept_ra=0 net.ipv6.conf.default.accept_ra=0 net.ipv6.conf.all.accept_dad=${DAD:-0} net.ipv6.conf.default.accept_dad=${DAD:-0}; ip -n $_n link set lo up; done; }
sw() { ip link add $1 type bridge; ip link set $1 type bridge mcast_snooping 0; ip link set $1 up; }
# plug6 NS IF SWITCH MACBYTE [ADDR/LEN]
plug6() { ip link add $1.$2 type veth peer name $2 netns $1; ip link set $1.$2 master $3; ip -n $1 link set $2 address 02:00:00:00:00:$4
 ip netns exec $1 ethtool -K $2 tx off tso off gso off gro off sg off >/dev/null 2>&1; ethtool -K $1.$2 tx off tso off gso off gro off >/dev/null 2>&1
 ip netns exec $1 tc qdisc add dev $2 root netem delay ${DELAY:-100us} limit 10000;
 ip link set $1.$2 up; ip -n $1 link set $2 up; [ -n "$5" ] && ip -n $1 addr add $5 dev $2; return 0; }
x() { _n=$1; shift; ip netns exec $_n "$@"; }
xs() { _n=$1; shift; ip netns exec $_n sysctl -qw "$@"; }
CAPS=""
cap() { _n=$1; shift; for _i in "$@"; do ip netns exec $_n tcpdump -Z root -i $_i -n -s 0 -U --immediate-mode -w $CAPTURES/cap.$_n.$_i $FILTER >/dev/null 2>&1 & CAPS="$CAPS $!"; done; }
capall() { for _c in "$@"; do cap ${_c%.*} ${_c#*.}; done; sleep 1; }
mark() { echo "## $(cut -d' ' -f1 /proc/uptime) $(tt now) $*"; }
dump() { sleep 1; for _p in $CAPS; do kill -INT $_p 2>/dev/null; done; sleep 1; for _f in $CAPTURES/cap.*; do echo "=== ${_f#$CAPTURES/cap.}"; tcpdump -Z root -r $_f -e -n -tt -v 2>/dev/null; done; echo "=== end"; }
VIP6=2001:db8::100
# client c -- swc -- rt(eth0,eth1) -- swl -- d, r1, r2; multicast reports of the set-up are over after 10 s
topo6() {
 mkns6 c rt d r1 r2; sw swc; sw swl
 plug6 c eth0 swc 0c 2001:db8:1::10/64; plug6 rt eth0 swc 1e 2001:db8:1::1/64; plug6 rt eth1 swl fe 2001:db8::fe/64
 plug6 d eth0 swl 0d 2001:db8::1/64; plug6 r1 eth0 swl 11 2001:db8::11/64; plug6 r2 eth0 swl 12 2001:db8::12/64
 xs rt net.ipv6.conf.all.forwarding=1
 ip -n c route add default via 2001:db8:1::1; for _h in d r1 r2; do ip -n $_h route add default via 2001:db8::fe; done
}
dirvip6() { ip -n d addr add $VIP6/128 dev eth0; }
web6() { for _h in "$@"; do ip netns exec $_h tt serve 80 100 & done; sleep 0.2; }
# vs6 SCHED FWDFLAG : service with r1, r2
vs6() { x d ipvsadm -A -t [$VIP6]:80 -s $1; for _h in 11 12; do x d ipvsadm -a -t [$VIP6]:80 -r [2001:db8::$_h]:80 $2; done; }
neigh6() { for _h in "$@"; do echo "-- neigh $_h"; ip -n $_h -6 neigh; done; }
ALL="c.eth0 rt.eth0 rt.eth1 d.eth0 r1.eth0 r2.eth0"
tx() { _t=$1; _n=$2; shift 2; timeout $_t /bin/ip netns exec $_n "$@"; echo "(exit $?)"; }
