//! The report as one page: no network, no script, readable on a phone, in light and dark, and on paper.

mod parts;

use crate::format::{plural, unbroken};
use crate::plots::{PLOTS, Size};
use crate::table::{Grid, arp_grid, clients_grid, comparison_grid, directors_grids, servers_grid};
use crate::write::{Explanation, Report};
use crate::{finding, manifest};
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// Colours, both themes, and the layout.
const STYLE: &str = include_str!("style.css");

/// The page of a report.
pub(crate) fn page(report: &Report<'_>) -> String {
    let headline = unbroken(&finding::headline(report.runs));
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content={ "lvsim " (report.manifest.version) };
                title { (report.title) " – " (headline) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    p.kicker { (report.title) " · " (kind(report)) }
                    h1 { (headline) }
                    @for paragraph in report.description.split("\n\n").filter(|p| !p.trim().is_empty()) {
                        p.lead { (paragraph) }
                    }
                }
                main {
                    (parts::cards(report.runs))
                    (plots(report))
                    (tables(report))
                    (parts::losses(report.runs))
                    (details(report))
                }
                footer { "lvsim " (report.manifest.version) " · " (report.manifest.command) }
            }
        }
    }
    .into_string()
}

/// The page of one connection: its sequence diagram, and every step.
pub(crate) fn explanation(explanation: &Explanation<'_>) -> String {
    let [wide, narrow] = [Size::Wide, Size::Narrow].map(|size| explanation.ladder.draw(size));
    let headline = unbroken(&wide.finding);
    let manifest = explanation.manifest;
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content={ "lvsim " (manifest.version) };
                title { (explanation.title) " – " (headline) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    p.kicker { (explanation.title) " · one connection" }
                    h1 { (headline) }
                    @for paragraph in explanation.description.split("\n\n").filter(|p| !p.trim().is_empty()) {
                        p.lead { (paragraph) }
                    }
                }
                main {
                    section.plots.single aria-label="Sequence diagram" {
                        figure id="ladder" {
                            figcaption {
                                h2 { "Who sent what to whom" }
                                p { (unbroken(&wide.reading)) }
                            }
                            (PreEscaped(wide.svg.inline("ladder-wide", &wide.finding, &wide.reading, "wide")))
                            (PreEscaped(narrow.svg.inline("ladder-narrow", &narrow.finding, &narrow.reading, "narrow")))
                        }
                    }
                    section aria-label="Every step" {
                        details open { summary { "Every step, and what decided" } pre { code { (explanation.steps) } } }
                    }
                }
                footer { "lvsim " (manifest.version) " · " (manifest.command) }
            }
        }
    }
    .into_string()
}

fn kind(report: &Report<'_>) -> String {
    match report.runs.len() {
        0 | 1 => "one run".into(),
        n => format!("comparison of {}", plural(n as u64, "run")),
    }
}

fn plots(report: &Report<'_>) -> Markup {
    html! {
        section.plots aria-label="Plots" {
            @for plot in PLOTS.iter().filter(|p| p.suits(report.runs)) {
                @let [wide, narrow] = [Size::Wide, Size::Narrow].map(|size| (plot.draw)(report.runs, size));
                figure id=(plot.name) {
                    figcaption {
                        h2 { (unbroken(&wide.finding)) }
                        @if !wide.reading.is_empty() { p { (unbroken(&wide.reading)) } }
                    }
                    (PreEscaped(wide.svg.inline(&format!("{}-wide", plot.name), &wide.finding, &wide.reading, "wide")))
                    (PreEscaped(
                        narrow.svg.inline(&format!("{}-narrow", plot.name), &wide.finding, &wide.reading, "narrow")
                    ))
                }
            }
        }
    }
}

fn tables(report: &Report<'_>) -> Markup {
    html! {
        section aria-label="Tables" {
            @match report.runs {
                [] => {}
                [run] => {
                    (parts::table(&servers_grid(&run.outcome)))
                    (parts::table(&clients_grid(&run.outcome)))
                    @if !run.outcome.arp_answers.is_empty() { (parts::table(&arp_grid(&run.outcome))) }
                    @for grid in directors_grids(&run.outcome) { (parts::table(&grid)) }
                }
                runs => {
                    (parts::table(&Grid { title: "All variants".into(), ..comparison_grid(runs) }))
                }
            }
        }
    }
}

fn details(report: &Report<'_>) -> Markup {
    let manifest = report.manifest;
    html! {
        section aria-label="How to repeat this" {
            h2 { "How to repeat this" }
            dl {
                dt { "Command" } dd { code { (manifest.command) } }
                dt { "Scenario" } dd { (manifest.scenario) }
                dt { "Scenario hash" } dd { code { (manifest.scenario_hash) } }
                dt { "Seed" } dd { code { (manifest.seed) } }
                dt { "Fingerprint" } dd { code { (format!("{:016x}", manifest::fingerprint(report.runs))) } }
                dt { "Version" } dd { "lvsim " (manifest.version) }
            }
            @for (title, text) in [("The scenario", report.scenario), ("Everything it stands for", report.expanded)] {
                @if !text.is_empty() {
                    details {
                        summary { (title) }
                        pre { code { (text) } }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plots::ROLES;
    use crate::sample;
    use crate::{Labelled, Manifest};

    fn page_of(runs: &[Labelled]) -> String {
        let manifest = Manifest { command: "lvsim run <x> & \"y\"".into(), ..Manifest::default() };
        page(&Report {
            title: "Quick <start>",
            description: "one\n\ntwo",
            runs,
            manifest: &manifest,
            scenario: "a: <b>",
            expanded: "c",
            png: false,
        })
    }

    #[test]
    fn a_page_needs_nothing_from_elsewhere() {
        for (name, runs) in sample::extremes() {
            let page = page_of(&runs);
            for outside in ["http:", "https:", "src=", "href=", "url(", "@import", "<script", "<link"] {
                assert!(!page.contains(outside), "{name}: {outside}");
            }
            assert!(!page.contains("NaN"), "{name}");
        }
    }

    #[test]
    fn what_users_wrote_is_escaped() {
        let page = page_of(&[]);
        assert!(
            page.contains("Quick &lt;start&gt;") && page.contains("a: &lt;b&gt;") && !page.contains("<x>")
        );
    }

    #[test]
    fn every_picture_has_words_and_every_id_is_unique() {
        let page = page_of(&sample::comparison(&["rr", "wlc"], &["dr"], &[50.0, 90.0], 2));
        let pictures = page.matches("<svg").count();
        assert!(pictures >= 8);
        assert_eq!(page.matches("role=\"img\"").count(), pictures);
        assert_eq!(page.matches("<desc id=").count(), pictures);
        let mut ids: Vec<&str> = page.split(" id=\"").skip(1).filter_map(|s| s.split('"').next()).collect();
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all);
    }

    #[test]
    fn the_style_sheet_knows_every_colour_of_the_pictures() {
        for (_, name, [r, g, b]) in ROLES {
            assert_eq!(STYLE.matches(&format!("--{name}:")).count(), 3, "{name}: light, dark and print");
            assert!(
                STYLE.contains(&format!("--{name}: #{r:02x}{g:02x}{b:02x};")),
                "{name}: same light colour"
            );
            for kind in ["f", "s"] {
                assert!(STYLE.contains(&format!(".{kind}-{name} ")), ".{kind}-{name}");
            }
        }
    }

    #[test]
    fn a_page_of_a_thousand_servers_stays_small() {
        for (name, runs) in sample::extremes() {
            let size = page_of(&runs).len();
            assert!(size < 600_000, "{name}: {size} bytes");
        }
    }
}
