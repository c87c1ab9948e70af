//! How busy the servers' workers and the links are over the whole run.

use super::canvas::Text;
use super::rows::Rows;
use super::scale::{Scale, Unit};
use super::theme::Role;
use super::{Drawing, Size, svg::Svg};
use crate::Labelled;
use crate::format::percent;
use net_model::outcome::Outcome;

/// The most servers, and the most links, with a bar of their own.
const MOST_BARS: usize = 8;

type Bar = (String, f64);

/// Draws the utilisation of one run.
pub(super) fn draw(runs: &[Labelled], size: Size) -> Drawing {
    let Some(outcome) = runs.first().map(|r| &r.outcome) else {
        return Drawing::nothing("Nothing was busy", "There is no run.", size);
    };
    let servers = extremes(outcome.servers.iter().map(|s| (s.name.clone(), s.utilisation)).collect());
    let links = extremes(outcome.links.iter().map(|l| (l.name.clone(), l.utilisation)).collect());
    if servers.is_empty() && links.is_empty() {
        return Drawing::nothing("Nothing was busy", "There are neither servers nor links.", size);
    }
    let reading = "Part of the run during which workers served and links transmitted; of many, the busiest, the \
                   median and the idlest.";
    Drawing { finding: finding(outcome), reading: reading.into(), svg: picture(&servers, &links, size) }
}

fn finding(outcome: &Outcome) -> String {
    let busiest = |bars: Vec<Bar>| bars.into_iter().reduce(|a, b| if b.1 > a.1 { b } else { a });
    let server = busiest(outcome.servers.iter().map(|s| (s.name.clone(), s.utilisation)).collect());
    let link = busiest(outcome.links.iter().map(|l| (l.name.clone(), l.utilisation)).collect());
    match (server, link) {
        (Some((_, 0.0)), Some((_, 0.0))) | (None, None) => {
            "Neither servers nor links had anything to do".into()
        }
        (Some((name, u)), Some((_, l))) if l < 0.5 * u => {
            format!(
                "The servers set the limit: {name} is {} % busy, no link more than {} %",
                percent(u),
                percent(l)
            )
        }
        (Some((_, u)), Some((name, l))) if u < 0.5 * l => {
            format!(
                "The network sets the limit: {name} is {} % busy, no server more than {} %",
                percent(l),
                percent(u)
            )
        }
        (Some((name, u)), Some((link, l))) => {
            format!("{name} is {} % busy, the link {link} {} %", percent(u), percent(l))
        }
        (Some((name, u)), None) | (None, Some((name, u))) => format!("{name} is {} % busy", percent(u)),
    }
}

/// All bars in their order, or of many the busiest, the median and the idlest.
fn extremes(mut bars: Vec<Bar>) -> Vec<Bar> {
    if bars.len() <= MOST_BARS {
        return bars;
    }
    bars.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let median = (format!("median of {}", bars.len()), bars[bars.len() / 2].1);
    let idlest = bars.last().cloned();
    bars.truncate(MOST_BARS - 2);
    bars.push(median);
    bars.extend(idlest);
    bars
}

fn picture(servers: &[Bar], links: &[Bar], size: Size) -> Svg {
    let scale = Scale::exact(0.0, 100.0, if size == Size::Wide { 5 } else { 2 }, Unit::Percent);
    let rows = |bars: &[Bar]| {
        let names: Vec<&str> = bars.iter().map(|b| b.0.as_str()).collect();
        Rows::new(&names, scale.clone(), 70.0, size)
    };
    let (first, second) = (rows(servers), rows(links));
    let left = first.left().max(second.left());
    let gap = if servers.is_empty() { 0.0 } else { first.end(false) + 4.0 };
    let parts = [
        (first.with_left(left), servers, "real servers: workers busy", Role::Blue),
        (second.with_left(left).below(gap), links, "links: transmitter busy", Role::Green),
    ];
    let height = if links.is_empty() { gap } else { parts[1].0.end(false) };
    Svg::draw(size.width(), height, |canvas| {
        for (rows, bars, title, role) in &parts {
            if bars.is_empty() {
                continue;
            }
            canvas.text(rows.left(), rows.caption_y(), title, Text::label(*role));
            rows.paint(canvas, "", |canvas, row| {
                let (y, busy) = (rows.y(row), bars[row].1);
                canvas.rect((rows.x(0.0), y - 7.0), (rows.x(100.0), y + 7.0), Role::Grid, 0.6);
                canvas.rect((rows.x(0.0), y - 7.0), (rows.x(busy * 100.0), y + 7.0), *role, 0.9);
                let text = format!("{} %", percent(busy));
                canvas.text(size.width() - 2.0, y, &text, Text::label(*role).end());
            });
        }
    })
}
