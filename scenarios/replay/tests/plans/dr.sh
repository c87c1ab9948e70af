#!/bin/sh
# dr: as root, on a machine with ip_vs; best in namespaces of its own, which vanish with it:
#   unshare --mount --net sh -c 'mount -t tmpfs none /run && mkdir /run/netns && exec sh THIS-FILE'
set -e
ip link set lo up

# beside the hosts
sysctl -qw net.ipv6.conf.default.disable_ipv6=1
ip link add lan type bridge mcast_snooping 0
ip link set lan up
ip link add outside type bridge mcast_snooping 0
ip link set outside up
ip netns add director
ip netns add strong
ip netns add weak
ip netns add router
ip netns add client

# director
ip netns exec director sysctl -qw net.ipv6.conf.all.disable_ipv6=1
ip netns exec director sysctl -qw net.ipv6.conf.default.disable_ipv6=1

# strong
ip netns exec strong sysctl -qw net.ipv6.conf.all.disable_ipv6=1
ip netns exec strong sysctl -qw net.ipv6.conf.default.disable_ipv6=1

# weak
ip netns exec weak sysctl -qw net.ipv6.conf.all.disable_ipv6=1
ip netns exec weak sysctl -qw net.ipv6.conf.default.disable_ipv6=1

# router
ip netns exec router sysctl -qw net.ipv6.conf.all.disable_ipv6=1
ip netns exec router sysctl -qw net.ipv6.conf.default.disable_ipv6=1

# client
ip netns exec client sysctl -qw net.ipv6.conf.all.disable_ipv6=1
ip netns exec client sysctl -qw net.ipv6.conf.default.disable_ipv6=1

# beside the hosts
ip link add port1 mtu 1500 type veth peer name eth0 address 02:00:00:00:00:01 mtu 1500 netns director
ip link set port1 master lan gso_max_segs 1 up
ip link add port2 mtu 1500 type veth peer name eth0 address 02:00:00:00:00:02 mtu 1500 netns strong
ip link set port2 master lan gso_max_segs 1 up
ip link add port3 mtu 1500 type veth peer name eth0 address 02:00:00:00:00:03 mtu 1500 netns weak
ip link set port3 master lan gso_max_segs 1 up
ip link add port4 mtu 1500 type veth peer name eth0 address 02:00:00:00:00:04 mtu 1500 netns router
ip link set port4 master lan gso_max_segs 1 up
ip link add port5 mtu 1500 type veth peer name eth1 address 02:00:00:00:00:05 mtu 1500 netns router
ip link set port5 master outside gso_max_segs 1 up
ip link add port6 mtu 1500 type veth peer name eth0 address 02:00:00:00:00:06 mtu 1500 netns client
ip link set port6 master outside gso_max_segs 1 up

# director
ip -n director link set lo up
ip -n director link set eth0 gso_max_segs 1 up
ip -n director addr add 10.0.0.1/24 dev eth0
ip -n director addr add 10.0.0.100/32 dev eth0

# strong
ip -n strong link set lo up
ip -n strong link set eth0 gso_max_segs 1 up
ip -n strong addr add 10.0.0.11/24 dev eth0
ip -n strong addr add 10.0.0.100/32 dev lo

# weak
ip -n weak link set lo up
ip -n weak link set eth0 gso_max_segs 1 up
ip -n weak addr add 10.0.0.12/24 dev eth0
ip -n weak addr add 10.0.0.100/32 dev lo

# router
ip -n router link set lo up
ip -n router link set eth0 gso_max_segs 1 up
ip -n router addr add 10.0.0.254/24 dev eth0
ip -n router link set eth1 gso_max_segs 1 up
ip -n router addr add 198.51.100.1/24 dev eth1

# client
ip -n client link set lo up
ip -n client link set eth0 gso_max_segs 1 up
ip -n client addr add 198.51.100.10/24 dev eth0

# director
ip -n director route add default via 10.0.0.254
ip netns exec director ipvsadm -A -t 10.0.0.100:80 -s wlc
ip netns exec director ipvsadm -a -t 10.0.0.100:80 -r 10.0.0.11:80 -g -w 3
ip netns exec director ipvsadm -a -t 10.0.0.100:80 -r 10.0.0.12:80 -g -w 1 -x 3 -y 2

# strong
ip netns exec strong sysctl -qw net.ipv4.conf.all.arp_ignore=1
ip netns exec strong sysctl -qw net.ipv4.conf.all.arp_announce=2
ip -n strong route add default via 10.0.0.254

# weak
ip netns exec weak sysctl -qw net.ipv4.conf.all.arp_ignore=1
ip netns exec weak sysctl -qw net.ipv4.conf.all.arp_announce=2
ip -n weak route add default via 10.0.0.254

# router
ip netns exec router sysctl -qw net.ipv4.ip_forward=1

# client
ip -n client route add default via 198.51.100.1
