//! `lvsim list`: what there is.

use crate::terminal::print;
use anyhow::{Context, Result};
use net_model::verdict::DropReason;
use scenarios::schema::Method;
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

/// List schedulers, forwarding methods, drop reasons or the gallery.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// What to list
    #[arg(value_enum, default_value_t = What::Schedulers)]
    what: What,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// The IPVS schedulers: name, rule, tie rule, what each is for
    Schedulers,
    /// The forwarding methods
    Forwarding,
    /// Every reason for which a packet can be dropped, with its cure
    Drops,
    /// The scenarios of the gallery (run from the root of the repository)
    Gallery,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    print(&match args.what {
        What::Schedulers => schedulers(),
        What::Forwarding => forwarding(),
        What::Drops => drops(),
        What::Gallery => gallery(Path::new("scenarios/gallery"))?,
    })?;
    Ok(ExitCode::SUCCESS)
}

fn schedulers() -> String {
    let mut text = String::new();
    for entry in schedulers::SCHEDULERS {
        let _ = writeln!(text, "{:6} {}\n       {}", entry.name, entry.title, entry.help);
        let _ = writeln!(text, "       Rule: {}\n       Ties: {}", entry.rule, entry.ties);
        if !entry.flags.is_empty() {
            let flags: Vec<&str> = entry.flags.iter().map(|(name, _)| *name).collect();
            let _ = writeln!(text, "       Flags (-b): {}", flags.join(", "));
        }
        text.push('\n');
    }
    text
}

fn forwarding() -> String {
    Method::ALL
        .iter()
        .fold(String::new(), |text, method| text + &format!("{:4} {}\n", method.name(), method.title()))
}

fn drops() -> String {
    let mut text = String::new();
    for reason in DropReason::ALL {
        let _ = writeln!(text, "{}\n    {}\n    Cure: {}", reason.name(), reason.sentence(), reason.cure());
    }
    text
}

/// One line a scenario: its path and the first sentence of its `about:`.
fn gallery(dir: &Path) -> Result<String> {
    let entries = std::fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    let mut files: Vec<_> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "yaml"));
    files.sort();
    let mut text = String::new();
    for file in files {
        let about = scenarios::load::load(&file).map(|loaded| loaded.scenario.about).unwrap_or_default();
        let first = about.split_inclusive(". ").next().unwrap_or_default();
        let _ = writeln!(text, "{}\n    {}", file.display(), first.trim().replace('\n', " "));
    }
    Ok(text)
}
