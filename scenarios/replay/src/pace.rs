//! How fast a scenario goes on a kernel in a virtual machine.
//!
//! There each instruction takes a nanosecond, and one processor is all hosts at once: it passes some ten thousand packets
//! a second. A scenario with more of them is played in slow motion, by the simulation as by the kernel: everything that
//! it says of time takes so many times longer, and there are as many connections at once as before. The kernel's own
//! timers and the cables stay as they are.
//!
//! Where there are few packets, even the shortest cables take their time. Otherwise an answer is back before the call is
//! over that has sent the question, which no network does: an ICMP redirect about the segment that a program is just
//! sending, for one, finds the socket locked, and is ignored (`LockDroppedIcmps` in `/proc/net/netstat` counts it).

use crate::plan::{Cables, plan_with};
use crate::rehearse::{Looking, Rehearsed, rehearse_looking};
use net_model::spec::{Arrivals, ClientSpec, TraceRow};
use scenarios::problem::Problem;
use scenarios::scenario::Scenario;
use sim_core::{Dist, Duration, Time};

/// Packets per second, counted on every cable, that the virtual machine passes without being late.
const CAPACITY: f64 = 30_000.0;
/// And for a moment, such as when each of a thousand hosts asks all others where its first neighbour is: the copies that a
/// bridge makes of a question cost less than a packet of a connection.
const RUSH: f64 = 100_000.0;

/// A scenario with at most so many packets, counted on every cable, has cables that take their time, however short they
/// are: a queue for each end costs some microseconds a packet.
const AFFORDABLE: u64 = 100_000;
/// And at most so many for each attempt. In long transfers clients acknowledge whenever the program happens to read: on
/// cables that take their time that is after almost every segment, on cables as fast as the kernel after two, as in the
/// simulation. Directors that synchronise connections count these packets.
const BURST: u64 = 300;

/// After more attempts than this it takes a kernel long to list all connections.
const MANY: usize = 1_000;

/// How often somebody looks at the directors while a scenario goes on.
const SNAPSHOTS: u64 = 40;

/// A scenario at a pace that a kernel can keep, and its rehearsal.
#[derive(Clone, Debug)]
pub struct Paced {
    /// The scenario.
    pub scenario: Scenario,
    /// It goes so many times slower than it says.
    pub slower: u32,
    /// What the simulation made of it.
    pub rehearsed: Rehearsed,
}

/// Rehearses a scenario; if it goes too fast for a kernel, in slow motion. None if `progress` stopped it.
///
/// # Errors
/// The commands that hosts refuse when they are set up.
pub fn paced(
    scenario: &Scenario,
    progress: &mut dyn FnMut(Time) -> bool,
) -> Result<Option<Paced>, Vec<Problem>> {
    let mut looking = Looking { snapshots: SNAPSHOTS, after_timers: false };
    let Some(mut rehearsed) = rehearse_looking(scenario, looking, progress)? else { return Ok(None) };
    let slower = slower(rehearsed.hops, rehearsed.rush, scenario.duration);
    looking.after_timers = rehearsed.job.attempts.len() > MANY;
    if slower == 1 && !looking.after_timers {
        let attempts = rehearsed.job.attempts.len() as u64;
        if rehearsed.hops <= AFFORDABLE && rehearsed.hops <= BURST * attempts {
            rehearsed.job.setup = plan_with(scenario, Cables::All).setup;
        }
        return Ok(Some(Paced { scenario: scenario.clone(), slower, rehearsed }));
    }
    let scenario = slowed(scenario, slower);
    let rehearsed = rehearse_looking(&scenario, looking, progress)?;
    Ok(rehearsed.map(|rehearsed| Paced { scenario, slower, rehearsed }))
}

/// How many times slower so many packets within this time must go, so many per second at their densest: a power of two.
fn slower(hops: u64, rush: f64, within: Duration) -> u32 {
    let rate = hops as f64 / within.as_secs_f64().max(1.0);
    let times = (rate / CAPACITY).max(rush / RUSH);
    (times.ceil().max(1.0) as u32).next_power_of_two()
}

/// The scenario in slow motion.
fn slowed(scenario: &Scenario, times: u32) -> Scenario {
    let mut slow = scenario.clone();
    slow.duration = longer(slow.duration, times);
    slow.sampling = longer(slow.sampling, times);
    for host in &mut slow.hosts {
        let mut servers = host.servers.to_vec();
        servers.iter_mut().for_each(|server| server.speed /= f64::from(times));
        host.servers = servers.into();
    }
    slow.clients.iter_mut().for_each(|group| slow_client(&mut group.spec, times));
    slow.events.iter_mut().for_each(|event| event.at = later(event.at, times));
    slow
}

fn slow_client(client: &mut ClientSpec, times: u32) {
    let factor = f64::from(times);
    match &mut client.arrivals {
        Arrivals::Poisson(rate) | Arrivals::Constant(rate) => *rate /= factor,
        Arrivals::Bursts { rate, on, off } => {
            *rate /= factor;
            (*on, *off) = (stretched(on, factor), stretched(off, factor));
        }
        Arrivals::Curve(points) => {
            points.iter_mut().for_each(|(at, rate)| (*at, *rate) = (later(*at, times), *rate / factor));
        }
        Arrivals::Users { think, .. } => *think = stretched(think, factor),
        Arrivals::Trace(rows) => *rows = rows.iter().map(|row| slow_row(row, times)).collect(),
    }
    client.timeout = client.timeout.map(|timeout| longer(timeout, times));
    client.start = later(client.start, times);
    client.stop = later(client.stop, times);
}

fn slow_row(row: &TraceRow, times: u32) -> TraceRow {
    TraceRow {
        start: later(row.start, times),
        hold: longer(row.hold, times),
        ping: row.ping.map(|ping| longer(ping, times)),
        ..*row
    }
}

fn longer(duration: Duration, times: u32) -> Duration {
    Duration::from_nanos(duration.as_nanos().saturating_mul(times.into()))
}

fn later(at: Time, times: u32) -> Time {
    Time::from_nanos(at.as_nanos().saturating_mul(times.into()))
}

/// The distribution of a quantity that is so many times larger.
fn stretched(dist: &Dist, times: f64) -> Dist {
    match dist {
        Dist::Constant(value) => Dist::Constant(value * times),
        Dist::Uniform { low, high } => Dist::Uniform { low: low * times, high: high * times },
        Dist::Exponential { mean } => Dist::Exponential { mean: mean * times },
        Dist::LogNormal { median, sigma } => Dist::LogNormal { median: median * times, sigma: *sigma },
        Dist::Pareto { min, shape, max } => {
            Dist::Pareto { min: min * times, shape: *shape, max: max * times }
        }
        Dist::Weibull { scale, shape } => Dist::Weibull { scale: scale * times, shape: *shape },
        Dist::HyperExponential(branches) => {
            Dist::HyperExponential(branches.iter().map(|(weight, mean)| (*weight, mean * times)).collect())
        }
        Dist::Empirical(values) => Dist::Empirical(values.iter().map(|value| value * times).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearse::rehearse;
    use proptest::prelude::*;
    use sim_core::Stream;

    const TEXT: &str = "
duration: 4s
cluster:
  forwarding: dr
  vips: 10.0.0.100
  services: {port: 80, scheduler: wlc}
  server: {workers: 2, service_time: {exponential: 20ms}}
  servers: {web1: {}, web2: {weight: 2}}
clients:
  steady: {arrivals: {constant: 5/s}, timeout: 2s, stop: 3s}
  some: {arrivals: {curve: [{at: 0s, rate: 1/s}, {at: 4s, rate: 9/s}]}}
events:
  - {at: 1s, on: director, run: \"ipvsadm -e -t 10.0.0.100:80 -r 10.0.0.12 -w 1\"}
";

    fn scenario() -> Scenario {
        scenarios::load::load_text("pace.yaml", "pace", TEXT, std::path::Path::new("."))
            .expect("it is a scenario")
            .scenario
    }

    #[test]
    fn what_is_slow_enough_stays() {
        let slower = |hops: u64, rush: f64, seconds: u64| slower(hops, rush, Duration::from_secs(seconds));
        assert_eq!(slower(1_000, 1_000.0, 1), 1);
        assert_eq!(slower(90_000, 90_000.0, 1), 4);
        assert_eq!(slower(90_000, 90_000.0, 100), 1, "a moment may be busy");
        assert_eq!(slower(90_000, 450_000.0, 100), 8, "but not so busy");
    }

    /// The queues of a scenario's cables, as they are set up.
    fn queues(text: &str, cables: Cables) -> Vec<String> {
        let loaded = scenarios::load::load_text("pace.yaml", "pace", text, std::path::Path::new("."));
        let setup = plan_with(&loaded.expect("it is a scenario").scenario, cables).setup;
        setup.iter().map(crate::script::line).filter(|line| line.contains("netem")).collect()
    }

    #[test]
    fn few_packets_pass_cables_that_take_their_time() {
        let paced = paced(&scenario(), &mut |_| true).unwrap().unwrap();
        let lines = paced.rehearsed.job.setup.iter().map(crate::script::line);
        let timed = lines.filter(|line| line.ends_with("netem delay 50us rate 1000000000bit limit 1000"));
        assert_eq!(timed.count(), 2 * 6, "both ends of each cable");
        assert_eq!((paced.slower, paced.rehearsed.hops < AFFORDABLE), (1, true));
        assert_eq!(queues(TEXT, Cables::Long), Vec::<String>::new());
    }

    #[test]
    fn slow_cables_always_make_packets_wait() {
        let slow = TEXT.replace("clients:\n", "networks: {outside: {cable: {rate: 20Mbps}}}\nclients:\n");
        let queues = queues(&slow, Cables::Long);
        assert_eq!(queues.len(), 2 * 2, "{queues:?}");
        assert!(queues.iter().all(|line| line.ends_with("netem rate 20000000bit limit 1000")), "{queues:?}");
    }

    #[test]
    fn the_same_attempts_come_later() {
        let normal = rehearse(&scenario(), &mut |_| true).unwrap().unwrap();
        let slow = rehearse(&slowed(&scenario(), 8), &mut |_| true).unwrap().unwrap();
        assert_eq!(slow.job.attempts.len(), normal.job.attempts.len());
        for (slow, normal) in slow.job.attempts.iter().zip(&normal.job.attempts) {
            let late = slow.at.abs_diff(normal.at * 8);
            assert!(late < 1_000, "{late}");
            assert_eq!(slow.local, normal.local);
            assert!(slow.work.abs_diff(normal.work) <= 8, "but for roundings");
        }
        for (slow, normal) in slow.job.servers.iter().zip(&normal.job.servers) {
            assert_eq!(slow.needs(1_000), 8 * normal.needs(1_000));
        }
        assert_eq!(slow.job.events[0].at, 8_000_000_000);
        let timeout = slow.job.attempts.iter().find_map(|attempt| attempt.timeout);
        assert_eq!(timeout, Some(16_000_000_000));
    }

    fn any_dist() -> impl Strategy<Value = Dist> {
        prop_oneof![
            (0.1..9.0).prop_map(Dist::Constant),
            (0.1..9.0, 1.0..9.0).prop_map(|(low, more)| Dist::Uniform { low, high: low + more }),
            (0.1..9.0).prop_map(|mean| Dist::Exponential { mean }),
            (0.1..9.0, 0.1..2.0).prop_map(|(median, sigma)| Dist::LogNormal { median, sigma }),
            (0.1..9.0, 1.1..3.0).prop_map(|(min, shape)| Dist::Pareto { min, shape, max: min * 100.0 }),
            (0.1..9.0, 0.5..3.0).prop_map(|(scale, shape)| Dist::Weibull { scale, shape }),
            (0.1..0.9, 0.1..9.0)
                .prop_map(|(p, mean)| Dist::HyperExponential(vec![(p, mean), (1.0 - p, 1.0)])),
            proptest::collection::vec(0.1..9.0, 1..5).prop_map(|values| Dist::Empirical(values.into())),
        ]
    }

    proptest! {
        #[test]
        fn a_stretched_distribution_draws_stretched_values(dist in any_dist(), seed: u64) {
            let mut streams = [Stream::new(seed, "a"), Stream::new(seed, "a")];
            for _ in 0..20 {
                let (once, four) = (dist.sample(&mut streams[0]), stretched(&dist, 4.0).sample(&mut streams[1]));
                prop_assert!((four / once / 4.0 - 1.0).abs() < 1e-9, "{once} {four}");
            }
        }
    }
}
