//! Who is connected to whom: hosts and networks as a graph, the ways through it, and the routes that follow from them.
//!
//! The graph has a node for each host and each network (each of its VLANs, if hosts are in several), and an edge for each
//! interface between them. It serves what is done once, before a
//! run: checks, the cures they name, and `routes: auto`. The simulation itself never sees it.

use crate::scenario::{Host, Network, Segment};
use net_model::addr::{Addr, Prefix};
use petgraph::algo::dijkstra;
use petgraph::graph::{NodeIndex, UnGraph};
use petgraph::unionfind::UnionFind;
use petgraph::visit::{EdgeRef, NodeIndexable};

/// A way over a host that does not forward is taken only if there is no other: it costs as much as this many others.
const DETOUR: u32 = 1 << 16;

/// A node of the graph.
#[derive(Clone, Copy, Debug)]
enum Place {
    Network,
    /// The index of the host.
    Host(usize),
}

/// Hosts, networks and the cables between them.
pub struct Topology<'a> {
    networks: &'a [Network],
    /// The nodes before those of the hosts: all networks, then their VLANs.
    segments: Vec<Segment>,
    hosts: &'a [Host],
    graph: UnGraph<Place, ()>,
    islands: UnionFind<usize>,
}

/// The first step of a way to another network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gateway {
    /// Index of the host that is asked to forward.
    pub host: usize,
    /// Its address on the network that both are in.
    pub addr: Addr,
}

impl<'a> Topology<'a> {
    /// The graph of a scenario. Networks have the node numbers below those of the hosts.
    pub fn new(networks: &'a [Network], hosts: &'a [Host]) -> Topology<'a> {
        let interfaces = hosts.iter().flat_map(|host| &host.interfaces);
        let mut vlans: Vec<Segment> =
            interfaces.filter_map(|interface| interface.segment).filter(|(_, vlan)| *vlan != 0).collect();
        vlans.sort_unstable();
        vlans.dedup();
        let segments: Vec<Segment> = (0..networks.len()).map(|network| (network, 0)).chain(vlans).collect();
        let mut graph = UnGraph::with_capacity(segments.len() + hosts.len(), hosts.len() * 2);
        for _ in &segments {
            graph.add_node(Place::Network);
        }
        let mut islands = UnionFind::new(segments.len() + hosts.len());
        for (index, host) in hosts.iter().enumerate() {
            let node = graph.add_node(Place::Host(index));
            for segment in plugged(&segments, host) {
                graph.add_edge(node, NodeIndex::new(segment), ());
                islands.union(node.index(), segment);
            }
        }
        Topology { networks, segments, hosts, graph, islands }
    }

    /// Does any chain of cables lead from one host to the other?
    pub fn connects(&self, one: usize, other: usize) -> bool {
        self.islands.equiv(self.node(one).index(), self.node(other).index())
    }

    /// The neighbour that `from` has to ask on its shortest way to the host `to`, preferring hosts that forward; none if
    /// they share a network, if nothing connects them, or if the neighbour has no address of that family.
    pub fn gateway(
        &self,
        from: usize,
        to: usize,
        forwards: impl Fn(usize) -> bool,
        v4: bool,
    ) -> Option<Gateway> {
        let ways = self.ways_to(self.node(to), &forwards);
        self.first_step(from, &ways, v4)
    }

    /// Routes from `from` to every network it is not in, as `ip route add` takes them. One gateway for all: the default.
    pub fn routes(&self, from: usize, forwards: impl Fn(usize) -> bool) -> Vec<String> {
        let near: Vec<usize> = plugged(&self.segments, &self.hosts[from]).collect();
        let mut routes: Vec<(Prefix, Addr)> = Vec::new();
        for (index, network) in self.networks.iter().enumerate() {
            let Some(prefix) = network.prefix.filter(|_| !near.contains(&index)) else { continue };
            let target = NodeIndex::new(index);
            let ways = self.ways_to(target, &forwards);
            if let Some(gateway) = self.first_step(from, &ways, prefix.addr().is_v4()) {
                routes.push((prefix, gateway.addr));
            }
        }
        let mut text = Vec::new();
        for is_v4 in [true, false] {
            let family: Vec<_> = routes.iter().filter(|(prefix, _)| prefix.addr().is_v4() == is_v4).collect();
            match family.as_slice() {
                [] => {}
                [(_, first), rest @ ..] if rest.iter().all(|(_, via)| via == first) => {
                    let default = if is_v4 { "default" } else { "::/0" };
                    text.push(format!("{default} via {first}"));
                }
                _ => text.extend(family.iter().map(|(prefix, via)| format!("{prefix} via {via}"))),
            }
        }
        text
    }

    fn node(&self, host: usize) -> NodeIndex {
        self.graph.from_index(self.segments.len() + host)
    }

    /// What a packet has to cross from every place to `target`: the hosts on the way, that place included.
    fn ways_to(&self, target: NodeIndex, forwards: &impl Fn(usize) -> bool) -> Vec<Option<u32>> {
        let cost = |node: NodeIndex| match self.graph[node] {
            Place::Network => 0,
            Place::Host(host) if forwards(host) => 1,
            Place::Host(_) => DETOUR,
        };
        // Walked from the end: a step leads to the place that the packet crosses before.
        let found = dijkstra(&self.graph, target, None, |edge| cost(edge.target()));
        self.graph.node_indices().map(|node| found.get(&node).copied()).collect()
    }

    fn first_step(&self, from: usize, ways: &[Option<u32>], v4: bool) -> Option<Gateway> {
        let mut best: Option<(u32, Gateway)> = None;
        for network in plugged(&self.segments, &self.hosts[from]) {
            let least = ways[network].filter(|least| *least > 0)?; // 0: the target is in this very network
            for neighbour in self.graph.neighbors(NodeIndex::new(network)) {
                let Place::Host(host) = self.graph[neighbour] else { continue };
                // Whoever is farther would send the packet back over this network.
                if host == from || ways[neighbour.index()] != Some(least) {
                    continue;
                }
                let Some(addr) = address_in(&self.hosts[host], self.segments[network], v4) else { continue };
                if best.is_none_or(|(found, gateway)| (least, host) < (found, gateway.host)) {
                    best = Some((least, Gateway { host, addr }));
                }
            }
        }
        best.map(|(_, gateway)| gateway)
    }
}

/// The networks and VLANs that a host is in, by their nodes.
fn plugged<'h>(segments: &'h [Segment], host: &'h Host) -> impl Iterator<Item = usize> + 'h {
    let own = host.interfaces.iter().filter_map(|interface| interface.segment);
    own.filter_map(|own| match own {
        (network, 0) => Some(network),
        vlan => segments.iter().position(|segment| *segment == vlan),
    })
}

/// The address of a host in a network: the first one that is not alone in its prefix.
fn address_in(host: &Host, segment: Segment, v4: bool) -> Option<Addr> {
    let inside = host.interfaces.iter().filter(|interface| interface.segment == Some(segment));
    let mut addresses = inside.flat_map(|interface| &interface.addresses);
    addresses.find(|(addr, len)| addr.is_v4() == v4 && *len != addr.width()).map(|(addr, _)| *addr)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::load_text;
    use crate::scenario::Scenario;

    /// Three networks in a row: a - r1 - b - r2 - c, a shortcut from a to c over a host that does not forward, an island.
    const ROW: &str = "duration: 1s
networks: {a: {prefix: 10.1.0.0/24}, b: {prefix: 10.2.0.0/24}, c: {prefix: 10.3.0.0/24}, island: {prefix: 10.4.0.0/24}}
hosts:
  one: {interfaces: {eth0: {network: a, address: 10.1.0.10/24}}}
  r1: {interfaces: {eth0: {network: a, address: 10.1.0.1/24}, eth1: {network: b, address: 10.2.0.1/24}}}
  r2: {interfaces: {eth0: {network: b, address: 10.2.0.2/24}, eth1: {network: c, address: 10.3.0.2/24}}}
  closed: {interfaces: {eth0: {network: a, address: 10.1.0.9/24}, eth1: {network: c, address: 10.3.0.9/24}}}
  far: {interfaces: {eth0: {network: c, address: 10.3.0.10/24}}}
  alone: {interfaces: {eth0: {network: island, address: 10.4.0.10/24}}}
";

    fn row() -> Scenario {
        load(ROW)
    }

    fn load(text: &str) -> Scenario {
        load_text("row.yaml", "row", text, std::path::Path::new("."))
            .unwrap_or_else(|problems| panic!("{problems}"))
            .scenario
    }

    fn is_router(scenario: &Scenario) -> impl Fn(usize) -> bool + '_ {
        |host| scenario.hosts[host].name.starts_with('r')
    }

    #[test]
    fn cables_make_islands() {
        let scenario = row();
        let topology = Topology::new(&scenario.networks, &scenario.hosts);
        let host = |name: &str| scenario.host(name).unwrap();
        assert!(topology.connects(host("one"), host("far")));
        assert!(!topology.connects(host("one"), host("alone")));
    }

    #[test]
    fn the_way_leads_over_hosts_that_forward() {
        let scenario = row();
        let topology = Topology::new(&scenario.networks, &scenario.hosts);
        let host = |name: &str| scenario.host(name).unwrap();
        let way = |from: &str, to: &str| {
            let gateway = topology.gateway(host(from), host(to), is_router(&scenario), true);
            gateway.map(|gateway| format!("{} of {}", gateway.addr, scenario.hosts[gateway.host].name))
        };
        assert_eq!(way("one", "far").as_deref(), Some("10.1.0.1 of r1"), "not the short cut");
        assert_eq!(way("far", "one").as_deref(), Some("10.3.0.2 of r2"));
        assert_eq!(way("one", "r1"), None, "they share a network");
        assert_eq!(way("one", "alone"), None, "nothing connects them");
        let nobody = topology.gateway(host("one"), host("far"), |_| false, true).unwrap();
        assert_eq!(scenario.hosts[nobody.host].name, "closed", "if nobody forwards, the fewest hosts");
    }

    #[test]
    fn routes_to_every_network() {
        let scenario = row();
        let topology = Topology::new(&scenario.networks, &scenario.hosts);
        let routes =
            |name: &str| topology.routes(scenario.host(name).unwrap(), is_router(&scenario)).join("; ");
        assert_eq!(routes("one"), "default via 10.1.0.1");
        assert_eq!(routes("r1"), "default via 10.2.0.2");
        assert_eq!(routes("closed"), "default via 10.1.0.1", "one gateway for all");
        assert_eq!(routes("alone"), "");
        let middle =
            ROW.replace("far: {", "mid: {interfaces: {eth0: {network: b, address: 10.2.0.3/24}}}\n  far: {");
        let scenario = load(&middle);
        let topology = Topology::new(&scenario.networks, &scenario.hosts);
        let routes = topology.routes(scenario.host("mid").unwrap(), is_router(&scenario)).join("; ");
        assert_eq!(routes, "10.1.0.0/24 via 10.2.0.1; 10.3.0.0/24 via 10.2.0.2");
    }
}
