//! Scheduling decisions on record, for `explain`: which service, which candidates, who was chosen and why.

use super::Director;
use super::config::{DestinationKey, ServiceKey};
use super::destination::Destinations;
use super::scheduling::Applicant;
use super::service::ServiceId;
use crate::addr::Addr;
use sim_core::Time;

/// One scheduling decision.
#[derive(Clone, PartialEq, Debug)]
pub struct Decision {
    /// When.
    pub time: Time,
    /// Protocol number of the packet.
    pub protocol: u8,
    /// Client address and port.
    pub client: (Addr, u16),
    /// Virtual address and port, as in the packet.
    pub target: (Addr, u16),
    /// Firewall mark of the packet.
    pub mark: u32,
    /// The trace number of the packet, 0 for none.
    pub flow: u32,
    /// The service that took it.
    pub service: ServiceKey,
    /// Which step of the look-up found the service.
    pub rule: ServiceRule,
    /// Who chose.
    pub chooser: Chooser,
    /// Every destination of the service in list order, with its figures before the choice; empty if a template chose.
    pub candidates: Vec<Candidate>,
    /// The choice, or why there is none.
    pub outcome: Result<DestinationKey, Refusal>,
}

/// Which step of the service look-up matched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServiceRule {
    /// The packet's firewall mark.
    Mark,
    /// Protocol, address and port.
    Exact,
    /// A service on port 21 takes FTP data connections.
    FtpData,
    /// A port-0 service takes every port without a service of its own.
    AnyPort,
}

/// Who chose the destination.
#[derive(Clone, PartialEq, Debug)]
pub enum Chooser {
    /// A persistence template of this client network.
    Template {
        /// The client network's address.
        client: Addr,
    },
    /// The service's scheduler.
    Scheduler {
        /// Its name.
        name: &'static str,
        /// The rule that decides, as a sentence.
        rule: &'static str,
        /// The rule for ties, as a sentence.
        ties: &'static str,
        /// What the decision starts from (a pointer, a hash slot, a cached server), as a sentence.
        state: Option<String>,
    },
    /// Nobody was asked.
    Nobody,
}

/// A destination as the scheduler saw it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Candidate {
    /// Which.
    pub key: DestinationKey,
    /// Weight.
    pub weight: i32,
    /// ActiveConn.
    pub active: i32,
    /// InActConn.
    pub inactive: i32,
    /// What is compared, with its value: `load 514 / weight 2`.
    pub figure: String,
    /// Why it cannot be chosen; none if it can.
    pub objection: Option<&'static str>,
}

/// Why a packet got no destination.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The drop_packet defence.
    DropDefence,
    /// Source port 20: never scheduled.
    SourcePort20,
    /// The service has another port and is not persistent.
    OtherPort,
    /// No destination is usable.
    NothingUsable,
    /// The persistence engine found no key in the datagram.
    NoEngineKey,
}

impl Director {
    /// Switches the record of decisions on or off.
    pub fn record_decisions(&mut self, on: bool) {
        self.decisions = if on { Some(self.decisions.take().unwrap_or_default()) } else { None };
    }

    /// The decisions since the last call, oldest first.
    pub fn take_decisions(&mut self) -> Vec<Decision> {
        self.decisions.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Puts a decision on record, if there is a record.
    #[expect(clippy::too_many_arguments, reason = "they are the fields of the record")]
    pub(super) fn record(
        &mut self,
        time: Time,
        applicant: &Applicant,
        service: ServiceId,
        rule: ServiceRule,
        chooser: Chooser,
        candidates: Vec<Candidate>,
        outcome: Result<DestinationKey, Refusal>,
    ) {
        let Some(service) = self.services.get(service) else { return };
        let Some(decisions) = &mut self.decisions else { return };
        let tuple = &applicant.tuple;
        decisions.push(Decision {
            time,
            protocol: tuple.protocol,
            client: (tuple.src, tuple.sport),
            target: (tuple.dst, tuple.dport),
            mark: applicant.mark,
            flow: applicant.flow,
            service: service.key,
            rule,
            chooser,
            candidates,
            outcome,
        });
    }

    /// Puts on record that nobody was asked.
    pub(super) fn refused(
        &mut self,
        time: Time,
        applicant: &Applicant,
        service: ServiceId,
        rule: ServiceRule,
        why: Refusal,
    ) {
        self.record(time, applicant, service, rule, Chooser::Nobody, Vec::new(), Err(why));
    }
}

/// The candidates of a scheduler's account, by their addresses.
pub(super) fn candidates(account: &schedulers::Account, destinations: &Destinations) -> Vec<Candidate> {
    let candidate = |c: &schedulers::Candidate| Candidate {
        key: destinations.get(c.id).key,
        weight: c.weight,
        active: c.active,
        inactive: c.inactive,
        figure: c.figure.clone(),
        objection: c.objection,
    };
    account.candidates.iter().map(candidate).collect()
}
