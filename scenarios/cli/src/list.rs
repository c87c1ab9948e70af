//! `lvsim list`: what there is.

use crate::terminal::{print, wrapped};
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
        let _ = writeln!(text, "{:6} {}", entry.name, entry.title);
        let mut paragraph = |words: &str| text += &wrapped("       ", words);
        paragraph(entry.help);
        paragraph(&format!("Rule: {}", entry.rule));
        paragraph(&format!("Ties: {}", entry.ties));
        if !entry.flags.is_empty() {
            let flags: Vec<&str> = entry.flags.iter().map(|(name, _)| *name).collect();
            paragraph(&format!("Flags (-b): {}", flags.join(", ")));
        }
        text.push('\n');
    }
    text
}

fn forwarding() -> String {
    let entry = |method: &Method| format!("{}\n{}", method.name(), wrapped("    ", method.title()));
    Method::ALL.iter().map(entry).collect()
}

fn drops() -> String {
    let mut text = String::new();
    for reason in DropReason::ALL {
        let _ = writeln!(text, "{}", reason.name());
        text += &wrapped("    ", reason.sentence());
        text += &wrapped("    ", &format!("Cure: {}", reason.cure()));
    }
    text
}

/// One line a scenario: its path and the first sentence of its `about:`.
fn gallery(dir: &Path) -> Result<String> {
    let entries = std::fs::read_dir(dir).with_context(|| {
        format!("cannot read {} (the gallery is listed from the root of the repository)", dir.display())
    })?;
    let mut files: Vec<_> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "yaml"));
    files.sort();
    let mut text = String::new();
    for file in files {
        let about = scenarios::load::load(&file).map(|loaded| loaded.scenario.about).unwrap_or_default();
        let _ = writeln!(text, "{}", file.display());
        text += &wrapped("    ", first_sentence(&about));
    }
    Ok(text)
}

/// Up to the first full stop or question mark that a blank or a line's end follows.
fn first_sentence(about: &str) -> &str {
    let ends = about.match_indices(['.', '?']).map(|(at, _)| at + 1);
    let end = ends.into_iter().find(|&end| about[end..].chars().next().is_none_or(char::is_whitespace));
    &about[..end.unwrap_or(about.len())]
}

#[cfg(test)]
mod tests {
    use super::first_sentence;

    #[test]
    fn sentences_end_where_a_reader_says() {
        assert_eq!(first_sentence("See arp.yaml for it.\n\nMore."), "See arp.yaml for it.");
        assert_eq!(first_sentence("Who gets it? Nobody."), "Who gets it?");
        assert_eq!(first_sentence("no end"), "no end");
    }
}
