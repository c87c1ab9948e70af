//! Cases as ordinary scenarios: the text of the file, the traces beside it, and the scenario in memory.
//!
//! Several cases fit into one scenario in memory, each with a network of its own and hosts of its own names
//! (`c0-director`, `c1-director` …): so one boot of a kernel plays many.

use super::case::{Ask, Case, Method, PATIENCE, Server, TCP_PORTS, UDP_PORTS, V6_FROM, VIPS};
use crate::job::Close;
use net_model::spec::{Arrivals, TraceRow};
use scenarios::load::load_text;
use scenarios::problem::Problems;
use scenarios::scenario::Scenario;
use scenarios::trace;
use std::fmt::Write;
use std::path::Path;

/// A scenario as files.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Files {
    /// The text of `NAME.yaml`.
    pub scenario: String,
    /// The traces beside it: their names and texts.
    pub traces: Vec<(String, String)>,
}

/// A case as files; `about` is what the scenario says of itself.
pub fn files(case: &Case, about: &str) -> Files {
    let mut writer = Writer::new(&case.name, about, case.last());
    writer.case(case);
    writer.finish()
}

/// A case as a scenario in memory.
///
/// # Errors
/// What the scenario language does not allow; cases that were drawn have nothing of the kind.
pub fn scenario(case: &Case) -> Result<Scenario, Problems> {
    let Files { mut scenario, traces } = files(case, "");
    // Traces come from files; here they are already in memory.
    for (file, _) in &traces {
        let arrivals = format!("arrivals: {{trace: {file}}}");
        scenario = scenario.replace(&arrivals, "arrivals: {constant: 1/s}, to: 10.0.0.100:80");
    }
    let name = &case.name;
    let mut loaded = load_text(&format!("{name}.yaml"), name, &scenario, Path::new(""))?.scenario;
    for (group, (_, text)) in loaded.clients.iter_mut().zip(&traces) {
        let mut problems = Vec::new();
        let rows: Vec<TraceRow> = trace::read(text, 0, &mut problems);
        assert!(problems.is_empty(), "our own trace can be read: {problems:?}");
        group.spec.target = rows[0].target;
        group.spec.arrivals = Arrivals::Trace(rows.into());
    }
    Ok(loaded)
}

/// Scenarios side by side in one: nothing of one can reach another, so they may have the same addresses.
///
/// # Panics
/// Without a scenario.
pub fn side_by_side(scenarios: Vec<Scenario>) -> Scenario {
    let mut all = Vec::new();
    for (index, mut scenario) in scenarios.into_iter().enumerate() {
        let rename = |name: &mut String| *name = format!("c{index}-{name}");
        scenario.networks.iter_mut().for_each(|network| rename(&mut network.name));
        scenario.hosts.iter_mut().for_each(|host| rename(&mut host.name));
        scenario.clients.iter_mut().for_each(|group| rename(&mut group.spec.name));
        all.push(scenario);
    }
    let joined = all.into_iter().reduce(|mut one, mut other| {
        let (networks, hosts) = (one.networks.len(), one.hosts.len());
        let interfaces = other.hosts.iter_mut().flat_map(|host| &mut host.interfaces);
        interfaces
            .filter_map(|interface| interface.plug.as_mut())
            .for_each(|(network, _)| *network += networks);
        other.clients.iter_mut().for_each(|group| group.host += hosts);
        other.events.iter_mut().for_each(|event| event.host += hosts);
        one.networks.append(&mut other.networks);
        one.hosts.append(&mut other.hosts);
        one.clients.append(&mut other.clients);
        one.events.append(&mut other.events);
        one.duration = one.duration.max(other.duration);
        one
    });
    let mut joined = joined.expect("there is a scenario");
    joined.events.sort_by_key(|event| event.at);
    joined
}

/// A scenario that grows part by part.
struct Writer {
    head: String,
    networks: String,
    hosts: String,
    clients: String,
    events: Vec<(u64, String)>,
    traces: Vec<(String, String)>,
    name: String,
}

impl Writer {
    fn new(name: &str, about: &str, last: u64) -> Writer {
        let mut head = String::new();
        if !about.is_empty() {
            head += "about: |\n";
            about.lines().for_each(|line| {
                let _ = writeln!(head, "{}", format!("  {line}").trim_end());
            });
        }
        // The last exchange has a second to end.
        let _ = writeln!(head, "duration: {}ms", last + 1_000);
        Writer {
            head,
            networks: String::new(),
            hosts: String::new(),
            clients: String::new(),
            events: Vec::new(),
            traces: Vec::new(),
            name: name.into(),
        }
    }

    fn case(&mut self, case: &Case) {
        self.networks += if case.ipv6 { "  lan: {}\n" } else { "  lan: {prefix: 10.0.0.0/24}\n" };
        self.director(case);
        let others = case.servers.iter().filter(|server| server.method != Method::Local);
        others.for_each(|server| self.server(server, case.ipv6));
        self.client(case);
        self.group(case, "hasty", false);
        self.group(case, "patient", true);
        self.events.extend(
            case.runs()
                .map(|(at, line)| (at, format!("  - {{at: {at}ms, on: director, run: \"{line}\"}}\n"))),
        );
    }

    fn director(&mut self, case: &Case) {
        let mut addresses = format!("10.0.0.1/24, {}/32, {}/32", VIPS[0], VIPS[1]);
        if case.ipv6 {
            // Nobody speaks with the virtual ones of his own accord, tunnels neither: they are deprecated.
            let [one, other] =
                [VIPS[V6_FROM], VIPS[V6_FROM + 1]].map(|vip| format!("{vip}/128 preferred_lft 0"));
            let _ = write!(addresses, ", 2001:db8::1/64, {one}, {other}");
        }
        let _ = write!(
            self.hosts,
            "\n  director:\n    interfaces: {{eth0: {{network: lan, address: [{addresses}]}}}}\n"
        );
        self.routes(&["default via 10.0.0.254", "default via 2001:db8::254"], case.ipv6);
        self.hosts += "    sysctls:\n      net.ipv4.ip_forward: 1\n      net.ipv4.conf.all.send_redirects: 0\n      \
                       net.ipv4.conf.eth0.send_redirects: 0\n";
        if case.ipv6 {
            self.hosts += "      net.ipv6.conf.all.forwarding: 1\n";
        }
        if !case.director.is_empty() {
            self.hosts += "    commands: |\n";
            case.director.iter().for_each(|line| {
                let _ = writeln!(self.hosts, "      {line}");
            });
        }
        if case.servers.iter().any(|server| server.method == Method::Local && server.listens) {
            self.listens();
        }
    }

    fn server(&mut self, server: &Server, ipv6: bool) {
        let Server { method, listens, arp: (ignore, announce), .. } = *server;
        let mut addresses = format!("{}/24", server.address(false));
        if ipv6 {
            let _ = write!(addresses, ", {}/64", server.address(true));
        }
        let _ = write!(
            self.hosts,
            "\n  {}:\n    interfaces:\n      eth0: {{network: lan, address: [{addresses}]}}\n",
            server.host()
        );
        let [four, six] =
            [format!("{}/32, {}/32", VIPS[0], VIPS[1]), format!("{}/128, {}/128", VIPS[2], VIPS[3])];
        self.hosts += &match (method, ipv6) {
            (Method::Nat | Method::Local, _) => String::new(),
            (Method::Route, false) => format!("      lo: {{address: [{four}]}}\n"),
            (Method::Route, true) => format!("      lo: {{address: [{four}, {six}]}}\n"),
            (Method::Tunnel, false) => format!("      tunl0: {{address: [{four}]}}\n"),
            (Method::Tunnel, true) => {
                format!("      tunl0: {{address: [{four}]}}\n      ip6tnl0: {{address: [{six}]}}\n")
            }
        };
        let gateways = match method {
            Method::Nat => ["default via 10.0.0.1", "default via 2001:db8::1"],
            Method::Route | Method::Tunnel | Method::Local => {
                ["default via 10.0.0.254", "default via 2001:db8::254"]
            }
        };
        self.routes(&gateways, ipv6);
        self.hosts += "    sysctls:\n";
        if method == Method::Tunnel {
            self.hosts += "      net.ipv4.conf.all.rp_filter: 0\n      net.ipv4.conf.tunl0.rp_filter: 0\n";
        }
        let _ = write!(
            self.hosts,
            "      net.ipv4.conf.all.arp_ignore: {ignore}\n      net.ipv4.conf.all.arp_announce: {announce}\n"
        );
        if listens {
            self.listens();
        }
    }

    fn client(&mut self, case: &Case) {
        let own = if case.ipv6 { "10.0.0.254/24, 2001:db8::254/64" } else { "10.0.0.254/24" };
        let _ =
            write!(self.hosts, "\n  client:\n    interfaces: {{eth0: {{network: lan, address: [{own}]}}}}\n");
        self.routes(&["local 10.9.0.0/16 dev lo", "local 2001:db8:9::/48 dev lo"], case.ipv6);
    }

    /// A host's routes of both families.
    fn routes(&mut self, routes: &[&str; 2], ipv6: bool) {
        let [four, six] = routes;
        let _ = match ipv6 {
            true => writeln!(self.hosts, "    routes: |\n      {four}\n      {six}"),
            false => writeln!(self.hosts, "    routes: {four}"),
        };
    }

    /// The server programs of a host.
    fn listens(&mut self) {
        let _ = write!(
            self.hosts,
            "    server:\n      - {{ports: {TCP_PORTS:?}, workers: 64}}\n      \
             - {{ports: {UDP_PORTS:?}, protocol: udp, workers: 64}}\n"
        );
    }

    /// The clients of one kind, if there are any.
    fn group(&mut self, case: &Case, kind: &str, patient: bool) {
        let asks: Vec<(u64, &Ask)> = case.asks().filter(|(_, ask)| ask.is_patient() == patient).collect();
        if asks.is_empty() {
            return;
        }
        let file = format!("{}-{kind}.csv", self.name);
        let patience = PATIENCE[usize::from(patient)];
        let _ = writeln!(
            self.clients,
            "  {kind}: {{on: client, arrivals: {{trace: {file}}}, timeout: {patience}ms}}"
        );
        let mut text = trace::COLUMNS.join(",") + "\n";
        for (at, ask) in asks {
            let Ask { udp, client: (_, _, port), target: (vip, to), hold, bytes, close } = ask;
            let protocol = if *udp { "udp" } else { "tcp" };
            let vip = VIPS[*vip];
            let close = match close {
                Close::Server => "server",
                Close::Client => "client",
                Close::Reset => "reset",
                Close::Nobody => "none",
            };
            let _ =
                writeln!(text, "{at},{},{port},{vip},{to},{protocol},{hold},{bytes},{close},", ask.address());
        }
        self.traces.push((file, text));
    }

    fn finish(mut self) -> Files {
        let mut text = format!("{}\nnetworks:\n{}\nhosts:{}", self.head, self.networks, self.hosts);
        if !self.clients.is_empty() {
            let _ = write!(text, "\nclients:\n{}", self.clients);
        }
        if !self.events.is_empty() {
            self.events.sort_by_key(|(at, _)| *at);
            text += "\nevents:\n";
            self.events.iter().for_each(|(_, line)| text += line);
        }
        Files { scenario: text, traces: self.traces }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::draw::draw;
    use crate::rehearse::rehearse;
    use scenarios::load::load;

    #[test]
    fn what_was_drawn_is_a_scenario_without_warnings_that_matter() {
        for number in 0..60 {
            let case = draw(1, number, 0);
            if let Err(problems) = scenario(&case) {
                panic!("{}\n{}", problems.render(false), files(&case, "").scenario);
            }
        }
    }

    #[test]
    fn the_files_say_what_the_scenario_in_memory_says() {
        let folder = std::env::temp_dir().join(format!("lvsim-campaign-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("it can be made");
        for number in 0..4 {
            let case = draw(2, number, 0);
            let Files { scenario: text, traces } = files(&case, "About it.\n\nIn two paragraphs.");
            for (name, trace) in &traces {
                std::fs::write(folder.join(name), trace).expect("it can be written");
            }
            let file = folder.join(format!("{}.yaml", case.name));
            std::fs::write(&file, text).expect("it can be written");
            let loaded = load(&file).expect("it is a scenario").scenario;
            let in_memory = scenario(&case).expect("it is a scenario");
            let job = |scenario: &Scenario| {
                rehearse(scenario, &mut |_| true).expect("it is set up").expect("it ends").job
            };
            assert_eq!(job(&loaded), job(&in_memory));
        }
        std::fs::remove_dir_all(folder).expect("it is ours");
    }
}
