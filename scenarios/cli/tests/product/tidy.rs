//! The house is tidy: no long files, no long functions, nothing left unfinished, no path of some machine, and the
//! README's commands exist.

use crate::lvsim::{lvsim, root, text};
use std::path::{Path, PathBuf};

/// The most lines of a file, and of a function, tests not counted.
const FILE_LINES: usize = 400;
const FUNCTION_LINES: usize = 60;

/// All files below a folder of the repository with this ending, built ones apart.
fn files(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be read").path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() {
            if !name.starts_with('.') && !["target", "out"].contains(&name) {
                files(&path, ending, found);
            }
        } else if path.extension().is_some_and(|found| found == ending) {
            found.push(path);
        }
    }
}

/// Every file with this ending: its name from the root of the repository, and its text.
fn sources(ending: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    files(root(), ending, &mut found);
    let read = |path: PathBuf| {
        let content = std::fs::read_to_string(&path).expect("sources are UTF-8");
        (text(path.strip_prefix(root()).expect("it is below")).to_owned(), content)
    };
    found.into_iter().map(read).collect()
}

/// The lines of a source file before its tests; none of a file that is all tests.
fn lines_without_tests<'a>(name: &str, content: &'a str) -> Vec<&'a str> {
    if name.contains("/tests/") || name.ends_with("/tests.rs") {
        return Vec::new();
    }
    let lines: Vec<&str> = content.lines().collect();
    let tests = lines
        .windows(2)
        .position(|pair| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{'));
    lines[..tests.unwrap_or(lines.len())].to_vec()
}

/// The functions of formatted source: (line, name, length). A function ends at the brace as far in as its `fn`.
fn functions(lines: &[&str]) -> Vec<(usize, String, usize)> {
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let trimmed = line.trim_start();
        let Some(name) = function_name(trimmed) else { continue };
        let indent = &line[..line.len() - trimmed.len()];
        let end = format!("{indent}}}");
        if trimmed.ends_with('}') || trimmed.ends_with(';') {
            continue;
        }
        let declared = |line: &&&str| {
            line.starts_with(indent) && line[indent.len()..].starts_with(')') && line.ends_with(';')
        };
        let rest = &lines[at..];
        let closed = rest.iter().position(|line| *line == end);
        let only_declared = rest.iter().position(|line| declared(&line));
        if let Some(length) = closed.filter(|&length| only_declared.is_none_or(|other| length < other)) {
            found.push((at + 1, name.to_owned(), length + 1));
        }
    }
    found
}

/// The name after `fn`, if the line begins a function.
fn function_name(line: &str) -> Option<&str> {
    let mut words = line.split(' ').skip_while(|word| {
        word.starts_with("pub") || ["const", "unsafe", "async", "extern", "in"].contains(word)
    });
    let begins = words.next() == Some("fn");
    let name = words.next().filter(|_| begins)?;
    name.split(['(', '<']).next()
}

#[test]
fn files_and_functions_are_short() {
    let mut long = Vec::new();
    for (name, content) in sources("rs") {
        let lines = lines_without_tests(&name, &content);
        if lines.len() > FILE_LINES {
            long.push(format!("{name}: {} lines, at most {FILE_LINES}", lines.len()));
        }
        for (line, function, length) in functions(&lines) {
            if length > FUNCTION_LINES {
                long.push(format!("{name}:{line}: fn {function}: {length} lines, at most {FUNCTION_LINES}"));
            }
        }
    }
    assert!(long.is_empty(), "split these:\n{}", long.join("\n"));
}

#[test]
fn nothing_is_left_unfinished() {
    // Put together, or this file would be the first to be found.
    let banned = [
        ["TO", "DO"],
        ["FIX", "ME"],
        ["XX", "X:"],
        ["todo", "!("],
        ["unimple", "mented!("],
        ["#[ign", "ore"],
    ]
    .map(|[one, other]| format!("{one}{other}"));
    let mut found = Vec::new();
    for (name, content) in sources("rs").into_iter().chain(sources("md")).chain(sources("toml")) {
        for (at, line) in content.lines().enumerate() {
            if banned.iter().any(|word| line.contains(word.as_str())) {
                found.push(format!("{name}:{}: {}", at + 1, line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn no_path_of_a_machine() {
    let banned = [["/wo", "rk/"], ["/ho", "me/"], ["/tm", "p/"], ["/ro", "ot/"]]
        .map(|[one, other]| format!("{one}{other}"));
    let mut found = Vec::new();
    for ending in ["rs", "md", "toml", "yaml", "json", "txt", "svg", "sh"] {
        for (name, content) in sources(ending) {
            for (at, line) in content.lines().enumerate() {
                if banned.iter().any(|path| line.contains(path.as_str())) {
                    found.push(format!("{name}:{}: {}", at + 1, line.trim()));
                }
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The verbs that `lvsim --help` lists.
fn verbs() -> Vec<String> {
    let help = lvsim(&["--help"]).stdout;
    let (_, commands) = help.split_once("Commands:\n").expect("help lists the verbs");
    let (commands, _) = commands.split_once("\n\n").expect("and then the options");
    let names = commands.lines().filter(|line| !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next().map(str::to_owned)).collect()
}

#[test]
fn documents_mention_only_verbs_that_exist() {
    let verbs = verbs();
    assert!(verbs.contains(&"compare".to_owned()), "{verbs:?}");
    let mut wrong = Vec::new();
    let mut calls = 0;
    for (name, content) in sources("md") {
        // Console blocks and words in back-quotes alike.
        for piece in content.split('`').skip(1).step_by(2).flat_map(str::lines) {
            let piece = piece.trim().trim_start_matches("$ ");
            let call =
                ["lvsim ", "cargo run --release -- "].iter().find_map(|start| piece.strip_prefix(start));
            let Some(verb) = call.and_then(|call| call.split_whitespace().next()) else { continue };
            calls += 1;
            if verb.starts_with(|c: char| c.is_ascii_lowercase()) && !verbs.iter().any(|known| known == verb)
            {
                wrong.push(format!("{name}: {piece}"));
            }
        }
    }
    assert!(calls > 8, "the README shows the verbs at work");
    assert!(wrong.is_empty(), "there are no such verbs:\n{}", wrong.join("\n"));
}

#[test]
fn the_scanner_sees_functions() {
    let source = "\
impl A {
    pub(crate) fn one(&self) {
        body();
    }
    fn declared(&self);
    fn declared_long(
        &self,
    ) -> u8;
    const fn short() -> u8 { 1 }
}
pub fn two<T>(
    a: T,
) -> T
where
    T: Copy,
{
    a
}";
    let lines: Vec<&str> = source.lines().collect();
    assert_eq!(functions(&lines), [(2, "one".into(), 3), (11, "two".into(), 8)]);
}
