//! The simulation does a scenario first: what it draws becomes the job for a kernel, what it sees its own transcript.

use crate::job::{Action, Attempt, Close, Command, Job, Server, TICK, Tap, Timed, UPTIME, USUAL};
use crate::plan::{plan, speaks_ipv6};
use crate::transcript::{Answer, End, Outcome, Transcript};
use net_model::addr::Addr;
use net_model::ipvs::Protocol;
use net_model::ledger;
use net_model::outcome::Failure;
use net_model::spec::{Arrivals, Discipline, ReplyFrom, ServerSpec};
use scenarios::exec::Line;
use scenarios::problem::Problem;
use scenarios::rehearsal::{self, Look, Rehearsal};
use scenarios::scenario::{Action as Event, Host, Scenario};
use scenarios::schema::Timers;
use sim_core::{Duration, Time, Wheel};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// How long after the end of a scenario the last looks are: everything that goes on by itself has settled.
const SETTLED: Duration = Duration::from_secs(10);
/// The commands that look at a director in the end.
const LOOKS: [&str; 3] = ["ipvsadm -Ln", "ipvsadm -Ln --stats --exact", "ipvsadm -Lnc"];

/// The command that looks at a director in between. Reading a file takes no time, so the instant is known.
pub const SNAPSHOT: &str = "cat /proc/net/ip_vs";
/// Snapshots are taken a millisecond after one of the instants at which scenarios begin things, far from a tick.
const BESIDE: u64 = 1_000_000;
/// Timers of 17 s to 129 s fire every so many jiffies, all that are due at once.
pub(crate) const LONG_TIMERS: u64 = 512;
/// So long after that, thousands of them have been dealt with.
const DEALT_WITH: Duration = Duration::from_millis(100);

/// How somebody looks at the directors of a scenario.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Looking {
    /// So many times while it goes on.
    pub snapshots: u64,
    /// In the end only when the timers of connections have just fired: they do so every two seconds, and it takes a kernel
    /// half a second to list ten thousand connections.
    pub after_timers: bool,
}

/// The job for a kernel, and the simulation's own account of it.
#[derive(Clone, Debug)]
pub struct Rehearsed {
    /// What a kernel is to do.
    pub job: Job,
    /// What the simulation did.
    pub simulated: Transcript,
    /// How often a packet went over a cable.
    pub hops: u64,
    /// The most hops per second between two looks at a director.
    pub rush: f64,
}

/// Simulates a scenario. None if `progress` stopped it.
///
/// # Errors
/// The commands that hosts refuse when they are set up.
pub fn rehearse(
    scenario: &Scenario,
    progress: &mut dyn FnMut(Time) -> bool,
) -> Result<Option<Rehearsed>, Vec<Problem>> {
    rehearse_looking(scenario, Looking::default(), progress)
}

/// The same, and somebody looks at the directors more often, or at a better moment.
///
/// # Errors
/// The commands that hosts refuse when they are set up.
pub fn rehearse_looking(
    scenario: &Scenario,
    looking: Looking,
    progress: &mut dyn FnMut(Time) -> bool,
) -> Result<Option<Rehearsed>, Vec<Problem>> {
    let looks = looks(scenario, looking);
    // A real kernel's timers are never exact.
    let uptime = Duration::from_nanos(UPTIME);
    let scenario = &Scenario { timers: Timers::Wheel, uptime, ..scenario.clone() };
    let Some(rehearsal) = rehearsal::rehearse(scenario, &looks, progress)? else { return Ok(None) };
    let servers = servers(scenario);
    let typed = plan(scenario);
    let job = Job {
        name: scenario.name.clone(),
        hosts: scenario.hosts.iter().map(|host| host.name.clone()).collect(),
        setup: typed.setup,
        events: typed.events,
        attempts: rehearsal.attempts.iter().map(|line| attempt(scenario, line)).collect(),
        looks: looks.iter().map(|look| timed(scenario, look)).collect(),
        end: end(scenario, looking).as_nanos(),
        servers: servers.iter().map(|(_, server)| server.clone()).collect(),
        taps: taps(scenario),
        phase: 0,
    };
    let simulated = transcript(scenario, &rehearsal, &looks, &servers);
    let rush = rush(&rehearsal, &looks);
    Ok(Some(Rehearsed { job, simulated, hops: rehearsal.run.outcome.hops, rush }))
}

/// The most hops per second between two looks.
fn rush(rehearsal: &Rehearsal, looks: &[Look]) -> f64 {
    let mut counts: Vec<(Time, u64)> = vec![(Time::ZERO, 0)];
    counts.extend(looks.iter().map(|look| look.at).zip(rehearsal.hops.iter().copied()));
    counts.dedup_by_key(|(at, _)| *at); // several directors are looked at in one instant
    let rates = counts.windows(2).map(|pair| {
        let [(since, before), (until, after)] = [pair[0], pair[1]];
        (after - before) as f64 / until.since(since).as_secs_f64()
    });
    rates.fold(0.0, f64::max)
}

/// The looks at all directors: the snapshots, and after everything the listings.
fn looks(scenario: &Scenario, looking: Looking) -> Vec<Look> {
    let snapshots = looking.snapshots;
    let hosts = scenario.hosts.iter().enumerate();
    let directors: Vec<usize> =
        hosts.filter(|(index, host)| is_director(scenario, *index, host)).map(|(index, _)| index).collect();
    let look = |at: Time, host: usize, text: &str| {
        let line = Line::read(text, scenario).expect("it is a command").expect("it is not empty");
        Look { at, host, line }
    };
    let middle = |number: u64| {
        let at = scenario.duration.as_nanos() / (2 * snapshots) * (2 * number + 1);
        Time::from_nanos(at / TICK * TICK + BESIDE)
    };
    let between = (0..snapshots).flat_map(|number| {
        let look = &look;
        directors.iter().map(move |host| look(middle(number), *host, SNAPSHOT))
    });
    let end = end(scenario, looking);
    let last = directors.iter().flat_map(|host| LOOKS.map(|text| look(end, *host, text)));
    between.chain(last).collect()
}

/// When everything is over, and somebody looks a last time.
fn end(scenario: &Scenario, looking: Looking) -> Time {
    let settled = Time::ZERO + scenario.duration + SETTLED;
    if !looking.after_timers {
        return settled;
    }
    let wheel = Wheel::new(250, Duration::from_nanos(UPTIME));
    let round = wheel.jiffies(settled) / LONG_TIMERS + 1;
    wheel.at_jiffy(round * LONG_TIMERS) + DEALT_WITH
}

/// The cards of all directors.
fn taps(scenario: &Scenario) -> Vec<Tap> {
    let directors =
        scenario.hosts.iter().enumerate().filter(|(index, host)| is_director(scenario, *index, host));
    let cards = directors.flat_map(|(index, host)| {
        let plugged = host.interfaces.iter().filter(|interface| interface.plug.is_some());
        plugged.map(move |interface| Tap { host: index, device: interface.name.clone() })
    });
    cards.collect()
}

/// Does anybody type ipvsadm here?
fn is_director(scenario: &Scenario, index: usize, host: &Host) -> bool {
    let is_ipvsadm = |text: &str| text.split_whitespace().any(|word| word.ends_with("ipvsadm"));
    let events = scenario.events.iter().filter(|event| event.host == index);
    host.setup.iter().any(|line| is_ipvsadm(&line.text))
        || events.into_iter().any(|event| matches!(&event.action, Event::Run(line) if is_ipvsadm(&line.text)))
}

fn timed(scenario: &Scenario, look: &Look) -> Timed {
    let words = look.line.text.split_whitespace().map(Into::into).collect();
    let host = Some(scenario.hosts[look.host].name.clone());
    Timed { at: look.at.as_nanos(), event: 0, command: Command { host, action: Action::Run(words) } }
}

/// All server programs, with their host's number and their index there.
fn servers(scenario: &Scenario) -> Vec<((u32, u32), Server)> {
    let mut all = Vec::new();
    for (number, host) in scenario.hosts.iter().enumerate() {
        for (index, spec) in host.servers.iter().enumerate() {
            let server = Server {
                host: number,
                udp: spec.protocol == Protocol::Udp,
                listens: listens(scenario, host, spec),
                workers: spec.workers,
                backlog: spec.backlog,
                shares: spec.discipline == Discipline::ProcessorSharing,
                speed: ((spec.speed * USUAL as f64).round() as u64).max(1),
            };
            all.push(((number as u32, index as u32), server));
        }
    }
    all
}

/// Where a server listens: everywhere; one that answers datagrams from the address that was asked, at each address.
fn listens(scenario: &Scenario, host: &Host, spec: &ServerSpec) -> Vec<SocketAddr> {
    let mut addrs: Vec<IpAddr> = vec![Ipv4Addr::UNSPECIFIED.into()];
    if speaks_ipv6(scenario) {
        addrs.push(Ipv6Addr::UNSPECIFIED.into());
    }
    if spec.protocol == Protocol::Udp && spec.reply_from == ReplyFrom::Asked {
        let own = host.interfaces.iter().flat_map(|interface| &interface.addresses);
        addrs = own.map(|(addr, _)| ip(*addr)).collect();
        addrs.sort_unstable();
        addrs.dedup();
    }
    addrs.iter().flat_map(|addr| spec.ports.iter().map(|port| SocketAddr::new(*addr, *port))).collect()
}

fn attempt(scenario: &Scenario, line: &ledger::Attempt) -> Attempt {
    let trace = |group: &&scenarios::scenario::ClientGroup| {
        group.host == line.host as usize && matches!(group.spec.arrivals, Arrivals::Trace(_))
    };
    let held = scenario.clients.iter().any(|group| trace(&group));
    let server = line.server.filter(|_| !held);
    let speed =
        server.map_or(1.0, |(host, index)| scenario.hosts[host as usize].servers[index as usize].speed);
    Attempt {
        host: line.host as usize,
        at: line.begun.as_nanos(),
        udp: line.protocol == Protocol::Udp,
        local: SocketAddr::new(ip(line.local.0), line.local.1),
        remote: SocketAddr::new(ip(line.remote.0), line.remote.1),
        request: line.request_bytes,
        words: line.words.as_deref().map(Into::into),
        close: match line.close {
            net_model::spec::Close::Server => Close::Server,
            net_model::spec::Close::Client => Close::Client,
            net_model::spec::Close::Reset => Close::Reset,
            net_model::spec::Close::None => Close::Nobody,
        },
        timeout: line.timeout.map(Duration::as_nanos),
        ping: line.ping.map(Duration::as_nanos),
        held,
        // Whoever takes it on the kernel may be faster or slower than the server that took it here.
        work: (line.work.map_or(0, Duration::as_nanos) as f64 * speed).round() as u64,
        response: line.response_bytes,
    }
}

fn transcript(
    scenario: &Scenario,
    rehearsal: &Rehearsal,
    looks: &[Look],
    servers: &[((u32, u32), Server)],
) -> Transcript {
    let outcome = |line: &ledger::Attempt| Outcome {
        server: line.server.and_then(|server| servers.iter().position(|(known, _)| *known == server)),
        ended: line.result.map(|(at, _)| at.as_nanos()),
        end: line.result.map_or(End::Open, |(_, result)| result.map_or_else(cause, |()| End::Answered)),
    };
    let answers = rehearsal.answers.iter().zip(looks).map(|(answer, look)| Answer {
        at: answer.at.as_nanos(),
        host: Some(scenario.hosts[look.host].name.clone()),
        command: answer.line.clone(),
        stdout: answer.output.stdout.clone(),
        stderr: answer.output.stderr.clone(),
        status: answer.output.status,
        ..Answer::default()
    });
    let notes = rehearsal.run.notes.iter().map(|note| Answer {
        at: note.at.as_nanos(),
        host: Some(note.host.clone()),
        command: note.command.clone(),
        stdout: note.text.clone(),
        ..Answer::default()
    });
    Transcript {
        by: "simulation".into(),
        attempts: rehearsal.attempts.iter().map(outcome).collect(),
        answers: answers.collect(),
        notes: notes.collect(),
        ..Transcript::default()
    }
}

fn cause(failure: Failure) -> End {
    match failure {
        Failure::Refused => End::Refused,
        Failure::Reset => End::Reset,
        Failure::Unreachable => End::Unreachable,
        Failure::TimedOut => End::TimedOut,
        Failure::NoProtocol => End::NoProtocol,
        Failure::NoPort => unreachable!("without a port there is no attempt"),
    }
}

pub(crate) fn ip(addr: Addr) -> IpAddr {
    match addr.to_v4_bits() {
        Some(bits) => Ipv4Addr::from(bits).into(),
        None => Ipv6Addr::from(addr.to_bits()).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = "
duration: 1s
cluster: {forwarding: dr, vips: 10.0.0.100, services: {port: 80, scheduler: rr}, server: {}, servers: {web1: {}}}
clients: {some: {arrivals: {constant: 1/s}}}
";

    proptest! {
        /// From the last look on no timer of a minute or two fires for more than a second and a half.
        #[test]
        fn the_last_look_is_far_from_the_next_timers(seconds in 1..3_000_u64, armed in 10..60_u64) {
            let loaded = scenarios::load::load_text("a.yaml", "a", TEXT, std::path::Path::new("."));
            let mut scenario = loaded.expect("it is a scenario").scenario;
            scenario.duration = Duration::from_secs(seconds);
            let look = end(&scenario, Looking { snapshots: 0, after_timers: true });
            let settled = end(&scenario, Looking::default());
            prop_assert!(look > settled && look < settled + Duration::from_millis(2_200));
            let wheel = Wheel::new(250, Duration::from_nanos(UPTIME));
            let armed = Time::from_nanos(look.as_nanos().saturating_sub(armed * 1_000_000_000));
            for delay in [60, 120] {
                let fires = wheel.fires_at(armed, Duration::from_secs(delay));
                prop_assert!(fires < look || fires.since(look) > Duration::from_millis(1_500), "{fires:?} {look:?}");
            }
        }
    }
}
