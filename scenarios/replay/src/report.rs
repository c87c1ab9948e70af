//! Results of several scenarios as text, JUnit XML and TAP.

use crate::compare::Comparison;
use std::fmt::Write;

/// What became of a scenario.
#[derive(Clone, PartialEq, Debug)]
pub struct Verdict {
    /// Its name.
    pub name: String,
    /// What was compared, or why nothing could be.
    pub result: Result<Comparison, String>,
    /// Who did it.
    pub by: String,
    /// It was played so many times slower than the scenario says.
    pub slower: u32,
    /// Wall time in seconds.
    pub seconds: f64,
}

impl Verdict {
    /// Is there nothing that differs?
    pub fn is_good(&self) -> bool {
        self.result.as_ref().is_ok_and(|comparison| comparison.differences.is_empty())
    }

    /// In a few lines: the sentence, then the first difference.
    pub fn text(&self) -> String {
        let Verdict { name, by, slower, seconds, .. } = self;
        let comparison = match &self.result {
            Ok(comparison) => comparison,
            Err(why) => return format!("{name}: not compared: {why}\n"),
        };
        let mut text = format!("{name}: {} ({by}, {seconds:.1} s)\n", comparison.sentence());
        if *slower > 1 {
            let _ = writeln!(
                text,
                "  played {slower} times slower: in its own time it is too fast for the virtual machine"
            );
        }
        if comparison.moved > 0 {
            let _ = writeln!(
                text,
                "  {} connections met another order of packets than in the simulation's own run, and another server",
                comparison.moved
            );
        }
        if comparison.chance > 0 {
            let _ = writeln!(
                text,
                "  {} decisions and listings are not compared: the kernel drops entries at random (drop_entry), and did otherwise in a second run",
                comparison.chance
            );
        }
        if comparison.unsettled_listings > 0 {
            let _ = writeln!(
                text,
                "  {} listings are not compared: the kernel's second answer, at another phase of its timers, is the simulation's",
                comparison.unsettled_listings
            );
        }
        if comparison.unsettled > 0 {
            let _ = writeln!(
                text,
                "  {} outcomes are not compared: the kernel itself has others when it begins at another phase of its timers",
                comparison.unsettled
            );
        }
        if comparison.untaken > 0 {
            let _ = writeln!(
                text,
                "  {} decisions are not compared: the kernel does not tell them, and no server took the connection",
                comparison.untaken
            );
        }
        if comparison.undelivered > 0 {
            let _ = writeln!(
                text,
                "  {} flows are not compared: a next hop never answered the kernel's questions for its link address",
                comparison.undelivered
            );
        }
        if let Some(first) = comparison.differences.first() {
            let _ = writeln!(text, "\nfirst, at {:.6} s: {}\n", first.at as f64 / 1e9, first.text.trim_end());
        }
        text
    }

    fn failure(&self) -> Option<String> {
        match &self.result {
            Ok(comparison) => {
                let first = comparison.differences.first()?;
                Some(format!("{}\nat {:.6} s: {}", comparison.sentence(), first.at as f64 / 1e9, first.text))
            }
            Err(why) => Some(why.clone()),
        }
    }
}

/// A table, one line a scenario.
pub fn table(verdicts: &[Verdict]) -> String {
    let width = verdicts.iter().map(|verdict| verdict.name.len()).max().unwrap_or(0).max(32);
    let mut text = format!(
        "{:<width$} {:>11} {:>9} {:>9} {:>7} {:>8} {:>8} {:>7} {:>7}\n",
        "scenario", "differences", "decisions", "packets", "flows", "listings", "outcomes", "moved", "s"
    );
    for verdict in verdicts {
        let name = &verdict.name;
        let _ = match &verdict.result {
            Ok(c) => writeln!(
                text,
                "{name:<width$} {:>11} {:>9} {:>9} {:>7} {:>8} {:>8} {:>7} {:>7.1}",
                c.differences.len(),
                c.decisions,
                c.packets,
                c.flows,
                c.listings,
                c.outcomes,
                c.moved,
                verdict.seconds
            ),
            Err(why) => writeln!(text, "{name:<width$} {}", why.lines().next().unwrap_or_default()),
        };
    }
    text
}

/// JUnit XML.
pub fn junit(verdicts: &[Verdict]) -> String {
    let failed = verdicts.iter().filter(|verdict| !verdict.is_good()).count();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"lvsim replay\" tests=\"{}\" failures=\"{failed}\">\n",
        verdicts.len()
    );
    for verdict in verdicts {
        let name = escaped(&verdict.name);
        let _ = write!(text, "  <testcase name=\"{name}\" time=\"{:.3}\"", verdict.seconds);
        text += &match verdict.failure() {
            Some(why) => format!(">\n    <failure>{}</failure>\n  </testcase>\n", escaped(&why)),
            None => "/>\n".into(),
        };
    }
    text + "</testsuite>\n"
}

/// The Test Anything Protocol.
pub fn tap(verdicts: &[Verdict]) -> String {
    let mut text = format!("TAP version 13\n1..{}\n", verdicts.len());
    for (index, verdict) in verdicts.iter().enumerate() {
        let ok = if verdict.is_good() { "ok" } else { "not ok" };
        let _ = writeln!(text, "{ok} {} - {}", index + 1, verdict.name);
        for line in verdict.failure().unwrap_or_default().lines() {
            let _ = writeln!(text, "# {line}");
        }
    }
    text
}

fn escaped(text: &str) -> String {
    let clean: String = text.chars().filter(|c| *c >= ' ' || matches!(c, '\n' | '\t')).collect();
    clean.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::Difference;
    use expect_test::expect;

    fn verdicts() -> [Verdict; 3] {
        let same = Comparison {
            decisions: 12,
            packets: 140,
            flows: 24,
            listings: 3,
            outcomes: 12,
            ..Comparison::default()
        };
        let text = "connection 7 <a & b>\n  simulation: web1".into();
        let differs =
            Comparison { differences: vec![Difference { at: 1_500_000_000, text }], ..same.clone() };
        let verdict = |name: &str, result| Verdict {
            name: name.into(),
            result,
            by: "Linux 6.1".into(),
            slower: 1,
            seconds: 2.5,
        };
        [
            verdict("quickstart", Ok(same)),
            verdict("nat", Ok(differs)),
            verdict("dr", Err("no kernel\nlvsim kernel fetch".into())),
        ]
    }

    #[test]
    fn for_people() {
        expect![[r#"
            quickstart: 0 differences in 12 decisions, 140 packets, 24 flows, 3 listings, 12 outcomes (Linux 6.1, 2.5 s)
        "#]]
        .assert_eq(&verdicts()[0].text());
        expect![[r#"
            nat: 1 difference in 12 decisions, 140 packets, 24 flows, 3 listings, 12 outcomes (Linux 6.1, 2.5 s)

            first, at 1.500000 s: connection 7 <a & b>
              simulation: web1

        "#]]
        .assert_eq(&verdicts()[1].text());
        expect![[r#"
            scenario                         differences decisions   packets   flows listings outcomes   moved       s
            quickstart                                 0        12       140      24        3       12       0     2.5
            nat                                        1        12       140      24        3       12       0     2.5
            dr                               no kernel
        "#]]
        .assert_eq(&table(&verdicts()));
    }

    #[test]
    fn for_machines() {
        expect![[r#"
            <?xml version="1.0" encoding="UTF-8"?>
            <testsuite name="lvsim replay" tests="3" failures="2">
              <testcase name="quickstart" time="2.500"/>
              <testcase name="nat" time="2.500">
                <failure>1 difference in 12 decisions, 140 packets, 24 flows, 3 listings, 12 outcomes
            at 1.500000 s: connection 7 &lt;a &amp; b&gt;
              simulation: web1</failure>
              </testcase>
              <testcase name="dr" time="2.500">
                <failure>no kernel
            lvsim kernel fetch</failure>
              </testcase>
            </testsuite>
        "#]]
        .assert_eq(&junit(&verdicts()));
        expect![[r#"
            TAP version 13
            1..3
            ok 1 - quickstart
            not ok 2 - nat
            # 1 difference in 12 decisions, 140 packets, 24 flows, 3 listings, 12 outcomes
            # at 1.500000 s: connection 7 <a & b>
            #   simulation: web1
            not ok 3 - dr
            # no kernel
            # lvsim kernel fetch
        "#]]
        .assert_eq(&tap(&verdicts()));
    }
}
