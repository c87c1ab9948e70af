//! Makes a case small: fewer steps, servers and commands, plainer options and exchanges, shorter pauses, as long as it
//! still shows what it is to show.

use super::case::{Act, Ask, Case, Method, SHORT, Step, V6_FROM};
use crate::job::Close;

/// Shrinks a case. `find` plays candidates and says which of them is the first that still shows it, if any does; it gets
/// at most `batch` at a time.
pub fn shrink(mut case: Case, batch: usize, find: &mut dyn FnMut(&[Case]) -> Option<usize>) -> Case {
    loop {
        let before = case.clone();
        for pass in PASSES {
            let mut at = 0;
            loop {
                let candidates: Vec<Case> = (at..).map_while(|n| pass(&case, n)).take(batch.max(1)).collect();
                if candidates.is_empty() {
                    break;
                }
                match find(&candidates) {
                    // What comes next has moved to the place of what has gone.
                    Some(found) => {
                        at += found;
                        case = candidates[found].clone();
                    }
                    None => at += candidates.len(),
                }
            }
        }
        if case == before {
            return case;
        }
    }
}

/// The `n`-th way to make a case a bit smaller; none behind the last.
type Pass = fn(&Case, usize) -> Option<Case>;

const PASSES: [Pass; 14] = [
    |case, n| without_steps(case, n, 16),
    |case, n| without_steps(case, n, 4),
    |case, n| without_steps(case, n, 1),
    without_server,
    without_line,
    without_two_steps,
    plainer_line,
    plainer_server,
    plainer_ask,
    as_datagram,
    shorter_pause,
    as_ipv4,
    without_ipv6,
    renumbered,
];

fn without_steps(case: &Case, n: usize, piece: usize) -> Option<Case> {
    let from = n * piece;
    let to = (from + piece).min(case.steps.len());
    (from < to).then(|| {
        let mut fewer = case.clone();
        fewer.steps.drain(from..to);
        fewer
    })
}

/// Two neighbours at once: what is added and removed again.
fn without_two_steps(case: &Case, n: usize) -> Option<Case> {
    (n + 2 <= case.steps.len()).then(|| {
        let mut fewer = case.clone();
        fewer.steps.drain(n..n + 2);
        fewer
    })
}

/// Without a server and all lines about it.
fn without_server(case: &Case, n: usize) -> Option<Case> {
    let server = *case.servers.get(n)?;
    let mut fewer = case.clone();
    fewer.servers.remove(n);
    fewer.director.retain(|line| !server.is_named(line));
    fewer.steps.retain(|step| !matches!(&step.act, Act::Run(line) if server.is_named(line)));
    Some(fewer)
}

fn without_line(case: &Case, n: usize) -> Option<Case> {
    (n < case.director.len()).then(|| {
        let mut fewer = case.clone();
        fewer.director.remove(n);
        fewer
    })
}

/// A command line without one of its options, or with a smaller number in it.
fn plainer_line(case: &Case, n: usize) -> Option<Case> {
    let lines = case.director.len() + case.steps.len();
    let mut ways = (0..lines).flat_map(|at| {
        let line = match at.checked_sub(case.director.len()) {
            None => Some(&case.director[at]),
            Some(step) => match &case.steps[step].act {
                Act::Run(line) => Some(line),
                Act::Ask(_) => None,
            },
        };
        line.into_iter().flat_map(|line| plainer(line)).map(move |line| (at, line))
    });
    let (at, line) = ways.nth(n)?;
    let mut plain = case.clone();
    match at.checked_sub(case.director.len()) {
        None => plain.director[at] = line,
        Some(step) => plain.steps[step].act = Act::Run(line),
    }
    Some(plain)
}

/// All lines that are a bit plainer than this one.
fn plainer(line: &str) -> Vec<String> {
    let words: Vec<&str> = line.split(' ').collect();
    let mut all = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let takes = match *word {
            "-o" => 1,
            "-w" | "-x" | "-y" | "-b" | "-p" | "-M" => 2,
            _ => continue,
        };
        let rest = words[..at].iter().chain(&words[at + takes..]);
        // Of a persistent service the time may go, but then it is persistent still.
        all.push(rest.copied().collect::<Vec<_>>().join(" "));
        if *word == "-w" && words[at + 1].parse().is_ok_and(|weight: i32| weight > 3) {
            for less in ["2", "3"] {
                let mut words = words.clone();
                words[at + 1] = less;
                all.push(words.join(" "));
            }
        }
    }
    all
}

/// A server with the usual ARP settings; one that does not listen answers with a single packet.
fn plainer_server(case: &Case, n: usize) -> Option<Case> {
    let mut plain = case.clone();
    let server = plain.servers.get_mut(n / 2)?;
    if n.is_multiple_of(2) {
        server.listens = false;
    } else {
        server.arp = (1, 2);
    }
    (plain != *case).then_some(plain).or_else(|| plainer_server(case, n + 1))
}

/// An exchange that is over sooner.
fn plainer_ask(case: &Case, n: usize) -> Option<Case> {
    let asks = case.steps.iter().enumerate().filter_map(|(at, step)| match &step.act {
        Act::Ask(ask) => Some((at, ask)),
        Act::Run(_) => None,
    });
    let mut ways = asks.flat_map(|(at, ask)| {
        let mut ways = Vec::new();
        if ask.is_patient() {
            ways.push(Ask { hold: SHORT, ..ask.clone() });
        }
        if ask.hold > 0 {
            ways.push(Ask { hold: 0, ..ask.clone() });
        }
        if ask.bytes > 1 {
            ways.push(Ask { bytes: 1, ..ask.clone() });
        }
        if !ask.udp && ask.close != Close::Reset {
            ways.push(Ask { close: Close::Reset, ..ask.clone() });
            if ask.close != Close::Nobody {
                ways.push(Ask { close: Close::Nobody, ..ask.clone() });
            }
        }
        ways.into_iter().map(move |ask| (at, ask))
    });
    let (at, ask) = ways.nth(n)?;
    let mut plain = case.clone();
    plain.steps[at].act = Act::Ask(ask);
    Some(plain)
}

/// A service, and what clients ask of it, as UDP: a datagram is one packet.
fn as_datagram(case: &Case, n: usize) -> Option<Case> {
    const PAIRS: [(&str, &str, usize); 4] = [
        ("-t 10.0.0.100:80", "-u 10.0.0.100:53", 0),
        ("-t 10.0.0.101:80", "-u 10.0.0.101:53", 1),
        ("-t [2001:db8::100]:80", "-u [2001:db8::100]:53", 2),
        ("-t [2001:db8::101]:80", "-u [2001:db8::101]:53", 3),
    ];
    let (tcp, udp, vip) = *PAIRS.get(n)?;
    let mut other = case.clone();
    let runs = other.steps.iter_mut().filter_map(|step| match &mut step.act {
        Act::Run(line) => Some(line),
        Act::Ask(_) => None,
    });
    for line in other.director.iter_mut().chain(runs) {
        if line.contains(tcp) {
            *line = without_ports(&line.replace(tcp, udp));
        }
    }
    for Step { act, .. } in &mut other.steps {
        if let Act::Ask(ask) = act
            && ask.target == (vip, 80)
        {
            *ask = Ask { udp: true, target: (vip, 53), close: Close::Server, ..ask.clone() };
        }
    }
    (other != *case).then_some(other).or_else(|| as_datagram(case, n + 1))
}

/// The servers of a line without ports of their own.
fn without_ports(line: &str) -> String {
    let plain = |word: &str| match word.strip_suffix(":8080") {
        Some(address) => address.trim_start_matches('[').trim_end_matches(']').to_owned(),
        None => word.to_owned(),
    };
    line.split(' ').map(plain).collect::<Vec<_>>().join(" ")
}

/// The services of IPv6 as those of IPv4, if there are only such.
fn as_ipv4(case: &Case, n: usize) -> Option<Case> {
    let lines = || case.director.iter().chain(case.runs().map(|(_, line)| line));
    let is_v4 = |line: &String| line.starts_with("iptables") || line.contains(" 10.0.0.");
    let is_v6 = case.ipv6 && case.asks().all(|(_, ask)| ask.is_v6()) && !lines().any(is_v4);
    if n > 0 || !is_v6 {
        return None;
    }
    let four = |line: &str| {
        let words = line.replace("ip6tables", "iptables").replace("--set-mark 2", "--set-mark 1");
        let words = words.replace("-f 2 -6", "-f 1").replace("[2001:db8::", "2001:db8::").replace("]:", ":");
        ["64", "120"].iter().fold(words.replace("2001:db8::", "10.0.0."), |line, length| {
            line.replace(&format!("-M {length}"), "-M 255.255.255.0")
        })
    };
    let mut other = Case { ipv6: false, ..case.clone() };
    other.director.iter_mut().for_each(|line| *line = four(line).replace("-M 48", "-M 255.255.0.0"));
    for Step { act, .. } in &mut other.steps {
        match act {
            Act::Run(line) => *line = four(line).replace("-M 48", "-M 255.255.0.0"),
            Act::Ask(ask) => ask.target.0 -= V6_FROM,
        }
    }
    Some(other)
}

/// Hosts that speak IPv4 alone.
fn without_ipv6(case: &Case, n: usize) -> Option<Case> {
    let is_needed = case.asks().any(|(_, ask)| ask.is_v6());
    (n == 0 && case.ipv6 && !is_needed).then(|| {
        let mut fewer = Case { ipv6: false, ..case.clone() };
        let is_v6 = |line: &str| {
            line.contains("2001:db8::") || line.contains("-f 2 -6") || line.contains("ip6tables")
        };
        fewer.director.retain(|line| !is_v6(line));
        fewer.steps.retain(|step| !matches!(&step.act, Act::Run(line) if is_v6(line)));
        fewer
    })
}

/// A pause cut down, and everything after it sooner.
fn shorter_pause(case: &Case, n: usize) -> Option<Case> {
    const BEAT: u64 = 100;
    let gap = |at: usize| case.steps[at].at - at.checked_sub(1).map_or(900, |before| case.steps[before].at);
    let at = (0..case.steps.len()).filter(|at| gap(*at) >= 2 * BEAT).nth(n)?;
    let sooner = (gap(at) - BEAT) / BEAT * BEAT;
    let mut short = case.clone();
    short.steps[at..].iter_mut().for_each(|step| step.at -= sooner);
    Some(short)
}

/// Servers and clients with the smallest numbers.
fn renumbered(case: &Case, n: usize) -> Option<Case> {
    let server = *case.servers.get(n)?;
    if server.method == Method::Local {
        return renumbered(case, n + 1);
    }
    let free = (1..server.number).find(|number| case.servers.iter().all(|other| other.number != *number));
    let Some(number) = free else { return renumbered(case, n + 1) };
    let mut other = case.clone();
    other.servers[n].number = number;
    let renamed = other.servers[n];
    let rename = |line: &mut String| {
        if server.is_named(line) {
            for ipv6 in [false, true] {
                *line = line.replace(&server.address(ipv6), &renamed.address(ipv6));
            }
        }
    };
    other.director.iter_mut().for_each(rename);
    for step in &mut other.steps {
        if let Act::Run(line) = &mut step.act {
            rename(line);
        }
    }
    Some(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::draw::draw;

    fn smallest(mut shows: impl FnMut(&Case) -> bool) -> Case {
        let case = (0..).map(|n| draw(5, n, 0)).find(|case| shows(case)).expect("there is one");
        shrink(case, 8, &mut |candidates| candidates.iter().position(&mut shows))
    }

    #[test]
    fn only_what_matters_is_left() {
        let case = smallest(|case| case.runs().any(|(_, line)| line.contains("-x")));
        assert_eq!(
            (case.steps.len(), case.servers.len(), case.director.len()),
            (1, 1, 0),
            "and the server it names"
        );
        let line = case.runs().next().expect("it is left").1;
        assert!(line.contains("-x") && !line.contains("-w") && !line.contains("-y"), "{line}");
        assert_eq!(case.steps[0].at, 1_000);
        let case = smallest(|case| case.asks().filter(|(_, ask)| ask.udp).count() >= 3);
        assert_eq!((case.steps.len(), case.director.len()), (3, 0));
        assert_eq!(case.steps[2].at, 1_200);
    }

    #[test]
    fn options_go_one_by_one() {
        assert_eq!(
            plainer("ipvsadm -a -t 10.0.0.100:80 -r 10.0.0.11 -g -w 100 -x 3"),
            [
                "ipvsadm -a -t 10.0.0.100:80 -r 10.0.0.11 -g -x 3",
                "ipvsadm -a -t 10.0.0.100:80 -r 10.0.0.11 -g -w 2 -x 3",
                "ipvsadm -a -t 10.0.0.100:80 -r 10.0.0.11 -g -w 3 -x 3",
                "ipvsadm -a -t 10.0.0.100:80 -r 10.0.0.11 -g -w 100",
            ]
        );
        assert!(plainer("ipvsadm -D -u 10.0.0.100:53").is_empty());
    }
}
