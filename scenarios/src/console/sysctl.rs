//! `sysctl -w NAME=VALUE` and `echo VALUE > /proc/sys/NAME`.

use super::words::{Args, ParseError, Word};
use std::ops::Range;

/// A setting to be written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sysctl {
    /// The name, its parts separated by slashes: `net/ipv4/conf/eth0.100/arp_ignore`.
    pub path: String,
    /// The value: for `echo` everything before the `>` and after the file; the kernel reads the leading number.
    pub value: String,
    /// Where the name stands.
    pub name_columns: Range<usize>,
    /// Where the value stands.
    pub value_columns: Range<usize>,
}

impl Sysctl {
    /// The name with dots, as `sysctl` prints it (dots within a part become slashes).
    pub fn dotted(&self) -> String {
        swapped(&self.path)
    }
}

/// `sysctl [-w] [-q] [-e] NAME=VALUE …`
pub(super) fn parse(words: &[Word]) -> Result<Vec<Sysctl>, ParseError> {
    let mut args = Args::after_program(words);
    let mut out = Vec::new();
    while let Some(word) = args.next() {
        if matches!(
            word.text.as_str(),
            "-w" | "-q" | "-e" | "-qw" | "-wq" | "--write" | "--quiet" | "--ignore"
        ) {
            continue;
        }
        let Some((name, value)) = word.text.split_once('=') else {
            let problem = format!("`{}' sets nothing", word.text);
            return Err(ParseError::at(word, problem, "write NAME=VALUE, without blanks round the ="));
        };
        if name.is_empty() || value.is_empty() {
            return Err(ParseError::at(word, "a name or a value is missing", "write NAME=VALUE"));
        }
        let split = word.columns.start + name.chars().count();
        out.push(Sysctl {
            path: path(name),
            value: value.to_string(),
            name_columns: word.columns.start..split,
            value_columns: split + 1..word.columns.end,
        });
    }
    if out.is_empty() { Err(args.missing("setting (NAME=VALUE)")) } else { Ok(out) }
}

/// `echo VALUE > /proc/sys/net/…`, with `>` apart or at the front of the file's name.
pub(super) fn parse_echo(words: &[Word]) -> Result<Vec<Sysctl>, ParseError> {
    let mut values: Vec<&Word> = Vec::new();
    let mut file: Option<(String, Range<usize>)> = None;
    let mut args = Args::after_program(words);
    while let Some(word) = args.next() {
        match word.text.strip_prefix('>') {
            Some("") => {
                let target = args.expect("file")?;
                file = Some((target.text.clone(), target.columns.clone()));
            }
            Some(name) => file = Some((name.to_string(), word.columns.clone())),
            None if word.text == "-n" && values.is_empty() => {}
            None => values.push(word),
        }
    }
    let Some((name, name_columns)) = file else {
        return Err(args.missing("file to write to (> /proc/sys/…)"));
    };
    let Some(path) = name.strip_prefix("/proc/sys/") else {
        let cure = "only settings below /proc/sys can be written: echo 1 > /proc/sys/net/ipv4/ip_forward";
        return Err(ParseError::new(name_columns, format!("`{name}' is no setting of the kernel"), cure));
    };
    let (Some(first), Some(last)) = (values.first(), values.last()) else {
        return Err(args.missing("value"));
    };
    Ok(vec![Sysctl {
        path: path.to_string(),
        value: values.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" "),
        name_columns,
        value_columns: first.columns.start..last.columns.end,
    }])
}

/// The name of a path below /proc/sys, with dots.
pub(crate) fn dotted(path: &str) -> String {
    swapped(path)
}

/// The path of a name: with dots as separators a slash stands for a dot within a part, as in `conf.eth0/100`.
pub(crate) fn path(name: &str) -> String {
    match name.find(['.', '/']) {
        Some(at) if name.as_bytes()[at] == b'.' => swapped(name),
        _ => name.to_string(),
    }
}

fn swapped(name: &str) -> String {
    let swap = |c| match c {
        '.' => '/',
        '/' => '.',
        other => other,
    };
    name.chars().map(swap).collect()
}
