//! The programs of the set-ups: the test tool `tt`, `ping` of busybox, `arping` of iputils.

use crate::lab::{Lab, address};
use net_model::group::GroupId;
use net_model::ipvs::Protocol;
use net_model::outcome::Failure;
use net_model::packet::ArpOp;
use net_model::spec::{Arrivals, ClientSpec, Close, Discipline, ReplyFrom, ServerSpec, Sources, Target};
use net_model::{HostId, Network};
use sim_core::{Dist, Duration, Time};

/// What the machine of the recordings takes to wake the server, and the server to answer.
const SERVER_WORK: Duration = Duration::from_micros(300);

/// `tt get`, running.
pub(crate) struct Program {
    host: HostId,
    protocol: Protocol,
    group: GroupId,
    began: Time,
    limit: Option<Time>,
    /// Bytes of the answer, if one comes.
    bytes: u32,
}

impl Program {
    /// What it printed, if it has ended.
    pub(crate) fn ended(&self, network: &Network) -> Option<String> {
        let now = network.now();
        let seen = network.seen_by(self.host, self.group);
        let after = || format!("after {:.3}", (now.as_nanos() - self.began.as_nanos()) as f64 / 1e9);
        if seen.succeeded > 0 {
            return Some(format!("ok {} bytes {}\n", self.bytes, after()));
        }
        if self.limit.is_some_and(|limit| limit <= now) {
            return Some("Terminated\n".to_owned());
        }
        let failure = Failure::ALL.into_iter().find(|cause| seen.failed[*cause as usize] > 0)?;
        let error = match failure {
            Failure::Refused if self.protocol == Protocol::Udp => "recv: Connection refused",
            Failure::Refused => "connect: Connection refused",
            Failure::Reset => "read: Connection reset by peer",
            Failure::Unreachable => "connect: No route to host",
            Failure::TimedOut => "connect: Connection timed out",
            Failure::NoProtocol => "connect: Protocol not available",
            Failure::NoPort => "connect: Cannot assign requested address",
        };
        Some(format!("{error} {}\n", after()))
    }
}

/// `tt serve PORT N [THINK-MS]`: accepts, reads once, writes N bytes, closes.
pub(crate) fn serve(network: &mut Network, host: HostId, args: &[&str]) {
    let think = args.get(2).map_or(0, |ms| ms.parse().expect("milliseconds"));
    listen(network, host, Protocol::Tcp, args, Duration::from_millis(think), ReplyFrom::Routed);
}

/// `tt udpserve PORT N [ADDRESS]`: answers each datagram with one of N bytes. Bound to an address it answers from there.
pub(crate) fn serve_datagrams(network: &mut Network, host: HostId, args: &[&str]) {
    let reply_from = if args.len() > 2 { ReplyFrom::Asked } else { ReplyFrom::Routed };
    listen(network, host, Protocol::Udp, args, Duration::ZERO, reply_from);
}

fn listen(
    network: &mut Network,
    host: HostId,
    protocol: Protocol,
    args: &[&str],
    think: Duration,
    reply_from: ReplyFrom,
) {
    let work = think + SERVER_WORK;
    network.add_server(
        host,
        ServerSpec {
            protocol,
            ports: vec![args[0].parse().expect("a port")],
            workers: 1,
            discipline: Discipline::Fifo,
            speed: 1.0,
            service_time: Dist::Constant(work.as_nanos() as f64 / 1e9),
            response_bytes: Dist::Constant(args[1].parse().expect("bytes")),
            backlog: 128,
            reply_from,
        },
    );
}

/// `tt get IP PORT [SOURCE] [REQUEST-BYTES]`: connects, writes, reads to the end, closes. It is killed after `limit`.
pub(crate) fn get(lab: &mut Lab, host: &str, args: &[&str], limit: Option<Duration>) -> Program {
    let asked = lab.network.now();
    let bytes = args.get(3).map_or(16.0, |bytes| bytes.parse().expect("bytes"));
    let limit = limit.map(|limit| asked + limit);
    connect(lab, host, Protocol::Tcp, args, bytes, limit)
}

/// `tt udp IP PORT N`: sends a datagram of N bytes, and waits for the answer.
pub(crate) fn ask(lab: &mut Lab, host: &str, args: &[&str]) -> Program {
    let bytes = args[2].parse().expect("bytes");
    connect(lab, host, Protocol::Udp, args, bytes, None)
}

fn connect(
    lab: &mut Lab,
    host: &str,
    protocol: Protocol,
    args: &[&str],
    bytes: f64,
    limit: Option<Time>,
) -> Program {
    let began = lab.next_begin();
    let (host, port) = (lab.host(host), args[1].parse().expect("a port"));
    let spec = ClientSpec {
        name: format!("{} at {}", protocol.name(), began.as_nanos()),
        sources: Sources::Host,
        target: Target { protocol, addr: address(args[0]), port },
        arrivals: Arrivals::Users { users: 1, think: Dist::Constant(0.0) },
        request_bytes: Dist::Constant(bytes),
        says: Vec::new(),
        close: Close::Server,
        timeout: limit.map(|limit| limit.since(began)),
        retries: 0,
        start: began,
        stop: began + Duration::from_secs(1),
        limit: Some(1),
    };
    let group = lab.network.add_clients(host, spec);
    Program { host, protocol, group, began, limit, bytes: lab.answer_of(port) }
}

/// `ping -c N [-i 1] [-W S] ADDRESS`
pub(crate) fn ping(lab: &mut Lab, host: &str, args: &[&str]) -> String {
    let to = address(args.last().expect("an address"));
    let option = |name: &str| {
        let at = args.iter().position(|word| *word == name)?;
        args.get(at + 1)?.parse::<u16>().ok()
    };
    let (count, patience) = (option("-c").expect("a count"), option("-W").unwrap_or(10));
    let bytes = option("-s").unwrap_or(56);
    let (host, id) = (lab.host(host), lab.next_ping_id());
    let mut sent = lab.next_begin();
    let mut text = format!("PING {to} ({to}): {bytes} data bytes\n");
    let mut times = Vec::new();
    for sequence in 0..count {
        lab.reach(sent);
        lab.network.ping(host, to, id, sequence, bytes);
        let is_last = sequence + 1 == count;
        let next = sent + Duration::from_secs(if is_last { u64::from(patience) } else { 1 });
        loop {
            let replies = lab.network.echo_replies(host).iter();
            let reply = replies.copied().find(|reply| (reply.id, reply.sequence) == (id, sequence));
            if let Some(reply) = reply {
                let ms = (reply.at.as_nanos() - sent.as_nanos()) as f64 / 1e6;
                text += &format!(
                    "{} bytes from {to}: seq={sequence} ttl={} time={ms:.3} ms\n",
                    bytes + 8,
                    reply.ttl
                );
                times.push(ms);
            }
            if reply.is_some() || lab.network.now() >= next {
                break;
            }
            lab.reach(lab.network.now() + Duration::from_millis(1));
        }
        if !is_last {
            sent = next;
        }
    }
    let received = times.len();
    let loss = (usize::from(count) - received) * 100 / usize::from(count);
    text += &format!("\n--- {to} ping statistics ---\n");
    text += &format!("{count} packets transmitted, {received} packets received, {loss}% packet loss\n");
    if received > 0 {
        let (min, max) = times.iter().fold((f64::MAX, 0.0f64), |(a, b), t| (a.min(*t), b.max(*t)));
        let mean = times.iter().sum::<f64>() / received as f64;
        text += &format!("round-trip min/avg/max = {min:.3}/{mean:.3}/{max:.3} ms\n");
    }
    text
}

/// `arping -q -U|-A -c N -I IF -s ADDRESS ADDRESS`: announces an address, a second apart.
pub(crate) fn arping(lab: &mut Lab, host: &str, args: &[&str]) -> String {
    let value = |name: &str| {
        let at = args.iter().position(|word| *word == name).unwrap_or_else(|| panic!("arping needs {name}"));
        args[at + 1]
    };
    let op = if args.contains(&"-A") { ArpOp::Reply } else { ArpOp::Request };
    let count: u32 = value("-c").parse().expect("a count");
    let addr = address(value("-s"));
    let mut at = lab.next_begin();
    let host = lab.host(host);
    for _ in 0..count {
        lab.reach(at);
        let stack = &lab.network.host(host).stack;
        let device = stack.interface(value("-I")).expect("the interface exists");
        let mut announcement = stack.gratuitous(device, addr, op);
        if op == ArpOp::Request {
            announcement.arp.target_mac = net_model::addr::Mac::BROADCAST; // what arping writes there
        }
        lab.network.announce(host, &[announcement.into()]);
        at += Duration::from_secs(1);
    }
    lab.reach(at);
    String::new()
}
