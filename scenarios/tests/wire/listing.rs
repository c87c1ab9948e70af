//! What `ip`, `cat /proc/net/…` and others print about a simulated host.

use net_model::addr::Addr;
use net_model::{HostId, Network};

/// Does `ip` with these words only ask?
pub(crate) fn is_question(words: &[&str]) -> bool {
    let is_listing = |word: &&str| ["show", "get", "-d"].contains(word);
    words.iter().any(is_listing) || matches!(words, ["neigh"] | ["addr"])
}

/// `ip …`
pub(crate) fn ip(network: &mut Network, host: HostId, words: &[&str]) -> String {
    match words {
        ["neigh"] => neighbours(network, host, None),
        ["neigh", "show", addr] => neighbours(network, host, addr.parse().ok()),
        _ => format!("(ip {})\n", words.join(" ")),
    }
}

/// `ip neigh`
pub(crate) fn neighbours(network: &Network, host: HostId, only: Option<Addr>) -> String {
    let stack = &network.host(host).stack;
    let list = stack.neighbours().filter(|neighbour| only.is_none_or(|addr| addr == neighbour.addr));
    let line = |neighbour: &net_model::host::neighbour::Neighbour<_>| {
        let device = &stack.interface_at(neighbour.interface).name;
        let mac = if neighbour.state.is_valid() { format!("lladdr {} ", neighbour.mac) } else { String::new() };
        format!("{} dev {device} {mac}{} \n", neighbour.addr, neighbour.state.name())
    };
    list.map(line).collect()
}

pub(crate) fn file(_: &Network, _: HostId, file: &str) -> String {
    format!("(cat {file})\n")
}

pub(crate) fn nstat() -> String {
    "#kernel\nIpInReceives                    0                  0.0\n".to_owned()
}

pub(crate) fn arptables(_: &Network, _: HostId) -> String {
    "(arptables)\n".to_owned()
}

pub(crate) fn kernel_log() -> String {
    String::new()
}
