//! Plots: one file each, listed in [`PLOTS`]. Every plot draws whatever it is given: no runs, no requests,
//! one server or a thousand; if there is nothing to see it says so.

mod arp_owners;
mod balance_by_variant;
mod balance_over_time;
pub(crate) mod canvas;
mod connections;
pub mod fidelity;
mod latency_by_variant;
mod latency_over_load;
mod latency_over_time;
mod lines;
mod losses;
mod losses_over_time;
mod panel;
mod rows;
mod scale;
mod share;
mod spectrum;
mod svg;
pub(crate) mod theme;
mod utilisation;

#[cfg(test)]
pub(crate) use theme::ROLES;

use crate::Labelled;
pub use svg::Svg;

/// A kind of plot.
#[derive(Clone, Copy, Debug)]
pub struct Plot {
    /// File name without `.svg`, also the anchor on the page.
    pub name: &'static str,
    /// Which reports have it.
    pub scope: Scope,
    /// Draws it.
    pub draw: fn(&[Labelled], Size) -> Drawing,
}

/// Which reports have a plot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// The report of one run.
    Run,
    /// The report of a comparison.
    Comparison,
    /// Both.
    Both,
    /// The report of a comparison that varies the load.
    Loads,
    /// The report of one run in which a virtual address was not always where it belongs.
    Disputed,
    /// The report of one run that lost packets.
    Lossy,
}

/// For which width a plot is drawn; letters have the same size in both.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Size {
    /// 560 units: desks, slides, paper.
    Wide,
    /// 360 units: phones.
    Narrow,
}

/// A finished plot.
#[derive(Clone, PartialEq, Debug)]
pub struct Drawing {
    /// The title: what the data say, in a sentence.
    pub finding: String,
    /// The subtitle: what is shown and how to read it.
    pub reading: String,
    /// The picture, without title and subtitle.
    pub svg: Svg,
}

/// All plots, in the order of the page.
pub const PLOTS: &[Plot] = &[
    Plot { name: "latency-by-variant", scope: Scope::Comparison, draw: latency_by_variant::draw },
    Plot { name: "latency-over-load", scope: Scope::Loads, draw: latency_over_load::draw },
    Plot { name: "balance-by-variant", scope: Scope::Comparison, draw: balance_by_variant::draw },
    Plot { name: "share", scope: Scope::Run, draw: share::draw },
    Plot { name: "balance-over-time", scope: Scope::Run, draw: balance_over_time::draw },
    Plot { name: "latency-spectrum", scope: Scope::Both, draw: spectrum::draw },
    Plot { name: "latency-over-time", scope: Scope::Run, draw: latency_over_time::draw },
    Plot { name: "connections", scope: Scope::Run, draw: connections::draw },
    Plot { name: "arp-owners", scope: Scope::Disputed, draw: arp_owners::draw },
    Plot { name: "losses", scope: Scope::Both, draw: losses::draw },
    Plot { name: "losses-over-time", scope: Scope::Lossy, draw: losses_over_time::draw },
    Plot { name: "utilisation", scope: Scope::Run, draw: utilisation::draw },
];

impl Plot {
    /// Does a report of these runs have the plot?
    pub fn suits(&self, runs: &[Labelled]) -> bool {
        let mut loads = runs.iter().map(|r| r.variant.load_percent);
        match self.scope {
            Scope::Run => runs.len() <= 1,
            Scope::Comparison => runs.len() > 1,
            Scope::Both => true,
            Scope::Disputed => runs.len() == 1 && arp_owners::is_disputed(&runs[0].outcome),
            Scope::Lossy => runs.len() == 1 && !losses_over_time::by_reason(&runs[0].outcome).is_empty(),
            Scope::Loads => loads.next().is_some_and(|first| loads.any(|load| load != first)),
        }
    }
}

impl Size {
    /// Width of the picture in its own units, which are pixels at full size.
    pub(crate) const fn width(self) -> f64 {
        match self {
            Size::Wide => 560.0,
            Size::Narrow => 360.0,
        }
    }
}

impl Drawing {
    /// A picture that says why there is nothing to see.
    pub(crate) fn nothing(finding: &str, reading: &str, size: Size) -> Drawing {
        let svg = Svg::draw(size.width(), 60.0, |canvas| {
            canvas.text(size.width() / 2.0, 30.0, reading, canvas::Text::muted().middle());
        });
        Drawing { finding: finding.into(), reading: String::new(), svg }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn every_plot_draws_every_extreme() {
        for (name, runs) in sample::extremes() {
            for plot in PLOTS {
                for size in [Size::Wide, Size::Narrow] {
                    let drawing = (plot.draw)(&runs, size);
                    let text = drawing.svg.standalone(&drawing.finding, &drawing.reading);
                    let context = format!("{} of {name}", plot.name);
                    roxmltree::Document::parse(&text).unwrap_or_else(|e| panic!("{context}: {e}"));
                    for bad in ["NaN", "inf ", "-2147483648", "2147483647"] {
                        assert!(!text.contains(bad), "{context}: {bad}");
                    }
                    assert!(!drawing.finding.is_empty(), "{context}");
                    assert!(text.len() < 300_000, "{context}: {} bytes", text.len());
                }
            }
        }
    }

    #[test]
    fn names_are_unique_and_fit_a_file() {
        let mut names: Vec<_> = PLOTS.iter().map(|p| p.name).collect();
        assert!(names.iter().all(|n| n.bytes().all(|b| b == b'-' || b.is_ascii_lowercase())));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), PLOTS.len());
    }

    #[test]
    fn the_same_runs_give_the_same_bytes() {
        let runs = sample::comparison(&["rr", "wlc"], &["dr"], &[50.0, 90.0], 2);
        for plot in PLOTS {
            assert_eq!((plot.draw)(&runs, Size::Wide), (plot.draw)(&runs, Size::Wide), "{}", plot.name);
        }
    }

    #[test]
    fn nothing_is_drawn_outside_the_picture() {
        for (name, runs) in sample::extremes() {
            for (plot, size) in PLOTS.iter().flat_map(|p| [(p, Size::Wide), (p, Size::Narrow)]) {
                let drawing = (plot.draw)(&runs, size);
                if let Some(stray) = drawing.svg.stray_point() {
                    panic!("{} of {name}, {size:?}: {stray:?} outside {:?}", plot.name, drawing.svg.size());
                }
            }
        }
    }
}
