//! The text of `ipvsadm -h`. The first line is the program's; the rest is our own summary of what it accepts.

/// The whole text.
pub(super) const TEXT: &str = "\
ipvsadm v1.31 2019/12/24 (compiled with popt and IPVS v1.2.1)
Usage:
  ipvsadm -A|E SERVICE [-s scheduler] [-p [seconds] [-M netmask]] [-o] [--pe engine] [-b flags]
  ipvsadm -D SERVICE
  ipvsadm -a|e SERVICE -r server[:port] [-g|-i|-m] [-w weight] [-x upper] [-y lower] [TUNNEL]
  ipvsadm -d SERVICE -r server[:port]
  ipvsadm -L [SERVICE | -c | --timeout | --daemon] [-n] [FORMAT] [--exact] [--nosort]
  ipvsadm -C | -Z [SERVICE] | -S [-n] | -R | -h | -v
  ipvsadm --set tcp tcpfin udp
  ipvsadm --start-daemon master|backup [--mcast-interface name] [--syncid id] [--sync-maxlen bytes]
          [--mcast-group address] [--mcast-port port] [--mcast-ttl ttl]
  ipvsadm --stop-daemon master|backup

SERVICE is one of
  -t, --tcp-service address:port     -u, --udp-service address:port
  --sctp-service address:port        -f, --fwmark-service mark [-6]

Commands
  -A, --add-service      add a virtual service
  -E, --edit-service     replace its scheduler and all its flags
  -D, --delete-service   remove it with its servers
  -C, --clear            remove everything
  -R, --restore          read command lines from standard input
  -S, --save             print the table as command lines
  -a, --add-server       add a real server
  -e, --edit-server      replace its weight, method and thresholds
  -d, --delete-server    remove a real server
  -L, -l, --list         print the table, connections, timeouts or daemons
  -Z, --zero             zero the counters of a service, or of all
  --set tcp tcpfin udp   set timeouts in seconds; 0 leaves one as it is

Options
  -s, --scheduler name   rr wrr lc wlc lblc lblcr dh sh sed nq fo ovf mh twos (default wlc)
  -p, --persistent [s]   persistent for s seconds after the last connection (default 360)
  -M, --netmask mask     granularity of persistence: an address, or a prefix length for IPv6
  -o, --ops              one-packet scheduling, for UDP
  --pe name              persistence engine: sip
  -b, --sched-flags list sh-fallback, sh-port, mh-fallback, mh-port, flag-1, flag-2, flag-3
  -r, --real-server      the server's address, and its port if it differs
  -g, --gatewaying       direct routing (default): the port is always the service's
  -i, --ipip             tunnelling
  -m, --masquerading     network address translation
  -w, --weight n         0 to 2147483647 (default 1); 0 takes no new connections
  -x, --u-threshold n    no new connections once there are n; 0 for no limit
  -y, --l-threshold n    until there are fewer than n again (default three quarters of -x)
  TUNNEL                 --tun-type ipip|gue|gre, --tun-port port, --tun-nocsum, --tun-csum, --tun-remcsum
  FORMAT                 --stats, --rate, --thresholds, --persistent-conn, --tun-info
  -n, --numeric          addresses and ports in figures
  -X, --exact            counters in full
  --nosort               in the kernel's order, newest server first
";
