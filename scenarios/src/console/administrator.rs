//! What commands do to a host: root's hands.
//!
//! A refusal is answered as the program would, on standard error and with its status. What the change leads to beyond
//! the host's tables — ARP announcements, packets that can no longer leave — is handed back to whoever owns the wires.

mod firewall;
mod network;

use super::Command;
use super::ipvsadm::{Console, Link, Output, Request};
use super::names::Names;
use super::sysctl::Sysctl;
use net_model::host::arp::ArpSend;
use net_model::host::interface::{Interface, InterfaceId};
use net_model::host::neighbour::NeighbourId;
use net_model::host::stack::Stack;
use net_model::ipvs::{Director, Kernel};
use net_model::network::{HostId, Network};
use sim_core::Time;

/// Root on a host at a moment of virtual time; `H` is what the host keeps of packets that wait for a neighbour.
pub struct Administrator<'a, H> {
    /// The host's network layer.
    pub stack: &'a mut Stack<H>,
    /// Its IPVS, if it has one.
    pub director: Option<&'a mut Director>,
    /// Host and service names.
    pub names: &'a Names,
    /// The moment.
    pub now: Time,
}

/// What a change leads to beyond the host's tables.
#[derive(Debug)]
pub struct Effects<H> {
    /// ARP packets to send.
    pub announce: Vec<ArpSend>,
    /// Neighbours that are known now: what waits for them can be sent.
    pub resolved: Vec<NeighbourId>,
    /// Packets that waited for neighbours that are gone.
    pub dropped: Vec<H>,
}

impl<H> Default for Effects<H> {
    fn default() -> Effects<H> {
        Effects { announce: Vec::new(), resolved: Vec::new(), dropped: Vec::new() }
    }
}

/// Runs a command on a host of a network, at the network's present: before the run, or between two events of it. The
/// host becomes a director with the first command that needs one.
pub fn run_on(
    network: &mut Network,
    host: HostId,
    kernel: Kernel,
    command: &Command,
    names: &Names,
) -> Output {
    if command.needs_director() {
        network.director(host, kernel);
    }
    let now = network.now();
    let on = network.host_mut(host);
    let mut root = Administrator { stack: &mut on.stack, director: on.director.as_deref_mut(), names, now };
    let (output, effects) = root.run(command);
    network.announce(host, &effects.announce);
    network.release(host, &effects.resolved);
    network.discard(host, effects.dropped);
    network.settle(host);
    output
}

impl<H> Administrator<'_, H> {
    /// Runs a command: what it prints, and what it leads to.
    pub fn run(&mut self, command: &Command) -> (Output, Effects<H>) {
        let mut effects = Effects::default();
        let done = match command {
            Command::Ipvsadm(request) => return (self.ipvsadm(request), effects),
            Command::Ip(changes) => {
                changes.iter().try_for_each(|change| self.ip(change, &mut effects)).map_err(|why| (why, 2))
            }
            Command::Sysctl(settings) => {
                settings.iter().try_for_each(|setting| self.sysctl(setting)).map_err(|why| (why, 1))
            }
            Command::Iptables(change) => self.iptables(change).map_err(|why| (why, 1)),
            Command::Arptables(change) => self.arptables(change).map_err(|why| (why, 1)),
        };
        let output = match done {
            Ok(()) => Output::default(),
            Err((why, status)) => Output { stderr: format!("{why}\n"), status, ..Output::default() },
        };
        (output, effects)
    }

    fn ipvsadm(&mut self, request: &Request) -> Output {
        let Some(director) = &mut self.director else {
            let message = "Can't initialize ipvs: Protocol not available\n\
                Are you sure that IP Virtual Server is built in the kernel or as module?\n";
            return Output { stderr: message.to_string(), status: 2, ..Output::default() };
        };
        let usable = |i: &Interface| i.up && !i.addresses().is_empty();
        let links = self.stack.interfaces().map(|(_, i)| Link { name: i.name.clone(), is_usable: usable(i) });
        let links: Vec<Link> = links.collect();
        let mut console = Console {
            director,
            host: &*self.stack,
            links: &links,
            names: self.names,
            now: self.now,
            program: "ipvsadm",
            missing_schedulers: &[],
            is_root: true,
        };
        console.apply(request)
    }

    fn dev(&self, name: &str) -> Result<InterfaceId, String> {
        self.stack.interface(name).ok_or_else(|| format!("Cannot find device \"{name}\""))
    }

    fn sysctl(&mut self, setting: &Sysctl) -> Result<(), String> {
        let first = setting.value.split_whitespace().next().unwrap_or_default();
        let set = self.write(&setting.path, &setting.value);
        // Of `echo 1 > FILE more words` the kernel takes the leading number.
        let set = if set.is_err() && first != setting.value {
            self.write(&setting.path, first).or(set)
        } else {
            set
        };
        set.map_err(|error| format!("{}: {error}", setting.dotted()))
    }

    fn write(&mut self, path: &str, value: &str) -> Result<(), String> {
        match (path.strip_prefix("net/ipv4/vs/"), &mut self.director) {
            (Some(name), Some(director)) => {
                director.sysctl_set(name, value).map_err(|error| error.to_string())
            }
            (Some(_), None) => Err("this host is no director".to_string()),
            (None, _) => self.stack.sysctl_set(path, value).map_err(|error| error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use net_model::addr::Mac;
    use net_model::host::interface::InterfaceKind;
    use net_model::ipvs::Timers;
    use net_model::packet::ArpOp;
    use sim_core::Stream;

    /// A host with eth0 at 10.0.0.11/24, up.
    fn host() -> Stack<u32> {
        let mut stack = Stack::new(Stream::new(1, "host"), sim_core::Timers::ideal());
        stack.add_interface("eth0", InterfaceKind::Ethernet, Mac::from_bits(0x0200_0000_000b));
        assert_eq!(run(&mut stack, "ifconfig eth0 10.0.0.11 netmask 255.255.255.0"), "");
        stack
    }

    /// What the commands, one per line, print on standard error.
    fn run(stack: &mut Stack<u32>, lines: &str) -> String {
        let names = Names::default();
        let mut text = String::new();
        for line in lines.lines() {
            let command = Command::parse(line, &names).expect("a command").expect("no comment");
            let mut root = Administrator { stack, director: None, names: &names, now: Time::ZERO };
            text += &root.run(&command).0.stderr;
        }
        text
    }

    fn is_local(stack: &Stack<u32>, addr: &str) -> bool {
        stack.is_local(addr.parse().unwrap())
    }

    #[test]
    fn the_recipe_for_a_real_server() {
        let mut stack = host();
        let recipe = "echo 1 > /proc/sys/net/ipv4/conf/all/arp_ignore\n\
            echo 2 > /proc/sys/net/ipv4/conf/all/arp_announce   for good\n\
            ifconfig lo:0 10.0.0.100 broadcast 10.0.0.100 netmask 255.255.255.255 up\n\
            route add -host 10.0.0.100 dev lo:0";
        assert_eq!(run(&mut stack, recipe), "");
        assert!(is_local(&stack, "10.0.0.100") && !is_local(&stack, "10.0.0.101"));
        assert_eq!(stack.sysctl_get("net.ipv4.conf.all.arp_announce").as_deref(), Ok("2"));
        assert_eq!(run(&mut stack, "ifconfig lo:0 down"), "");
        assert!(!is_local(&stack, "10.0.0.100"));
    }

    #[test]
    fn a_classful_alias_on_lo_takes_the_whole_network() {
        let mut stack = host();
        assert_eq!(run(&mut stack, "ifconfig lo:0 192.168.0.100"), "");
        assert!(is_local(&stack, "192.168.0.7"));
        assert_eq!(run(&mut stack, "ifconfig lo:0 192.168.0.100 netmask 255.255.255.255"), "");
        assert!(!is_local(&stack, "192.168.0.7") && is_local(&stack, "192.168.0.100"));
    }

    #[test]
    fn refusals_are_those_of_the_programs() {
        let mut stack = host();
        let cases = [
            ("ip addr add 10.0.0.11/24 dev eth0", "RTNETLINK answers: File exists\n"),
            ("ip addr del 10.0.0.12/24 dev eth0", "RTNETLINK answers: Cannot assign requested address\n"),
            ("ip route del 10.9.0.0/16", "RTNETLINK answers: No such process\n"),
            ("ip route add 10.9.0.0/16 via 172.16.0.1", "Error: Nexthop has invalid gateway.\n"),
            ("ip link set eth7 up", "Cannot find device \"eth7\"\n"),
            ("arp -s 172.16.0.9 02:00:00:00:00:09", "SIOCSARP: Network is unreachable\n"),
            ("iptables -D INPUT 1", "iptables: Index of deletion too big.\n"),
            (
                "sysctl -w net.ipv4.conf.all.arg_ignore=1",
                "net.ipv4.conf.all.arg_ignore: there is no setting net.ipv4.conf.all.arg_ignore; the most similar is \
                 net.ipv4.conf.all.arp_ignore\n",
            ),
            ("sysctl -w net.ipv4.vs.drop_entry=1", "net.ipv4.vs.drop_entry: this host is no director\n"),
        ];
        for (line, expected) in cases {
            assert_eq!(run(&mut stack, line), expected, "{line}");
        }
    }

    #[test]
    fn marked_packets_can_be_made_local() {
        let mut stack = host();
        let lines = "ip rule add fwmark 1 lookup 100\nip route add local 0/0 dev lo table 100\n\
            iptables -t mangle -A PREROUTING -d 10.9.0.0/16 -p tcp --dport 80 -j MARK --set-mark 1";
        assert_eq!(run(&mut stack, lines), "");
        let way = stack.route_output("10.9.0.1".parse().unwrap(), None, 1).unwrap();
        assert_eq!(way.oif, InterfaceId::LO);
        let chain = net_model::host::mark::Chain::ManglePrerouting;
        assert_eq!(stack.netfilter.chain(chain).len(), 1);
        assert_eq!(run(&mut stack, "iptables -t mangle -F"), "");
        assert!(stack.netfilter.is_empty(chain));
    }

    #[test]
    fn a_device_that_comes_up_announces_itself_if_told_to() {
        let mut stack = host();
        let names = Names::default();
        assert_eq!(run(&mut stack, "ip link set eth0 down\nsysctl -w net.ipv4.conf.eth0.arp_notify=1"), "");
        let command = Command::parse("ip link set eth0 up", &names).unwrap().unwrap();
        let mut root = Administrator { stack: &mut stack, director: None, names: &names, now: Time::ZERO };
        let (output, effects) = root.run(&command);
        assert_eq!(output, Output::default());
        assert_eq!(effects.announce.len(), 1);
        assert_eq!(effects.announce[0].arp.op, ArpOp::Request);
    }

    #[test]
    fn ipvsadm_needs_a_director_and_knows_the_host() {
        let mut stack = host();
        assert!(
            run(&mut stack, "ipvsadm -Ln").starts_with("Can't initialize ipvs: Protocol not available\n")
        );
        let mut director = Director::new(Kernel::New, Timers::ideal(), Stream::new(1, "director"));
        let names = Names::default();
        let mut ask = |line: &str| {
            let command = Command::parse(line, &names).unwrap().unwrap();
            let mut root = Administrator {
                stack: &mut stack,
                director: Some(&mut director),
                names: &names,
                now: Time::ZERO,
            };
            root.run(&command).0
        };
        assert_eq!(ask("ipvsadm -A -t 10.0.0.11:80 -s rr").status, 0);
        assert_eq!(ask("ipvsadm -a -t 10.0.0.11:80 -r 10.0.0.11 -g").status, 0, "the director itself");
        assert_eq!(ask("ipvsadm -a -t 10.0.0.11:80 -r 10.0.0.255 -g").status, 255, "a broadcast address");
        assert_eq!(ask("ipvsadm --start-daemon master --mcast-interface eth0").status, 0);
        assert_eq!(ask("sysctl -w net.ipv4.vs.expire_nodest_conn=1").status, 0);
        assert_eq!(
            ask("ipvsadm -Sn").stdout,
            "-A -t 10.0.0.11:80 -s rr\n-a -t 10.0.0.11:80 -r 10.0.0.11:80 -g -w 1\n"
        );
    }

    #[test]
    fn a_network_is_administered_host_by_host() {
        let options = net_model::network::Options {
            seed: 1,
            timers: sim_core::Timers::ideal(),
            sampling: sim_core::Duration::from_secs(1),
        };
        let mut network = Network::new(options);
        let host = network.add_host("director");
        network.add_interface(host, "eth0", InterfaceKind::Ethernet, Mac::from_bits(0x0200_0000_0001));
        let names = Names::default();
        let mut run = |line: &str| {
            let command = Command::parse(line, &names).unwrap().unwrap();
            run_on(&mut network, host, Kernel::New, &command, &names)
        };
        assert_eq!(run("ifconfig eth0 10.0.0.1 netmask 255.255.255.0"), Output::default());
        assert_eq!(run("ipvsadm -A -t 10.0.0.1:80 -s sed"), Output::default());
        assert_eq!(run("ipvsadm -Sn").stdout, "-A -t 10.0.0.1:80 -s sed\n");
        assert!(network.host(host).director.is_some());
    }
}
