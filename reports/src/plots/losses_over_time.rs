//! When packets were lost: a line for each reason.

use super::lines::{self, MOST_LINES, thinned};
use super::panel::{FOOT, FOOT_TITLE, HEAD, Panel};
use super::scale::{Scale, Unit};
use super::{Drawing, Size, svg::Svg};
use crate::Labelled;
use crate::format::{grouped, seconds, short};
use crate::series::times_s;
use crate::summary::losses;
use net_model::outcome::Outcome;
use net_model::verdict::DropReason;

/// Height of the panel.
const PANEL: f64 = 150.0;

/// Losses per second of one reason, for each sample.
type Reason = (DropReason, Vec<f64>);

/// Draws the losses of one run over time.
pub(super) fn draw(runs: &[Labelled], size: Size) -> Drawing {
    let Some(outcome) = runs.first().map(|run| &run.outcome) else { return nothing(size) };
    let mut reasons = by_reason(outcome);
    let times = times_s(outcome);
    if reasons.is_empty() {
        return nothing(size);
    }
    let finding = finding(outcome, &times, &reasons);
    let more = reasons.len().saturating_sub(MOST_LINES);
    reasons.truncate(MOST_LINES);
    let each = times.get(1).zip(times.first()).map_or(0.0, |(b, a)| b - a);
    let step = lines::step(times.len()) as f64 * each;
    let left_out = if more > 0 { format!(" {more} rarer reasons are left out.") } else { String::new() };
    let reading = format!("Packets lost per second by reason, means of {}.{left_out}", seconds(step));
    Drawing { finding, reading, svg: picture(&times, &reasons, size) }
}

/// Losses that one may want to mend, per second, most frequent reason first; empty without samples or losses.
pub(super) fn by_reason(outcome: &Outcome) -> Vec<Reason> {
    let times = times_s(outcome);
    let mut reasons: Vec<(DropReason, u64, Vec<f64>)> = Vec::new();
    for loss in losses(outcome) {
        let at = reasons.iter().position(|(reason, ..)| *reason == loss.reason).unwrap_or_else(|| {
            reasons.push((loss.reason, 0, vec![0.0; times.len()]));
            reasons.len() - 1
        });
        reasons[at].1 += loss.count;
        for (sum, count) in reasons[at].2.iter_mut().zip(&loss.series) {
            *sum += f64::from(*count);
        }
    }
    reasons.retain(|(.., counts)| counts.iter().any(|count| *count > 0.0));
    reasons.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    let mut before = 0.0;
    let lengths: Vec<f64> = times.iter().map(|t| t - std::mem::replace(&mut before, *t)).collect();
    let rate = |(count, seconds): (f64, &f64)| if *seconds > 0.0 { count / seconds } else { 0.0 };
    let rates = |counts: Vec<f64>| counts.into_iter().zip(&lengths).map(rate).collect();
    reasons.into_iter().map(|(reason, _, counts)| (reason, rates(counts))).collect()
}

fn nothing(size: Size) -> Drawing {
    Drawing::nothing("No packet was lost at any time", "There are no losses to show.", size)
}

/// When the most frequent losses begin and end.
fn finding(outcome: &Outcome, times: &[f64], reasons: &[Reason]) -> String {
    let Some((reason, rates)) = reasons.first() else { return "No packet was lost".into() };
    let count: u64 =
        losses(outcome).iter().filter(|loss| loss.reason == *reason).map(|loss| loss.count).sum();
    let lossy = |rate: &f64| *rate > 0.0;
    let (first, last) =
        (rates.iter().position(lossy).unwrap_or(0), rates.iter().rposition(lossy).unwrap_or(0));
    let begins = first.checked_sub(1).map_or(0.0, |before| times[before]);
    let (name, end) = (reason.name(), times.last().copied().unwrap_or(0.0));
    let number = match count {
        1 => format!("One packet is lost to {name}"),
        n => format!("{} packets are lost to {name}", grouped(n)),
    };
    if first == last {
        return format!("{number}, all about {} s into the run", short(times[first]));
    }
    match (begins <= 0.02 * end, times[last] >= 0.95 * end) {
        (true, true) => format!("{number} from the beginning to the end"),
        (true, false) => format!("{number} until {} s", short(times[last])),
        (false, true) => format!("{number} from {} s on", short(begins)),
        (false, false) => format!("{number} between {} and {} s", short(begins), short(times[last])),
    }
}

fn picture(times: &[f64], reasons: &[Reason], size: Size) -> Svg {
    let end = times.last().copied().unwrap_or(1.0);
    let x = Scale::exact(0.0, end, if size == Size::Wide { 8 } else { 4 }, Unit::Seconds);
    let series: Vec<(&str, Vec<f64>)> =
        reasons.iter().map(|(reason, rates)| (reason.name(), thinned(times, rates).1)).collect();
    let most = series.iter().flat_map(|(_, rates)| rates).copied().fold(0.0, f64::max);
    let y = Scale::linear(0.0, most, 4, Unit::Plain);
    let panel = Panel::new(size.width(), (HEAD, HEAD + PANEL), lines::name_room(&series), x, y);
    let (thin_times, _) = thinned(times, times);
    Svg::draw(size.width(), HEAD + PANEL + FOOT + FOOT_TITLE, |canvas| {
        panel.draw_axes(canvas, "time since the start", "packets lost per second");
        lines::draw(canvas, &panel, &thin_times, &series);
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use net_model::outcome::DropCount;
    use sim_core::Time;

    /// Ten seconds with losses of these reasons: (reason, packets in each second).
    fn lossy(losses: &[(DropReason, [u32; 10])]) -> Outcome {
        let mut outcome = sample::empty();
        outcome.sample_times = (1..=10).map(|second| Time::from_nanos(second * 1_000_000_000)).collect();
        outcome.drops = losses
            .iter()
            .map(|(reason, series)| DropCount {
                place: "director".into(),
                reason: *reason,
                count: series.iter().map(|n| u64::from(*n)).sum(),
                series: series.to_vec(),
            })
            .collect();
        outcome
    }

    fn title(losses: &[(DropReason, [u32; 10])]) -> String {
        let outcome = lossy(losses);
        finding(&outcome, &times_s(&outcome), &by_reason(&outcome))
    }

    #[test]
    fn the_title_says_when() {
        let no_socket = DropReason::NoSocket;
        let table = [
            (
                [1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
                "10 packets are lost to no-socket from the beginning to the end",
            ),
            ([0, 0, 0, 0, 0, 7, 1, 1, 1, 1], "11 packets are lost to no-socket from 5 s on"),
            ([2, 2, 0, 0, 0, 0, 0, 0, 0, 0], "4 packets are lost to no-socket until 2 s"),
            ([0, 0, 3, 0, 1, 0, 0, 0, 0, 0], "4 packets are lost to no-socket between 2 and 5 s"),
            ([0, 0, 0, 1, 0, 0, 0, 0, 0, 0], "One packet is lost to no-socket, all about 4 s into the run"),
        ];
        for (series, expected) in table {
            assert_eq!(title(&[(no_socket, series)]), expected);
        }
    }

    #[test]
    fn the_most_frequent_reason_comes_first_and_harmless_ones_not_at_all() {
        let once = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let outcome = lossy(&[
            (DropReason::NoRoute, once),
            (DropReason::NoSocket, [1; 10]),
            (DropReason::OtherHost, [9; 10]),
        ]);
        let names: Vec<&str> = by_reason(&outcome).iter().map(|(reason, _)| reason.name()).collect();
        assert_eq!(names, ["no-socket", "no-route"]);
    }
}
