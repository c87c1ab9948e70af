//! From outcomes to what people look at: text tables, CSV and JSON files, plots and one HTML page.
//!
//! The input is a list of [`Labelled`] outcomes, one for a run, many for a comparison. Nothing here knows a
//! scenario or a clock: the same input gives the same bytes, and whatever is not an outcome (command line,
//! version, times, scenario text) comes from the caller in a [`Manifest`] or a [`Report`].
//!
//! | file | job |
//! |---|---|
//! | `summary.rs`, `series.rs` | the figures of one run: totals, fair shares, windows of time |
//! | `compare.rs` | the figures of many: replicas become a mean with a confidence interval |
//! | `finding.rs` | what the figures say, in a sentence |
//! | `ladder.rs` | the sequence diagram of one connection, for the terminal and as a picture |
//! | `table/` | text for the terminal |
//! | `plots/` | one file a plot, listed in [`plots::PLOTS`] |
//! | `html/` | the page |
//! | `csv.rs`, `json.rs`, `manifest.rs` | files for other programs |
//! | `png.rs` | the plots once more, in pixels (feature `png`) |
//! | `write.rs` | the report folder, whole or not at all |

mod compare;
mod csv;
mod finding;
mod format;
mod html;
mod json;
mod ladder;
mod manifest;
pub mod plots;
mod png;
#[cfg(test)]
mod sample;
mod series;
mod summary;
mod table;
mod write;

pub use compare::{Estimate, Group, Metric, groups};
pub use json::outcomes as json;
pub use ladder::{Hop, Ladder};
pub use manifest::Manifest;
pub use summary::{Share, Summary, is_harmless, shares};
pub use table::{comparison as comparison_table, run as run_table};
pub use write::{Explanation, Report, ReportError, check_place, write_explanation, write_report};

use net_model::outcome::Outcome;

/// What distinguishes a run from the others of its comparison.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Variant {
    /// Scheduler name, such as `wlc`; several joined by `+` if the services differ.
    pub scheduler: String,
    /// Forwarding method as users write it: `nat`, `dr`, `tun`.
    pub forwarding: String,
    /// Offered load in percent of what the servers can do, if the comparison varies it.
    pub load_percent: Option<f64>,
    /// Number of the replica, from 0; replicas differ in nothing but the seed.
    pub replica: u32,
}

/// One run and its place in the comparison.
#[derive(Clone, Debug)]
pub struct Labelled {
    /// What distinguishes the run.
    pub variant: Variant,
    /// What came out.
    pub outcome: Outcome,
}
