//! A decision of the simulated director, and what the kernel's director decided about the same packet.
//!
//! The kernel itself is asked, where it can be: it told each connection that it made. Elsewhere the server that took the
//! connection tells who was chosen, and nobody knows of connections that no server took.

use crate::job::Job;
use crate::transcript::{Chosen, Transcript};
use net_model::addr::Addr;
use net_model::ipvs::{Candidate, Decision};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

/// So many candidates of a decision are told, at least.
const TOLD: usize = 16;

/// A decision of the simulated director about a packet that the kernel's director got, too.
#[derive(Clone, Debug)]
pub struct Decided {
    /// The decision. Its candidates are kept if the kernel decided otherwise: the first, and the two that were chosen.
    pub decision: Decision,
    /// The host it chose, as an index into the job's hosts.
    pub host: Option<usize>,
    /// The attempt it was about, as an index into the job's attempts.
    pub attempt: Option<usize>,
    /// What the kernel decided.
    pub kernel: Kernel,
}

/// What the kernel's director decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kernel {
    /// Nobody knows.
    Unknown,
    /// It made no connection.
    Nobody,
    /// It chose this address, which is that of a host of the job, or of nobody.
    Chose(Addr, Option<usize>),
    /// A server of this host took the connection.
    Took(usize),
}

impl Decided {
    /// Did the kernel decide otherwise?
    pub(crate) fn differs(&self) -> bool {
        match self.kernel {
            Kernel::Unknown => false,
            Kernel::Nobody => self.decision.outcome.is_ok(),
            Kernel::Chose(addr, _) => self.decision.outcome.map(|key| key.addr) != Ok(addr),
            Kernel::Took(host) => self.host != Some(host),
        }
    }

    /// Is this candidate the one that one of both chose?
    fn is_chosen(&self, addr: Addr, host: Option<usize>) -> bool {
        self.decision.outcome.map(|key| key.addr) == Ok(addr)
            || match self.kernel {
                Kernel::Unknown | Kernel::Nobody => false,
                Kernel::Chose(chosen, _) => chosen == addr,
                Kernel::Took(taker) => Some(taker) == host,
            }
    }

    /// Whom the simulation chose, by name.
    pub(crate) fn choice(&self, job: &Job) -> String {
        self.decision.outcome.map_or("nobody".into(), |key| name(job, self.host, key.addr))
    }

    /// Whom the kernel chose, by name.
    pub(crate) fn kernels_choice(&self, job: &Job) -> String {
        match self.kernel {
            Kernel::Unknown => "unknown".into(),
            Kernel::Nobody => "nobody".into(),
            Kernel::Chose(addr, host) => name(job, host, addr),
            Kernel::Took(host) => job.hosts[host].clone(),
        }
    }
}

/// A host by its name, an address that is nobody's as it is.
fn name(job: &Job, host: Option<usize>, addr: Addr) -> String {
    host.map_or_else(|| addr.to_string(), |host| job.hosts[host].clone())
}

/// What tells connections apart: UDP or TCP, the client, the service.
type Key = (bool, SocketAddr, SocketAddr);

/// What is known of a director's decisions: those between the same addresses and ports, one after the other.
pub(crate) struct Known<'a> {
    job: &'a Job,
    seen: &'a Transcript,
    /// Indices into the job's attempts.
    attempts: BTreeMap<Key, VecDeque<usize>>,
    /// What the kernel told of this director, if it did.
    chosen: Option<BTreeMap<Key, VecDeque<Chosen>>>,
}

impl<'a> Known<'a> {
    pub(crate) fn new(job: &'a Job, seen: &'a Transcript, director: usize) -> Known<'a> {
        let attempts = job.attempts.iter().map(|one| (one.udp, one.local, one.remote)).zip(0..);
        let chosen = seen.chosen.as_ref().map(|all| {
            let of_director = all.iter().filter(|one| one.host == director);
            by_key(of_director.map(|one| ((one.udp, one.client, one.service), *one)))
        });
        Known { job, seen, attempts: by_key(attempts), chosen }
    }

    /// A decision, and what is known of it; none if nothing is. `host_of` knows the servers' addresses.
    pub(crate) fn decided(
        &mut self,
        decision: Decision,
        host_of: impl Fn(Addr) -> Option<usize>,
    ) -> Option<Decided> {
        let key = (decision.protocol == 17, socket(decision.client), socket(decision.target));
        let attempt = self.attempts.get_mut(&key).and_then(VecDeque::pop_front);
        if attempt.is_none() && self.chosen.is_none() {
            return None;
        }
        let kernel = match &mut self.chosen {
            Some(chosen) => kernels_word(chosen, &key, &decision, &host_of),
            None => attempt.map_or(Kernel::Unknown, |attempt| self.taker(attempt)),
        };
        let host = decision.outcome.ok().and_then(|key| host_of(key.addr));
        let mut decided = Decided { decision, host, attempt, kernel };
        let all = std::mem::take(&mut decided.decision.candidates).into_iter().enumerate();
        if decided.differs() {
            let is_told = |(at, candidate): &(usize, Candidate)| {
                *at < TOLD || decided.is_chosen(candidate.key.addr, host_of(candidate.key.addr))
            };
            decided.decision.candidates = all.filter(is_told).map(|(_, candidate)| candidate).collect();
        }
        Some(decided)
    }

    /// Connections that the kernel's director made although the simulated one decided nothing.
    pub(crate) fn rest(self) -> Vec<Chosen> {
        let mut rest: Vec<Chosen> = self.chosen.into_iter().flatten().flat_map(|(_, all)| all).collect();
        rest.sort_by_key(|one| one.at);
        rest
    }

    /// The host whose server took an attempt.
    fn taker(&self, attempt: usize) -> Kernel {
        let server = self.seen.attempts[attempt].server;
        server.map_or(Kernel::Unknown, |server| Kernel::Took(self.job.servers[server].host))
    }
}

/// What the kernel told of a decision.
fn kernels_word(
    chosen: &mut BTreeMap<Key, VecDeque<Chosen>>,
    key: &Key,
    decision: &Decision,
    host_of: impl Fn(Addr) -> Option<usize>,
) -> Kernel {
    if decision.outcome.is_err() {
        return Kernel::Nobody; // if it made one nevertheless, that is among the rest
    }
    let Some(made) = chosen.get_mut(key).and_then(VecDeque::pop_front) else { return Kernel::Nobody };
    let addr = made.server.ip().into();
    Kernel::Chose(addr, host_of(addr))
}

fn by_key<T>(all: impl Iterator<Item = (Key, T)>) -> BTreeMap<Key, VecDeque<T>> {
    let mut map: BTreeMap<Key, VecDeque<T>> = BTreeMap::new();
    all.for_each(|(key, one)| map.entry(key).or_default().push_back(one));
    map
}

fn socket((addr, port): (Addr, u16)) -> SocketAddr {
    SocketAddr::new(addr.into(), port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearse::{Rehearsed, rehearse};
    use net_model::ipvs::{Chooser, DestinationKey, Protocol, Refusal, ServiceKey, ServiceRule};
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
        let of = |at: SocketAddr| (Addr::from(at.ip()), at.port());
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

    /// The index of the server at an address.
    fn server_at(addr_of_it: Addr) -> Option<usize> {
        (0..40).find(|server| addr(*server) == addr_of_it)
    }

    /// What is known of the simulation's choice of one server when this one took the connection on the kernel.
    fn taken(simulation: usize, kernel: usize) -> Decided {
        let Rehearsed { job, simulated: mut seen, .. } = rehearsed();
        seen.attempts[0].server = Some(kernel);
        let host_of = |at| Some(job.servers[server_at(at)?].host);
        let mut known = Known::new(&job, &seen, 0);
        let decided = known.decided(choice(&job, simulation), host_of).expect("it is about the attempt");
        assert_eq!((decided.attempt, decided.host), (Some(0), Some(job.servers[simulation].host)));
        assert_eq!(decided.choice(&job), format!("web{}", simulation + 1));
        assert_eq!(decided.kernels_choice(&job), format!("web{}", kernel + 1));
        assert!(known.decided(choice(&job, simulation), host_of).is_none(), "there is one attempt");
        decided
    }

    fn told(decided: &Decided) -> Vec<usize> {
        decided.decision.candidates.iter().filter_map(|candidate| server_at(candidate.key.addr)).collect()
    }

    #[test]
    fn candidates_are_told_where_the_two_differ() {
        assert_eq!(told(&taken(3, 3)), Vec::<usize>::new());
        assert_eq!(told(&taken(3, 4)), (0..16).collect::<Vec<_>>());
        assert!(taken(3, 4).differs() && !taken(3, 3).differs());
    }

    #[test]
    fn of_many_candidates_both_choices_are_told() {
        assert_eq!(told(&taken(37, 20)), (0..16).chain([20, 37]).collect::<Vec<_>>());
    }

    /// What is known when the kernel told that it chose these servers, and no server took anything; and the rest.
    fn kernel_told(decisions: &[Option<usize>], kernel: &[usize]) -> (Vec<Decided>, Vec<Chosen>) {
        let Rehearsed { job, simulated: mut seen, .. } = rehearsed();
        seen.attempts[0].server = None;
        let (client, service) = (job.attempts[0].local, job.attempts[0].remote);
        let made = kernel.iter().map(|server| Chosen {
            at: 0,
            host: 0,
            udp: false,
            client,
            service,
            server: SocketAddr::new(addr(*server).into(), 80),
        });
        seen.chosen = Some(made.collect());
        let mut known = Known::new(&job, &seen, 0);
        let decided = decisions.iter().map(|server| {
            let refused = Decision { outcome: Err(Refusal::DropDefence), ..choice(&job, 0) };
            let decision = server.map_or(refused, |server| choice(&job, server));
            known.decided(decision, |_| None).expect("the kernel is a witness")
        });
        (decided.collect(), known.rest())
    }

    #[test]
    fn the_kernels_word_counts_where_no_server_took_anything() {
        let (decided, rest) = kernel_told(&[Some(3), Some(4)], &[3, 5]);
        assert_eq!(decided.iter().map(Decided::differs).collect::<Vec<_>>(), [false, true]);
        assert_eq!((decided[1].attempt, decided[1].kernel), (None, Kernel::Chose(addr(5), None)));
        assert_eq!(rest, []);
    }

    #[test]
    fn connections_that_one_of_both_made_differ() {
        let (decided, rest) = kernel_told(&[None, Some(3)], &[]);
        assert_eq!(decided.iter().map(Decided::differs).collect::<Vec<_>>(), [false, true]);
        assert_eq!((decided[1].kernel, rest.len()), (Kernel::Nobody, 0));
        let (decided, rest) = kernel_told(&[None], &[7]);
        assert!(!decided[0].differs());
        assert_eq!(
            rest[0].server.ip(),
            std::net::IpAddr::from(addr(7)),
            "it is told as what nobody else decided"
        );
    }
}
