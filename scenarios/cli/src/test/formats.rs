//! Results of tests as text for people, in the Test Anything Protocol, and as JUnit XML.

use super::suite::{Case, Verdict};
use std::fmt::Write;

/// For people: a line for each case, what went wrong below it, a line that sums up.
pub(super) fn text(cases: &[Case], only_failures: bool) -> String {
    let width = cases.iter().map(|case| case.name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    let line = |mark: &str, case: &Case, note: &str| {
        let line = format!("{mark}  {:width$}  {note}", case.name);
        line.trim_end().to_owned() + "\n"
    };
    for case in cases {
        match &case.verdict {
            Verdict::Passed(_) | Verdict::Unchecked if only_failures => {}
            Verdict::Passed(what) => text += &line("ok  ", case, what),
            Verdict::Unchecked => text += &line("–   ", case, "nothing to check: it has no `expect:` lines"),
            Verdict::Failed(pieces) => {
                text += &line("FAIL", case, "");
                for piece in pieces.iter().flat_map(|piece| piece.lines()) {
                    let _ = writeln!(text, "      {piece}");
                }
            }
        }
    }
    if !only_failures {
        text += &sum(cases);
    }
    text
}

/// `34 scenarios: 33 passed, 1 failed`
fn sum(cases: &[Case]) -> String {
    let count = |wanted: fn(&Verdict) -> bool| cases.iter().filter(|case| wanted(&case.verdict)).count();
    let passed = count(|verdict| matches!(verdict, Verdict::Passed(_)));
    let failed = count(|verdict| matches!(verdict, Verdict::Failed(_)));
    let unchecked = count(|verdict| matches!(verdict, Verdict::Unchecked));
    let scenarios = if cases.len() == 1 { "scenario" } else { "scenarios" };
    let mut text = format!("{} {scenarios}: {passed} passed, {failed} failed", cases.len());
    if unchecked > 0 {
        let _ = write!(text, ", {unchecked} without anything to check");
    }
    text.push('\n');
    text
}

/// The Test Anything Protocol, version 14.
pub(super) fn tap(cases: &[Case]) -> String {
    let mut text = format!("TAP version 14\n1..{}\n", cases.len());
    for (number, case) in (1..).zip(cases) {
        // A number sign would begin a directive.
        let name = case.name.replace('\\', "\\\\").replace('#', "\\#");
        match &case.verdict {
            Verdict::Passed(_) => {
                let _ = writeln!(text, "ok {number} - {name}");
            }
            Verdict::Unchecked => {
                let _ = writeln!(text, "ok {number} - {name} # SKIP nothing to check");
            }
            Verdict::Failed(pieces) => {
                let _ = writeln!(text, "not ok {number} - {name}\n  ---\n  message: |");
                for line in pieces.iter().flat_map(|piece| piece.lines()) {
                    let _ = writeln!(text, "    {line}");
                }
                text += "  ...\n";
            }
        }
    }
    text
}

/// JUnit XML, as build servers read it: one suite, a case for each scenario.
pub(super) fn junit(cases: &[Case]) -> String {
    let count = |wanted: fn(&Verdict) -> bool| cases.iter().filter(|case| wanted(&case.verdict)).count();
    let failed = count(|verdict| matches!(verdict, Verdict::Failed(_)));
    let skipped = count(|verdict| matches!(verdict, Verdict::Unchecked));
    let seconds: f64 = cases.iter().map(|case| case.took.as_secs_f64()).sum();
    let counts = format!(
        r#"tests="{}" failures="{failed}" errors="0" skipped="{skipped}" time="{seconds:.3}""#,
        cases.len()
    );
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {counts}>\n  <testsuite name=\"lvsim\" {counts}>\n"
    );
    for case in cases {
        let (name, time) = (xml(&case.name), case.took.as_secs_f64());
        let _ = write!(text, r#"    <testcase classname="scenario" name="{name}" time="{time:.3}""#);
        match &case.verdict {
            Verdict::Passed(_) => text += "/>\n",
            Verdict::Unchecked => text += "><skipped message=\"nothing to check\"/></testcase>\n",
            Verdict::Failed(pieces) => {
                let all = pieces.join("\n");
                let first = xml(all.lines().next().unwrap_or_default());
                let _ = write!(text, ">\n      <failure message=\"{first}\">{}", xml(&all));
                text += "</failure>\n    </testcase>\n";
            }
        }
    }
    text + "  </testsuite>\n</testsuites>\n"
}

/// Text as XML may hold it.
fn xml(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => written += "&amp;",
            '<' => written += "&lt;",
            '>' => written += "&gt;",
            '"' => written += "&quot;",
            '\n' | '\t' => written.push(c),
            // XML has no way to write other control characters.
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => written.push('\u{fffd}'),
            c => written.push(c),
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn cases() -> Vec<Case> {
        let case =
            |name: &str, verdict| Case { name: name.into(), verdict, took: Duration::from_millis(1500) };
        vec![
            case("a.yaml", Verdict::Passed("2 expectations".into())),
            case(
                "b#1.yaml",
                Verdict::Failed(vec!["expected success > 1\n     got 0".into(), "\u{1b}<&\"".into()]),
            ),
            case("cc.yaml", Verdict::Unchecked),
        ]
    }

    #[test]
    fn people_read_lines() {
        assert_eq!(
            text(&cases(), false),
            "\
ok    a.yaml    2 expectations
FAIL  b#1.yaml
      expected success > 1
           got 0
      \u{1b}<&\"
–     cc.yaml   nothing to check: it has no `expect:` lines
3 scenarios: 1 passed, 1 failed, 1 without anything to check
"
        );
        assert_eq!(text(&cases()[..1], true), "", "quiet says nothing of what passed");
    }

    #[test]
    fn the_protocol_escapes_what_would_be_a_directive() {
        assert_eq!(
            tap(&cases()),
            "\
TAP version 14
1..3
ok 1 - a.yaml
not ok 2 - b\\#1.yaml
  ---
  message: |
    expected success > 1
         got 0
    \u{1b}<&\"
  ...
ok 3 - cc.yaml # SKIP nothing to check
"
        );
    }

    #[test]
    fn the_xml_can_be_read_whatever_a_message_says() {
        let text = junit(&cases());
        assert!(text.contains(r#"tests="3" failures="1" errors="0" skipped="1" time="4.500""#), "{text}");
        assert!(text.contains(r#"<failure message="expected success &gt; 1">"#), "{text}");
        assert!(text.contains("\u{fffd}&lt;&amp;&quot;</failure>"), "{text}");
    }
}
