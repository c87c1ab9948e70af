//! Numbers as text: few digits, the same on every machine, and never `NaN`.

/// Stands for a figure that does not exist, such as the latency of no request.
pub(crate) const NONE: &str = "–";

/// Three significant digits, at least all of the integer part: `0.0123`, `1.23`, `12.3`, `123`, `1234`.
pub(crate) fn sig3(x: f64) -> String {
    if !x.is_finite() {
        return NONE.into();
    }
    let decimals = match x.abs() {
        a if a == 0.0 || a >= 99.95 => 0,
        a if a >= 9.995 => 1,
        a if a >= 0.9995 => 2,
        a if a >= 0.09995 => 3,
        a if a >= 0.009_995 => 4,
        _ => 5,
    };
    format!("{x:.decimals$}")
}

/// As [`sig3`], without zeros at the end: what reads well in a sentence.
pub(crate) fn short(x: f64) -> String {
    let text = sig3(x);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text }
}

/// Seconds in the largest unit that keeps the number at 1 or more: `21 ms`, `1.5 s`, `250 µs`.
pub(crate) fn seconds(s: f64) -> String {
    if !s.is_finite() {
        return NONE.into();
    }
    match s.abs() {
        0.0 => "0 s".into(),
        a if a < 0.999_5e-6 => format!("{} ns", short(s * 1e9)),
        a if a < 0.999_5e-3 => format!("{} µs", short(s * 1e6)),
        a if a < 0.999_5 => format!("{} ms", short(s * 1e3)),
        _ => format!("{} s", short(s)),
    }
}

/// A share of 1 in percent, without the sign: two decimals near 100 (where each counts), never rounded to a
/// perfect `100` or a clean `0` that it is not.
pub(crate) fn percent(share: f64) -> String {
    if !share.is_finite() {
        return NONE.into();
    }
    let p = share * 100.0;
    match p {
        _ if p == 0.0 || p == 100.0 => format!("{p:.0}"),
        _ if p > 99.99 && p < 100.0 => ">99.99".into(),
        _ if p > 0.0 && p < 0.01 => "<0.01".into(),
        _ if (99.0..100.0).contains(&p) => format!("{p:.2}"),
        _ => short(p),
    }
}

/// As [`percent`], with the zeros at the end that keep a column of numbers aligned.
pub(crate) fn percent_cell(share: f64) -> String {
    let p = share * 100.0;
    if (0.01..99.0).contains(&p) { sig3(p) } else { percent(share) }
}

/// Things per second: three significant digits, and all of the integer part.
pub(crate) fn rate(x: f64) -> String {
    if x >= 9_999.5 { format!("{}/s", grouped(x.round() as u64)) } else { format!("{}/s", short(x)) }
}

/// Spaces between a number and its unit or sign made unbreakable, for titles on pages.
pub(crate) fn unbroken(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut words = text.split(' ').peekable();
    while let Some(word) = words.next() {
        out.push_str(word);
        if let Some(next) = words.peek() {
            let is_number = word.ends_with(|c: char| c.is_ascii_digit());
            let unit = next.trim_end_matches([',', ';', ':', ')', '.']);
            let sticks = is_number && matches!(unit, "%" | "s" | "ms" | "µs" | "ns");
            out.push(if sticks { '\u{a0}' } else { ' ' });
        }
    }
    out
}

/// A whole number, its digits in groups of three: `1 234 567` (with thin spaces, for pages and plots).
pub(crate) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() * 2);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) && digits.len() > 4 {
            out.push('\u{2009}');
        }
        out.push(c);
    }
    out
}

/// `1 request`, `2 requests`.
pub(crate) fn plural(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(n), if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_say_enough() {
        let shown: Vec<_> =
            [0.0, 0.001_234, 0.012_34, 1.0, 9.999, 12.34, 99.96, 123.4, 12345.6].map(sig3).into();
        assert_eq!(shown, ["0", "0.00123", "0.0123", "1.00", "10.0", "12.3", "100", "123", "12346"]);
        assert_eq!([1.0, 1.5, 120.0].map(short), ["1", "1.5", "120"]);
    }

    #[test]
    fn seconds_choose_their_unit() {
        let shown: Vec<_> = [0.0, 2e-9, 250e-6, 0.9999e-3, 0.021, 1.5, 180.0].map(seconds).into();
        assert_eq!(shown, ["0 s", "2 ns", "250 µs", "1 ms", "21 ms", "1.5 s", "180 s"]);
    }

    #[test]
    fn a_percentage_is_perfect_only_if_it_is() {
        let shown: Vec<_> = [0.0, 1e-6, 0.5, 0.9912, 0.999_99, 1.0, 1.25].map(percent).into();
        assert_eq!(shown, ["0", "<0.01", "50", "99.12", ">99.99", "100", "125"]);
    }

    #[test]
    fn what_does_not_exist_is_a_dash() {
        for f in [sig3, short, seconds, percent] {
            assert_eq!(f(f64::NAN), NONE);
            assert_eq!(f(f64::INFINITY), NONE);
        }
    }

    #[test]
    fn numbers_keep_their_units() {
        assert_eq!(
            unbroken("At 95 % load, within 21 ms, or 2 servers"),
            "At 95\u{a0}% load, within 21\u{a0}ms, or 2 servers"
        );
        assert_eq!([829.2, 150_006.4].map(rate), ["829/s", "150\u{2009}006/s"]);
    }

    #[test]
    fn long_numbers_are_grouped() {
        assert_eq!(
            [7, 1234, 12345, 1234567].map(grouped),
            ["7", "1234", "12\u{2009}345", "1\u{2009}234\u{2009}567"]
        );
        assert_eq!([plural(1, "drop"), plural(0, "drop")], ["1 drop", "0 drops"]);
    }
}
