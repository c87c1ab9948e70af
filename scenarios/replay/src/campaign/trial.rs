//! A case on trial: what the simulation says about it, and what a witness says.

use super::case::Case;
use super::files;
use crate::backend::{Backend, BackendError};
use crate::compare::{Difference, listing_difference};
use crate::job::Job;
use crate::rehearse::{Rehearsed, rehearse};
use crate::transcript::{Answer, Outcome, Transcript};
use scenarios::scenario::Line;
use sim_core::Duration;
use std::ops::Range;

/// A case with the simulation's account of it.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The case.
    pub case: Case,
    /// What it is as work for a kernel.
    pub job: Job,
    /// What the simulation did.
    pub simulated: Transcript,
    /// Packets that clients sent, answers not counted.
    pub packets: u64,
}

/// What a comparison has found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Findings {
    /// Exchanges of clients.
    pub exchanges: usize,
    /// Exchanges that a server took.
    pub decisions: usize,
    /// Listings.
    pub listings: usize,
    /// Fates and listings that were left out, because the witness itself does not repeat them.
    pub unrepeated: usize,
    /// Those of them that the witness had as the simulation has them when it was asked again.
    pub agreed_again: usize,
    /// Everything that differs, in order of time.
    pub differences: Vec<Difference>,
}

/// Somebody who has seen cases, and says what happened.
pub trait Witness {
    /// Who it is.
    fn name(&self) -> String;

    /// How many cases it likes to see at once.
    fn batch(&self) -> usize;

    /// Sees cases, and says what happened in each, in their order.
    ///
    /// # Errors
    /// It could not see them.
    fn testify(&mut self, trials: &[Trial]) -> Result<Vec<Transcript>, BackendError>;

    /// Sees cases that it has seen before, at another phase of its timers and on longer cables: what it says otherwise was
    /// chance. Who says nothing would say the same.
    ///
    /// # Errors
    /// It could not see them.
    fn testify_again(&mut self, _trials: &[Trial]) -> Result<Vec<Transcript>, BackendError> {
        Ok(Vec::new())
    }
}

impl Findings {
    /// A witness does not repeat something; when asked again it may have agreed.
    fn leave_out(&mut self, has_agreed: bool) {
        self.unrepeated += 1;
        self.agreed_again += usize::from(has_agreed);
    }
}

impl Trial {
    /// Simulates a case; none if its hosts refuse their set-up.
    pub fn new(case: &Case) -> Option<Trial> {
        let Rehearsed { job, simulated, .. } = play(case, Circumstances::default())?;
        let packets = packets(&simulated);
        Some(Trial { case: case.clone(), job, simulated, packets })
    }

    /// Does something depend on when exactly kernel timers fire, on what hosts draw, or on who is first of two that
    /// answer at once? A kernel's timers fire by the time it has been up, its draws are nobody's decision, and cables
    /// differ: such a case proves nothing.
    pub fn is_unsettled(&self) -> bool {
        let usual = Circumstances::default();
        let mut all = Vec::new();
        // Other places on the timer wheel, and between two runs of the job that copies the counters every two seconds,
        // which each namespace begins when it is made.
        let later = (1..10).map(|n| 200 * n).chain([1_900, 9_300]);
        all.extend(later.map(|later| Circumstances { later, ..usual }));
        all.extend([2, 3].map(|seed| Circumstances { seed, ..usual }));
        // Linux draws between half and one and a half of 30 s.
        all.extend([8_000, 90_000].map(|reachable| Circumstances { reachable: Some(reachable), ..usual }));
        all.extend([true, false].map(|first| Circumstances { nearest: Some(first), ..usual }));
        all.into_iter().any(|circumstances| {
            let Some(Rehearsed { mut simulated, .. }) = play(&self.case, circumstances) else {
                return true;
            };
            simulated.notes.iter_mut().for_each(|note| note.at -= circumstances.later * 1_000_000);
            !self.differences(&simulated).is_empty()
        })
    }

    /// The same work where a packet takes a millisecond from host to host. A kernel's own cables take no time: an answer
    /// is there before the program that asked has gone on, and may end what that was about to say.
    fn job_on_longer_cables(&self) -> Job {
        let longer = Circumstances { cable: Some(Duration::from_millis(1)), ..Circumstances::default() };
        play(&self.case, longer).expect("it could be set up before").job
    }

    /// Everything in which a testimony differs from the simulation, in order of time.
    pub fn differences(&self, testimony: &Transcript) -> Vec<Difference> {
        self.compare(testimony, None).differences
    }

    /// The comparison with a testimony: the fate of each exchange, and what each command said. What a second testimony
    /// has otherwise is left out. The looks after everything come too late, when entries have gone: cases look for
    /// themselves, in their steps.
    pub fn compare(&self, testimony: &Transcript, second: Option<&Transcript>) -> Findings {
        let mut findings = Findings { exchanges: self.job.attempts.len(), ..Findings::default() };
        let mut testimonies = std::iter::once(testimony).chain(second);
        if let Some(what) = testimonies.find_map(|one| one.misfit(&self.job)) {
            let text = format!("the testimony has other {what} than the case");
            findings.differences.push(Difference { at: 0, text });
            return findings;
        }
        let fate = |outcome: &Outcome| (outcome.server, outcome.end);
        for (index, (ours, theirs)) in self.simulated.attempts.iter().zip(&testimony.attempts).enumerate() {
            findings.decisions += usize::from(ours.server.is_some());
            if fate(ours) == fate(theirs) {
                continue;
            }
            match second.map(|second| fate(&second.attempts[index])).filter(|again| *again != fate(theirs)) {
                Some(again) => findings.leave_out(again == fate(ours)),
                None => findings.differences.push(self.fates(index, ours, (testimony, theirs))),
            }
        }
        for (at, line) in self.case.runs() {
            let [ours, theirs] = [&self.simulated, testimony].map(|transcript| said(transcript, at, line));
            findings.listings += usize::from(line.starts_with("ipvsadm -L"));
            let Some(text) = listing_difference(&ours, &theirs) else { continue };
            let again = second.map(|second| said(second, at, line));
            if let Some(again) = again.filter(|again| listing_difference(again, &theirs).is_some()) {
                findings.leave_out(listing_difference(&ours, &again).is_none());
                continue;
            }
            let text = format!("director# {line}  (- {}, + {})\n{text}", self.simulated.by, testimony.by);
            findings.differences.push(Difference { at: ours.at, text });
        }
        findings.differences.sort_by_key(|difference| difference.at);
        findings
    }

    fn fates(
        &self,
        index: usize,
        ours: &Outcome,
        (testimony, theirs): (&Transcript, &Outcome),
    ) -> Difference {
        let fate = |by: &str, outcome: &Outcome| {
            let server = outcome.server.map(|server| &*self.job.hosts[self.job.servers[server].host]);
            format!("  {by}: {}, {}", server.unwrap_or("no server"), outcome.end.name())
        };
        let attempt = &self.job.attempts[index];
        let protocol = if attempt.udp { "UDP" } else { "TCP" };
        let text = format!(
            "exchange {} from {} to {protocol} {}\n{}\n{}",
            index + 1,
            attempt.local,
            attempt.remote,
            fate(&self.simulated.by, ours),
            fate(&testimony.by, theirs)
        );
        Difference { at: attempt.at, text }
    }
}

/// The packets that clients sent to virtual addresses, answers not counted: those that the director has counted, and one
/// of each exchange that nobody has served.
fn packets(simulated: &Transcript) -> u64 {
    let statistics = simulated.answers.iter().find(|answer| answer.command.contains("--stats"));
    let lines = statistics.into_iter().flat_map(|answer| answer.stdout.lines());
    let services = lines.filter(|line| ["TCP ", "UDP ", "FWM "].iter().any(|kind| line.starts_with(kind)));
    let counted: u64 = services.filter_map(|line| line.split_whitespace().nth(3)?.parse::<u64>().ok()).sum();
    let unserved = simulated.attempts.iter().filter(|attempt| attempt.server.is_none()).count();
    (counted + unserved as u64).max(simulated.attempts.len() as u64)
}

/// What a command of a case said, complaints included; nothing if it was silent.
fn said(transcript: &Transcript, at: u64, line: &str) -> Answer {
    let at = at * 1_000_000;
    let notes = transcript.notes.iter().filter(|note| note.at == at);
    let stdout = notes.map(|note| format!("{}{}", note.stdout, note.stderr)).collect();
    Answer { at, command: line.into(), stdout, ..Answer::default() }
}

/// What must not matter to a case.
#[derive(Clone, Copy, Debug)]
struct Circumstances {
    /// It begins so many milliseconds later.
    later: u64,
    /// The seed of all draws.
    seed: u64,
    /// For how many milliseconds (more or less) a neighbour is reachable, if not as usual.
    reachable: Option<u32>,
    /// The cables of the first hosts are the shortest, or those of the last.
    nearest: Option<bool>,
    /// A packet takes so long on each cable, if not as usual.
    cable: Option<Duration>,
}

impl Default for Circumstances {
    fn default() -> Circumstances {
        Circumstances { later: 0, seed: 1, reachable: None, nearest: None, cable: None }
    }
}

/// A case in the simulation; none if its hosts refuse their set-up.
fn play(case: &Case, circumstances: Circumstances) -> Option<Rehearsed> {
    let Circumstances { later, seed, reachable, nearest, cable: delay } = circumstances;
    let mut scenario = files::scenario(&case.later(later)).ok()?;
    scenario.seed = seed;
    let count = scenario.hosts.len();
    for (number, host) in scenario.hosts.iter_mut().enumerate() {
        if let Some(reachable) = reachable {
            let text = format!("sysctl -w net.ipv4.neigh.eth0.base_reachable_time_ms={reachable}");
            let first = host.setup.first().map(|first| Line { added: text.len(), text, ..first.clone() });
            host.setup = first.into_iter().chain(host.setup.iter().cloned()).collect();
        }
        if let Some(first) = nearest {
            let place = if first { number } else { count - number };
            let cables = host.interfaces.iter_mut().filter_map(|interface| interface.plug.as_mut());
            cables.for_each(|(_, cable)| cable.delay += Duration::from_nanos(700 * place as u64));
        }
        if let Some(delay) = delay {
            let cables = host.interfaces.iter_mut().filter_map(|interface| interface.plug.as_mut());
            cables.for_each(|(_, cable)| cable.delay = delay);
        }
    }
    rehearse(&scenario, &mut |_| true).ok()?
}

/// Cases that could be set up one by one, all in one simulation.
fn play_together(trials: &[Trial]) -> Rehearsed {
    let alone = |trial: &Trial| files::scenario(&trial.case).expect("it was a scenario before");
    let together = files::side_by_side(trials.iter().map(alone).collect());
    rehearse(&together, &mut |_| true).expect("each could be set up alone").expect("nobody stops it")
}

/// The simulation itself, with all cases of a batch in one network: whatever one case does must not matter to another.
#[derive(Clone, Copy, Debug)]
pub struct Together;

impl Witness for Together {
    fn name(&self) -> String {
        "the simulation of many cases at once".into()
    }

    fn batch(&self) -> usize {
        16
    }

    fn testify(&mut self, trials: &[Trial]) -> Result<Vec<Transcript>, BackendError> {
        let all = play_together(trials);
        Ok(split(trials, &all.job, &all.simulated))
    }
}

/// A backend that does jobs, those of a batch one after the other.
pub struct Kernel<'a> {
    /// The backend.
    pub backend: &'a mut dyn Backend,
    /// Who it is.
    pub name: String,
    /// How many cases it does at once.
    pub batch: usize,
}

impl Witness for Kernel<'_> {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn batch(&self) -> usize {
        self.batch
    }

    fn testify(&mut self, trials: &[Trial]) -> Result<Vec<Transcript>, BackendError> {
        self.perform(trials, |trial| trial.job.clone())
    }

    fn testify_again(&mut self, trials: &[Trial]) -> Result<Vec<Transcript>, BackendError> {
        /// Another phase of the timer wheel, whose second level turns every 32 ms.
        const ANOTHER: u64 = 12_000_000;
        self.perform(trials, |trial| Job { phase: ANOTHER, ..trial.job_on_longer_cables() })
    }
}

impl Kernel<'_> {
    fn perform(
        &mut self,
        trials: &[Trial],
        job: impl Fn(&Trial) -> Job,
    ) -> Result<Vec<Transcript>, BackendError> {
        if trials.is_empty() {
            return Ok(Vec::new());
        }
        // Cases look for themselves, and nothing of theirs happens nearly at once.
        let end = |trial: &Trial| (trial.case.last() + 1_000) * 1_000_000;
        let job = |trial: &Trial| Job { looks: Vec::new(), taps: Vec::new(), end: end(trial), ..job(trial) };
        let jobs: Vec<Job> = trials.iter().map(job).collect();
        self.backend.perform(&jobs)?.into_iter().map(|done| done.map_err(BackendError::Unable)).collect()
    }
}

/// The parts of a transcript that belong to each case: hosts and servers are numbered case by case.
fn split(trials: &[Trial], job: &Job, all: &Transcript) -> Vec<Transcript> {
    let (mut hosts, mut servers) = (0..0, 0..0);
    trials
        .iter()
        .map(|trial| {
            hosts = hosts.end..hosts.end + trial.job.hosts.len();
            servers = servers.end..servers.end + trial.job.servers.len();
            part(job, all, &hosts, &servers)
        })
        .collect()
}

fn part(job: &Job, all: &Transcript, hosts: &Range<usize>, servers: &Range<usize>) -> Transcript {
    let names = &job.hosts[hosts.clone()];
    let is_theirs = |answer: &&Answer| answer.host.as_ref().is_some_and(|host| names.contains(host));
    let mut part = Transcript { by: all.by.clone(), latest: all.latest, ..Transcript::default() };
    let attempts =
        job.attempts.iter().zip(&all.attempts).filter(|(attempt, _)| hosts.contains(&attempt.host));
    part.attempts.extend(attempts.map(|(_, outcome)| {
        let mut outcome = *outcome;
        outcome.server = outcome.server.map(|server| server - servers.start);
        outcome
    }));
    part.notes = all.notes.iter().filter(is_theirs).cloned().collect();
    part
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::{Counterexample, Tally, run, settled};

    #[test]
    fn most_cases_do_not_depend_on_the_phase_of_timers() {
        let trials: Vec<Option<Trial>> = (0..40).map(|number| settled(1, number)).collect();
        let good: Vec<&Trial> = trials.iter().flatten().collect();
        assert!(good.len() >= 38, "{}", good.len());
        let decisions =
            good.iter().map(|trial| trial.compare(&trial.simulated, None).decisions).sum::<usize>();
        assert!(decisions > 20 * good.len(), "{decisions} decisions in {} cases", good.len());
    }

    #[test]
    fn cases_that_are_played_together_do_not_matter_to_one_another() {
        let mut found = Vec::new();
        let mut judged = |_: &Tally, different: Vec<Counterexample>| {
            found.extend(different.into_iter().map(|one| (one.differences, one.trial.case)));
            true
        };
        let tally = run(4, 0..20, &mut Together, &mut judged).expect("simulations testify");
        assert!(found.is_empty(), "{found:#?}");
        assert_eq!(tally.cases + tally.unsettled, 20);
    }

    #[test]
    fn a_testimony_about_something_else_is_no_agreement() {
        let trial = (0..).find_map(|number| settled(1, number)).expect("some case is settled");
        let said = |change: &dyn Fn(&mut Transcript)| {
            let mut testimony = trial.simulated.clone();
            change(&mut testimony);
            let differences = trial.differences(&testimony);
            differences.into_iter().map(|one| one.text).collect::<Vec<_>>()
        };
        assert_eq!(said(&|_| {}), Vec::<String>::new());
        assert_eq!(said(&|one| one.attempts.truncate(1)), ["the testimony has other attempts than the case"]);
        assert_eq!(
            said(&|one| one.attempts[0].server = Some(999)),
            ["the testimony has other servers than the case"]
        );
    }
}
