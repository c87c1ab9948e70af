//! Is an answer what was recorded?

use crate::shell::Answer;

/// Byte for byte; of programs other than ipvsadm only whether they succeeded.
pub(crate) fn exactly(line: &str, answer: &Answer, recorded: &Answer) -> Result<(), String> {
    let same = if is_scenery(line) { is_ok(answer) == is_ok(recorded) } else { answer == recorded };
    if same { Ok(()) } else { Err(difference(line, answer, recorded)) }
}

/// One unit more or less in each time, rate and counter, and lines of connections in any order.
pub(crate) fn nearly(line: &str, answer: &Answer, recorded: &Answer) -> Result<(), String> {
    if is_scenery(line) {
        return exactly(line, answer, recorded);
    }
    let (got, want) = (sorted(line, &answer.stdout), sorted(line, &recorded.stdout));
    let same = got.len() == want.len()
        && got.iter().zip(&want).all(|(got, want)| is_near(got, want))
        && answer.stderr == recorded.stderr
        && answer.status == recorded.status;
    if same { Ok(()) } else { Err(difference(line, answer, recorded)) }
}

fn is_scenery(line: &str) -> bool {
    let program = line.split(' ').next();
    program.is_some_and(|p| ["echo", "ip", "ifconfig", "route", "iptables"].contains(&p))
}

fn is_ok(answer: &Answer) -> bool {
    answer.status == 0
}

/// The lines of a listing, in an order that does not depend on the kernel's hash. Saved tables are sorted too: the
/// addresses of one of them have no order (`index.json`).
fn sorted(line: &str, text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().map(ToString::to_string).collect();
    if line.contains("-Lnc") || line.contains("-Lc") || line.contains("-Sn") {
        lines.sort_by_key(|line| {
            line.split(' ').filter(|word| !is_expiry(word)).collect::<Vec<_>>().join(" ")
        });
    }
    lines
}

/// Equal, up to one unit in each number and one second in each expiry; the columns must match.
fn is_near(got: &str, want: &str) -> bool {
    let (a, b): (Vec<&str>, Vec<&str>) = (got.split(' ').collect(), want.split(' ').collect());
    let words =
        |line: &[&str]| line.iter().copied().filter(|w| !w.is_empty()).map(String::from).collect::<Vec<_>>();
    let (a, b) = (words(&a), words(&b));
    a.len() == b.len()
        && a.iter().zip(&b).all(|(a, b)| a == b || is_near_word(a, b))
        && got.len() == want.len()
}

fn is_near_word(a: &str, b: &str) -> bool {
    let number = |word: &str| match word.split_once(':') {
        Some((minutes, seconds)) if is_expiry(word) => {
            Some(minutes.parse::<i64>().ok()? * 60 + seconds.parse::<i64>().ok()?)
        }
        _ => word.parse::<i64>().ok(),
    };
    matches!((number(a), number(b)), (Some(a), Some(b)) if (a - b).abs() <= 1)
}

fn is_expiry(word: &str) -> bool {
    word.len() >= 5
        && word.split_once(':').is_some_and(|(m, s)| s.len() == 2 && m.chars().all(|c| c.is_ascii_digit()))
}

fn difference(line: &str, answer: &Answer, recorded: &Answer) -> String {
    let show = |answer: &Answer| {
        let out: String = answer.stdout.lines().map(|l| format!("| {l}\n")).collect();
        let err: String = answer.stderr.lines().map(|l| format!("! {l}\n")).collect();
        format!("{out}{err}exit {}\n", answer.status)
    };
    format!("$ {line}\nrecorded:\n{}got:\n{}", show(recorded), show(answer))
}
