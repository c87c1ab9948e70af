//! Axes: from values to places, and the round numbers to write beside them.

use crate::format::grouped;

/// What the numbers of an axis are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unit {
    /// A plain number.
    Plain,
    /// A whole number of things.
    Count,
    /// Percent; the value is 0 to 100.
    Percent,
    /// Seconds; each label chooses s, ms or µs.
    Seconds,
    /// A ratio: `1.5×`.
    Times,
}

/// An axis from `low` to `high`, with ticks.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Scale {
    low: f64,
    high: f64,
    is_log: bool,
    /// Values and labels of the ticks, ascending.
    pub(crate) ticks: Vec<(f64, String)>,
}

impl Scale {
    /// Equal steps, about `want` of them; both ends are ticks.
    pub(crate) fn linear(low: f64, high: f64, want: usize, unit: Unit) -> Scale {
        let (low, high) = sane(low, high);
        let mut step = nice_step((high - low) / want.max(1) as f64);
        if unit == Unit::Count {
            step = step.max(1.0);
        }
        let first = (low / step + 1e-9).floor();
        let last = (high / step - 1e-9).ceil().max(first + 1.0);
        let ticks = (0..=(last - first) as usize).map(|i| (first + i as f64) * step);
        let ticks: Vec<_> = ticks.map(|v| (v, label(v, step, last * step, unit))).collect();
        Scale { low: first * step, high: last * step, is_log: false, ticks }
    }

    /// Equal steps whose ends are exactly the given ones, with ticks inside.
    pub(crate) fn exact(low: f64, high: f64, want: usize, unit: Unit) -> Scale {
        let (low, high) = sane(low, high);
        let mut scale = Scale::linear(low, high, want, unit);
        let slack = (high - low) * 1e-9;
        scale.ticks.retain(|(v, _)| *v >= low - slack && *v <= high + slack);
        Scale { low, high, ..scale }
    }

    /// Equal factors: ticks at powers of ten, and at twice and five times them if that leaves room.
    pub(crate) fn log(low: f64, high: f64, want: usize, unit: Unit) -> Scale {
        let high = if high.is_finite() && high > 0.0 { high } else { 1.0 };
        let low = if low.is_finite() && low > 0.0 { low.min(high) } else { high / 10.0 };
        let (first, last) = (floor_125(low), ceil_125(high));
        let last = if last > first * 1.5 { last } else { ceil_125(first * 1.5) };
        let all = steps_125(first, last);
        let tens: Vec<f64> = all.iter().copied().filter(|v| mantissa(*v) < 1.5).collect();
        let chosen = if all.len() <= want.max(2) || tens.len() < 2 { all } else { tens };
        let stride = chosen.len().div_ceil(want.max(2) + 1).max(1);
        let ticks = chosen.into_iter().step_by(stride).map(|v| (v, label(v, v, v, unit))).collect();
        Scale { low: first, high: last, is_log: true, ticks }
    }

    /// Other ticks at the same places.
    pub(crate) fn with_ticks(self, ticks: Vec<(f64, String)>) -> Scale {
        Scale { ticks, ..self }
    }

    /// Where a value lies: 0 at the low end, 1 at the high end, never outside.
    pub(crate) fn place(&self, value: f64) -> f64 {
        let place = if self.is_log {
            let value = value.max(self.low);
            libm::log10(value / self.low) / libm::log10(self.high / self.low)
        } else {
            (value - self.low) / (self.high - self.low)
        };
        if place.is_finite() { place.clamp(0.0, 1.0) } else { 0.0 }
    }
}

/// Ends that are numbers and differ.
fn sane(low: f64, high: f64) -> (f64, f64) {
    let low = if low.is_finite() { low } else { 0.0 };
    let high = if high.is_finite() { high } else { low };
    if high - low > 1e-12 * (1.0 + low.abs()) { (low, high) } else { (low, low + 1.0) }
}

/// The smallest of 1, 2, 5 × 10ⁿ that is not below `x`.
fn nice_step(x: f64) -> f64 {
    ceil_125(x.max(1e-9))
}

fn mantissa(v: f64) -> f64 {
    v / power(libm::floor(libm::log10(v) + 1e-9))
}

fn power(exponent: f64) -> f64 {
    // Through text: exact powers, the same everywhere.
    format!("1e{exponent:.0}").parse().unwrap_or(1.0)
}

fn ceil_125(x: f64) -> f64 {
    let unit = power(libm::floor(libm::log10(x) + 1e-9));
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|m| m * unit)
        .find(|v| *v >= x * (1.0 - 1e-9))
        .unwrap_or(10.0 * unit)
}

fn floor_125(x: f64) -> f64 {
    let unit = power(libm::floor(libm::log10(x) + 1e-9));
    [5.0, 2.0, 1.0].into_iter().map(|m| m * unit).find(|v| *v <= x * (1.0 + 1e-9)).unwrap_or(unit)
}

fn steps_125(first: f64, last: f64) -> Vec<f64> {
    let mut steps = vec![first];
    while let Some(&v) = steps.last().filter(|v| **v < last * (1.0 - 1e-9)) {
        steps.push(ceil_125(v * 1.5));
    }
    steps
}

/// The label of a tick: as many decimals as the step needs, in the unit that suits the largest tick.
fn label(v: f64, step: f64, largest: f64, unit: Unit) -> String {
    let decimals_of =
        |step: f64| (-libm::floor(libm::log10(step.abs().max(1e-9)) + 1e-9)).clamp(0.0, 9.0) as usize;
    let decimals = decimals_of(step);
    match unit {
        Unit::Seconds => {
            let (factor, name) = match largest {
                l if l >= 0.999_5 => (1.0, "s"),
                l if l >= 0.999_5e-3 => (1e3, "ms"),
                l if l >= 0.999_5e-6 => (1e6, "µs"),
                _ => (1e9, "ns"),
            };
            let decimals = if v == 0.0 { 0 } else { decimals_of(step * factor) };
            format!("{:.decimals$} {name}", v * factor)
        }
        Unit::Count if v >= 0.0 => grouped(v.round() as u64),
        Unit::Percent => format!("{v:.decimals$} %"),
        Unit::Times => format!("{v:.decimals$}×"),
        Unit::Plain | Unit::Count => format!("{v:.decimals$}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: &Scale) -> Vec<&str> {
        scale.ticks.iter().map(|(_, l)| l.as_str()).collect()
    }

    #[test]
    fn linear_ticks_are_round() {
        assert_eq!(
            labels(&Scale::linear(0.0, 87.0, 5, Unit::Percent)),
            ["0 %", "20 %", "40 %", "60 %", "80 %", "100 %"]
        );
        assert_eq!(labels(&Scale::linear(0.9, 1.32, 4, Unit::Times)), ["0.8×", "1.0×", "1.2×", "1.4×"]);
        assert_eq!(labels(&Scale::exact(0.0, 87.0, 5, Unit::Plain)), ["0", "20", "40", "60", "80"]);
    }

    #[test]
    fn one_axis_has_one_unit() {
        assert_eq!(labels(&Scale::linear(0.0, 1.4, 3, Unit::Seconds)), ["0 s", "0.5 s", "1.0 s", "1.5 s"]);
        assert_eq!(labels(&Scale::linear(0.0, 0.02, 2, Unit::Seconds)), ["0 ms", "10 ms", "20 ms"]);
    }

    #[test]
    fn counts_are_whole() {
        assert_eq!(labels(&Scale::linear(0.0, 1.0, 5, Unit::Count)), ["0", "1"]);
    }

    #[test]
    fn log_ticks_are_decades_or_their_thirds() {
        assert_eq!(
            labels(&Scale::log(0.004, 0.09, 6, Unit::Seconds)),
            ["2 ms", "5 ms", "10 ms", "20 ms", "50 ms", "100 ms"]
        );
        assert_eq!(
            labels(&Scale::log(1e-5, 30.0, 8, Unit::Seconds)),
            ["10 µs", "100 µs", "1 ms", "10 ms", "100 ms", "1 s", "10 s"]
        );
    }

    #[test]
    fn places_run_from_0_to_1() {
        let scale = Scale::log(1.0, 100.0, 3, Unit::Plain);
        assert_eq!([1.0, 10.0, 100.0, 0.0, 1e9].map(|v| scale.place(v)), [0.0, 0.5, 1.0, 0.0, 1.0]);
        assert_eq!(scale.place(f64::NAN), 0.0);
    }

    #[test]
    fn impossible_ends_still_make_an_axis() {
        for (low, high) in [(0.0, 0.0), (f64::NAN, 1.0), (5.0, f64::INFINITY), (3.0, 1.0)] {
            for scale in [Scale::linear, Scale::exact, Scale::log].map(|s| s(low, high, 5, Unit::Seconds)) {
                assert!((2..12).contains(&scale.ticks.len()), "{low} {high}: {scale:?}");
                assert!(scale.low < scale.high);
            }
        }
    }
}
