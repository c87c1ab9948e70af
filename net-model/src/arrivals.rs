//! When the exchanges of a client group begin: instants drawn by an arrival process, read from a trace, or, for the
//! users of a closed loop, the ends of their first thinking.

use crate::group::ClientGroup;
use crate::spec::{Arrivals, ClientSpec};
use sim_core::arrivals::{ArrivalProcess, Pattern};
use sim_core::{Duration, Time};

/// The arrival process of a group; none for users and traces.
pub(crate) fn process(spec: &ClientSpec) -> Option<ArrivalProcess> {
    let pattern = match &spec.arrivals {
        Arrivals::Poisson(rate) => Pattern::Poisson(*rate),
        Arrivals::Constant(rate) => Pattern::Constant(*rate),
        Arrivals::Bursts { rate, on, off } => {
            Pattern::Bursts { rate: *rate, on: on.clone(), off: off.clone() }
        }
        Arrivals::Curve(points) => Pattern::Curve(points.clone()),
        Arrivals::Users { .. } | Arrivals::Trace(_) => return None,
    };
    Some(ArrivalProcess::new(pattern, spec.start, spec.stop))
}

impl ClientGroup {
    /// Does an exchange at `at` lie in the group's period and within its limit?
    pub(crate) fn may_begin(&self, at: Time) -> bool {
        at < self.spec.stop && self.spec.limit.is_none_or(|limit| self.seen.started < limit)
    }

    /// The instants of the first exchanges.
    pub(crate) fn first_arrivals(&mut self) -> Vec<Time> {
        match &self.spec.arrivals {
            Arrivals::Users { users, think } => {
                let stream = &mut self.stream;
                let mut thinks = || Duration::from_secs_f64(think.sample(stream));
                let instants: Vec<Time> = (0..*users).map(|_| self.spec.start + thinks()).collect();
                instants.into_iter().filter(|at| self.may_begin(*at)).collect()
            }
            Arrivals::Trace(rows) => rows.first().map(|row| row.start).into_iter().collect(),
            _ => self.draw().into_iter().collect(),
        }
    }

    /// The instant of the exchange after the one that begins `now`; none when there is no further one.
    pub(crate) fn next_arrival(&mut self, now: Time) -> Option<Time> {
        if let Arrivals::Trace(rows) = &self.spec.arrivals {
            self.row += 1;
            return rows.get(self.row).map(|row| row.start.max(now));
        }
        self.draw()
    }

    fn draw(&mut self) -> Option<Time> {
        let at = self.process.as_mut()?.next(&mut self.stream);
        self.may_begin(at).then_some(at)
    }
}
