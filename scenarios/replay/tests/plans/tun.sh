#!/bin/sh
# tun: as root, on a machine with ip_vs; best in namespaces of its own, which vanish with it:
#   unshare --mount --net sh -c 'mount -t tmpfs none /run && mkdir /run/netns && exec sh THIS-FILE'
set -e
ip link set lo up

# beside the hosts
sysctl -qw net.ipv6.conf.default.disable_ipv6=1
ip link add lan type bridge mcast_snooping 0
ip link set lan up
ip link add servers type bridge mcast_snooping 0
ip link set servers up
ip link add outside type bridge mcast_snooping 0
ip link set outside up
ip netns add director
ip netns add far1
ip netns add far2
ip netns add near
ip netns add router
ip netns add client

# director
ip netns exec director sysctl -qw net.ipv6.conf.all.disable_ipv6=1
ip netns exec director sysctl -qw net.ipv6.conf.default.disable_ipv6=1

# far1
ip netns exec far1 sysctl -qw net.ipv6.conf.all.disable_ipv6=1
ip netns exec far1 sysctl -qw net.ipv6.conf.default.disable_ipv6=1

# far2
ip netns exec far2 sysctl -qw net.ipv6.conf.all.disable_ipv6=1
ip netns exec far2 sysctl -qw net.ipv6.conf.default.disable_ipv6=1

# near
ip netns exec near sysctl -qw net.ipv6.conf.all.disable_ipv6=1
ip netns exec near sysctl -qw net.ipv6.conf.default.disable_ipv6=1

# router
ip netns exec router sysctl -qw net.ipv6.conf.all.disable_ipv6=1
ip netns exec router sysctl -qw net.ipv6.conf.default.disable_ipv6=1

# client
ip netns exec client sysctl -qw net.ipv6.conf.all.disable_ipv6=1
ip netns exec client sysctl -qw net.ipv6.conf.default.disable_ipv6=1

# beside the hosts
ip link add port1 mtu 1500 type veth peer name eth0 address 02:00:00:00:00:01 mtu 1500 netns director
ip link set port1 master lan gso_max_segs 1 up
ip link add port2 mtu 1500 type veth peer name eth0 address 02:00:00:00:00:02 mtu 1500 netns far1
ip link set port2 master servers gso_max_segs 1 up
tc qdisc add dev port2 root netem delay 2000us rate 1000000000bit limit 1000
ip link add port3 mtu 1500 type veth peer name eth0 address 02:00:00:00:00:03 mtu 1500 netns far2
ip link set port3 master servers gso_max_segs 1 up
tc qdisc add dev port3 root netem delay 2000us rate 1000000000bit limit 1000
ip link add port4 mtu 1500 type veth peer name eth0 address 02:00:00:00:00:04 mtu 1500 netns near
ip link set port4 master servers gso_max_segs 1 up
tc qdisc add dev port4 root netem delay 2000us rate 1000000000bit limit 1000
ip link add port5 mtu 1500 type veth peer name eth0 address 02:00:00:00:00:05 mtu 1500 netns router
ip link set port5 master lan gso_max_segs 1 up
ip link add port6 mtu 1500 type veth peer name eth1 address 02:00:00:00:00:06 mtu 1500 netns router
ip link set port6 master outside gso_max_segs 1 up
ip link add port7 mtu 1500 type veth peer name eth2 address 02:00:00:00:00:07 mtu 1500 netns router
ip link set port7 master servers gso_max_segs 1 up
tc qdisc add dev port7 root netem delay 2000us rate 1000000000bit limit 1000
ip link add port8 mtu 1500 type veth peer name eth0 address 02:00:00:00:00:08 mtu 1500 netns client
ip link set port8 master outside gso_max_segs 1 up

# director
ip -n director link set lo up
ip -n director link set eth0 gso_max_segs 1 up
ip -n director addr add 10.0.0.1/24 dev eth0
ip -n director addr add 10.0.0.100/32 dev eth0

# far1
ip -n far1 link set lo up
ip -n far1 link set eth0 gso_max_segs 1 up
tc -n far1 qdisc add dev eth0 root netem delay 2000us rate 1000000000bit limit 1000
ip -n far1 addr add 10.1.0.11/24 dev eth0

# beside the hosts
modprobe ipip

# far1
ip -n far1 link set tunl0 up
ip -n far1 addr add 10.0.0.100/32 dev tunl0

# far2
ip -n far2 link set lo up
ip -n far2 link set eth0 gso_max_segs 1 up
tc -n far2 qdisc add dev eth0 root netem delay 2000us rate 1000000000bit limit 1000
ip -n far2 addr add 10.1.0.12/24 dev eth0
ip -n far2 link set tunl0 up
ip -n far2 addr add 10.0.0.100/32 dev tunl0

# near
ip -n near link set lo up
ip -n near link set eth0 gso_max_segs 1 up
tc -n near qdisc add dev eth0 root netem delay 2000us rate 1000000000bit limit 1000
ip -n near addr add 10.1.0.13/24 dev eth0
ip -n near link set tunl0 up
ip -n near addr add 10.0.0.100/32 dev tunl0

# router
ip -n router link set lo up
ip -n router link set eth0 gso_max_segs 1 up
ip -n router addr add 10.0.0.254/24 dev eth0
ip -n router link set eth1 gso_max_segs 1 up
ip -n router addr add 198.51.100.1/24 dev eth1
ip -n router link set eth2 gso_max_segs 1 up
tc -n router qdisc add dev eth2 root netem delay 2000us rate 1000000000bit limit 1000
ip -n router addr add 10.1.0.254/24 dev eth2

# client
ip -n client link set lo up
ip -n client link set eth0 gso_max_segs 1 up
ip -n client addr add 198.51.100.10/24 dev eth0

# director
ip -n director route add default via 10.0.0.254
ip netns exec director ipvsadm -A -t 10.0.0.100:80 -s wrr -p 60 -M 255.255.255.0
ip netns exec director ipvsadm -a -t 10.0.0.100:80 -r 10.1.0.11:80 -i -w 1
ip netns exec director ipvsadm -a -t 10.0.0.100:80 -r 10.1.0.12:80 -i -w 1
ip netns exec director ipvsadm -a -t 10.0.0.100:80 -r 10.1.0.13:80 -i -w 2

# far1
ip netns exec far1 sysctl -qw net.ipv4.conf.all.rp_filter=0
ip netns exec far1 sysctl -qw net.ipv4.conf.tunl0.rp_filter=0
ip netns exec far1 sysctl -qw net.ipv4.conf.all.arp_ignore=1
ip netns exec far1 sysctl -qw net.ipv4.conf.all.arp_announce=2
ip -n far1 route add default via 10.1.0.254

# far2
ip netns exec far2 sysctl -qw net.ipv4.conf.all.rp_filter=0
ip netns exec far2 sysctl -qw net.ipv4.conf.tunl0.rp_filter=0
ip netns exec far2 sysctl -qw net.ipv4.conf.all.arp_ignore=1
ip netns exec far2 sysctl -qw net.ipv4.conf.all.arp_announce=2
ip -n far2 route add default via 10.1.0.254

# near
ip netns exec near sysctl -qw net.ipv4.conf.all.rp_filter=0
ip netns exec near sysctl -qw net.ipv4.conf.tunl0.rp_filter=0
ip netns exec near sysctl -qw net.ipv4.conf.all.arp_ignore=1
ip netns exec near sysctl -qw net.ipv4.conf.all.arp_announce=2
ip -n near route add default via 10.1.0.254

# router
ip netns exec router sysctl -qw net.ipv4.ip_forward=1
ip -n router route add 10.9.0.0/16 via 198.51.100.10

# client
ip -n client route add default via 198.51.100.1
ip -n client route add local 10.9.0.0/16 dev lo
