//! A tree as YAML text: stable order, comments above what they explain, short mappings on one line.

use crate::tree::{Node, Value};
use std::fmt::Write;

/// Lines grow to this width before a mapping or list is broken into several.
const WIDTH: usize = 100;

/// The YAML text of a tree.
pub fn emit(root: &Node) -> String {
    let mut text = String::new();
    if let Some(note) = &root.note {
        comment(&mut text, 0, note);
    }
    match &root.value {
        Value::Mapping(entries) if !entries.is_empty() => mapping(&mut text, 0, root, true),
        Value::Sequence(items) if !items.is_empty() => sequence(&mut text, 0, items),
        Value::Scalar(lines) => {
            let _ = writeln!(text, "{}", scalar(lines));
        }
        Value::Null | Value::Mapping(_) | Value::Sequence(_) => {
            let _ = writeln!(text, "{}", flow(root).unwrap_or_default());
        }
    }
    text
}

fn comment(text: &mut String, indent: usize, note: &str) {
    for line in note.lines() {
        let _ = writeln!(text, "{:indent$}# {line}", "");
    }
}

fn mapping(text: &mut String, indent: usize, node: &Node, top: bool) {
    let Value::Mapping(entries) = &node.value else { return };
    let mut previous = 0;
    for (index, (key, value)) in entries.iter().enumerate() {
        // The parts of the file, and long entries in a part (hosts, mostly), stand apart.
        let begin = text.len();
        if let Some(note) = &value.note {
            comment(text, indent, note);
        }
        let _ = write!(text, "{:indent$}{}:", "", scalar(&key.text));
        entry(text, indent, value, top);
        let lines = text[begin..].lines().count();
        if index > 0 && ((top && has_parts(value)) || (indent == 2 && (lines > 2 || previous > 2))) {
            text.insert(begin, '\n');
        }
        previous = lines;
    }
}

/// The value of a key (or of a list's dash), after which the line ends.
fn entry(text: &mut String, indent: usize, value: &Node, top: bool) {
    if let Value::Scalar(lines) = &value.value
        && is_block(lines)
    {
        return block(text, indent + 2, lines);
    }
    let column = text.len() - text.rfind('\n').map_or(0, |at| at + 1);
    if let Some(short) = flow(value)
        && (column + 1 + short.len() <= WIDTH || !has_parts(value))
        && !(top && has_parts(value))
    {
        let space = if short.is_empty() { "" } else { " " };
        let _ = writeln!(text, "{space}{short}");
        return;
    }
    text.push('\n');
    match &value.value {
        Value::Mapping(_) => mapping(text, indent + 2, value, false),
        Value::Sequence(items) => sequence(text, indent + 2, items),
        Value::Null | Value::Scalar(_) => unreachable!("scalars always have a short form"),
    }
}

fn sequence(text: &mut String, indent: usize, items: &[Node]) {
    for item in items {
        if let Some(note) = &item.note {
            comment(text, indent, note);
        }
        let _ = write!(text, "{:indent$}-", "");
        match &item.value {
            Value::Mapping(entries)
                if !entries.is_empty() && flow(item).is_none_or(|short| indent + 2 + short.len() > WIDTH) =>
            {
                // The first key stands behind the dash, the others below it.
                let mut inner = String::new();
                mapping(&mut inner, indent + 2, item, false);
                let first = inner.trim_start();
                if first.starts_with('#') {
                    text.push('\n');
                    text.push_str(&inner);
                } else {
                    let _ = write!(text, " {first}");
                }
            }
            _ => entry(text, indent, item, false),
        }
    }
}

fn has_parts(node: &Node) -> bool {
    match &node.value {
        Value::Null | Value::Scalar(_) => false,
        Value::Sequence(items) => !items.is_empty(),
        Value::Mapping(entries) => !entries.is_empty(),
    }
}

/// Everything on one line, if nothing inside needs lines or comments of its own.
fn flow(node: &Node) -> Option<String> {
    Some(match &node.value {
        Value::Null => String::new(),
        Value::Scalar(text) if is_block(text) => return None,
        Value::Scalar(text) => scalar(text),
        Value::Sequence(items) => {
            let parts: Option<Vec<String>> = items.iter().map(flow_part).collect();
            format!("[{}]", parts?.join(", "))
        }
        Value::Mapping(entries) => {
            let part = |(key, value): &(crate::tree::Key, Node)| {
                Some(format!("{}: {}", scalar(&key.text), flow_part(value)?))
            };
            let parts: Option<Vec<String>> = entries.iter().map(part).collect();
            format!("{{{}}}", parts?.join(", "))
        }
    })
}

fn flow_part(node: &Node) -> Option<String> {
    match (&node.note, &node.value) {
        (Some(_), _) => None,
        (None, Value::Null) => Some("null".into()),
        (None, _) => flow(node),
    }
}

/// Is this text a block of lines that a literal can hold as it is?
fn is_block(text: &str) -> bool {
    let ends = text.ends_with('\n') && !text.ends_with("\n\n") && text.len() > 1;
    let clean = |line: &str| line.chars().all(|c| c == '\t' || (c >= ' ' && c != '\u{7f}' && !is_odd(c)));
    ends && !text.starts_with([' ', '\t', '\n']) && text.lines().all(clean) && !text.contains('\r')
}

fn block(text: &mut String, indent: usize, lines: &str) {
    text.push_str(" |\n");
    for line in lines.lines() {
        if line.is_empty() {
            text.push('\n');
        } else {
            let _ = writeln!(text, "{:indent$}{line}", "");
        }
    }
}

/// A scalar, plain where that is safe in every position, else in double quotes.
fn scalar(text: &str) -> String {
    let plain = |c: char| {
        c.is_alphanumeric()
            || matches!(c, ' ' | '.' | '_' | '-' | '/' | '%' | '+' | '=' | '(' | ')' | '<' | '>')
    };
    let first = |c: char| c.is_alphanumeric() || matches!(c, '.' | '/' | '_');
    let colon_inside =
        |(at, c): (usize, char)| c != ':' || text[at + 1..].starts_with(|c: char| !c.is_whitespace());
    let is_null = matches!(text, "" | "null" | "Null" | "NULL" | "~" | "---" | "...");
    let safe = !is_null
        && text.starts_with(first)
        && !text.ends_with(' ')
        && text.chars().all(|c| plain(c) || c == ':')
        && text.char_indices().all(colon_inside)
        && text != "<<";
    if safe { text.into() } else { quoted(text) }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if c < ' ' || c == '\u{7f}' || is_odd(c) => {
                let code = u32::from(c);
                let _ = if code > 0xffff {
                    write!(quoted, "\\U{code:08x}")
                } else {
                    write!(quoted, "\\u{code:04x}")
                };
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Characters that YAML takes for line breaks or does not print.
fn is_odd(c: char) -> bool {
    matches!(
        c,
        '\u{80}'..='\u{9f}' | '\u{a0}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Span;
    use crate::tree::parse;
    use expect_test::expect;
    use proptest::prelude::*;

    fn check(input: &str, output: &expect_test::Expect) {
        output.assert_eq(&emit(&parse(input, &mut Vec::new()).unwrap()));
    }

    #[test]
    fn short_values_stay_on_one_line() {
        check(
            "hosts: {web: {eth0: {network: lan, address: [10.0.0.1/24, '::1/64']}}}",
            &expect![[r#"
                hosts:
                  web: {eth0: {network: lan, address: [10.0.0.1/24, "::1/64"]}}
            "#]],
        );
    }

    #[test]
    fn blocks_and_comments() {
        let span = Span::default();
        let host = Node::mapping(span)
            .with("ipvsadm", Node::scalar(span, "-A -t 10.0.0.1:80\n-C\n").note("what director runs"))
            .with(
                "routes",
                Node::sequence(span, vec![Node::scalar(span, "default via 10.0.0.1").note("back\nto it")]),
            );
        let root =
            Node::mapping(span).with("hosts", Node::mapping(span).with("web[1-3]", host)).note("a file");
        expect![[r##"
            # a file
            hosts:
              "web[1-3]":
                # what director runs
                ipvsadm: |
                  -A -t 10.0.0.1:80
                  -C
                routes:
                  # back
                  # to it
                  - default via 10.0.0.1
        "##]]
        .assert_eq(&emit(&root));
    }

    fn plain(node: Node) -> Node {
        let value = match node.value {
            Value::Sequence(items) => Value::Sequence(items.into_iter().map(plain).collect()),
            Value::Mapping(entries) => Value::Mapping(
                entries
                    .into_iter()
                    .map(|(key, value)| (crate::tree::Key { span: Span::default(), ..key }, plain(value)))
                    .collect(),
            ),
            other => other,
        };
        Node { span: Span::default(), value, note: None }
    }

    fn nodes() -> impl Strategy<Value = Node> {
        let text =
            prop_oneof!["[a-z0-9.:/ -]{0,12}", "\\PC{0,8}", "[a-z \n#:]{0,20}", Just("null".to_string())];
        let leaf = prop_oneof![
            Just(Node::default()),
            (text, any::<bool>()).prop_map(|(text, noted)| {
                let node = Node::scalar(Span::default(), text);
                if noted { node.note("why\nso") } else { node }
            }),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            let entries = proptest::collection::btree_map("[a-z<~ :]{0,8}", inner.clone(), 0..5);
            prop_oneof![
                proptest::collection::vec(inner, 0..5)
                    .prop_map(|items| Node::sequence(Span::default(), items)),
                entries.prop_map(|entries| {
                    entries
                        .into_iter()
                        .filter(|(key, _)| key != "<<")
                        .fold(Node::mapping(Span::default()), |node, (key, value)| node.with(key, value))
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back_the_same(node in nodes()) {
            let text = emit(&node);
            let mut problems = Vec::new();
            let back = parse(&text, &mut problems).map_err(|p| TestCaseError::fail(format!("{p:?}\n{text}")))?;
            prop_assert!(problems.is_empty());
            prop_assert_eq!(plain(back), plain(node), "{}", text);
        }
    }
}
