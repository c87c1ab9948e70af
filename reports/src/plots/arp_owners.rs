//! Who had the virtual address, as the neighbour caches of other hosts had it: a bar for each cache, a colour for each
//! holder.

use super::canvas::{Text, text_width};
use super::panel::{FOOT, FOOT_TITLE, HEAD};
use super::rows::Rows;
use super::scale::{Scale, Unit};
use super::theme::Role;
use super::{Drawing, Size, svg::Svg};
use crate::Labelled;
use crate::format::{plural, seconds};
use crate::table::clipped;
use net_model::outcome::{ArpCache, Outcome};

/// The most caches with a bar of their own.
const MOST_ROWS: usize = 16;
/// The colours of hosts that are no directors, and so should not hold the address.
const OTHERS: [Role; 4] = [Role::Vermilion, Role::Purple, Role::Orange, Role::Sky];
/// The colours of directors.
const DIRECTORS: [Role; 2] = [Role::Blue, Role::Green];
/// Height of a line of the legend.
const LEGEND: f64 = 20.0;

/// A stretch of time in which a cache had one opinion: from, to, holder.
type Stretch<'a> = (f64, f64, Option<&'a str>);

/// Was an address not always held by one and the same director?
pub(super) fn is_disputed(outcome: &Outcome) -> bool {
    let is_director = |name: &str| outcome.directors.iter().any(|director| director.name == name);
    outcome.arp_caches.iter().any(|cache| {
        let mut known = cache.holders.iter().filter_map(|(_, holder)| holder.as_deref());
        known.next().is_some_and(|first| !is_director(first) || known.any(|next| next != first))
    })
}

/// Draws the caches of one run.
pub(super) fn draw(runs: &[Labelled], size: Size) -> Drawing {
    let Some(outcome) = runs.first().map(|run| &run.outcome).filter(|outcome| !outcome.arp_caches.is_empty())
    else {
        return Drawing::nothing(
            "Nobody asked for a virtual address",
            "No neighbour cache ever had one.",
            size,
        );
    };
    let finding = finding(outcome);
    let more = outcome.arp_caches.len().saturating_sub(MOST_ROWS);
    let left_out = if more > 0 {
        format!(" {} more are left out.", plural(more as u64, "cache"))
    } else {
        String::new()
    };
    let reading = format!(
        "Each bar is the ARP cache of a host; its colour tells whose link address it has for the virtual address. \
         Blue and green are directors.{left_out}"
    );
    Drawing { finding, reading, svg: picture(outcome, size) }
}

fn stretches<'a>(cache: &'a ArpCache, outcome: &Outcome) -> Vec<Stretch<'a>> {
    let end = outcome.duration.as_secs_f64();
    let starts = cache.holders.iter().map(|(at, _)| at.as_secs_f64());
    let ends = starts.clone().skip(1).chain([end]);
    let holders = cache.holders.iter().map(|(_, holder)| holder.as_deref());
    starts.zip(ends).zip(holders).map(|((from, to), holder)| (from, to.max(from), holder)).collect()
}

/// Who held an address that was not a director, and for how long; else how often it moved.
fn finding(outcome: &Outcome) -> String {
    let is_director = |name: &str| outcome.directors.iter().any(|director| director.name == name);
    let mut worst: Option<(f64, &ArpCache, &str)> = None;
    for cache in &outcome.arp_caches {
        let mut held: Vec<(&str, f64)> = Vec::new();
        for (from, to, holder) in stretches(cache, outcome) {
            let Some(holder) = holder.filter(|holder| !is_director(holder)) else { continue };
            match held.iter_mut().find(|(name, _)| *name == holder) {
                Some((_, sum)) => *sum += to - from,
                None => held.push((holder, to - from)),
            }
        }
        for (holder, sum) in held {
            if worst.is_none_or(|(most, ..)| sum > most) {
                worst = Some((sum, cache, holder));
            }
        }
    }
    if let Some((sum, cache, holder)) = worst {
        return format!(
            "For {} of {} {} believes that {} is at {holder}, which is no director",
            seconds(sum),
            seconds(outcome.duration.as_secs_f64()),
            cache.host,
            cache.addr
        );
    }
    let moved = outcome.arp_caches.iter().find_map(|cache| {
        let mut known = cache.holders.iter().filter_map(|(at, holder)| Some((*at, holder.as_deref()?)));
        let (_, first) = known.next()?;
        let (at, next) = known.find(|(_, holder)| *holder != first)?;
        Some(format!(
            "{} moves from {first} to {next}: {} follows at about {}",
            cache.addr,
            cache.host,
            seconds(at.as_secs_f64())
        ))
    });
    moved.unwrap_or_else(|| {
        let cache = &outcome.arp_caches[0];
        let holder = cache.holders.iter().find_map(|(_, holder)| holder.as_deref());
        match holder {
            Some(holder) => format!("{} is always at {holder}", cache.addr),
            None => format!("Nobody answers for {}", cache.addr),
        }
    })
}

/// The holders in order of appearance, directors first, each with its colour.
fn colours(outcome: &Outcome) -> Vec<(&str, Role)> {
    let all = outcome
        .arp_caches
        .iter()
        .flat_map(|cache| &cache.holders)
        .filter_map(|(_, holder)| holder.as_deref());
    let (mut directors, mut others): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    for holder in all {
        let list = match outcome.directors.iter().any(|director| director.name == holder) {
            true => &mut directors,
            false => &mut others,
        };
        if !list.contains(&holder) {
            list.push(holder);
        }
    }
    let painted = directors.iter().enumerate().map(|(at, name)| (*name, DIRECTORS[at % DIRECTORS.len()]));
    painted.chain(others.iter().enumerate().map(|(at, name)| (*name, OTHERS[at % OTHERS.len()]))).collect()
}

fn picture(outcome: &Outcome, size: Size) -> Svg {
    let caches = &outcome.arp_caches[..outcome.arp_caches.len().min(MOST_ROWS)];
    let same = caches.iter().all(|cache| cache.addr == caches[0].addr);
    let names: Vec<String> = caches
        .iter()
        .map(|cache| if same { cache.host.clone() } else { format!("{} · {}", cache.host, cache.addr) })
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let end = outcome.duration.as_secs_f64();
    let x = Scale::exact(0.0, end, if size == Size::Wide { 8 } else { 4 }, Unit::Seconds);
    let colours = colours(outcome);
    let legend = legend(&colours, size);
    let head = LEGEND * legend.iter().map(|(line, ..)| line + 1).max().unwrap_or(0) as f64;
    let rows = Rows::new(&names, x, 30.0, size).below(head);
    Svg::draw(size.width(), rows.end(true).max(HEAD + FOOT + FOOT_TITLE), |canvas| {
        for (line, at, name, role) in &legend {
            let y = 10.0 + LEGEND * *line as f64;
            canvas.rect((*at, y - 6.0), (at + 14.0, y + 6.0), *role, 0.9);
            canvas.text(at + 19.0, y, name, Text::label(*role));
        }
        rows.paint(canvas, "time since the start", |canvas, row| {
            let y = rows.y(row);
            canvas.line((rows.x(0.0), y), (rows.x(end), y), Role::Grid, 1.0);
            for (from, to, holder) in stretches(&caches[row], outcome) {
                let Some(holder) = holder else { continue };
                let role =
                    colours.iter().find(|(name, _)| *name == holder).map_or(Role::Context, |(_, role)| *role);
                let (left, right) = (rows.x(from), rows.x(to).max(rows.x(from) + 1.5).min(rows.right()));
                canvas.rect((left.min(right - 1.0), y - 8.0), (right, y + 8.0), role, 0.9);
            }
        });
    })
}

/// Where each name of the legend stands: line, x, name, colour.
fn legend<'a>(colours: &[(&'a str, Role)], size: Size) -> Vec<(usize, f64, String, Role)> {
    let (mut line, mut x, mut legend) = (0, 0.0, Vec::new());
    for (name, role) in colours.iter().take(8) {
        let name: &'a str = name;
        let shown = clipped(name, 20);
        let room = 19.0 + text_width(&shown) + 14.0;
        if x > 0.0 && x + room > size.width() {
            (line, x) = (line + 1, 0.0);
        }
        legend.push((line, x, shown, *role));
        x += room;
    }
    legend
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use net_model::outcome::DirectorOutcome;
    use sim_core::{Duration, Time};

    /// Ten seconds in which the router's cache had these holders from these seconds on.
    fn outcome(holders: &[(u64, Option<&str>)]) -> Outcome {
        let mut outcome = sample::empty();
        outcome.duration = Duration::from_secs(10);
        outcome.directors = ["director", "standby"]
            .map(|name| DirectorOutcome { name: name.into(), services: vec![], connections: 0 })
            .to_vec();
        let at = |second: u64| Time::from_nanos(second * 1_000_000_000);
        let holders =
            holders.iter().map(|(second, holder)| (at(*second), holder.map(str::to_owned))).collect();
        outcome.arp_caches =
            vec![ArpCache { host: "router".into(), addr: "10.0.0.100".parse().unwrap(), holders }];
        outcome
    }

    #[test]
    fn the_title_names_the_thief_or_the_move() {
        let table = [
            (&[(0, Some("director"))][..], "10.0.0.100 is always at director"),
            (&[(0, None)], "Nobody answers for 10.0.0.100"),
            (
                &[(0, Some("director")), (4, None), (5, Some("standby"))],
                "10.0.0.100 moves from director to standby: router follows at about 5 s",
            ),
            (
                &[(1, Some("web2")), (4, Some("director")), (9, Some("web2"))],
                "For 4 s of 10 s router believes that 10.0.0.100 is at web2, which is no director",
            ),
        ];
        for (holders, title) in table {
            assert_eq!(finding(&outcome(holders)), title);
        }
    }

    #[test]
    fn only_what_is_disputed_is_shown() {
        let disputed = |holders: &[(u64, Option<&str>)]| is_disputed(&outcome(holders));
        assert!(!disputed(&[(0, Some("director"))]));
        assert!(!disputed(&[(0, Some("director")), (3, None), (4, Some("director"))]));
        assert!(disputed(&[(0, Some("director")), (4, Some("standby"))]));
        assert!(disputed(&[(0, Some("web1"))]));
        assert!(!disputed(&[]));
    }
}
