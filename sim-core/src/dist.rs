//! Distributions of durations and sizes, the same bits on every platform.
//!
//! Every sample is the inverse of the distribution function at one uniform number of the stream (a mixture of
//! exponentials takes two: which, and how long), computed with `libm` and IEEE 754 arithmetic only. Nothing is cached
//! between samples, so that a distribution can be shared.
//!
//! Parameters are taken as they are: whoever reads them from a user checks them first, with
//! [`problem`](Dist::problem).

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
    /// Pareto, cut off at `max`: larger values are drawn again, so to speak, not piled up there.
    Pareto {
        /// Smallest value.
        min: f64,
        /// Shape (tail index).
        shape: f64,
        /// Largest value; may be infinite.
        max: f64,
    },
    /// Weibull.
    Weibull {
        /// Scale.
        scale: f64,
        /// Shape.
        shape: f64,
    },
    /// A mixture of exponentials: (probability, mean). Probabilities are taken relative to their sum.
    HyperExponential(Vec<(f64, f64)>),
    /// Values measured elsewhere, drawn uniformly.
    Empirical(Arc<[f64]>),
}

impl Dist {
    /// Draws a value.
    pub fn sample(&self, stream: &mut Stream) -> f64 {
        match self {
            Dist::Constant(value) => *value,
            Dist::Uniform { low, high } => low + (high - low) * stream.uniform(),
            Dist::Exponential { mean } => mean * stream.exponential(),
            Dist::LogNormal { median, sigma } => median * libm::exp(sigma * stream.normal()),
            Dist::Pareto { min, shape, max } => {
                let cut = 1.0 - libm::pow(min / max, *shape);
                // Rounding must not carry the largest values over the edge.
                (min / libm::pow(1.0 - cut * stream.uniform(), 1.0 / shape)).min(*max)
            }
            Dist::Weibull { scale, shape } => scale * libm::pow(stream.exponential(), 1.0 / shape),
            Dist::HyperExponential(branches) => {
                branch_mean(branches, stream.uniform()) * stream.exponential()
            }
            Dist::Empirical(values) => values[stream.below(values.len() as u64) as usize],
        }
    }

    /// The mean, exactly; infinite for a Pareto distribution without a largest value whose shape is 1 or less.
    pub fn mean(&self) -> f64 {
        match self {
            Dist::Constant(value) => *value,
            Dist::Uniform { low, high } => (low + high) / 2.0,
            Dist::Exponential { mean } => *mean,
            Dist::LogNormal { median, sigma } => median * libm::exp(sigma * sigma / 2.0),
            Dist::Pareto { min, shape, max } => pareto_mean(*min, *shape, *max),
            Dist::Weibull { scale, shape } => scale * libm::tgamma(1.0 + 1.0 / shape),
            Dist::HyperExponential(branches) => {
                let weighted: f64 = branches.iter().map(|(probability, mean)| probability * mean).sum();
                weighted / total_probability(branches)
            }
            Dist::Empirical(values) => values.iter().sum::<f64>() / values.len() as f64,
        }
    }

    /// What is wrong with the parameters, as a sentence; none if every value drawn will be finite and not negative.
    pub fn problem(&self) -> Option<&'static str> {
        let amount = |x: f64| x.is_finite() && x >= 0.0;
        let positive = |x: f64| x.is_finite() && x > 0.0;
        match self {
            Dist::Constant(value) if !amount(*value) => Some("the value must be zero or more"),
            Dist::Uniform { low, high } if !(amount(*low) && amount(*high) && low <= high) => {
                Some("the bounds must be zero or more, the lower one first")
            }
            Dist::Exponential { mean } if !amount(*mean) => Some("the mean must be zero or more"),
            Dist::LogNormal { median, sigma } if !(amount(*median) && amount(*sigma)) => {
                Some("median and sigma must be zero or more")
            }
            Dist::Pareto { min, shape, max } if !(positive(*min) && positive(*shape) && min <= max) => {
                Some("minimum and shape must be more than zero, and the maximum not below the minimum")
            }
            Dist::Weibull { scale, shape } if !(amount(*scale) && positive(*shape)) => {
                Some("the scale must be zero or more, and the shape more than zero")
            }
            Dist::HyperExponential(branches)
                if !branches.iter().all(|&(p, mean)| amount(p) && amount(mean))
                    || !positive(total_probability(branches)) =>
            {
                Some("probabilities and means must be zero or more, and some probability more than zero")
            }
            Dist::Empirical(values) if values.is_empty() => Some("there must be at least one value"),
            Dist::Empirical(values) if !values.iter().all(|&value| amount(value)) => {
                Some("the values must be zero or more")
            }
            Dist::Constant(_)
            | Dist::Uniform { .. }
            | Dist::Exponential { .. }
            | Dist::LogNormal { .. }
            | Dist::Pareto { .. }
            | Dist::Weibull { .. }
            | Dist::HyperExponential(_)
            | Dist::Empirical(_) => None,
        }
    }
}

/// The mean of the branch in which the share `u` of the probability lies.
fn branch_mean(branches: &[(f64, f64)], u: f64) -> f64 {
    let mut left = u * total_probability(branches);
    for &(probability, mean) in branches {
        if left < probability {
            return mean;
        }
        left -= probability;
    }
    // Rounding may leave a crumb beyond the last branch.
    branches.last().map_or(0.0, |&(_, mean)| mean)
}

fn total_probability(branches: &[(f64, f64)]) -> f64 {
    branches.iter().map(|(probability, _)| probability).sum()
}

fn pareto_mean(min: f64, shape: f64, max: f64) -> f64 {
    if min >= max {
        return min;
    }
    if max.is_infinite() {
        return if shape > 1.0 { shape * min / (shape - 1.0) } else { f64::INFINITY };
    }
    let log_range = libm::log(max / min);
    // ∫ x · x^(−shape − 1) dx, in units of `min`: (1 − e^(−(shape − 1) · log_range)) / (shape − 1), which has the
    // limit log_range at shape 1.
    let excess = shape - 1.0;
    let integral = if excess == 0.0 { log_range } else { -libm::expm1(-excess * log_range) / excess };
    min * shape * integral / -libm::expm1(-shape * log_range)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INF: f64 = f64::INFINITY;

    /// One of each, with its variance by theory.
    fn all() -> Vec<(Dist, f64)> {
        let lognormal = |median: f64, s2: f64| (s2.exp() - 1.0) * s2.exp() * median * median;
        // Second moment of a Pareto distribution cut off at `max`, less the square of the mean.
        let pareto = |min: f64, a: f64, max: f64| {
            let cut = 1.0 - (min / max).powf(a);
            let second = a * min.powf(a) / cut * (max.powf(2.0 - a) - min.powf(2.0 - a)) / (2.0 - a);
            second - pareto_mean(min, a, max).powi(2)
        };
        vec![
            (Dist::Constant(3.5), 0.0),
            (Dist::Uniform { low: 1.0, high: 4.0 }, 9.0 / 12.0),
            (Dist::Exponential { mean: 0.2 }, 0.04),
            (Dist::LogNormal { median: 2.0, sigma: 0.5 }, lognormal(2.0, 0.25)),
            (Dist::Pareto { min: 1.0, shape: 1.5, max: 50.0 }, pareto(1.0, 1.5, 50.0)),
            (Dist::Pareto { min: 3.0, shape: 1.0, max: 60.0 }, pareto(3.0, 1.0, 60.0)),
            (Dist::Pareto { min: 2.0, shape: 5.0, max: INF }, 4.0 * 5.0 / (16.0 * 3.0)),
            (Dist::Weibull { scale: 2.0, shape: 2.0 }, 4.0 - std::f64::consts::PI),
            (Dist::HyperExponential(vec![(0.9, 1.0), (0.1, 5.0)]), 2.0 * (0.9 + 2.5) - 1.4f64.powi(2)),
            (Dist::Empirical([1.0, 2.0, 6.0].into()), 14.0 / 3.0),
        ]
    }

    #[test]
    fn mean_and_variance_agree_with_theory() {
        const N: u32 = 400_000;
        for (dist, variance) in all() {
            let mut stream = Stream::new(11, "moments");
            let samples: Vec<f64> = (0..N).map(|_| dist.sample(&mut stream)).collect();
            let mean = samples.iter().sum::<f64>() / f64::from(N);
            let spread = samples.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / f64::from(N);
            let four_errors = 4.0 * (variance / f64::from(N)).sqrt() + 1e-12;
            assert!(
                (mean - dist.mean()).abs() <= four_errors,
                "{dist:?}: mean {mean}, theory {}",
                dist.mean()
            );
            assert!(
                (spread - variance).abs() <= 0.03 * variance + 1e-12,
                "{dist:?}: {spread}, theory {variance}"
            );
            assert!(samples.iter().all(|x| x.is_finite() && *x >= 0.0));
            assert_eq!(dist.problem(), None);
        }
    }

    #[test]
    fn means_are_exact() {
        let check = |dist: Dist, mean: f64| {
            assert!((dist.mean() / mean - 1.0).abs() < 1e-14, "{dist:?}: {} is not {mean}", dist.mean());
        };
        check(Dist::LogNormal { median: 1.0, sigma: 2.0 }, 7.38905609893065);
        check(Dist::Weibull { scale: 3.0, shape: 1.0 }, 3.0);
        check(Dist::Weibull { scale: 1.0, shape: 0.5 }, 2.0);
        check(Dist::Pareto { min: 1.0, shape: 2.0, max: INF }, 2.0);
        check(Dist::Pareto { min: 1.0, shape: 2.0, max: 4.0 }, 1.6);
        // As the shape passes 1 the mean passes ln 20 · 60 / 19 without a jump.
        check(Dist::Pareto { min: 3.0, shape: 1.0, max: 60.0 }, 20f64.ln() * 60.0 / 19.0);
        check(Dist::Pareto { min: 3.0, shape: 1.0 + 1e-15, max: 60.0 }, 20f64.ln() * 60.0 / 19.0);
        check(Dist::Pareto { min: 3.0, shape: 1.2, max: 3.0 }, 3.0);
        check(Dist::HyperExponential(vec![(9.0, 1.0), (1.0, 5.0)]), 1.4);
        assert_eq!(Dist::Pareto { min: 1.0, shape: 1.0, max: INF }.mean(), INF);
    }

    #[test]
    fn samples_keep_their_bounds() {
        let mut stream = Stream::new(12, "bounds");
        let uniform = Dist::Uniform { low: 2.0, high: 3.0 };
        let pareto = Dist::Pareto { min: 0.1, shape: 0.3, max: 0.7 };
        for _ in 0..100_000 {
            assert!((2.0..=3.0).contains(&uniform.sample(&mut stream)));
            assert!((0.1..=0.7).contains(&pareto.sample(&mut stream)));
        }
    }

    /// The same luck: a larger mean stretches every sample, and never reorders them.
    #[test]
    fn samples_scale_with_the_mean() {
        let draw = |mean| Dist::Exponential { mean }.sample(&mut Stream::new(5, "common"));
        assert_eq!(draw(4.0), 4.0 * draw(1.0));
    }

    /// Bits that every platform must draw.
    #[test]
    fn first_samples_are_pinned() {
        let bits: Vec<u64> =
            all().iter().map(|(dist, _)| dist.sample(&mut Stream::new(7, "golden")).to_bits()).collect();
        let pinned = [
            0x400c_0000_0000_0000,
            0x4001_6aae_6adf_c4ec,
            0x3fb9_81b9_6d88_cebf,
            0x3ffb_ea2a_7346_a0df,
            0x3ff6_468c_b135_323e,
            0x4013_2188_3f86_0bed,
            0x4001_ad21_971e_573d,
            0x3ff6_960e_b630_8500,
            0x3fe5_e177_c344_89f4,
            0x4000_0000_0000_0000,
        ];
        assert_eq!(bits, pinned);
    }

    #[test]
    fn impossible_parameters_have_a_sentence() {
        let bad = [
            Dist::Constant(-1.0),
            Dist::Constant(f64::NAN),
            Dist::Uniform { low: 2.0, high: 1.0 },
            Dist::Exponential { mean: INF },
            Dist::LogNormal { median: 1.0, sigma: -0.1 },
            Dist::Pareto { min: 0.0, shape: 1.0, max: 2.0 },
            Dist::Pareto { min: 3.0, shape: 1.0, max: 2.0 },
            Dist::Pareto { min: 3.0, shape: 1.0, max: f64::NAN },
            Dist::Weibull { scale: 1.0, shape: 0.0 },
            Dist::HyperExponential(vec![]),
            Dist::HyperExponential(vec![(0.0, 1.0)]),
            Dist::HyperExponential(vec![(1.0, -1.0)]),
            Dist::Empirical([].into()),
            Dist::Empirical([1.0, -1.0].into()),
        ];
        for dist in bad {
            assert!(dist.problem().is_some_and(|sentence| sentence.contains("must")), "{dist:?}");
        }
    }
}
