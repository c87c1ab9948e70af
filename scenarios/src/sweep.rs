//! Variants of a scenario: other schedulers, forwarding methods, loads, seeds.

use crate::expand::Changes;
use crate::problem::Problem;
use crate::scenario::Scenario;
use crate::schema::Method;
use net_model::spec::Arrivals;
use std::fmt;

/// One variant.
#[derive(Clone, PartialEq, Debug)]
pub struct Variant {
    /// Another scheduler for every service.
    pub scheduler: Option<String>,
    /// Another forwarding method for every real server.
    pub forwarding: Option<Method>,
    /// Factor on every rate of arrivals, and on the number of users.
    pub load: f64,
    /// Number of the repetition, from 0; each has a seed of its own.
    pub replica: u32,
}

impl Default for Variant {
    fn default() -> Variant {
        Variant { scheduler: None, forwarding: None, load: 1.0, replica: 0 }
    }
}

/// What to vary; an empty list leaves the scenario's own value.
#[derive(Clone, PartialEq, Debug)]
pub struct Sweep {
    /// Schedulers.
    pub schedulers: Vec<String>,
    /// Forwarding methods.
    pub forwarding: Vec<Method>,
    /// Load factors.
    pub loads: Vec<f64>,
    /// Repetitions of each, at least 1.
    pub replicas: u32,
}

impl Sweep {
    /// All variants: by forwarding method, scheduler, load, replica, each in the order given.
    pub fn variants(&self) -> Vec<Variant> {
        let or_own = |list: Vec<Option<String>>| if list.is_empty() { vec![None] } else { list };
        let schedulers = or_own(self.schedulers.iter().cloned().map(Some).collect());
        let methods: Vec<Option<Method>> = match self.forwarding.as_slice() {
            [] => vec![None],
            methods => methods.iter().copied().map(Some).collect(),
        };
        let loads = if self.loads.is_empty() { &[1.0][..] } else { &self.loads };
        let mut variants = Vec::new();
        for &forwarding in &methods {
            for scheduler in &schedulers {
                for &load in loads {
                    variants.extend((0..self.replicas.max(1)).map(|replica| Variant {
                        scheduler: scheduler.clone(),
                        forwarding,
                        load,
                        replica,
                    }));
                }
            }
        }
        variants
    }
}

impl Variant {
    /// What changes before the scenario is loaded.
    pub fn changes(&self) -> Changes {
        Changes { scheduler: self.scheduler.clone(), forwarding: self.forwarding }
    }

    /// What changes in a loaded scenario: load and seed.
    ///
    /// # Errors
    /// A trace cannot be made denser, and a load is above 0.
    pub fn apply(&self, scenario: &mut Scenario) -> Result<(), Problem> {
        let factor = self.load;
        let top = crate::source::Span::default();
        if !(factor.is_finite() && factor > 0.0 && factor <= 1e6) {
            return Err(Problem::error(top, format!("a load of {factor}"))
                .help("loads are factors above 0: 0.5, 1, 1.2"));
        }
        scenario.seed = scenario.seed.wrapping_add(u64::from(self.replica));
        if factor == 1.0 {
            return Ok(());
        }
        for group in &mut scenario.clients {
            match &mut group.spec.arrivals {
                Arrivals::Poisson(rate) | Arrivals::Constant(rate) | Arrivals::Bursts { rate, .. } => {
                    *rate *= factor;
                }
                Arrivals::Curve(points) => points.iter_mut().for_each(|(_, rate)| *rate *= factor),
                Arrivals::Users { users, .. } => {
                    *users = ((f64::from(*users) * factor).round() as u32).max(1);
                }
                Arrivals::Trace(_) => {
                    let problem = Problem::error(group.span, "the load of a trace cannot be changed");
                    return Err(problem.help("compare this scenario without `--loads`"));
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for Variant {
    /// `dr wlc load 0.9`: only what differs from the scenario itself.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        parts.extend(self.forwarding.map(|method| method.name().to_string()));
        parts.extend(self.scheduler.clone());
        if self.load != 1.0 {
            parts.push(format!("load {}", self.load));
        }
        if parts.is_empty() { f.write_str("as written") } else { f.write_str(&parts.join(" ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_is_the_product_of_its_lists() {
        let sweep = Sweep {
            schedulers: vec!["rr".into(), "wlc".into()],
            forwarding: vec![Method::Dr],
            loads: vec![0.5, 1.0],
            replicas: 2,
        };
        let names: Vec<String> = sweep.variants().iter().map(|v| format!("{v} #{}", v.replica)).collect();
        assert_eq!(
            names,
            [
                "dr rr load 0.5 #0",
                "dr rr load 0.5 #1",
                "dr rr #0",
                "dr rr #1",
                "dr wlc load 0.5 #0",
                "dr wlc load 0.5 #1",
                "dr wlc #0",
                "dr wlc #1"
            ]
        );
        let nothing = Sweep { schedulers: vec![], forwarding: vec![], loads: vec![], replicas: 0 };
        assert_eq!(nothing.variants(), [Variant::default()]);
    }
}
