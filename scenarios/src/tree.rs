//! A YAML file as a tree in which every key and value knows its place.
//!
//! Scalars stay text: what `10`, `on` or `1.10` means is for the type that reads it to decide, so nothing is lost on
//! the way. Anchors, aliases and merge keys (`<<`) work; a file that uses them to grow without bound is refused.

use crate::problem::Problem;
use crate::source::Span;
use serde_yaml::granit_parser::{Event, Parser, ScalarStyle, ScanError, Span as ParserSpan};
use std::collections::{BTreeMap, BTreeSet};

/// More values than any real scenario has; aliases count for what they stand for.
const MAX_NODES: usize = 4_000_000;
/// Deeper nesting than the language has.
const MAX_DEPTH: usize = 64;

/// A YAML value with its place.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Node {
    /// Where it was written.
    pub span: Span,
    /// What it is.
    pub value: Value,
    /// A comment to print above it.
    pub note: Option<String>,
}

/// What a [`Node`] is.
#[derive(Clone, PartialEq, Debug, Default)]
pub enum Value {
    /// Nothing: an empty value, `~` or `null`.
    #[default]
    Null,
    /// Any other scalar, as text.
    Scalar(String),
    /// A list.
    Sequence(Vec<Node>),
    /// Keys and values in the order of the file.
    Mapping(Vec<(Key, Node)>),
}

/// The key of a mapping's entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Key {
    /// Where it was written.
    pub span: Span,
    /// Its text.
    pub text: String,
}

impl Node {
    /// A scalar.
    pub fn scalar(span: Span, text: impl Into<String>) -> Node {
        Node { span, value: Value::Scalar(text.into()), note: None }
    }

    /// A list.
    pub fn sequence(span: Span, items: Vec<Node>) -> Node {
        Node { span, value: Value::Sequence(items), note: None }
    }

    /// An empty mapping.
    pub fn mapping(span: Span) -> Node {
        Node { span, value: Value::Mapping(Vec::new()), note: None }
    }

    /// The same with a comment to print above it.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Node {
        self.note = Some(note.into());
        self
    }

    /// Adds an entry to a mapping and returns the mapping.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: Node) -> Node {
        self.push(key, value);
        self
    }

    /// Adds an entry to a mapping.
    ///
    /// # Panics
    /// If the node is no mapping.
    pub fn push(&mut self, key: impl Into<String>, value: Node) {
        let span = self.span;
        let Value::Mapping(entries) = &mut self.value else { panic!("entries belong to mappings") };
        entries.push((Key { span, text: key.into() }, value));
    }

    /// The value under `key`, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Mapping(entries) => entries.iter().find(|(k, _)| k.text == key).map(|(_, value)| value),
            Value::Null | Value::Scalar(_) | Value::Sequence(_) => None,
        }
    }

    /// What kind of value this is, for messages.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Scalar(_) => "a single value",
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
        }
    }

    /// Number of values in it, itself included.
    fn size(&self) -> usize {
        match &self.value {
            Value::Null | Value::Scalar(_) => 1,
            Value::Sequence(items) => 1 + items.iter().map(Node::size).sum::<usize>(),
            Value::Mapping(entries) => 1 + entries.iter().map(|(_, value)| value.size()).sum::<usize>(),
        }
    }
}

/// Reads one YAML document. Keys used twice are reported and the first one kept; a syntax error stops.
///
/// # Errors
/// The one problem that stopped the reader.
pub fn parse(text: &str, problems: &mut Vec<Problem>) -> Result<Node, Problem> {
    let mut builder =
        Builder { stack: Vec::new(), anchors: BTreeMap::new(), root: None, nodes: 0, ended: false, problems };
    let options = serde_yaml::granit_parser::options! { emit_comments: false };
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| syntax_problem(text, &error))?;
        builder.event(event, place(text, span))?;
    }
    Ok(builder.root.unwrap_or_default())
}

/// A collection that is still open.
struct Open {
    node: Node,
    anchor: usize,
    /// The key that waits for its value (mappings only).
    key: Option<Key>,
    /// Keys seen so far.
    keys: BTreeSet<String>,
    /// Mappings to merge once the own entries are known, for those win.
    merges: Vec<Node>,
}

struct Builder<'a> {
    stack: Vec<Open>,
    anchors: BTreeMap<usize, (Node, usize)>,
    root: Option<Node>,
    nodes: usize,
    ended: bool,
    problems: &'a mut Vec<Problem>,
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Problem> {
        match event {
            Event::DocumentStart(..) if self.ended => {
                return Err(Problem::error(span, "a second YAML document begins here")
                    .help("a scenario is one document: remove everything from the `---` on"));
            }
            Event::DocumentEnd => self.ended = true,
            Event::Scalar(text, style, anchor, _) => {
                let value = match style {
                    ScalarStyle::Plain if matches!(&*text, "" | "~" | "null" | "Null" | "NULL") => {
                        Value::Null
                    }
                    _ => Value::Scalar(text.into_owned()),
                };
                let node = Node { span, value, note: None };
                self.remember(anchor, &node);
                self.add(node)?;
            }
            Event::SequenceStart(_, anchor, _) => self.open(Node::sequence(span, Vec::new()), anchor)?,
            Event::MappingStart(_, anchor, _) => self.open(Node::mapping(span), anchor)?,
            Event::SequenceEnd | Event::MappingEnd => self.close(span)?,
            Event::Alias(anchor) => {
                let Some((node, size)) = self.anchors.get(&anchor) else {
                    return Err(Problem::error(span, "an alias inside its own anchor")
                        .help("a value cannot contain itself"));
                };
                self.nodes += size;
                self.check_size(span)?;
                let node = node.clone();
                self.add(node)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn open(&mut self, node: Node, anchor: usize) -> Result<(), Problem> {
        if self.stack.len() >= MAX_DEPTH {
            return Err(Problem::error(node.span, format!("nested more than {MAX_DEPTH} levels deep"))
                .help("no part of the language nests that deep"));
        }
        self.stack.push(Open { node, anchor, key: None, keys: BTreeSet::new(), merges: Vec::new() });
        Ok(())
    }

    fn close(&mut self, end: Span) -> Result<(), Problem> {
        let Some(mut open) = self.stack.pop() else { return Ok(()) };
        open.node.span.end = end.end.max(open.node.span.start);
        if let Value::Mapping(entries) = &mut open.node.value {
            open.merges.drain(..).for_each(|node| merge(entries, &mut open.keys, node));
        }
        self.remember(open.anchor, &open.node);
        self.add(open.node)
    }

    fn remember(&mut self, anchor: usize, node: &Node) {
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), node.size()));
        }
    }

    fn check_size(&self, span: Span) -> Result<(), Problem> {
        if self.nodes <= MAX_NODES {
            return Ok(());
        }
        Err(Problem::error(span, format!("the file stands for more than {MAX_NODES} values"))
            .help("aliases of aliases grow without bound; write groups of hosts as `web[1-1000]` instead"))
    }

    /// Puts a finished node where it belongs: the root, a list, or a mapping's key or value.
    fn add(&mut self, node: Node) -> Result<(), Problem> {
        self.nodes += 1;
        self.check_size(node.span)?;
        let Some(open) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match (&mut open.node.value, open.key.take()) {
            (Value::Sequence(items), _) => items.push(node),
            (Value::Mapping(_), None) => open.key = Some(key(node)?),
            (Value::Mapping(_), Some(key)) if key.text == "<<" => open.merges.push(node),
            (Value::Mapping(entries), Some(key)) => {
                if open.keys.insert(key.text.clone()) {
                    entries.push((key, node));
                } else {
                    let message = format!("`{}` appears twice in this mapping", key.text);
                    let help = "names and keys are unique: rename or remove one of the two";
                    self.problems.push(Problem::error(key.span, message).help(help));
                }
            }
            (Value::Null | Value::Scalar(_), _) => unreachable!("scalars are never open"),
        }
        Ok(())
    }
}

fn key(node: Node) -> Result<Key, Problem> {
    match node.value {
        Value::Scalar(text) => Ok(Key { span: node.span, text }),
        Value::Null => Ok(Key { span: node.span, text: String::new() }),
        Value::Sequence(_) | Value::Mapping(_) => {
            Err(Problem::error(node.span, "a key must be a single word")
                .help("did you mean a list item (`- …`), or quotes around a text with braces?"))
        }
    }
}

/// `<<: *defaults` adds the entries of another mapping (or of several) that are not there yet.
fn merge(entries: &mut Vec<(Key, Node)>, keys: &mut BTreeSet<String>, node: Node) {
    match node.value {
        Value::Mapping(others) => {
            entries.extend(others.into_iter().filter(|(key, _)| keys.insert(key.text.clone())));
        }
        Value::Sequence(items) => items.into_iter().for_each(|item| merge(entries, keys, item)),
        Value::Null | Value::Scalar(_) => {}
    }
}

/// The parser's span in bytes, without the white space that block collections and scalars trail.
fn place(text: &str, span: ParserSpan) -> Span {
    let start = span.start.byte_offset().unwrap_or(0).min(text.len());
    let end = span.end.byte_offset().unwrap_or(start).clamp(start, text.len());
    let end = text.get(start..end).map_or(end, |part| start + part.trim_end().len());
    Span::new(start, end)
}

fn syntax_problem(text: &str, error: &ScanError) -> Problem {
    let at = error.marker().byte_offset().unwrap_or(text.len()).min(text.len());
    let line = text[..crate::source::floor_char_boundary(text, at)].lines().last().unwrap_or_default();
    let span =
        Span::new(at, at + text.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8));
    let help = if line.contains('\t') || text.get(at..).is_some_and(|rest| rest.starts_with('\t')) {
        "YAML is indented with spaces, never with tabs"
    } else {
        "check indentation (spaces only), the blank after each colon, and quotes around texts that contain `: ` or ` #`, or begin with one of `[ { * & ! % @`"
    };
    let message = error.info();
    let message = message.split(" at ").next().unwrap_or(&message);
    Problem::error(span, format!("not valid YAML: {message}")).help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Node {
        let mut problems = Vec::new();
        let node = parse(text, &mut problems).unwrap();
        assert_eq!(problems, []);
        node
    }

    fn text<'a>(node: &'a Node, path: &[&str]) -> &'a str {
        let node = path.iter().fold(node, |node, key| node.get(key).unwrap());
        let Value::Scalar(text) = &node.value else { panic!("no scalar: {node:?}") };
        text
    }

    #[test]
    fn scalars_keep_their_spelling() {
        let node = tree("a: 1.10\nb: on\nc: 0x2A\nd: ~\n");
        assert_eq!((text(&node, &["a"]), text(&node, &["b"]), text(&node, &["c"])), ("1.10", "on", "0x2A"));
        assert_eq!(node.get("d").unwrap().value, Value::Null);
    }

    #[test]
    fn spans_cover_what_was_written() {
        let source = "hosts:\n  wéb: {speed: 2}\nrules: |\n  -C\n";
        let node = tree(source);
        let at = |node: &Node| &source[node.span.range()];
        assert_eq!(at(node.get("hosts").unwrap().get("wéb").unwrap()), "{speed: 2}");
        let Value::Mapping(entries) = &node.value else { panic!() };
        assert_eq!(&source[entries[1].0.span.range()], "rules");
        assert!(at(&entries[1].1).contains("-C"), "{:?}", at(&entries[1].1));
    }

    #[test]
    fn anchors_and_merge_keys_work() {
        let node = tree("base: &b {a: 1, b: 2}\nx: *b\ny: {<<: *b, a: 3}\n");
        assert_eq!(text(&node, &["x", "a"]), "1");
        // A merge never overrides what the mapping says itself, wherever the merge stands.
        assert_eq!(text(&node, &["y", "b"]), "2");
    }

    #[test]
    fn a_key_given_twice_is_reported_where_it_appears_again() {
        let mut problems = Vec::new();
        parse("a: 1\nb: 2\na: 3\n", &mut problems).unwrap();
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].span, Span::new(10, 11));
    }

    #[test]
    fn an_alias_bomb_is_refused_quickly() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..20 {
            let item = format!("*a{}", level - 1);
            bomb += &format!("a{level}: &a{level} [{}]\n", [item.as_str(); 10].join(", "));
        }
        let problem = parse(&bomb, &mut Vec::new()).unwrap_err();
        assert!(problem.message.contains("more than"), "{problem:?}");
    }

    #[test]
    fn deep_nesting_is_refused() {
        let problem = parse(&("[".repeat(100) + &"]".repeat(100)), &mut Vec::new()).unwrap_err();
        assert!(problem.message.contains("levels deep"), "{problem:?}");
    }
}
