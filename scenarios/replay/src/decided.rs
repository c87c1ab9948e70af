//! A decision of the simulated director, and which server took the same connection on the kernel.

use crate::job::Job;
use crate::transcript::Transcript;
use net_model::addr::Addr;
use net_model::ipvs::{Candidate, Decision};
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

/// So many candidates of a decision are told, at least.
const TOLD: usize = 16;

/// A decision of the simulated director about a packet that the kernel's director got, too.
#[derive(Clone, Debug)]
pub struct Decided {
    /// The decision. Its candidates are kept if the kernel chose another one: the first, and the two that were chosen.
    pub decision: Decision,
    /// The host it chose, as an index into the job's hosts.
    pub host: Option<usize>,
    /// The attempt it was about, as an index into the job's attempts.
    pub attempt: usize,
}

/// Which attempts decisions are about: those between the same addresses and ports, one after the other.
pub(crate) struct Attempts<'a> {
    job: &'a Job,
    seen: &'a Transcript,
    waiting: BTreeMap<(bool, SocketAddr, SocketAddr), VecDeque<usize>>,
}

impl<'a> Attempts<'a> {
    pub(crate) fn new(job: &'a Job, seen: &'a Transcript) -> Attempts<'a> {
        let mut waiting: BTreeMap<_, VecDeque<usize>> = BTreeMap::new();
        for (index, attempt) in job.attempts.iter().enumerate() {
            waiting.entry((attempt.udp, attempt.local, attempt.remote)).or_default().push_back(index);
        }
        Attempts { job, seen, waiting }
    }

    /// A decision with its attempt; none if it is about something else. `host_of` knows the servers' addresses.
    pub(crate) fn decided(
        &mut self,
        mut decision: Decision,
        host_of: impl Fn(Addr) -> Option<usize>,
    ) -> Option<Decided> {
        let key = (decision.protocol == 17, socket(decision.client), socket(decision.target));
        let attempt = self.waiting.get_mut(&key)?.pop_front()?;
        let host = decision.outcome.ok().and_then(|key| host_of(key.addr));
        let both = [host, kernel_host(self.job, self.seen, attempt)];
        let all = std::mem::take(&mut decision.candidates).into_iter().enumerate();
        if both[1].is_some() && both[0] != both[1] {
            let is_told = |(at, candidate): &(usize, Candidate)| {
                *at < TOLD || both.contains(&host_of(candidate.key.addr))
            };
            decision.candidates = all.filter(is_told).map(|(_, candidate)| candidate).collect();
        }
        Some(Decided { decision, host, attempt })
    }
}

/// The host that took an attempt on the kernel.
pub(crate) fn kernel_host(job: &Job, seen: &Transcript, attempt: usize) -> Option<usize> {
    seen.attempts[attempt].server.map(|server| job.servers[server].host)
}

fn socket((addr, port): (Addr, u16)) -> SocketAddr {
    let ip: IpAddr = crate::rehearse::ip(addr);
    SocketAddr::new(ip, port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearse::{Rehearsed, rehearse};
    use net_model::ipvs::{Chooser, DestinationKey, Protocol, ServiceKey, ServiceRule};
    use sim_core::Time;

    const TEXT: &str = "
duration: 2s
cluster:
  forwarding: dr
  vips: 10.0.0.100
  services: {port: 80, scheduler: wlc}
  server: {workers: 1}
  servers: {\"web[1-40]\": {address: 10.0.0.11}}
clients:
  one: {arrivals: {constant: 1/s}}
";

    fn rehearsed() -> Rehearsed {
        let loaded = scenarios::load::load_text("t.yaml", "t", TEXT, std::path::Path::new("."));
        rehearse(&loaded.expect("it is a scenario").scenario, &mut |_| true).unwrap().unwrap()
    }

    /// The address of a server, by its index.
    fn addr(server: usize) -> Addr {
        Addr::v4(0x0a00_000b + server as u32)
    }

    /// The choice of one of forty servers for the only attempt.
    fn choice(job: &Job, server: usize) -> Decision {
        let candidate = |server| Candidate {
            key: DestinationKey { addr: addr(server), port: 80 },
            weight: 1,
            active: 0,
            inactive: 0,
            figure: String::new(),
            objection: None,
        };
        let of = |at: SocketAddr| match at.ip() {
            IpAddr::V4(ip) => (Addr::v4(ip.into()), at.port()),
            IpAddr::V6(_) => unreachable!("the scenario has none"),
        };
        let target = of(job.attempts[0].remote);
        Decision {
            time: Time::ZERO,
            protocol: 6,
            client: of(job.attempts[0].local),
            target,
            mark: 0,
            flow: 0,
            service: ServiceKey::Address { protocol: Protocol::Tcp, addr: target.0, port: target.1 },
            rule: ServiceRule::Exact,
            chooser: Chooser::Nobody,
            candidates: (0..40).map(candidate).collect(),
            outcome: Ok(DestinationKey { addr: addr(server), port: 80 }),
        }
    }

    /// The servers that are told if the simulation chose this one and the kernel that one.
    fn told(simulation: usize, kernel: usize) -> Vec<usize> {
        let Rehearsed { job, simulated: mut seen, .. } = rehearsed();
        seen.attempts[0].server = Some(kernel);
        let server_at = |at| (0..40).find(|server| addr(*server) == at);
        let host_of = |at| Some(job.servers[server_at(at)?].host);
        let mut attempts = Attempts::new(&job, &seen);
        let decided = attempts.decided(choice(&job, simulation), host_of).expect("it is about the attempt");
        assert_eq!((decided.attempt, decided.host), (0, Some(job.servers[simulation].host)));
        assert!(attempts.decided(choice(&job, simulation), host_of).is_none(), "there is one attempt");
        decided.decision.candidates.iter().filter_map(|candidate| server_at(candidate.key.addr)).collect()
    }

    #[test]
    fn candidates_are_told_where_the_two_differ() {
        assert_eq!(told(3, 3), Vec::<usize>::new());
        assert_eq!(told(3, 4), (0..16).collect::<Vec<_>>());
    }

    #[test]
    fn of_many_candidates_both_choices_are_told() {
        assert_eq!(told(37, 20), (0..16).chain([20, 37]).collect::<Vec<_>>());
    }
}
