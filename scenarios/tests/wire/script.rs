//! The set-ups' language: as much of a POSIX shell as they use.
//!
//! Commands separated by line ends, `;` or `&`, pipes, single and double quotes, `$NAME`, `NAME=VALUE`, and
//! `for … in …; do …; done`. Redirections are read and ignored. What a command means is the [`Machine`]'s business.

use std::collections::BTreeMap;

/// Who carries commands out.
pub(crate) trait Machine {
    /// Carries out a command, in the background or not: what it prints at once.
    fn run(&mut self, words: &[String], in_background: bool) -> String;
    /// Prints to the terminal.
    fn print(&mut self, text: &str);
}

/// A piece of a word: text, and whether variables in it are replaced.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Piece {
    text: String,
    is_literal: bool,
}

type Word = Vec<Piece>;

#[derive(Clone, PartialEq, Eq, Debug)]
enum Token {
    Word(Word),
    /// `;` or a line end
    Next,
    Background,
    Pipe,
}

/// Runs a script on a machine.
pub(crate) fn run(script: &str, machine: &mut impl Machine) {
    let tokens = tokens(script);
    let mut shell = Interpreter { variables: BTreeMap::new(), machine };
    shell.run(&tokens);
}

struct Interpreter<'a, M> {
    variables: BTreeMap<String, String>,
    machine: &'a mut M,
}

impl<M: Machine> Interpreter<'_, M> {
    fn run(&mut self, mut tokens: &[Token]) {
        while let Some(first) = tokens.first() {
            if *first == Token::Next {
                tokens = &tokens[1..];
            } else if is(first, "for") {
                let done = end_of_loop(tokens);
                self.repeat(&tokens[..done]);
                tokens = &tokens[done + 1..];
            } else {
                let end = tokens.iter().position(|token| matches!(token, Token::Next | Token::Background));
                let end = end.unwrap_or(tokens.len());
                let in_background = tokens.get(end) == Some(&Token::Background);
                self.pipeline(&tokens[..end], in_background);
                tokens = &tokens[(end + 1).min(tokens.len())..];
            }
        }
    }

    /// `for NAME in WORDS; do BODY`
    fn repeat(&mut self, tokens: &[Token]) {
        let name = self.expand(word(&tokens[1]));
        let body = tokens.iter().position(|token| is(token, "do")).expect("a loop has a body");
        let items: Vec<String> =
            tokens[3..body].iter().filter(|t| **t != Token::Next).map(|t| self.expand(word(t))).collect();
        for item in items {
            self.variables.insert(name.clone(), item);
            self.run(&tokens[body + 1..]);
        }
    }

    fn pipeline(&mut self, tokens: &[Token], in_background: bool) {
        let mut text = String::new();
        for (stage, command) in tokens.split(|token| *token == Token::Pipe).enumerate() {
            let words: Vec<String> = command.iter().map(|token| self.expand(word(token))).collect();
            let words: Vec<String> = words.into_iter().filter(|word| !word.contains(">/dev/null")).collect();
            text = match (stage, words[0].split_once('=')) {
                (0, Some((name, value))) if words.len() == 1 => {
                    self.variables.insert(name.to_owned(), value.to_owned());
                    String::new()
                }
                (0, _) => self.machine.run(&words, in_background),
                _ => filter(&words, &text),
            };
        }
        self.machine.print(&text);
    }

    fn expand(&self, word: &Word) -> String {
        word.iter()
            .map(|piece| if piece.is_literal { piece.text.clone() } else { self.replace(&piece.text) })
            .collect()
    }

    /// The text with the values of its variables.
    fn replace(&self, text: &str) -> String {
        let mut parts = text.split('$');
        let mut replaced = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(part.len());
            let (name, rest) = part.split_at(end);
            let value = match name {
                "VIP" => "10.0.0.100",
                "VIP6" => "2001:db8::100",
                "ALL" => "c.eth0 rt.eth0 rt.eth1 d.eth0 r1.eth0 r2.eth0",
                _ => self.variables.get(name).unwrap_or_else(|| panic!("no variable {name}")),
            };
            replaced.push_str(value);
            replaced.push_str(rest);
        }
        replaced
    }
}

/// A filter of a pipe.
fn filter(words: &[String], text: &str) -> String {
    let lines = || text.lines();
    let number = |word: &String| word.trim_start_matches('-').parse().expect("a number of lines");
    let join = |lines: Vec<&str>| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    match words[0].as_str() {
        "grep" => {
            let pattern = words.last().expect("grep has a pattern").to_lowercase();
            let fits = |line: &&str| {
                let line = line.to_lowercase();
                pattern.split('|').any(|p| match p.strip_prefix('^') {
                    Some(start) => line.starts_with(start),
                    None => p == "." || line.contains(p),
                })
            };
            let found: Vec<&str> = lines().filter(fits).collect();
            if words.iter().any(|word| word == "-c") { format!("{}\n", found.len()) } else { join(found) }
        }
        "head" => join(lines().take(number(&words[1])).collect()),
        "tail" => {
            let all: Vec<&str> = lines().collect();
            join(all[all.len().saturating_sub(number(&words[1]))..].to_vec())
        }
        "tr" => text.replace(' ', "\n"),
        other => panic!("no filter {other}"),
    }
}

fn is(token: &Token, text: &str) -> bool {
    matches!(token, Token::Word(word) if word.len() == 1 && word[0].text == text && !word[0].is_literal)
}

fn word(token: &Token) -> &Word {
    match token {
        Token::Word(word) => word,
        other => panic!("a word, not {other:?}"),
    }
}

/// Where the loop that begins here ends.
fn end_of_loop(tokens: &[Token]) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        depth += i32::from(is(token, "for")) - i32::from(is(token, "done"));
        if depth == 0 {
            return at;
        }
    }
    panic!("a loop without an end")
}

fn tokens(script: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut word: Option<Word> = None;
    let mut chars = script.chars().peekable();
    while let Some(c) = chars.next() {
        let piece = |text: String, is_literal| Piece { text, is_literal };
        match c {
            ' ' | '\t' | ';' | '\n' | '&' | '|' => {
                // `2>&1` is one word.
                if c == '&' && word.as_ref().is_some_and(|w| w.iter().any(|p| p.text.ends_with('>'))) {
                    continue;
                }
                tokens.extend(word.take().map(Token::Word));
                match c {
                    ';' | '\n' => tokens.push(Token::Next),
                    '&' => tokens.push(Token::Background),
                    '|' => tokens.push(Token::Pipe),
                    _ => {}
                }
            }
            '\'' | '"' => {
                let quoted: String = chars.by_ref().take_while(|next| *next != c).collect();
                word.get_or_insert_with(Vec::new).push(piece(quoted, c == '\''));
            }
            _ => {
                let pieces = word.get_or_insert_with(Vec::new);
                match pieces.last_mut() {
                    Some(last) if !last.is_literal => last.text.push(c),
                    _ => pieces.push(piece(c.to_string(), false)),
                }
            }
        }
    }
    tokens.extend(word.map(Token::Word));
    tokens
}
