//! Draws cases: random, but such as operators make. Pure: the seed and the number say everything.

use super::case::{Act, Ask, Case, Method, SHORT, Server, Step};
use crate::job::Close;
use sim_core::Stream;

/// Schedulers of Debian's kernel, with the flags they know.
const SCHEDULERS: [(&str, &[&str]); 13] = [
    ("rr", &[]),
    ("wrr", &[]),
    ("lc", &[]),
    ("wlc", &[]),
    ("sed", &[]),
    ("nq", &[]),
    ("fo", &[]),
    ("ovf", &[]),
    ("dh", &[]),
    ("lblc", &[]),
    ("lblcr", &[]),
    ("sh", &["sh-fallback", "sh-port", "sh-fallback,sh-port"]),
    ("mh", &["mh-fallback", "mh-port", "mh-fallback,mh-port"]),
];

/// Weights, the usual ones most often.
const WEIGHTS: [i32; 16] = [1, 1, 1, 1, 1, 2, 2, 3, 3, 4, 5, 10, 100, 0, 0, 65_535];

/// Who closes, the usual ones most often.
const CLOSES: [Close; 8] = [
    Close::Server,
    Close::Server,
    Close::Client,
    Close::Reset,
    Close::Reset,
    Close::Nobody,
    Close::Nobody,
    Close::Nobody,
];

/// Settings of the director that change what it decides, with values that they take.
const SETTINGS: [(&str, &[&str]); 5] = [
    ("conn_reuse_mode", &["0", "1", "2", "3"]),
    ("expire_nodest_conn", &["0", "1"]),
    ("expire_quiescent_template", &["0", "1"]),
    ("sloppy_tcp", &["0", "1"]),
    ("secure_tcp", &["0", "3"]),
];

/// The commands that look at the director.
const LOOKS: [&str; 3] = ["ipvsadm -Ln", "ipvsadm -Lnc", "ipvsadm -Ln --stats --exact"];

/// The distance of two steps, in milliseconds: a multiple of this, so that one is over before the next begins.
const BEAT: u64 = 100;

/// Steps begin when the hosts have settled.
const BEGIN: u64 = 1_000;

/// A virtual service that a case may have.
#[derive(Clone, Copy, Debug)]
struct Service {
    /// What identifies it on the command line.
    id: &'static str,
    /// Its port, 0 for all.
    port: u16,
    /// What clients ask for: UDP or not, virtual address, port.
    asked: &'static [(bool, usize, u16)],
    /// It must be persistent.
    persistent: bool,
}

const SERVICES: [Service; 6] = [
    Service { id: "-t 10.0.0.100:80", port: 80, asked: &[(false, 0, 80)], persistent: false },
    Service { id: "-u 10.0.0.100:53", port: 53, asked: &[(true, 0, 53)], persistent: false },
    Service { id: "-t 10.0.0.100:0", port: 0, asked: &[(false, 0, 8080), (false, 0, 80)], persistent: true },
    Service {
        id: "-f 1",
        port: 0,
        asked: &[(false, 1, 80), (true, 1, 53), (false, 0, 80)],
        persistent: false,
    },
    Service { id: "-t 10.0.0.101:80", port: 80, asked: &[(false, 1, 80)], persistent: false },
    Service { id: "-u 10.0.0.101:53", port: 53, asked: &[(true, 1, 53)], persistent: false },
];

/// What the firewall may mark.
const MARKS: [&str; 4] = [
    "-d 10.0.0.101",
    "-d 10.0.0.101 -p tcp --dport 80",
    "-d 10.0.0.101 -p udp --dport 53",
    "-p tcp --dport 80",
];

/// The case with this number.
pub fn draw(seed: u64, number: u64, attempt: u64) -> Case {
    let name = match attempt {
        0 => format!("case-{seed}-{number}"),
        again => format!("case-{seed}-{number}-{again}"),
    };
    let mut drawer = Drawer {
        stream: Stream::new(seed, &name),
        case: Case { name, servers: Vec::new(), director: Vec::new(), steps: Vec::new() },
        services: Vec::new(),
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
    services: Vec<Live>,
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
        // Most clusters are of one kind.
        let usual = self.one(&[Method::Nat, Method::Route, Method::Tunnel]);
        let mixed = self.stream.chance(0.3);
        for number in 1..=1 + self.stream.below(5) as u8 {
            let method = if mixed { self.one(&[Method::Nat, Method::Route, Method::Tunnel]) } else { usual };
            let arp = match method {
                Method::Nat => self.one(&[(0, 0), (0, 0), (0, 0), (1, 0), (1, 2), (2, 1)]),
                Method::Route | Method::Tunnel => self.one(&[(1, 2), (1, 2), (1, 2), (1, 2), (1, 1), (2, 2)]),
            };
            let listens = self.stream.chance(0.9);
            self.case.servers.push(Server { number, method, listens, arp });
        }
        for (name, values) in SETTINGS {
            if self.stream.chance(0.12) {
                let value = self.one(values);
                self.case.director.push(format!("sysctl -w net.ipv4.vs.{name}={value}"));
            }
        }
        let mut menu = SERVICES.to_vec();
        for _ in 0..self.one(&[1, 1, 1, 2, 2, 3]) {
            let service = menu.swap_remove(self.stream.below(menu.len() as u64) as usize);
            if service.id.starts_with("-f") {
                let what = self.one(&MARKS);
                self.case
                    .director
                    .push(format!("iptables -t mangle -A PREROUTING {what} -j MARK --set-mark 1"));
            }
            let lines = self.service(service);
            self.case.director.extend(lines);
        }
        for _ in 0..1 + self.stream.below(8) {
            let client = (self.stream.below(2) as u8, 10 + self.stream.below(20) as u8);
            self.clients.push(client);
        }
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
            text += &format!(" -p {}", self.one(&[30, 60, 120, 300, 360]));
            if self.stream.chance(0.4) {
                text += &format!(" -M {}", self.one(&["255.255.255.0", "255.255.0.0"]));
            }
        }
        if service.id.starts_with("-u") && self.stream.chance(0.15) {
            text += " -o";
        }
        text
    }

    /// Forwarding method, weight, thresholds.
    fn server_options(&mut self, server: Server) -> String {
        let mut text = format!("{} -w {}", server.method.option(), self.one(&WEIGHTS));
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
        for _ in 0..36 + self.stream.below(32) {
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
            85..=93 => self.one(&[130, 350, 500, 640]),
            94..=96 => self.one(&[700, 1_000, 1_270]),
            _ => self.one(&[1_300, 2_000, 3_200, 3_400]),
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
            false => SERVICES.iter().flat_map(|service| service.asked).copied().collect(),
        };
        let asked = if asked.is_empty() { SERVICES[0].asked.to_vec() } else { asked };
        let (udp, vip, port) = self.one(&asked);
        let client = self.client(udp);
        let mut ask = Ask {
            udp,
            client,
            target: (vip, port),
            hold: self.stream.below(30),
            bytes: 1 + self.stream.below(2_000) as u32,
            close: Close::Server,
        };
        if udp {
            ask.bytes = ask.bytes.min(1_000);
            self.free.push((self.now + 1_000, udp, client));
        } else {
            ask.close = self.one(&CLOSES);
            if ask.close != Close::Nobody && self.stream.chance(0.15) {
                ask.hold = SHORT + 1 + 1_000 * (1 + self.stream.below(60));
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
                let timeouts = [self.one(&[0, 600]), self.one(&[0, 30, 60]), self.one(&[0, 60, 200])];
                let [tcp, fin, udp] = timeouts;
                self.run(format!("ipvsadm --set {tcp} {fin} {udp}"));
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
        if !self.services.is_empty() && self.stream.chance(0.5) {
            let at = self.stream.below(self.services.len() as u64) as usize;
            let gone = self.services.swap_remove(at);
            return self.run(format!("ipvsadm -D {}", gone.service.id));
        }
        let exists = |service: &Service| self.services.iter().any(|live| live.service.id == service.id);
        let absent: Vec<Service> = SERVICES.iter().filter(|service| !exists(service)).copied().collect();
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
    let port = if other { ":8080" } else { "" };
    format!("ipvsadm {action} {} -r {}{port} {options}", service.id, server.address())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::case::VIPS;

    #[test]
    fn a_number_is_a_case_and_neighbours_differ() {
        assert_eq!(draw(1, 7, 0), draw(1, 7, 0));
        assert_ne!(draw(1, 7, 0).steps, draw(1, 8, 0).steps);
        assert_ne!(draw(1, 7, 0).steps, draw(2, 7, 0).steps);
        assert_ne!(draw(1, 7, 0).steps, draw(1, 7, 1).steps);
    }

    #[test]
    fn the_services_are_at_the_virtual_addresses() {
        for service in SERVICES.iter().filter(|service| !service.id.starts_with("-f")) {
            let (_, vip, _) = service.asked[0];
            assert!(service.id.contains(VIPS[vip]), "{}", service.id);
        }
    }

    #[test]
    fn steps_keep_their_distance() {
        for number in 0..200 {
            let case = draw(3, number, 0);
            assert!(case.steps.windows(2).all(|pair| pair[0].at + 60 <= pair[1].at), "{case:?}");
            assert!((36..200).contains(&case.steps.len()));
        }
    }

    /// Everything that a campaign promises to vary turns up in a few hundred cases.
    #[test]
    fn nothing_is_left_out() {
        let cases: Vec<Case> = (0..300).map(|number| draw(1, number, 0)).collect();
        let mut lines: Vec<String> = cases.iter().flat_map(|case| case.director.clone()).collect();
        lines.extend(cases.iter().flat_map(|case| case.runs().map(|(_, line)| line.clone())));
        let is_there = |word: &str| lines.iter().any(|line| line.contains(word));
        for (name, flags) in SCHEDULERS {
            assert!(is_there(&format!("-s {name}")), "{name}");
            assert!(flags.iter().all(|flag| is_there(flag)), "{name}");
        }
        for word in [
            "-m",
            "-g",
            "-i",
            "-w 0",
            "-w 65535",
            "-x",
            "-y",
            "-p",
            "-M",
            "-o",
            "-a",
            "-e",
            "-d",
            "-D",
            "-E",
            "--set",
            "-Z",
            "MARK",
            "-u",
            "-f 1",
            "-t 10.0.0.100:0",
        ] {
            assert!(is_there(&format!(" {word}")), "{word}");
        }
        assert!(SETTINGS.iter().all(|(name, _)| is_there(name)));
        let asks: Vec<Ask> = cases.iter().flat_map(|case| case.asks().map(|(_, ask)| ask.clone())).collect();
        assert!(asks.iter().any(Ask::is_patient) && asks.iter().any(|ask| ask.udp));
        let again = |case: &Case| {
            let mut ends: Vec<_> = case.asks().map(|(_, ask)| (ask.udp, ask.client)).collect();
            let all = ends.len();
            ends.sort_unstable();
            ends.dedup();
            ends.len() < all
        };
        assert!(cases.iter().filter(|case| again(case)).count() > 50, "ports are used again");
        let arps: std::collections::BTreeSet<_> =
            cases.iter().flat_map(|case| &case.servers).map(|server| server.arp).collect();
        assert!(arps.len() >= 5, "{arps:?}");
    }
}
