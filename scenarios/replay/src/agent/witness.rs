//! The kernel's own word on each decision: a probe where IPVS makes a connection.
//!
//! `ip_vs_conn_new` is called for each new connection; a kprobe writes its arguments into the trace. What they are, and
//! where the members of structures lie, the kernel's own description says ([`super::btf`]). A kernel without one of them has no such word: then the servers that take connections are asked.

use super::btf::Btf;
use crate::transcript::Chosen;
use std::fs::{read, read_to_string, write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Where the trace is.
pub(super) const TRACING: &str = "/sys/kernel/tracing";
const KERNEL: &str = "/sys/kernel/btf/vmlinux";
const MODULE: &str = "/sys/kernel/btf/ip_vs";

/// Kilobytes that a connection takes in the trace, at most.
const KILOBYTES: usize = 1;
/// No fewer than these: what the kernel has anyway.
const USUAL: usize = 1408;

/// Connections that nobody decided about: a backup director made it of what its master said; a template.
const COPIED: u64 = 0x20;
const TEMPLATE: u64 = 0x1000;
/// `AF_INET6`
const IPV6: u64 = 10;

/// What the function that makes connections is called with.
const PARAMETERS: [&str; 7] = ["p", "dest_af", "daddr", "dport", "flags", "dest", "fwmark"];

/// The probe. It is the machine's, whose only program this is: nobody takes it away.
pub(super) struct Witness(());

impl Witness {
    /// Places the probe; none if this kernel cannot be asked.
    pub(super) fn place() -> Option<Witness> {
        let (kernel, module) = (read(KERNEL).ok()?, read(MODULE).ok()?);
        let kernel = Btf::of_kernel(&kernel)?;
        let probe = probe(&kernel, &kernel.of_module(&module)?)?;
        write(format!("{TRACING}/kprobe_events"), probe).ok()?;
        write(format!("{TRACING}/trace_clock"), "mono").ok()?;
        write(format!("{TRACING}/events/lvsim/made/enable"), "1").ok()?;
        Some(Witness(()))
    }

    /// A job begins, with so many attempts: what was told before is forgotten.
    pub(super) fn begin(&self, attempts: usize) {
        // If it is refused, the trace is too short in the end, and says so.
        let _ = write(format!("{TRACING}/buffer_size_kb"), USUAL.max(attempts * KILOBYTES).to_string());
        let _ = write(format!("{TRACING}/trace"), "");
    }

    /// What was told since, from an instant of the monotonic clock on, of the hosts with these namespaces (by inode).
    /// None if something is missing.
    pub(super) fn told(&self, zero: u64, spaces: &[u64]) -> Option<Vec<Chosen>> {
        chosen(&read_to_string(format!("{TRACING}/trace")).ok()?, zero, spaces)
    }
}

/// The probe's definition, with where each argument lies: the first in %di, the others in registers of their own. None if
/// this kernel has another function.
fn probe(kernel: &Btf<'_>, module: &Btf<'_>) -> Option<String> {
    let known = PARAMETERS.map(str::as_bytes);
    if module.parameters("ip_vs_conn_new")? != known {
        return None;
    }
    let of = |member: &str| module.offset("ip_vs_conn_param", member);
    let inode = kernel.offset("net", "ns")? + kernel.offset("ns_common", "inum")?;
    let net = module.offset("netns_ipvs", "net")?;
    let (client, service) = (of("caddr")?, of("vaddr")?);
    Some(format!(
        "p:lvsim/made ip_vs_conn_new space=+{inode}(+{net}(+{}(%di))):x32 family=+{}(%di):x16 \
         protocol=+{}(%di):x16 client=+0(+{client}(%di)):x64 client_low=+8(+{client}(%di)):x64 client_port=+{}(%di):x16 \
         service=+0(+{service}(%di)):x64 service_low=+8(+{service}(%di)):x64 service_port=+{}(%di):x16 \
         server_family=%si:x16 server=+0(%dx):x64 server_low=+8(%dx):x64 server_port=%cx:x16 flags=%r8:x32 \
         destination=%r9:x64",
        of("ipvs")?,
        of("af")?,
        of("protocol")?,
        of("cport")?,
        of("vport")?,
    ))
}

/// The decisions in a trace; none if it has lost some.
fn chosen(trace: &str, zero: u64, spaces: &[u64]) -> Option<Vec<Chosen>> {
    // "# entries-in-buffer/entries-written: 12/12   #P:1"
    let counts = trace.lines().find_map(|line| line.strip_prefix("# entries-in-buffer/entries-written: "))?;
    let (kept, written) = counts.split_whitespace().next()?.split_once('/')?;
    if kept != written {
        return None;
    }
    let told = trace.lines().filter(|line| line.contains(" made: (")).map(|line| entry(line, zero, spaces));
    Some(told.collect::<Option<Vec<_>>>()?.into_iter().flatten().collect())
}

/// A line of a trace; none if it is not understood, nothing in it if it is no decision of one of the hosts.
fn entry(line: &str, zero: u64, spaces: &[u64]) -> Option<Option<Chosen>> {
    // "  <idle>-0  [000] ..s.. 34.086807: made: (ip_vs_conn_new+0x0/0x520 [ip_vs]) space=0xf0000081 family=0x2 …"
    let (before, arguments) = line.split_once(": made: (")?;
    let (seconds, fraction) = before.split_whitespace().next_back()?.split_once('.')?;
    let at = seconds.parse::<u64>().ok()? * 1_000_000_000 + fraction.parse::<u64>().ok()? * 1_000;
    let number = |name: &str| {
        let word =
            arguments.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix("=0x"))?;
        u64::from_str_radix(word, 16).ok()
    };
    let endpoint = |family: &str, name: &str| {
        let (high, low) = (number(name)?, number(&format!("{name}_low"))?);
        let port = u16::from_be(number(&format!("{name}_port"))? as u16);
        Some(SocketAddr::new(address(number(family)? == IPV6, high, low), port))
    };
    let chosen = Chosen {
        at: at.saturating_sub(zero),
        host: 0,
        udp: number("protocol")? == 17,
        client: endpoint("family", "client")?,
        service: endpoint("family", "service")?,
        server: endpoint("server_family", "server")?,
    };
    let is_decision = number("flags")? & (COPIED | TEMPLATE) == 0
        && chosen.client.port() != 0
        && number("destination")? != 0;
    let space = number("space")?;
    let host = spaces.iter().position(|known| *known == space);
    Some(host.filter(|_| is_decision).map(|host| Chosen { host, ..chosen }))
}

/// An address of the kernel's, as the words that lie there.
fn address(is_ipv6: bool, high: u64, low: u64) -> IpAddr {
    let bytes = [high.to_le_bytes(), low.to_le_bytes()].concat();
    let whole: [u8; 16] = bytes.try_into().expect("two words have sixteen bytes");
    let [a, b, c, d, ..] = whole;
    if is_ipv6 { Ipv6Addr::from(whole).into() } else { Ipv4Addr::new(a, b, c, d).into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Linux 6.1.0-56-cloud-amd64 has written it, up to the numbers.
    fn line(space: &str, family: &str, client: &str, flags: &str, destination: &str) -> String {
        format!(
            "         busybox-132     [000] .....     4.086807: made: (ip_vs_conn_new+0x0/0x520 [ip_vs]) \
             space=0x{space} family=0x{family} protocol=0x6 {client} service=0x6400000a service_low=0x0 \
             service_port=0x5000 server_family=0x2 server=0xb00000a server_low=0x0 server_port=0x901f flags=0x{flags} \
             destination=0x{destination}\n"
        )
    }

    const CLIENT: &str = "client=0x100090a client_low=0x0 client_port=0x80";

    fn trace(counts: &str, lines: &[String]) -> String {
        format!(
            "# tracer: nop\n#\n# entries-in-buffer/entries-written: {counts}   #P:1\n#\n{}",
            lines.concat()
        )
    }

    #[test]
    fn a_line_says_who_chose_whom() {
        let text = trace("1/1", &[line("f0000081", "2", CLIENT, "3", "ffff888003a5c000")]);
        let expected = Chosen {
            at: 86_807_000,
            host: 1,
            udp: false,
            client: "10.9.0.1:32768".parse().unwrap(),
            service: "10.0.0.100:80".parse().unwrap(),
            server: "10.0.0.11:8080".parse().unwrap(),
        };
        assert_eq!(chosen(&text, 4_000_000_000, &[0xf000_0080, 0xf000_0081]), Some(vec![expected]));
    }

    #[test]
    fn what_nobody_decided_is_left_out() {
        let template = "client=0x100090a client_low=0x0 client_port=0x0";
        let lines = [
            line("f0000081", "2", CLIENT, "23", "ffff888003a5c000"),
            line("f0000081", "2", template, "1003", "ffff888003a5c000"),
            line("f0000081", "2", CLIENT, "4", "0"),
            line("f0000099", "2", CLIENT, "3", "ffff888003a5c000"),
        ];
        assert_eq!(chosen(&trace("4/4", &lines), 0, &[0xf000_0081]), Some(vec![]));
    }

    #[test]
    fn what_lost_something_is_no_witness() {
        let lines = [line("f0000081", "2", CLIENT, "3", "1")];
        assert_eq!(chosen(&trace("1/2", &lines), 0, &[0xf000_0081]), None);
        assert_eq!(chosen(&trace("1/1", &[lines[0].replace(" flags=0x3", "")]), 0, &[0xf000_0081]), None);
        assert_eq!(chosen("", 0, &[]), None);
    }

    #[test]
    fn addresses_of_both_families_are_read() {
        let client = "client=0xb80d01200000000 client_low=0x100000000000000 client_port=0x80";
        let client = client.replace("0xb80d01200000000", "0xb80d0120");
        let text = trace("1/1", &[line("f0000081", "a", &client, "3", "1")]);
        let made = chosen(&text, 0, &[0xf000_0081]).expect("it is whole");
        assert_eq!(made[0].client, "[2001:db8::1]:32768".parse().unwrap());
    }
}
