//! A simulation and a kernel that did the same, on the same axes.

use super::canvas::{Canvas, Text};
use super::panel::{FOOT, FOOT_TITLE, HEAD, Panel};
use super::rows::Rows;
use super::scale::{Scale, Unit};
use super::theme::Role;
use super::{Drawing, Size, svg::Svg};
use crate::format::grouped;
use crate::table::clipped;

/// What both did in a scenario.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Pair {
    /// The scenario.
    pub name: String,
    /// Servers, and the requests that each took: in the simulation, on the kernel.
    pub servers: Vec<(String, [u64; 2])>,
    /// Instants in seconds, rising.
    pub times: Vec<f64>,
    /// Active connections at these instants: in the simulation, on the kernel.
    pub active: [Vec<u64>; 2],
}

/// The simulation's marks: broad and pale, so that what lies on them is seen.
const SIMULATION: Role = Role::Sky;
/// The kernel's marks: narrow and dark.
const KERNEL: Role = Role::Vermilion;
/// Height of a panel of active connections.
const PANEL: f64 = 84.0;

/// Bars of the simulation, dots of the kernel: the share of each server.
pub fn balance(pairs: &[Pair], size: Size) -> Drawing {
    let rows: Vec<(String, [f64; 2])> = pairs.iter().flat_map(shares).collect();
    if rows.is_empty() {
        return Drawing::nothing("No server took anything", "There is nothing to compare.", size);
    }
    let widest = rows.iter().map(|(_, [a, b])| (a - b).abs()).fold(0.0, f64::max);
    let most = rows.iter().flat_map(|(_, both)| *both).fold(1.0, f64::max);
    let names: Vec<&str> = rows.iter().map(|(name, _)| name.as_str()).collect();
    let x = Scale::linear(0.0, most, 5, Unit::Percent);
    let picture = Rows::new(&names, x, 24.0, size);
    let svg = picture.draw("share of all requests", |canvas, row| {
        let [simulation, kernel] = rows[row].1;
        let y = picture.y(row);
        canvas.rect((picture.x(0.0), y - 8.0), (picture.x(simulation), y + 8.0), SIMULATION, 0.55);
        canvas.line((picture.x(kernel), y - 8.0), (picture.x(kernel), y + 8.0), KERNEL, 2.0);
        canvas.dot((picture.x(kernel), y), 3.4, KERNEL);
        if row == 0 {
            legend(canvas, picture.left(), picture.caption_y());
        }
    });
    Drawing {
        finding: match widest {
            ..0.05 => "Each server shown takes the same share in the simulation and on the kernel".into(),
            _ => format!("No server's share differs by more than {widest:.1} percentage points"),
        },
        reading: "Requests that each server took: in the simulation's own run (bars), on the kernel (dots)."
            .into(),
        svg,
    }
}

/// A panel for each scenario: active connections over time.
pub fn active(pairs: &[Pair], size: Size) -> Drawing {
    let shown: Vec<&Pair> = pairs.iter().filter(|pair| peak(pair) > 0).collect();
    if shown.is_empty() {
        return Drawing::nothing("No connection was ever open", "There is nothing to compare.", size);
    }
    let highest = shown.iter().max_by_key(|pair| peak(pair)).expect("there is one");
    let [simulation, kernel] = [0, 1].map(|who| highest.active[who].iter().copied().max().unwrap_or(0));
    Drawing {
        finding: format!(
            "{} peaks at {} active connections in the simulation, at {} on the kernel",
            highest.name,
            grouped(simulation),
            grouped(kernel)
        ),
        reading: "Active connections of all servers, as the director counts them, at forty instants: in the \
                  simulation's own run (broad), on the kernel (narrow)."
            .into(),
        svg: panels(&shown, size),
    }
}

fn panels(pairs: &[&Pair], size: Size) -> Svg {
    let step = HEAD + PANEL + FOOT;
    let height = 18.0 + step * pairs.len() as f64 + FOOT_TITLE;
    let mut panels: Vec<Panel> =
        pairs.iter().enumerate().map(|(at, pair)| panel(at, pair, step, size)).collect();
    let left = panels.iter().map(|panel| panel.left).fold(0.0, f64::max);
    Svg::draw(size.width(), height, |canvas| {
        legend(canvas, left, 8.0);
        for (at, (pair, panel)) in pairs.iter().zip(&mut panels).enumerate() {
            panel.left = left;
            let title = if at + 1 == pairs.len() { "time since the start" } else { "" };
            panel.draw_axes(canvas, title, &pair.name);
            for (values, role, width) in [(&pair.active[0], SIMULATION, 5.0), (&pair.active[1], KERNEL, 1.4)]
            {
                let points =
                    pair.times.iter().zip(values).map(|(time, value)| panel.at((*time, *value as f64)));
                canvas.path(&points.collect::<Vec<_>>(), role, width);
            }
        }
    })
}

fn panel(at: usize, pair: &Pair, step: f64, size: Size) -> Panel {
    let end = pair.times.last().copied().unwrap_or(1.0);
    let x = Scale::exact(0.0, end, if size == Size::Wide { 8 } else { 4 }, Unit::Seconds);
    let y = Scale::linear(0.0, peak(pair) as f64, 3, Unit::Count);
    let top = 18.0 + HEAD + step * at as f64;
    Panel::new(size.width(), (top, top + PANEL), 24.0, x, y)
}

fn legend(canvas: &mut Canvas<'_>, left: f64, y: f64) {
    canvas.rect((left, y - 5.0), (left + 18.0, y + 5.0), SIMULATION, 0.55);
    canvas.text(left + 24.0, y, "simulation", Text::label(SIMULATION));
    canvas.line((left + 110.0, y), (left + 128.0, y), KERNEL, 1.4);
    canvas.dot((left + 119.0, y), 3.4, KERNEL);
    canvas.text(left + 134.0, y, "kernel", Text::label(KERNEL));
}

/// The servers of a scenario with their shares in percent.
fn shares(pair: &Pair) -> Vec<(String, [f64; 2])> {
    let total = [0, 1].map(|who| pair.servers.iter().map(|(_, took)| took[who]).sum::<u64>().max(1) as f64);
    let share = |took: &[u64; 2]| [0, 1].map(|who| 100.0 * took[who] as f64 / total[who]);
    let name = |server: &str| format!("{} {}", clipped(&pair.name, 18), clipped(server, 8));
    pair.servers.iter().map(|(server, took)| (name(server), share(took))).collect()
}

fn peak(pair: &Pair) -> u64 {
    pair.active.iter().flatten().copied().max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(servers: usize, scale: u64) -> Pair {
        Pair {
            name: "five-uneven-servers".into(),
            servers: (0..servers)
                .map(|n| (format!("web{n}"), [scale * n as u64, scale * n as u64 + 1]))
                .collect(),
            times: vec![1.0, 2.0, 3.0],
            active: [vec![scale, 3, 4], vec![scale, 2, 4]],
        }
    }

    #[test]
    fn both_pictures_stay_inside_whatever_is_drawn() {
        for pairs in
            [vec![], vec![pair(0, 0)], vec![pair(1, 1)], vec![pair(5, 70_000), pair(2, 3), pair(40, 1)]]
        {
            for size in [Size::Wide, Size::Narrow] {
                for drawing in [balance(&pairs, size), active(&pairs, size)] {
                    let text = drawing.svg.standalone(&drawing.finding, &drawing.reading);
                    roxmltree::Document::parse(&text).expect("it is XML");
                    assert!(!text.contains("NaN"));
                    assert_eq!(drawing.svg.stray_point(), None, "{}", drawing.finding);
                }
            }
        }
    }

    #[test]
    fn the_findings_are_figures() {
        let drawing = balance(&[pair(3, 100)], Size::Wide);
        assert_eq!(drawing.finding, "No server's share differs by more than 0.3 percentage points");
        let drawing = active(&[pair(3, 100)], Size::Wide);
        assert_eq!(
            drawing.finding,
            "five-uneven-servers peaks at 100 active connections in the simulation, at 100 on the kernel"
        );
    }
}
