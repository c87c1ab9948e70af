//! Trace files: recorded exchanges as CSV, one line each.
//!
//! ```csv
//! start_ms,client_ip,client_port,dst_ip,dst_port,proto,hold_ms,bytes,close,ping_ms
//! 0,192.168.1.10,40001,10.0.0.100,80,tcp,5,1000,server,
//! ```
//!
//! The request goes out at once after the handshake; the server answers `bytes` bytes `hold_ms` after the request
//! reached it; `close` (server, client, reset, none) says who closes; with `ping_ms` > 0 the client sends one byte
//! each `ping_ms` while the connection is open. An empty field is 0, an empty `close` is `server`.

use crate::problem::Problem;
use crate::source::Span;
use net_model::addr::Addr;
use net_model::ipvs::Protocol;
use net_model::spec::{Close, Target, TraceRow};
use sim_core::{Duration, Time};

/// The columns, in this order.
pub const COLUMNS: [&str; 10] = [
    "start_ms",
    "client_ip",
    "client_port",
    "dst_ip",
    "dst_port",
    "proto",
    "hold_ms",
    "bytes",
    "close",
    "ping_ms",
];

/// A file with more problems than this is not read on.
const MAX_PROBLEMS: usize = 20;

/// Reads a trace. Problems carry `source` as their file and places in `text`.
pub fn read(text: &str, source: usize, problems: &mut Vec<Problem>) -> Vec<TraceRow> {
    let before = problems.len();
    let mut lines = Lines { text, at: 0 };
    let header = lines.next().unwrap_or_default();
    let names: Vec<&str> = header.fields(text).map(|(_, field)| field).collect();
    if names != COLUMNS {
        let problem = Problem::error(header.span(), "the first line of a trace must name its columns");
        problems.push(Problem { source, ..problem.help(format!("expected `{}`", COLUMNS.join(","))) });
        return Vec::new();
    }
    let mut rows: Vec<TraceRow> = Vec::new();
    for line in lines.filter(|line| line.start < line.end) {
        if problems.len() - before >= MAX_PROBLEMS {
            break;
        }
        match read_row(text, line) {
            Ok(row) => {
                if rows.last().is_some_and(|last| last.start > row.start) {
                    let problem = Problem::error(line.span(), "this row begins before the one above it");
                    let help =
                        "rows are in order of start_ms: sort the file (`sort -t, -k1,1n`, header first)";
                    problems.push(Problem { source, ..problem.help(help) });
                }
                rows.push(row);
            }
            Err(problem) => problems.push(Problem { source, ..problem }),
        }
    }
    rows
}

/// A line of the file, by its bytes, without the end of line.
#[derive(Clone, Copy, Default)]
struct Line {
    start: usize,
    end: usize,
}

impl Line {
    fn span(self) -> Span {
        Span::new(self.start, self.end)
    }

    /// Fields with their places; blanks and double quotes around them do not count.
    fn fields(self, text: &str) -> impl Iterator<Item = (Span, &str)> {
        let mut at = self.start;
        text[self.start..self.end].split(',').map(move |raw| {
            let trimmed = raw.trim().trim_matches('"');
            let start = at + (trimmed.as_ptr() as usize - raw.as_ptr() as usize);
            at += raw.len() + 1;
            (Span::new(start, start + trimmed.len()), trimmed)
        })
    }
}

struct Lines<'a> {
    text: &'a str,
    at: usize,
}

impl Iterator for Lines<'_> {
    type Item = Line;
    fn next(&mut self) -> Option<Line> {
        if self.at >= self.text.len() {
            return None;
        }
        let start = self.at;
        let end = self.text[start..].find('\n').map_or(self.text.len(), |at| start + at);
        self.at = end + 1;
        let end = start + self.text[start..end].trim_end_matches('\r').len();
        Some(Line { start, end })
    }
}

fn read_row(text: &str, line: Line) -> Result<TraceRow, Problem> {
    let fields: Vec<(Span, &str)> = line.fields(text).collect();
    if fields.len() != COLUMNS.len() {
        let message = format!("this row has {} fields, not {}", fields.len(), COLUMNS.len());
        let help = if line.end == text.len() && fields.len() < COLUMNS.len() {
            "the file ends in the middle of a row: was it cut off?".into()
        } else {
            format!("expected `{}`; leave a field empty for 0", COLUMNS.join(","))
        };
        return Err(Problem::error(line.span(), message).help(help));
    }
    let field = |index: usize| Field { name: COLUMNS[index], span: fields[index].0, text: fields[index].1 };
    let protocol = match field(5).text {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => return Err(field(5).wrong("tcp or udp")),
    };
    let close = match field(8).text {
        "server" | "" => Close::Server,
        "client" => Close::Client,
        "reset" => Close::Reset,
        "none" => Close::None,
        _ => return Err(field(8).wrong("server, client, reset or none")),
    };
    let ping = field(9).millis()?;
    Ok(TraceRow {
        start: Time::ZERO + field(0).millis()?,
        client: field(1).addr()?,
        client_port: field(2).port()?,
        target: Target { protocol, addr: field(3).addr()?, port: field(4).port()? },
        hold: field(6).millis()?,
        bytes: if field(7).text.is_empty() { 0 } else { field(7).number("a whole number of bytes")? },
        close,
        ping: (ping > Duration::ZERO).then_some(ping),
    })
}

#[derive(Clone, Copy)]
struct Field<'a> {
    name: &'static str,
    span: Span,
    text: &'a str,
}

impl Field<'_> {
    fn wrong(self, expected: &str) -> Problem {
        let Field { name, span, text } = self;
        Problem::error(span, format!("`{text}` in column {name}")).help(format!("expected {expected}"))
    }

    fn number<T: std::str::FromStr>(self, expected: &str) -> Result<T, Problem> {
        self.text.parse().map_err(|_| self.wrong(expected))
    }

    fn millis(self) -> Result<Duration, Problem> {
        const EXPECTED: &str = "milliseconds, such as 12.5";
        if self.text.is_empty() {
            return Ok(Duration::ZERO);
        }
        let millis: f64 = self.number(EXPECTED)?;
        if !(0.0..=1e13).contains(&millis) {
            return Err(self.wrong(EXPECTED));
        }
        Ok(Duration::from_secs_f64(millis / 1e3))
    }

    fn addr(self) -> Result<Addr, Problem> {
        self.number("an IP address")
    }

    fn port(self) -> Result<u16, Problem> {
        match self.number("a port from 1 to 65535")? {
            0 => Err(self.wrong("a port from 1 to 65535")),
            port => Ok(port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEADER: &str = "start_ms,client_ip,client_port,dst_ip,dst_port,proto,hold_ms,bytes,close,ping_ms\n";

    fn told(rows: &str) -> (Vec<TraceRow>, Vec<String>) {
        let text = format!("{HEADER}{rows}");
        let mut problems = Vec::new();
        let read = read(&text, 1, &mut problems);
        let show = |p: &Problem| {
            format!("`{}`: {} [{}]", &text[p.span.range()], p.message, p.help.as_ref().unwrap())
        };
        (read, problems.iter().map(show).collect())
    }

    #[test]
    fn reads_rows_and_empty_fields() {
        let (rows, problems) = told(
            "0.5,10.1.0.1,4000,10.0.0.9,80,tcp,5,1000,client,\n2, 10.1.0.2 ,4001,10.0.0.9,53,udp,,,,1000\r\n",
        );
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(rows[0].start.as_nanos(), 500_000);
        assert_eq!((rows[0].close, rows[0].ping), (Close::Client, None));
        assert_eq!((rows[1].bytes, rows[1].ping), (0, Some(Duration::from_secs(1))));
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        let (_, problems) = told(
            "5,10.1.0.1,4000,10.0.0.9,80,tcp,5,1000,server,\n\
             1,10.1.0.1,4000,10.0.0.9,80,tcp,5,1000,server,\n\
             9,10.1.0,4000,10.0.0.9,80,tcp,5,1000,server,\n\
             9,10.1.0.1,0,10.0.0.9,80,tcp,5,1000,server,\n\
             9,10.1.0.1,1,10.0.0.9,80,tcp,-5,1000,server,\n\
             9,10.1.0.1,1,10.0.0.9",
        );
        expect_test::expect![[r#"
            [
                "`1,10.1.0.1,4000,10.0.0.9,80,tcp,5,1000,server,`: this row begins before the one above it [rows are in order of start_ms: sort the file (`sort -t, -k1,1n`, header first)]",
                "`10.1.0`: `10.1.0` in column client_ip [expected an IP address]",
                "`0`: `0` in column client_port [expected a port from 1 to 65535]",
                "`-5`: `-5` in column hold_ms [expected milliseconds, such as 12.5]",
                "`9,10.1.0.1,1,10.0.0.9`: this row has 4 fields, not 10 [the file ends in the middle of a row: was it cut off?]",
            ]
        "#]]
        .assert_debug_eq(&problems);
    }

    #[test]
    fn a_file_without_header_is_refused() {
        let mut problems = Vec::new();
        assert!(read("1,2,3\n", 1, &mut problems).is_empty());
        assert!(problems[0].help.as_ref().unwrap().contains("start_ms,client_ip"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "([0-9.,a-z\"\n]|\\PC){0,200}") {
            read(&text, 0, &mut Vec::new());
            read(&format!("{HEADER}{text}"), 0, &mut Vec::new());
        }
    }
}
