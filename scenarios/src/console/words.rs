//! Cutting a line into words, as a shell does, and saying what is wrong with a word and where it stands.

use net_model::addr::{Addr, Mac, Prefix};
use std::ops::Range;

/// A word of a command line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Word {
    /// Its text, without quotes.
    pub text: String,
    /// Where it stands, in characters from the start of the line, quotes included.
    pub columns: Range<usize>,
}

/// What is wrong with a command line, where, and what to write instead.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParseError {
    /// The characters to blame, counted from the start of the line.
    pub columns: Range<usize>,
    /// What is wrong.
    pub problem: String,
    /// What to write instead.
    pub cure: String,
}

impl ParseError {
    /// An error about these columns.
    pub fn new(columns: Range<usize>, problem: impl Into<String>, cure: impl Into<String>) -> ParseError {
        ParseError { columns, problem: problem.into(), cure: cure.into() }
    }

    /// An error about a word.
    pub(super) fn at(word: &Word, problem: impl Into<String>, cure: impl Into<String>) -> ParseError {
        ParseError::new(word.columns.clone(), problem, cure)
    }
}

/// The words of a line: blanks separate, quotes and backslashes bind, `#` at the start of a word begins a comment.
///
/// # Errors
/// An unclosed quote, or shell syntax that a scenario does not run (pipes, several commands in a line).
pub fn words(line: &str) -> Result<Vec<Word>, ParseError> {
    let mut out = Vec::new();
    let mut chars = line.chars().enumerate().peekable();
    while let Some(&(start, first)) = chars.peek() {
        if first.is_whitespace() {
            chars.next();
            continue;
        }
        if first == '#' {
            break;
        }
        let mut text = String::new();
        let mut end = start;
        while let Some(&(at, c)) = chars.peek() {
            match c {
                c if c.is_whitespace() => break,
                '|' | ';' | '&' | '`' => {
                    let cure = "one command per line; quote the character if it belongs to a value";
                    return Err(ParseError::new(at..at + 1, format!("`{c}' is shell syntax"), cure));
                }
                '\'' | '"' => {
                    chars.next();
                    end = quoted(c, at, &mut chars, &mut text)?;
                    continue;
                }
                '\\' => {
                    chars.next();
                    end = at + 1;
                    if let Some((escaped_at, escaped)) = chars.next() {
                        text.push(escaped);
                        end = escaped_at + 1;
                    }
                    continue;
                }
                c => text.push(c),
            }
            chars.next();
            end = at + 1;
        }
        out.push(Word { text, columns: start..end });
    }
    Ok(out)
}

/// Reads up to the closing quote; the answer is the column behind it.
fn quoted(
    quote: char,
    opened_at: usize,
    chars: &mut impl Iterator<Item = (usize, char)>,
    text: &mut String,
) -> Result<usize, ParseError> {
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == quote => return Ok(at + 1),
            '\\' if quote == '"' => text.extend(chars.next().map(|(_, escaped)| escaped)),
            c => text.push(c),
        }
    }
    Err(ParseError::new(
        opened_at..opened_at + 1,
        "the quote is not closed",
        format!("add the closing {quote}"),
    ))
}

/// The words of a command, read one after the other.
pub(super) struct Args<'a> {
    words: &'a [Word],
    at: usize,
}

impl<'a> Args<'a> {
    /// The words after the program's name, which comes first.
    pub(super) fn after_program(words: &'a [Word]) -> Args<'a> {
        Args { words, at: 1 }
    }

    /// Are all words read?
    pub(super) fn is_empty(&self) -> bool {
        self.at >= self.words.len()
    }

    /// The next word, left where it is.
    pub(super) fn peek(&self) -> Option<&'a str> {
        self.words.get(self.at).map(|word| word.text.as_str())
    }

    /// The next word.
    pub(super) fn next(&mut self) -> Option<&'a Word> {
        let word = self.words.get(self.at)?;
        self.at += 1;
        Some(word)
    }

    /// Reads the next word if it is this one.
    pub(super) fn takes(&mut self, text: &str) -> bool {
        let is_next = self.peek() == Some(text);
        self.at += usize::from(is_next);
        is_next
    }

    /// The next word, which must be there.
    pub(super) fn expect(&mut self, what: &str) -> Result<&'a Word, ParseError> {
        self.next().ok_or_else(|| self.missing(what))
    }

    /// An address.
    pub(super) fn addr(&mut self, what: &str) -> Result<Addr, ParseError> {
        let word = self.expect(what)?;
        addr(word, what)
    }

    /// An address with a prefix length, `default` for 0.0.0.0/0.
    pub(super) fn prefix(&mut self, what: &str) -> Result<(Addr, u8), ParseError> {
        let word = self.expect(what)?;
        prefix(word, what)
    }

    /// A whole number, decimal or hexadecimal.
    pub(super) fn number(&mut self, what: &str) -> Result<u32, ParseError> {
        let word = self.expect(what)?;
        number(&word.text).ok_or_else(|| {
            ParseError::at(word, format!("`{}' is not {}", word.text, a(what)), "write a whole number")
        })
    }

    /// A link address.
    pub(super) fn mac(&mut self) -> Result<Mac, ParseError> {
        let word = self.expect("link address")?;
        mac(&word.text).ok_or_else(|| {
            let problem = format!("`{}' is not a link address", word.text);
            ParseError::at(word, problem, "write six hexadecimal bytes: 02:00:00:00:00:0d")
        })
    }

    /// An error about everything that has been read so far: something is missing.
    pub(super) fn missing(&self, what: &str) -> ParseError {
        let end = self.words.last().map_or(0, |word| word.columns.end);
        let start = self.words.first().map_or(0, |word| word.columns.start);
        ParseError::new(start..end, format!("{} is missing at the end", a(what)), format!("add the {what}"))
    }

    /// An error about the whole command.
    pub(super) fn wrong(&self, problem: &str, cure: &str) -> ParseError {
        let missing = self.missing("");
        ParseError::new(missing.columns, problem, cure)
    }

    /// An error if words are left.
    pub(super) fn end(&self) -> Result<(), ParseError> {
        match self.words.get(self.at) {
            None => Ok(()),
            Some(word) => Err(ParseError::at(
                word,
                format!("`{}' is not understood here", word.text),
                "remove the word",
            )),
        }
    }
}

/// An address in a word.
pub(super) fn addr(word: &Word, what: &str) -> Result<Addr, ParseError> {
    word.text.parse::<Addr>().map_err(|_| {
        let problem = format!("`{}' is not {}", word.text, a(what));
        ParseError::at(word, problem, "write an address such as 10.0.0.1 or 2001:db8::1")
    })
}

/// An address with a prefix length in a word; without a length all bits count.
pub(super) fn prefix(word: &Word, what: &str) -> Result<(Addr, u8), ParseError> {
    let wrong = || {
        let problem = format!("`{}' is not {}", word.text, a(what));
        ParseError::at(word, problem, "write an address, or a prefix such as 10.0.0.0/24")
    };
    if matches!(word.text.as_str(), "default" | "any" | "all") {
        return Ok((Addr::UNSPECIFIED_V4, 0));
    }
    let (text, len) = match word.text.split_once('/') {
        Some((text, len)) => (text, Some(len)),
        None => (word.text.as_str(), None),
    };
    // `ip` takes 0/0 and 10/8 for 0.0.0.0/0 and 10.0.0.0/8.
    let is_short =
        len.is_some() && text.split('.').count() < 4 && text.split('.').all(|b| b.parse::<u8>().is_ok());
    let padded = if is_short {
        format!("{text}{}", ".0".repeat(4 - text.split('.').count()))
    } else {
        text.to_string()
    };
    let addr: Addr = padded.parse().map_err(|_| wrong())?;
    let len = match len {
        None => addr.width(),
        Some(len) if len.contains('.') => netmask_len(len).ok_or_else(wrong)?,
        Some(len) => len.parse::<u8>().ok().filter(|&len| len <= addr.width()).ok_or_else(wrong)?,
    };
    Ok((addr, len))
}

/// The length of a netmask such as 255.255.255.0; none if its ones are not in a row.
pub(super) fn netmask_len(text: &str) -> Option<u8> {
    let bits = text.parse::<Addr>().ok()?.to_v4_bits()?;
    (bits.leading_ones() == bits.count_ones()).then_some(bits.leading_ones() as u8)
}

/// A number, decimal or with 0x.
pub(super) fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok(),
        None => text.parse().ok(),
    }
}

/// A prefix value from its parts.
pub(super) fn to_prefix((addr, len): (Addr, u8)) -> Prefix {
    Prefix::new(addr, len)
}

/// The noun with its article.
fn a(what: &str) -> String {
    let article = if what.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" };
    format!("{article} {what}")
}

fn mac(text: &str) -> Option<Mac> {
    let bytes: Vec<u64> = text
        .split(':')
        .map(|byte| u64::from_str_radix(byte, 16).ok().filter(|&b| b < 256 && byte.len() <= 2))
        .collect::<Option<_>>()?;
    (bytes.len() == 6).then(|| Mac::from_bits(bytes.iter().fold(0, |bits, byte| bits << 8 | byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &[(&str, Range<usize>)]) {
        let read = words(line).unwrap();
        let read: Vec<_> = read.iter().map(|word| (word.text.as_str(), word.columns.clone())).collect();
        assert_eq!(read, expected, "{line}");
    }

    #[test]
    fn blanks_separate_and_quotes_bind() {
        check("ip  addr", &[("ip", 0..2), ("addr", 4..8)]);
        check("-s '' x", &[("-s", 0..2), ("", 3..5), ("x", 6..7)]);
        check(r#"a"b c"\ d"#, &[("ab c d", 0..9)]);
        check("-L # all of it", &[("-L", 0..2)]);
        check("# nothing", &[]);
        check("é ü", &[("é", 0..1), ("ü", 2..3)]);
    }

    #[test]
    fn shell_syntax_is_refused_where_it_stands() {
        assert_eq!(words("ipvsadm -S | cat").unwrap_err().columns, 11..12);
        assert_eq!(words("echo 'x").unwrap_err().columns, 5..6);
    }

    #[test]
    fn prefixes_and_masks() {
        let read = |text: &str| {
            let word = Word { text: text.to_string(), columns: 0..text.len() };
            prefix(&word, "prefix").ok().map(|(addr, len)| format!("{addr}/{len}"))
        };
        assert_eq!(read("10.0.0.7/24").as_deref(), Some("10.0.0.7/24"));
        assert_eq!(read("10.0.0.7").as_deref(), Some("10.0.0.7/32"));
        assert_eq!(read("0/0").as_deref(), Some("0.0.0.0/0"));
        assert_eq!(read("10.0.0.0/255.0.0.0").as_deref(), Some("10.0.0.0/8"));
        assert_eq!(read("2001:db8::/32").as_deref(), Some("2001:db8::/32"));
        assert_eq!(read("10.0.0.0/33"), None);
        assert_eq!(netmask_len("255.0.255.0"), None);
    }
}
