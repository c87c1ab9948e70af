//! As much of a shell as the transcripts use: several commands in a line, pipes, redirections, quotes, and the few
//! small programs beside ipvsadm.

use crate::director::{Host, World};
use net_model::ipvs::{Counters, DestinationView, Rates, ServiceView, Shown};
use scenarios::console::ipvsadm::{self, Call, Console, Request, Tool};
use scenarios::console::{Command, sysctl::Sysctl};
use std::collections::BTreeMap;

/// What a line left behind.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct Answer {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) status: i32,
}

/// A shell on the director.
pub(crate) struct Shell {
    pub(crate) world: World,
    /// The counters of all services and servers, where a transcript sets them.
    pub(crate) counters: Option<[u64; 10]>,
    files: BTreeMap<String, String>,
    /// How many of the transcript's commands have run.
    commands: usize,
}

/// What a set-up does unseen, after so many commands of a transcript.
const SET_UP: &[(&str, usize, &str)] = &[
    ("28", 0, "ipvsadm -A -t 10.0.0.1:80"),
    ("28", 0, "ipvsadm -a -t 10.0.0.1:80 -r 10.0.1.1"),
    ("61", 0, "iptables -t mangle -A PREROUTING -d 10.0.0.100 -p tcp -j MARK --set-mark 1234567"),
    ("61", 0, "ipvsadm -A -f 1234567 -s rr -p 50"),
    ("61", 0, "ipvsadm -a -f 1234567 -r 10.0.0.21:80 -g"),
    ("61", 3, "ipvsadm -A --sctp-service 10.0.0.100:5672 -s rr"),
    ("61", 3, "ipvsadm -a --sctp-service 10.0.0.100:5672 -r 10.0.0.21 -g"),
];

/// A part of a line: a word, or an operator.
#[derive(PartialEq, Eq)]
enum Token {
    Word(String),
    Then,
    Pipe,
    Into,
    From,
}

impl Shell {
    pub(crate) fn new(world: World) -> Shell {
        Shell { world, counters: None, files: BTreeMap::new(), commands: 0 }
    }

    /// What happens unseen before the next step of this transcript.
    pub(crate) fn set_up(&mut self, file: &str, next: Option<&str>) {
        let done = self.commands;
        for (_, _, line) in SET_UP.iter().filter(|(f, after, _)| file.starts_with(f) && *after == done) {
            self.pipeline(line);
        }
        match &file[..2] {
            "27" if next.is_some_and(|line| line.starts_with("printf")) => self.world.clear(),
            "60" if self.commands == 21 => self.world.plug_in(),
            _ => {}
        }
    }

    pub(crate) fn run(&mut self, line: &str) -> Answer {
        self.commands += 1;
        self.pipeline(line)
    }

    fn pipeline(&mut self, line: &str) -> Answer {
        let mut answer = Answer::default();
        for command in tokens(line).split(|token| *token == Token::Then) {
            let mut stdin = String::new();
            for part in command.split(|token| *token == Token::Pipe) {
                let mut out = self.part(part, line, &stdin);
                stdin = std::mem::take(&mut out.stdout);
                answer.stderr += &out.stderr;
                answer.status = out.status;
            }
            answer.stdout += &stdin;
        }
        answer
    }

    /// One program with its redirections.
    fn part(&mut self, tokens: &[Token], line: &str, stdin: &str) -> Answer {
        let (mut words, mut input, mut output) = (Vec::new(), stdin.to_string(), None);
        let mut rest = tokens.iter();
        while let Some(token) = rest.next() {
            let mut file = || match rest.next() {
                Some(Token::Word(file)) => file.clone(),
                _ => panic!("a file: {line}"),
            };
            match token {
                Token::Word(word) => words.push(word.as_str()),
                Token::Into => output = Some(file()),
                Token::From => input = self.files.get(&file()).cloned().unwrap_or_default(),
                Token::Then | Token::Pipe => {}
            }
        }
        let mut answer = match words[0] {
            "echo" => return self.other(line),
            "ip" | "ifconfig" | "route" | "iptables" => self.other(line),
            program => self.program(program, &words[1..], &input),
        };
        if let Some(file) = output {
            self.files.insert(file, std::mem::take(&mut answer.stdout));
        }
        answer
    }

    fn program(&mut self, program: &str, args: &[&str], stdin: &str) -> Answer {
        let text = |stdout: String| Answer { stdout, ..Answer::default() };
        match program {
            "ipvsadm" => self.ipvsadm(args, stdin, true),
            "ipvsadm-save" | "ipvsadm-restore" => self.companion(program, args, stdin),
            "unshare" => self.ipvsadm(&args[2..], stdin, false),
            "printf" => text(unescaped(args.last().expect("a format"))),
            "wc" => text(format!("{}\n", stdin.len())),
            "cmp" => Answer { status: i32::from(self.files[args[1]] != stdin), ..Answer::default() },
            "grep" => {
                let found: String =
                    stdin.lines().filter(|l| l.contains(args[1])).map(|l| format!("{l}\n")).collect();
                Answer { status: i32::from(found.is_empty()), stdout: found, ..Answer::default() }
            }
            "cat" => {
                let setting = args[0].rsplit('/').next().expect("a file name");
                text(self.world.director.sysctl_get(setting).expect("a setting of IPVS") + "\n")
            }
            unknown => {
                Answer { stderr: format!("sh: {unknown}: not found\n"), status: 127, ..Answer::default() }
            }
        }
    }

    fn ipvsadm(&mut self, args: &[&str], stdin: &str, is_root: bool) -> Answer {
        let world = &mut self.world;
        world.director.advance(world.now);
        if let (Some(counters), Ok(Request::List(list))) =
            (self.counters, ipvsadm::parse("ipvsadm", args, &world.names))
        {
            let shown = shown(counters);
            let destinations = |d: DestinationView| DestinationView { shown, ..d };
            let services = world.director.services().map(|service| ServiceView {
                shown,
                destinations: service.destinations.iter().copied().map(destinations).collect(),
                ..service
            });
            let stdout = ipvsadm::table(services.collect(), &list, &world.names);
            return Answer { stdout, ..Answer::default() };
        }
        let ipvsadm::Output { stdout, stderr, status } =
            self.console(is_root, |console| console.run(args, stdin));
        Answer { stdout, stderr, status }
    }

    fn companion(&mut self, program: &str, args: &[&str], stdin: &str) -> Answer {
        let tool = Tool::named(program).expect("a companion");
        let args = args.iter().map(ToString::to_string).collect();
        let call = Call { tool, args, input: None, output: None };
        let ipvsadm::Output { stdout, stderr, status } =
            self.console(true, |console| console.call(&call, stdin));
        Answer { stdout, stderr, status }
    }

    fn console<T>(&mut self, is_root: bool, with: impl FnOnce(&mut Console<'_, Host>) -> T) -> T {
        let world = &mut self.world;
        world.director.advance(world.now);
        with(&mut Console {
            director: &mut world.director,
            host: &world.host,
            links: &world.links,
            names: &world.names,
            now: world.now,
            program: "ipvsadm",
            missing_schedulers: &["twos"],
            is_root,
        })
    }

    /// Programs that set the scene; what they say is not compared, so one word stands for any message.
    fn other(&mut self, line: &str) -> Answer {
        let failed = Answer { stderr: "failed\n".to_string(), status: 1, ..Answer::default() };
        match Command::parse(line, &self.world.names) {
            Ok(Some(Command::Sysctl(settings))) if !settings.iter().all(exists) => failed,
            Ok(Some(Command::Iptables(rule))) => {
                self.world.add_rule(rule);
                Answer::default()
            }
            Ok(_) => Answer::default(),
            Err(_) => failed,
        }
    }
}

/// The settings of a host that how-tos touch.
fn exists(setting: &Sysctl) -> bool {
    let known = ["ip_forward", "arp_ignore", "arp_announce"];
    setting.path.rsplit('/').next().is_some_and(|name| known.contains(&name))
}

fn shown([a, b, c, d, e, f, g, h, i, j]: [u64; 10]) -> Shown {
    Shown {
        counters: Counters { conns: a, in_packets: b, out_packets: c, in_bytes: d, out_bytes: e },
        rates: Rates { conns: f, in_packets: g, out_packets: h, in_bytes: i, out_bytes: j },
    }
}

fn tokens(line: &str) -> Vec<Token> {
    let mut out = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        let operator = match c {
            ';' => Some(Token::Then),
            '|' => Some(Token::Pipe),
            '>' => Some(Token::Into),
            '<' => Some(Token::From),
            _ => None,
        };
        if operator.is_some() || c == ' ' {
            out.extend(word.take().map(Token::Word));
            out.extend(operator);
        } else if c == '\'' || c == '"' {
            let quoted = chars.by_ref().take_while(|&q| q != c);
            word.get_or_insert_default().extend(quoted);
        } else {
            word.get_or_insert_default().push(c);
        }
    }
    out.extend(word.map(Token::Word));
    out
}

/// The escapes of printf's format.
fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        out.push(match c {
            '\\' => match chars.next().expect("an escaped character") {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                other => other,
            },
            other => other,
        });
    }
    out
}
