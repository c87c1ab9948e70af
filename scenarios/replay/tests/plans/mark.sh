#!/bin/sh
# mark: as root, on a machine with ip_vs; best in namespaces of its own, which vanish with it:
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
ip netns add web1
ip netns add web2
ip netns add router
ip netns add client

# director
ip netns exec director sysctl -qw net.ipv6.conf.all.disable_ipv6=1
ip netns exec director sysctl -qw net.ipv6.conf.default.disable_ipv6=1

# web1
ip netns exec web1 sysctl -qw net.ipv6.conf.all.disable_ipv6=1
ip netns exec web1 sysctl -qw net.ipv6.conf.default.disable_ipv6=1

# web2
ip netns exec web2 sysctl -qw net.ipv6.conf.all.disable_ipv6=1
ip netns exec web2 sysctl -qw net.ipv6.conf.default.disable_ipv6=1

# router
ip netns exec router sysctl -qw net.ipv6.conf.all.disable_ipv6=1
ip netns exec router sysctl -qw net.ipv6.conf.default.disable_ipv6=1

# client
ip netns exec client sysctl -qw net.ipv6.conf.all.disable_ipv6=1
ip netns exec client sysctl -qw net.ipv6.conf.default.disable_ipv6=1

# beside the hosts
ip link add port1 mtu 1500 type veth peer name eth0 address 02:00:00:00:00:01 mtu 1500 netns director
ip link set port1 master lan gso_max_segs 1 up
ip link add port2 mtu 1500 type veth peer name eth0 address 02:00:00:00:00:02 mtu 1500 netns web1
ip link set port2 master lan gso_max_segs 1 up
ip link add port3 mtu 1500 type veth peer name eth0 address 02:00:00:00:00:03 mtu 1500 netns web2
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

# web1
ip -n web1 link set lo up
ip -n web1 link set eth0 gso_max_segs 1 up
ip -n web1 addr add 10.0.0.11/24 dev eth0
ip -n web1 addr add 10.0.0.100/32 dev lo

# web2
ip -n web2 link set lo up
ip -n web2 link set eth0 gso_max_segs 1 up
ip -n web2 addr add 10.0.0.12/24 dev eth0
ip -n web2 addr add 10.0.0.100/32 dev lo

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
ip netns exec director iptables -t mangle -A PREROUTING -d 10.0.0.100 -p tcp -m multiport --dports 80,443 -j MARK --set-mark 7
ip netns exec director ipvsadm -A -t 10.0.0.100:8080 -s rr
ip netns exec director ipvsadm -a -t 10.0.0.100:8080 -r 10.0.0.11:8080 -g -w 1
ip netns exec director ipvsadm -a -t 10.0.0.100:8080 -r 10.0.0.12:8080 -g -w 1
ip netns exec director ipvsadm -A -f 7 -s rr
ip netns exec director ipvsadm -a -f 7 -r 10.0.0.11 -g
ip netns exec director ipvsadm -a -f 7 -r 10.0.0.12 -g

# web1
ip netns exec web1 sysctl -qw net.ipv4.conf.all.arp_ignore=1
ip netns exec web1 sysctl -qw net.ipv4.conf.all.arp_announce=2
ip -n web1 route add default via 10.0.0.254

# web2
ip netns exec web2 sysctl -qw net.ipv4.conf.all.arp_ignore=1
ip netns exec web2 sysctl -qw net.ipv4.conf.all.arp_announce=2
ip -n web2 route add default via 10.0.0.254

# router
ip netns exec router sysctl -qw net.ipv4.ip_forward=1

# client
ip -n client route add default via 198.51.100.1
