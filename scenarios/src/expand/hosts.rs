//! The hosts of a cluster: what each forwarding method needs on the director, the real servers, router and client.

use super::plan::{Group, Plan, Tunnel};
use crate::schema::{Method, ProtocolText, ServiceText};
use crate::source::Span;
use crate::tree::{Node, Value};
use net_model::addr::{Addr, Prefix};

/// The networks of the cluster.
pub(super) fn networks(plan: &Plan<'_>) -> Node {
    let mut networks = Node::mapping(plan.span());
    networks.push("lan", network(plan, "network", plan.lan));
    if let Some(inner) = plan.inner {
        networks.push("servers", network(plan, "server_network", inner));
    }
    if let Some(outside) = plan.outside {
        let node = Node::mapping(plan.span()).with("prefix", text(plan, &outside));
        networks.push("outside", node.note("where the clients are"));
    }
    networks
}

/// A network as it was written, with its prefix.
fn network(plan: &Plan<'_>, key: &str, prefix: Prefix) -> Node {
    let mut network = Node::mapping(plan.span()).with("prefix", text(plan, &prefix));
    if let Some(Value::Mapping(entries)) = plan.node.get(key).map(|node| &node.value) {
        for (key, value) in entries.iter().filter(|(key, _)| key.text != "prefix") {
            network.push(&key.text, value.clone());
        }
    }
    network
}

/// The hosts of the cluster.
pub(super) fn hosts(plan: &Plan<'_>) -> Node {
    let mut hosts = Node::mapping(plan.span());
    hosts.push("director", director(plan));
    for group in &plan.groups {
        hosts.push(&group.name.value, real_server(plan, group));
        // The key points at the shorthand's own.
        if let Value::Mapping(entries) = &mut hosts.value
            && let Some((key, _)) = entries.last_mut()
        {
            key.span = group.name.span;
        }
    }
    if let Some(router) = plan.router {
        hosts.push("router", self::router(plan, router));
    }
    hosts.push("client", client(plan));
    hosts
}

/// The client groups, with the host they run on and the service they ask.
pub(super) fn clients(plan: &Plan<'_>, written: &Node) -> Node {
    let Value::Mapping(groups) = &written.value else { return written.clone() };
    let service = &plan.cluster.services.0[0];
    let mut clients = Node::mapping(written.span);
    for (name, group) in groups {
        let mut group = group.clone();
        let is_trace = group.get("arrivals").is_some_and(|arrivals| arrivals.get("trace").is_some());
        if matches!(group.value, Value::Mapping(_)) {
            if group.get("on").is_none() {
                group.push("on", Node::scalar(name.span, "client"));
            }
            if group.get("to").is_none() && !is_trace {
                group.push("to", Node::scalar(name.span, target(plan, service)));
            }
        }
        clients.push(&name.text, group);
        if let Value::Mapping(entries) = &mut clients.value
            && let Some((key, _)) = entries.last_mut()
        {
            key.span = name.span;
        }
    }
    clients
}

fn target(plan: &Plan<'_>, service: &ServiceText) -> String {
    let protocol = if is_udp(service) { "udp " } else { "" };
    format!("{protocol}{}", endpoint(plan.vip(service), service.port.value))
}

fn director(plan: &Plan<'_>) -> Node {
    let span = plan.span();
    let mut eth0 = vec![text(plan, &format!("{}/{}", plan.director, plan.lan.len()))];
    for vip in &plan.cluster.vips.0 {
        eth0.push(virtual_address(plan, vip.span, vip.value.0));
    }
    let mut interfaces = Node::mapping(span).with("eth0", plugged(plan, "lan", eth0));
    if let (Some(addr), Some(inner)) = (plan.director_inner, plan.inner) {
        let address = text(plan, &format!("{addr}/{}", inner.len()));
        interfaces.push("eth1", plugged(plan, "servers", vec![address]).note("the real servers' gateway"));
    }
    let mut host = Node::mapping(span).with("interfaces", interfaces);
    default_route(plan, &mut host, plan.router, "to the clients");
    if plan.method == Method::Nat {
        let mut sysctls = Node::mapping(span);
        let note = "answers of the real servers pass through here";
        sysctls.push(plan.forwarding(), text(plan, &1).note(note));
        if plan.director_inner.is_none() && plan.lan.addr().is_v4() {
            let note = "in one network the director would tell real servers to answer clients directly (ICMP redirect);\n\
                        the kernel asks `all` OR the interface, so both must be 0";
            sysctls.push("net.ipv4.conf.all.send_redirects", text(plan, &0).note(note));
            sysctls.push("net.ipv4.conf.eth0.send_redirects", text(plan, &0));
        }
        host.push("sysctls", sysctls);
    }
    host.with("ipvsadm", Node::scalar(span, rules(plan)))
}

/// A virtual address on the director.
fn virtual_address(plan: &Plan<'_>, span: Span, vip: Addr) -> Node {
    if plan.method == Method::Tun && !vip.is_v4() {
        let note = "a virtual address; deprecated, or it would be the source of the tunnels,\n\
                    and the real servers, which have it too, refuse those";
        return Node::scalar(span, format!("{} preferred_lft 0", host_prefix(vip))).note(note);
    }
    let note = "a virtual address; alone in its network, so that it brings no route of its own";
    Node::scalar(span, host_prefix(vip)).note(note)
}

/// The rules as `ipvsadm -S -n` would print them.
fn rules(plan: &Plan<'_>) -> String {
    let mut rules = String::new();
    let options = if plan.method == Method::Tun { plan.tunnel.options() } else { String::new() };
    let method = format!("{}{options}", plan.method.flag());
    for service in &plan.cluster.services.0 {
        let key = format!(
            "{} {}",
            if is_udp(service) { "-u" } else { "-t" },
            endpoint(plan.vip(service), service.port.value)
        );
        let written = service.scheduler.as_ref().map_or("wlc", |scheduler| &scheduler.value);
        let scheduler = plan.scheduler.as_deref().unwrap_or(written);
        rules += &format!("-A {key} -s {scheduler}");
        if let Some(time) = service.persistence {
            rules += &format!(" -p {}", time.value.0.as_nanos() / 1_000_000_000);
        }
        // Flags of a scheduler that was replaced would be refused.
        if let Some(options) = service.options.as_ref().filter(|_| scheduler == written) {
            rules += &format!(" {}", options.value.trim());
        }
        rules.push('\n');
        let port = service.server_port.map_or(service.port.value, |port| port.value);
        for group in &plan.groups {
            let mut end = format!(" {method} -w {}", group.text.weight.map_or(1, |weight| weight.value));
            for (flag, threshold) in [("-x", group.text.upper), ("-y", group.text.lower)] {
                end +=
                    &threshold.map_or_else(String::new, |threshold| format!(" {flag} {}", threshold.value));
            }
            for index in 0..group.count {
                let server = endpoint(group.first.offset(u128::from(index)), port);
                rules += &format!("-a {key} -r {server}{end}\n");
            }
        }
    }
    rules
}

fn real_server(plan: &Plan<'_>, group: &Group) -> Node {
    let span = group.name.span;
    let last = group.first.offset(u128::from(group.count - 1));
    let range = if group.count == 1 { group.first.to_string() } else { format!("{}-{last}", group.first) };
    let address =
        Node::scalar(group.text.address.map_or(span, |ip| ip.span), format!("{range}/{}", plan.home().len()));
    let network = if plan.inner.is_some() { "servers" } else { "lan" };
    let mut interfaces = Node::mapping(span).with("eth0", plugged(plan, network, vec![address]));
    let mut host = Node::mapping(span);
    let vips =
        || plan.cluster.vips.0.iter().map(|vip| Node::scalar(vip.span, host_prefix(vip.value.0))).collect();
    match plan.method {
        Method::Nat => {
            host.push("interfaces", interfaces);
            let gateway = plan.director_inner.unwrap_or(plan.director);
            default_route(
                plan,
                &mut host,
                Some(gateway),
                "answers go back through the director, which puts the virtual address in",
            );
        }
        Method::Dr => {
            let lo = Node::mapping(span).with("address", one_or_more(span, vips()));
            let note = match plan.lan.addr().is_v4() {
                true => {
                    "requests arrive with the virtual address as destination: the host must own it;\n\
                     /32, or lo would claim the whole network"
                }
                false => {
                    "requests arrive with the virtual address as destination: the host must own it;\n\
                     on lo no neighbour hears of it: IPv6 answers for the addresses of the wire only"
                }
            };
            interfaces.push("lo", lo.note(note));
            host.push("interfaces", interfaces);
            arp_settings(plan, &mut host, Node::mapping(span));
            default_route(plan, &mut host, plan.router, "answers go to the client directly");
        }
        Method::Tun => {
            let tunnel = Node::mapping(span).with("address", one_or_more(span, vips()));
            let device = plan.tunnel.device();
            let note =
                format!("the inner packet is for the virtual address; {device} also takes the outer one off");
            interfaces.push(device, tunnel.note(&note));
            host.push("interfaces", interfaces);
            arp_settings(plan, &mut host, way_back_filters(plan, span));
            let gateway = plan.router_inner.or(plan.router);
            default_route(plan, &mut host, gateway, "answers go to the client directly");
            if let Tunnel::Gue { port } = plan.tunnel {
                let note = "tunnels in UDP end at this port; what is in them goes to tunl0";
                host.push("commands", text(plan, &format!("ip fou add port {port} gue")).note(note));
            }
        }
    }
    host.with("server", server(plan, group))
}

/// The settings without which a real server drops what comes out of its tunnel (IPv6 has no such filter).
fn way_back_filters(plan: &Plan<'_>, span: Span) -> Node {
    if !plan.lan.addr().is_v4() {
        return Node::mapping(span);
    }
    let device = plan.tunnel.device();
    let note = format!(
        "packets come out of the tunnel from sources whose way back is eth0:\n\
         strict reverse-path filtering would drop them (the larger of `all` and {device} counts)"
    );
    Node::mapping(span)
        .with("net.ipv4.conf.all.rp_filter", text(plan, &0).note(&note))
        .with(format!("net.ipv4.conf.{device}.rp_filter"), text(plan, &0))
}

/// Keeps real servers from answering, and from speaking, for the virtual address.
fn arp_settings(plan: &Plan<'_>, host: &mut Node, others: Node) {
    let mut sysctls = others;
    // IPv6 has no ARP.
    let names = if plan.lan.addr().is_v4() { plan.arp.names() } else { &[] };
    for (index, name) in names.iter().enumerate() {
        let key = |what: &str| format!("net.ipv4.conf.{name}.{what}");
        let (ignore, announce) = (text(plan, &1), text(plan, &2));
        let (ignore, announce) = match index {
            0 => (
                ignore.note("answer ARP only for addresses of the interface that was asked: the director alone owns the VIP"),
                announce.note("never ask with the VIP as sender: routers would learn it"),
            ),
            _ => (ignore, announce),
        };
        sysctls.push(key("arp_ignore"), ignore);
        sysctls.push(key("arp_announce"), announce);
    }
    if !matches!(&sysctls.value, Value::Mapping(entries) if entries.is_empty()) {
        host.push("sysctls", sysctls);
    }
}

/// The program of a real server: its own words over the cluster's, on the ports of the services.
fn server(plan: &Plan<'_>, group: &Group) -> Node {
    let own = plan
        .node
        .get("servers")
        .and_then(|servers| servers.get(&group.name.value))
        .and_then(|own| own.get("server"));
    let mut common = plan.node.get("server").cloned().unwrap_or_else(|| Node::mapping(group.name.span));
    if let Some(own) = own {
        common = super::lay_over(common, own);
    }
    let program = |udp: bool| {
        let services = plan.cluster.services.0.iter().filter(|service| is_udp(service) == udp);
        let mut ports: Vec<u16> = services
            .map(|service| service.server_port.map_or(service.port.value, |port| port.value))
            .filter(|p| *p != 0)
            .collect();
        ports.sort_unstable();
        ports.dedup();
        (!ports.is_empty()).then(|| {
            let mut program = Node::mapping(common.span);
            let given = common.get("ports").is_some() || common.get("protocol").is_some();
            if !given {
                let ports = ports.iter().map(|port| text(plan, port)).collect();
                program.push("ports", one_or_more(common.span, ports));
                if udp {
                    program.push("protocol", text(plan, &"udp"));
                }
            }
            super::lay_over(program, &common)
        })
    };
    let programs: Vec<Node> = [false, true].into_iter().filter_map(program).collect();
    if programs.is_empty() { common } else { one_or_more(common.span, programs) }
}

fn router(plan: &Plan<'_>, addr: Addr) -> Node {
    let span = plan.span();
    let lan = text(plan, &format!("{addr}/{}", plan.lan.len()));
    let mut interfaces = Node::mapping(span).with("eth0", plugged(plan, "lan", vec![lan]));
    if let Some(outside) = plan.outside {
        let addr = text(plan, &format!("{}/{}", outside.addr().offset(1), outside.len()));
        interfaces.push("eth1", plugged(plan, "outside", vec![addr]));
    }
    if let (Some(addr), Some(inner)) = (plan.router_inner, plan.inner) {
        interfaces
            .push("eth2", plugged(plan, "servers", vec![text(plan, &format!("{addr}/{}", inner.len()))]));
    }
    let mut router = Node::mapping(span).with("interfaces", interfaces);
    if plan.outside.is_some() && !plan.sources.is_empty() {
        let route = |prefix: &Prefix| text(plan, &format!("{prefix} via {}", plan.client));
        router.push("routes", Node::sequence(span, plan.sources.iter().map(route).collect()));
    }
    router.with("sysctls", Node::mapping(span).with(plan.forwarding(), text(plan, &1)))
}

fn client(plan: &Plan<'_>) -> Node {
    let span = plan.span();
    let (network, len) = plan.outside.map_or(("lan", plan.lan.len()), |outside| ("outside", outside.len()));
    let address = text(plan, &format!("{}/{len}", plan.client));
    let mut client = Node::mapping(span)
        .with("interfaces", Node::mapping(span).with("eth0", plugged(plan, network, vec![address])));
    let mut routes = Vec::new();
    if let Some(outside) = plan.outside {
        routes.push(text(plan, &format!("default via {}", outside.addr().offset(1))));
    }
    for prefix in &plan.sources {
        routes.push(
            text(plan, &format!("local {prefix} dev lo")).note("it stands for all these client addresses"),
        );
    }
    if !routes.is_empty() {
        client.push("routes", one_or_more(span, routes));
    }
    client
}

fn default_route(plan: &Plan<'_>, host: &mut Node, gateway: Option<Addr>, note: &str) {
    if let Some(gateway) = gateway {
        host.push("routes", text(plan, &format!("default via {gateway}")).note(note));
    }
}

fn plugged(plan: &Plan<'_>, network: &str, addresses: Vec<Node>) -> Node {
    let span = plan.span();
    Node::mapping(span).with("network", text(plan, &network)).with("address", one_or_more(span, addresses))
}

/// A list, or its only item.
fn one_or_more(span: Span, mut items: Vec<Node>) -> Node {
    match items.len() {
        1 => items.remove(0),
        _ => Node::sequence(span, items),
    }
}

fn text(plan: &Plan<'_>, value: &impl ToString) -> Node {
    Node::scalar(plan.span(), value.to_string())
}

fn is_udp(service: &ServiceText) -> bool {
    service.protocol.is_some_and(|protocol| protocol.value == ProtocolText::Udp)
}

fn endpoint(addr: Addr, port: u16) -> String {
    if addr.is_v4() { format!("{addr}:{port}") } else { format!("[{addr}]:{port}") }
}

fn host_prefix(addr: Addr) -> String {
    format!("{addr}/{}", addr.width())
}
