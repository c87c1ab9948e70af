//! Draws cases: random, but such as operators make. Pure: the seed and the number say everything.

use super::case::{Act, Ask, Case, Method, SHORT, Server, Step};
use super::menu::{
    ARP_OF_DIRECTOR, ARP_WITH_VIP, ARP_WITHOUT_VIP, CLOSES, LOOKS, NETMASKS, PERSISTENCE, PREFIXES,
    SCHEDULERS, SERVICES, SETTINGS, Service, TIMEOUTS, WEIGHTS,
};
use crate::job::Close;
use sim_core::Stream;

/// The distance of two steps, in milliseconds: a multiple of this, so that one is over before the next begins.
const BEAT: u64 = 100;

/// Steps begin when the hosts have settled.
const BEGIN: u64 = 1_000;

/// The case with this number.
pub fn draw(seed: u64, number: u64, attempt: u64) -> Case {
    let name = match attempt {
        0 => format!("case-{seed}-{number}"),
        again => format!("case-{seed}-{number}-{again}"),
    };
    let mut drawer = Drawer {
        stream: Stream::new(seed, &name),
        case: Case { name, ..Case::default() },
        menu: Vec::new(),
        services: Vec::new(),
        is_slow: false,
        clients: Vec::new(),
        now: BEGIN,
        next_port: 2_000,
        free: Vec::new(),
    };
    drawer.cluster();
    drawer.life();
    drawer.case
}

/// A service that exists, and which servers it has.
#[derive(Clone, Debug)]
struct Live {
    service: Service,
    servers: Vec<Server>,
}

struct Drawer {
    stream: Stream,
    case: Case,
    /// The services that the case may have.
    menu: Vec<Service>,
    services: Vec<Live>,
    /// The usual timeouts are left as they are, and pauses are long enough for them.
    is_slow: bool,
    /// Client addresses.
    clients: Vec<(u8, u8)>,
    now: u64,
    next_port: u16,
    /// Ends of clients that can be used again, from when on.
    free: Vec<(u64, bool, (u8, u8, u16))>,
}

impl Drawer {
    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.stream.below(of.len() as u64) as usize]
    }

    /// Servers, services, settings, clients.
    fn cluster(&mut self) {
        self.case.ipv6 = self.stream.chance(0.4);
        self.menu = SERVICES.to_vec();
        let only_v6 = self.case.ipv6 && self.stream.chance(0.6);
        self.menu.retain(|service| if service.is_v6() { self.case.ipv6 } else { !only_v6 });
        self.servers();
        self.settings();
        let mut menu = self.menu.clone();
        for _ in 0..self.one(&[1, 1, 1, 2, 2, 3]) {
            let service = menu.swap_remove(self.stream.below(menu.len() as u64) as usize);
            if service.is_marked() {
                let rules = service.rules();
                let rule = rules[self.stream.below(rules.len() as u64) as usize].clone();
                self.case.director.push(rule);
            }
            let lines = self.service(service);
            self.case.director.extend(lines);
        }
        for _ in 0..1 + self.stream.below(8) {
            let client = (self.stream.below(2) as u8, 10 + self.stream.below(20) as u8);
            self.clients.push(client);
        }
    }

    /// Most clusters are of one kind.
    fn servers(&mut self) {
        let methods = [Method::Nat, Method::Route, Method::Tunnel];
        let (usual, mixed) = (self.one(&methods), self.stream.chance(0.3));
        if self.stream.chance(0.15) {
            self.case.servers.push(Server { number: 0, method: Method::Local, listens: true, arp: (0, 0) });
        }
        for number in 1..=1 + self.stream.below(5) as u8 {
            let method = if mixed { self.one(&methods) } else { usual };
            let arp = match method {
                Method::Nat | Method::Local => self.one(&ARP_WITHOUT_VIP),
                Method::Route | Method::Tunnel => self.one(&ARP_WITH_VIP),
            };
            let listens = self.stream.chance(0.9);
            self.case.servers.push(Server { number, method, listens, arp });
        }
    }

    /// Timeouts, ARP and IPVS settings of the director.
    fn settings(&mut self) {
        self.is_slow = self.stream.chance(0.06);
        if !self.is_slow && self.stream.chance(0.8) {
            let line = self.timeouts();
            self.case.director.push(line);
        }
        if self.stream.chance(0.1) {
            let (ignore, announce) = self.one(&ARP_OF_DIRECTOR);
            for (name, value) in [("arp_ignore", ignore), ("arp_announce", announce)] {
                self.case.director.push(format!("sysctl -w net.ipv4.conf.all.{name}={value}"));
            }
        }
        for (name, values) in SETTINGS {
            if self.stream.chance(0.12) {
                let value = self.one(values);
                self.case.director.push(format!("sysctl -w net.ipv4.vs.{name}={value}"));
            }
        }
    }

    fn timeouts(&mut self) -> String {
        let [tcp, fin, udp] = TIMEOUTS.map(|seconds| self.one(seconds));
        format!("ipvsadm --set {tcp} {fin} {udp}")
    }

    /// The lines that make a service and give it most of the servers.
    fn service(&mut self, service: Service) -> Vec<String> {
        let options = self.options(service);
        let mut lines = vec![format!("ipvsadm -A {} {options}", service.id)];
        let mut live = Live { service, servers: Vec::new() };
        for server in self.case.servers.clone() {
            if self.stream.chance(0.85) {
                let options = self.server_options(server);
                lines.push(add(service, server, &options));
                live.servers.push(server);
            }
        }
        self.services.push(live);
        lines
    }

    /// Scheduler, flags, persistence.
    fn options(&mut self, service: Service) -> String {
        let (scheduler, flags) = self.one(&SCHEDULERS);
        let mut text = format!("-s {scheduler}");
        if !flags.is_empty() && self.stream.chance(0.6) {
            text += &format!(" -b {}", self.one(flags));
        }
        if service.persistent || self.stream.chance(0.3) {
            text += &format!(" -p {}", self.one(&PERSISTENCE));
            if self.stream.chance(0.4) {
                let mask = if service.is_v6() { self.one(&PREFIXES) } else { self.one(&NETMASKS) };
                text += &format!(" -M {mask}");
            }
        }
        if service.has_datagrams() && self.stream.chance(0.15) {
            text += " -o";
        }
        text
    }

    /// Forwarding method, weight, thresholds.
    fn server_options(&mut self, server: Server) -> String {
        let method = match server.method {
            // Whatever is said about a server on the director itself: it is a local one.
            Method::Local => self.one(&["-g", "-g", "-i", "-m"]),
            Method::Nat | Method::Route | Method::Tunnel => server.method.option(),
        };
        let mut text = format!("{method} -w {}", self.one(&WEIGHTS));
        if self.stream.chance(0.25) {
            let upper = 1 + self.stream.below(6);
            text += &format!(" -x {upper}");
            if self.stream.chance(0.5) {
                text += &format!(" -y {}", self.stream.below(upper));
            }
        }
        text
    }

    /// What happens, step by step.
    fn life(&mut self) {
        for _ in 0..40 + self.stream.below(32) {
            self.now += self.pause();
            match self.stream.below(100) {
                0..=79 => self.ask(),
                80..=95 => self.command(),
                _ => {
                    let look = self.one(&LOOKS[..2]);
                    self.run(look.into());
                }
            }
        }
        // The statistics shown are up to two seconds old.
        self.now = self.now.max(self.case.last()) + 3_000;
        for look in LOOKS {
            self.now += BEAT;
            self.run(look.into());
        }
    }

    /// How long until the next step: mostly short, sometimes long enough for something to expire.
    fn pause(&mut self) -> u64 {
        let beats = match self.stream.below(100) {
            0..=64 => 1,
            65..=84 => 2 + self.stream.below(20),
            85..=94 => self.one(&[23, 35, 50, 64]),
            95..=98 => self.one(&[85, 127, 190]),
            _ if self.is_slow => self.one(&[650, 1_300, 3_200]),
            _ => self.one(&[310, 390, 650]),
        };
        beats * BEAT
    }

    fn run(&mut self, line: String) {
        self.case.steps.push(Step { at: self.now, act: Act::Run(line) });
    }

    fn ask(&mut self) {
        // Mostly for a service that exists.
        let asked: Vec<(bool, usize, u16)> = match self.stream.chance(0.95) {
            true => self.services.iter().flat_map(|live| live.service.asked).copied().collect(),
            false => self.menu.iter().flat_map(|service| service.asked).copied().collect(),
        };
        let asked = if asked.is_empty() { self.menu[0].asked.to_vec() } else { asked };
        let (udp, vip, port) = self.one(&asked);
        let client = self.client(udp);
        let mut ask = Ask {
            udp,
            client,
            target: (vip, port),
            hold: self.stream.below(30),
            // One segment: of several the kernel, whose cables take no time, has the first one answered before it
            // sends the second.
            bytes: 1 + self.stream.below(1_200) as u32,
            close: Close::Server,
        };
        if udp {
            ask.bytes = ask.bytes.min(1_000);
            self.free.push((self.now + 1_000, udp, client));
        } else {
            ask.close = self.one(&CLOSES);
            if ask.close != Close::Nobody && self.stream.chance(0.15) {
                ask.hold = SHORT + 1 + 1_000 * (1 + self.stream.below(9));
            } else if matches!(ask.close, Close::Server | Close::Reset) {
                self.free.push((self.now + 1_000, udp, client));
            }
        }
        // Nobody who is repeated after whole seconds meets another step.
        let at = self.now + if ask.is_patient() { 37 } else { 0 };
        self.case.steps.push(Step { at, act: Act::Ask(ask) });
    }

    /// A client's address and port: sometimes one that was used before.
    fn client(&mut self, udp: bool) -> (u8, u8, u16) {
        let now = self.now;
        let used = self.free.iter().position(|(from, was_udp, _)| *from <= now && *was_udp == udp);
        if let Some(at) = used
            && self.stream.chance(0.3)
        {
            return self.free.remove(at).2;
        }
        let (network, host) = self.one(&self.clients.clone());
        self.next_port += 1;
        (network, host, self.next_port)
    }

    /// An operator does something.
    fn command(&mut self) {
        if self.services.is_empty() || self.stream.chance(0.04) {
            return self.come_or_go();
        }
        let at = self.stream.below(self.services.len() as u64) as usize;
        let Live { service, servers } = self.services[at].clone();
        let absent: Vec<Server> =
            self.case.servers.iter().filter(|server| !servers.contains(server)).copied().collect();
        match self.stream.below(20) {
            0..=7 if !servers.is_empty() => {
                let server = self.one(&servers);
                let options = self.server_options(server);
                self.run(named("-e", service, server, &options));
            }
            8..=11 if !servers.is_empty() => {
                let server = self.one(&servers);
                self.services[at].servers.retain(|other| *other != server);
                self.run(named("-d", service, server, "").trim_end().into());
            }
            0..=14 if !absent.is_empty() => {
                let server = self.one(&absent);
                let options = self.server_options(server);
                self.services[at].servers.push(server);
                self.run(add(service, server, &options));
            }
            15 | 16 => {
                let options = self.options(service);
                self.run(format!("ipvsadm -E {} {options}", service.id));
            }
            17 => {
                let line = self.timeouts();
                self.run(line);
            }
            18 => self.run(format!("ipvsadm -Z {}", service.id)),
            _ => {
                let (name, values) = self.one(&SETTINGS);
                let value = self.one(values);
                self.run(format!("sysctl -w net.ipv4.vs.{name}={value}"));
            }
        }
    }

    /// A service goes, or one comes (back).
    fn come_or_go(&mut self) {
        if !self.services.is_empty() && self.stream.chance(0.1) {
            self.services.clear();
            return self.run("ipvsadm -C".into());
        }
        if !self.services.is_empty() && self.stream.chance(0.5) {
            let at = self.stream.below(self.services.len() as u64) as usize;
            let gone = self.services.swap_remove(at);
            return self.run(format!("ipvsadm -D {}", gone.service.id));
        }
        let exists = |service: &Service| self.services.iter().any(|live| live.service.id == service.id);
        let absent: Vec<Service> = self.menu.iter().filter(|service| !exists(service)).copied().collect();
        let service = self.one(&absent);
        for line in self.service(service) {
            self.run(line);
            self.now += BEAT;
        }
    }
}

/// The line that adds a server to a service.
fn add(service: Service, server: Server, options: &str) -> String {
    named("-a", service, server, options)
}

/// A line about a server of a service. A masqueraded server may have another port than the service.
fn named(action: &str, service: Service, server: Server, options: &str) -> String {
    let other = service.port == 80 && server.method == Method::Nat && server.number.is_multiple_of(2);
    let address = server.address(service.is_v6());
    let to = match (other, service.is_v6()) {
        (true, true) => format!("[{address}]:8080"),
        (true, false) => format!("{address}:8080"),
        (false, _) => address,
    };
    format!("ipvsadm {action} {} -r {to} {options}", service.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_a_case_and_neighbours_differ() {
        assert_eq!(draw(1, 7, 0), draw(1, 7, 0));
        assert_ne!(draw(1, 7, 0).steps, draw(1, 8, 0).steps);
        assert_ne!(draw(1, 7, 0).steps, draw(2, 7, 0).steps);
        assert_ne!(draw(1, 7, 0).steps, draw(1, 7, 1).steps);
    }

    #[test]
    fn steps_keep_their_distance() {
        for number in 0..200 {
            let case = draw(3, number, 0);
            assert!(case.steps.windows(2).all(|pair| pair[0].at + 60 <= pair[1].at), "{case:?}");
            assert!((36..200).contains(&case.steps.len()));
        }
    }

    /// In how many percent of 2,000 cases there is a command line of the director with all these words in it.
    fn percent(cases: &[Case], has: impl Fn(&Case, &str) -> bool) -> usize {
        let in_case = |case: &&Case| {
            let runs = case.runs().map(|(_, line)| line.as_str());
            case.director.iter().map(String::as_str).chain(runs).any(|line| has(case, line))
        };
        cases.iter().filter(in_case).count() * 100 / cases.len()
    }

    fn two_thousand() -> Vec<Case> {
        (0..2_000).map(|number| draw(1, number, 0)).collect()
    }

    /// Everything that a campaign promises to vary is in a good part of its cases.
    #[test]
    fn every_option_is_drawn_often() {
        let cases = two_thousand();
        let mut wanted: Vec<(String, usize)> = Vec::new();
        for (name, flags) in SCHEDULERS {
            wanted.push((format!("-s {name}"), 10));
            wanted.extend(flags.iter().map(|flag| (format!("-b {flag}"), 1)));
        }
        let often = [
            "ipvsadm -a",
            "ipvsadm -d",
            "ipvsadm -e",
            "ipvsadm -A",
            "-t ",
            "-u ",
            "-m",
            "-g",
            "-i",
            "-w 0",
            "-x ",
            "-y ",
            "-p ",
            "-M 255.255",
            "ipvsadm -Ln",
            "ipvsadm --set",
            "2001:db8::",
            "10.0.0.",
        ];
        wanted.extend(often.map(|word| (word.to_owned(), 15)));
        let sometimes = [
            "-w 65535",
            "ipvsadm -D",
            "ipvsadm -E",
            "ipvsadm -Z",
            "-o",
            "-f 1 ",
            "-f 2 -6",
            "iptables",
            "ip6tables",
            "-t 10.0.0.100:0",
            "-t [2001:db8::100]:0",
            "-r 10.0.0.1 ",
            "-r 2001:db8::1 ",
            "-M 64",
            ":8080",
            "conf.all.arp_ignore",
            "conf.all.arp_announce",
        ];
        wanted.extend(sometimes.map(|word| (word.to_owned(), 3)));
        wanted.extend(SETTINGS.map(|(name, _)| (name.to_owned(), 10)));
        wanted.push(("ipvsadm -C".into(), 1));
        for (word, at_least) in wanted {
            let share = percent(&cases, |_, line| format!("{line} ").contains(&word));
            assert!(share >= at_least, "{word}: {share} % of the cases");
        }
    }

    #[test]
    fn every_forwarding_method_meets_both_families() {
        let cases = two_thousand();
        for method in [Method::Nat, Method::Route, Method::Tunnel, Method::Local] {
            for v6 in [false, true] {
                let share = percent(&cases, |case, line| {
                    let is_service = line.contains(" -t ") || line.contains(" -u ") || line.contains(" -f ");
                    let mut of_it = case.servers.iter().filter(|server| server.method == method);
                    is_service
                        && line.contains("2001:db8::") == v6
                        && of_it.any(|server| server.is_named(line))
                });
                assert!(share >= 3, "{method:?}, IPv6 {v6}: {share} % of the cases");
            }
        }
    }

    #[test]
    fn clients_do_everything() {
        let cases = two_thousand();
        let share = |is_it: &dyn Fn(&Case) -> bool| cases.iter().filter(|case| is_it(case)).count() / 20;
        assert!(share(&|case| case.asks().any(|(_, ask)| ask.udp)) >= 40, "datagrams");
        assert!(share(&|case| case.asks().any(|(_, ask)| !ask.udp)) >= 60, "connections");
        assert!(share(&|case| case.asks().any(|(_, ask)| ask.is_patient())) >= 50, "long answers");
        for close in CLOSES {
            assert!(share(&|case| case.asks().any(|(_, ask)| ask.close == close)) >= 50, "{close:?}");
        }
        let again = |case: &Case| {
            let mut ends: Vec<_> = case.asks().map(|(_, ask)| (ask.udp, ask.client, ask.target)).collect();
            let all = ends.len();
            ends.sort_unstable();
            ends.dedup();
            ends.len() < all
        };
        assert!(share(&again) >= 50, "ports are used again");
        for arp in ARP_WITH_VIP.iter().chain(&ARP_WITHOUT_VIP) {
            assert!(share(&|case| case.servers.iter().any(|server| server.arp == *arp)) >= 5, "{arp:?}");
        }
        let minutes = cases.iter().map(Case::last).sum::<u64>() / cases.len() as u64 / 60_000;
        assert!(minutes < 3, "cases of {minutes} minutes are dear");
    }
}
