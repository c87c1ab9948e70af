//! How a command line is cut into options and words: the rules of the popt library, as ipvsadm uses it.
//!
//! Long options are written in full; a single dash starts a bundle of one-letter options; a value is the rest of the
//! word (less one leading `=`) or the next word, even one that begins with a dash. `--` ends the options.

use super::options::{SPELLINGS, Spelling, Value};

/// An option as it stands on the command line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Given<'a> {
    pub(super) spelling: &'static Spelling,
    pub(super) value: Option<&'a str>,
    /// The index of the word it stands in.
    pub(super) word: usize,
    /// The index of the word that holds the value.
    pub(super) value_word: usize,
}

/// Why a word cannot be read as an option.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    Unknown,
    MissingArgument,
    UnwantedArgument,
}

impl Fault {
    pub(super) const fn message(self) -> &'static str {
        match self {
            Fault::Unknown => "unknown option",
            Fault::MissingArgument => "missing argument",
            Fault::UnwantedArgument => "option does not take an argument",
        }
    }
}

/// Walks a command line from left to right; words that are not options are put aside.
pub(super) struct Options<'a> {
    args: &'a [&'a str],
    next: usize,
    /// The letters still to be read of a bundle, and the word they stand in.
    bundle: &'a str,
    word: usize,
    only_words: bool,
    /// Indices of the words that are no options.
    pub(super) left_over: Vec<usize>,
}

impl<'a> Options<'a> {
    pub(super) fn new(args: &'a [&'a str]) -> Options<'a> {
        Options { args, next: 0, bundle: "", word: 0, only_words: false, left_over: Vec::new() }
    }

    fn next_word(&mut self) -> Option<(usize, &'a str)> {
        let at = self.next;
        let word = self.args.get(at)?;
        self.next += 1;
        Some((at, word))
    }

    fn long(&mut self, word: usize, text: &'a str) -> Result<Given<'a>, (Fault, usize)> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let spelling = SPELLINGS.iter().find(|s| s.long == name).ok_or((Fault::Unknown, word))?;
        if spelling.value == Value::No && value.is_some() {
            return Err((Fault::UnwantedArgument, word));
        }
        self.with_value(spelling, value, word)
    }

    fn short(&mut self) -> Result<Given<'a>, (Fault, usize)> {
        let mut letters = self.bundle.chars();
        let letter = letters.next();
        let rest = letters.as_str();
        self.bundle = "";
        let word = self.word;
        let spelling = SPELLINGS
            .iter()
            .find(|s| s.short == letter && s.short.is_some())
            .ok_or((Fault::Unknown, word))?;
        if spelling.value == Value::No {
            if rest.starts_with('=') {
                return Err((Fault::UnwantedArgument, word));
            }
            self.bundle = rest;
            return self.with_value(spelling, None, word);
        }
        let attached = (!rest.is_empty()).then(|| rest.strip_prefix('=').unwrap_or(rest));
        self.with_value(spelling, attached, word)
    }

    fn with_value(
        &mut self,
        spelling: &'static Spelling,
        attached: Option<&'a str>,
        word: usize,
    ) -> Result<Given<'a>, (Fault, usize)> {
        let is_separate = match spelling.value {
            Value::No => false,
            Value::Required => attached.is_none(),
            Value::Optional => {
                attached.is_none() && self.args.get(self.next).is_some_and(|next| !next.starts_with('-'))
            }
        };
        if !is_separate {
            return Ok(Given { spelling, value: attached, word, value_word: word });
        }
        let (value_word, value) = self.next_word().ok_or((Fault::MissingArgument, word))?;
        Ok(Given { spelling, value: Some(value), word, value_word })
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = Result<Given<'a>, (Fault, usize)>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.bundle.is_empty() {
            let (at, text) = self.next_word()?;
            if self.only_words || text == "-" || !text.starts_with('-') {
                self.left_over.push(at);
            } else if text == "--" {
                self.only_words = true;
            } else if let Some(long) = text.strip_prefix("--") {
                return Some(self.long(at, long));
            } else {
                (self.bundle, self.word) = (&text[1..], at);
            }
        }
        Some(self.short())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read, one word per option: the long name, with `=value` if there is one; then the left-over words.
    fn check(line: &str, expected: &str) {
        let args: Vec<&str> = line.split(' ').collect();
        let mut options = Options::new(&args);
        let mut read: Vec<String> = Vec::new();
        for option in options.by_ref() {
            read.push(match option {
                Ok(Given { spelling, value: Some(value), .. }) => format!("{}={value}", spelling.long),
                Ok(Given { spelling, .. }) => spelling.long.to_string(),
                Err((fault, word)) => format!("{}: {}", args[word], fault.message()),
            });
            if read.last().is_some_and(|last| last.contains(": ")) {
                break;
            }
        }
        read.extend(options.left_over.iter().map(|&at| format!("<{}>", args[at])));
        assert_eq!(read.join(" "), expected, "{line}");
    }

    #[test]
    fn values_may_be_attached_or_follow() {
        check("-At 10.0.0.1:80", "add-service tcp-service=10.0.0.1:80");
        check("-At10.0.0.1:80", "add-service tcp-service=10.0.0.1:80");
        check("-A -t=10.0.0.1:80", "add-service tcp-service=10.0.0.1:80");
        check("-A --tcp-service=10.0.0.1:80 -srr", "add-service tcp-service=10.0.0.1:80 scheduler=rr");
        check("-mw3", "masquerading weight=3");
        check("-Atn 10.0.0.1:80", "add-service tcp-service=n <10.0.0.1:80>");
        check("-w -1", "weight=-1");
    }

    #[test]
    fn an_optional_value_does_not_begin_with_a_dash() {
        check("-p 60 -s rr", "persistent=60 scheduler=rr");
        check("-p -s rr", "persistent scheduler=rr");
        check("-ps rr", "persistent=s <rr>");
        check("-p -1", "persistent -1: unknown option");
    }

    #[test]
    fn faults_name_the_whole_word() {
        check("-LnQ", "list numeric -LnQ: unknown option");
        check("-L --num", "list --num: unknown option");
        check("-L --numeric=1", "list --numeric=1: option does not take an argument");
        check("-L=n", "-L=n: option does not take an argument");
        check("-Lns", "list numeric -Lns: missing argument");
    }

    #[test]
    fn two_dashes_end_the_options() {
        check("--set -- -1 6 7", "set <-1> <6> <7>");
        check("foo -L - bar", "list <foo> <-> <bar>");
    }
}
