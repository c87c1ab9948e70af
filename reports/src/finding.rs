//! What the figures say, in a sentence. A difference that chance may explain is not called one.

use crate::compare::{self, Group, Metric};
use crate::format::{NONE, grouped, percent, plural, seconds, short};
use crate::summary::{Summary, losses};
use crate::{Labelled, groups};

/// The headline of a report.
pub(crate) fn headline(runs: &[Labelled]) -> String {
    match runs {
        [] => "There is no run to report".into(),
        [run] => of_run(run),
        _ => of_comparison(&groups(runs)),
    }
}

/// The headline of one run: what became of the requests.
fn of_run(run: &Labelled) -> String {
    let summary = Summary::of(&run.outcome);
    let Some(success) = summary.success else {
        return match summary.started {
            0 => "No client asked for anything".into(),
            n => format!("None of {} ended before the run did", plural(n, "request")),
        };
    };
    let ended = summary.succeeded + summary.failed;
    let tail = summary.latency_s(0.99).map_or(NONE.into(), seconds);
    if summary.failed == 0 {
        return match ended {
            1 => format!(
                "The only request was answered within {}",
                summary.latency_s(1.0).map_or(NONE.into(), seconds)
            ),
            n => format!("All {} requests were answered, 99 % of them within {tail}", grouped(n)),
        };
    }
    let why = match losses(&run.outcome).first() {
        Some(drop) => format!("most packets were lost to {} at {}", drop.reason.name(), drop.place),
        None => format!("most often the client saw “{}”", most_frequent(&summary)),
    };
    format!("{} % of {} failed: {why}", percent(1.0 - success), plural(ended, "request"))
}

/// The headline of a comparison: who is best, at what, and against whom.
fn of_comparison(groups: &[Group]) -> String {
    let ranked = compare::ranking(groups);
    let at = at_load(&ranked);
    let (Some(best), Some(worst)) = (ranked.first(), ranked.last()) else {
        return "There is no run to report".into();
    };
    let success = |g: &Group| g.mean(Metric::Success);
    match (success(best), success(worst)) {
        (None, _) => "No request ended in any run".into(),
        (Some(_), None) => format!("{at}{} answers requests, {} none", best.name, worst.name),
        (Some(most), Some(least)) if most - least > 1.0 => answered(&ranked),
        (Some(_), Some(_)) => latency(&ranked),
    }
}

/// Who answers how much, where that differs.
fn answered(ranked: &[&Group]) -> String {
    let (worst, least, good) = by_success(ranked);
    let least = format!("only {} %", percent(least / 100.0));
    let lowest = good.iter().map(|(_, s)| *s).fold(100.0, f64::min);
    let at = at_load(ranked);
    match good.as_slice() {
        [(best, most)] => {
            format!("{at}{best} answers {} % of the requests, {worst} {least}", percent(most / 100.0))
        }
        many if lowest == 100.0 => {
            format!(
                "{at}{worst} answers {least} of the requests, {} all of them",
                the_others(ranked, many.len())
            )
        }
        many => format!(
            "{at}{worst} answers {least} of the requests, {} at least {} %",
            the_others(ranked, many.len()),
            percent(lowest / 100.0).trim_start_matches('>')
        ),
    }
}

/// Who fails how much.
pub(crate) fn failures(ranked: &[&Group]) -> String {
    let (worst, least, good) = by_success(ranked);
    let at = at_load(ranked);
    let share = |success: f64| percent((100.0 - success) / 100.0);
    let most = good.iter().map(|(_, s)| *s).fold(100.0, f64::min);
    if share(least) == share(most) || good.iter().any(|(name, _)| *name == worst) {
        return match share(least).strip_prefix('<') {
            Some(little) => format!("{at}less than {little} % of the requests fail, whatever the variant"),
            None => format!("{at}at most {} % of the requests fail, whatever the variant", share(least)),
        };
    }
    let rest = match share(most) {
        none if none == "0" => "none".to_string(),
        some => match some.strip_prefix('<') {
            Some(little) => format!("less than {little} %"),
            None => format!("at most {some} %"),
        },
    };
    let who = match good.as_slice() {
        [(best, _)] => best.to_string(),
        many => the_others(ranked, many.len()),
    };
    format!("{at}{worst} fails {} % of the requests, {who} {rest}", share(least))
}

/// The worst with its success in percent, and those within a percentage point of the best.
fn by_success<'a>(ranked: &[&'a Group]) -> (&'a str, f64, Vec<(&'a str, f64)>) {
    let all: Vec<(&str, f64)> =
        ranked.iter().filter_map(|g| Some((g.name.as_str(), g.mean(Metric::Success)?))).collect();
    let most = all.iter().map(|(_, s)| *s).fold(0.0, f64::max);
    let worst = all.iter().copied().reduce(|a, b| if b.1 < a.1 { b } else { a }).unwrap_or(("", 0.0));
    (worst.0, worst.1, all.into_iter().filter(|(_, s)| most - s <= 1.0).collect())
}

/// Several good variants, in words: all but one, or the best few.
fn the_others(ranked: &[&Group], good: usize) -> String {
    if good + 1 == ranked.len() {
        format!("the other {good} variants")
    } else {
        format!("the best {good} variants")
    }
}

/// The best and the worst p99 of ranked groups, or that they do not differ.
pub(crate) fn latency(ranked: &[&Group]) -> String {
    let at = at_load(ranked);
    let mut by_p99: Vec<_> = ranked.iter().filter_map(|g| g.get(Metric::P99).map(|p99| (g, p99))).collect();
    by_p99.sort_by(|a, b| a.1.mean.total_cmp(&b.1.mean));
    let (Some((best, low)), Some((worst, high))) = (by_p99.first(), by_p99.last()) else {
        return "No request was answered, so there is no latency to compare".into();
    };
    let ms = |x: f64| seconds(x / 1e3);
    if by_p99.len() == 1 {
        return format!("{at}{} answers 99 % of the requests within {}", best.name, ms(low.mean));
    }
    if low.overlaps(*high) || high.mean < 1.05 * low.mean {
        return format!(
            "{at}p99 does not tell the {} variants apart: {} to {}",
            by_p99.len(),
            ms(low.mean),
            ms(high.mean)
        );
    }
    let near = |e: &compare::Estimate| e.half.is_some() && e.overlaps(*low) || e.mean < 1.05 * low.mean;
    let leaders: Vec<&str> = by_p99.iter().filter(|(_, e)| near(e)).map(|(g, _)| g.name.as_str()).collect();
    let (leaders, keep) = match leaders.as_slice() {
        [] | [_] => (best.name.clone(), "keeps p99 at"),
        few if few.len() <= 3 => (join(few), "keep p99 near"),
        many => (format!("{} and {} others", best.name, many.len() - 1), "keep p99 near"),
    };
    format!("{at}{leaders} {keep} {} where {} needs {}", ms(low.mean), worst.name, ms(high.mean))
}

/// `At 95 % load, ` if the comparison varies the load, else nothing.
pub(crate) fn at_load(ranked: &[&Group]) -> String {
    match ranked.first().and_then(|g| g.variant.load_percent) {
        Some(load) => format!("At {} % load, ", short(load)),
        None => String::new(),
    }
}

/// `a`, `a and b`, `a, b and c`.
pub(crate) fn join(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).into(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

fn most_frequent(summary: &Summary) -> &'static str {
    summary.causes.iter().max_by_key(|(_, n)| *n).map_or("nothing", |(cause, _)| cause.name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{self, Sample};

    fn of(sample: &Sample) -> String {
        headline(&[sample::run(sample)])
    }

    #[test]
    fn a_good_run_names_its_tail() {
        let text = of(&Sample::default());
        assert!(text.starts_with("All ") && text.contains("99 % of them within"), "{text}");
    }

    #[test]
    fn a_bad_run_names_the_reason() {
        let text = of(&Sample { requests_per_s: 5_000.0, backlog: 4, seconds: 2, ..Sample::default() });
        assert!(text.contains("failed: most packets were lost to backlog-full at web1"), "{text}");
    }

    #[test]
    fn a_comparison_names_winner_and_loser() {
        let text = headline(&sample::comparison(&["rr", "wlc"], &["dr"], &[], 3));
        assert!(text.contains("wlc") && text.contains("rr"), "{text}");
    }

    #[test]
    fn chance_is_not_a_finding() {
        let text = headline(&sample::comparison(&["wlc", "wlc "], &["dr"], &[], 3));
        assert!(text.contains("does not tell the 2 variants apart"), "{text}");
    }

    #[test]
    fn nothing_has_a_headline_too() {
        for (name, runs) in sample::extremes() {
            let text = headline(&runs);
            assert!(!text.is_empty() && !text.contains("NaN") && !text.contains("inf "), "{name}: {text}");
        }
    }

    #[test]
    fn lists_read_well() {
        assert_eq!([join(&[]), join(&["a"]), join(&["a", "b", "c"])], ["", "a", "a, b and c"]);
    }
}
