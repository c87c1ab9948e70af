//! Commands typed on a host in the middle of a run, with what they print and how they exit.
//!
//! A scenario's timed events are part of the experiment; these commands look at it from outside (`ipvsadm -Ln`,
//! `cat /proc/net/ip_vs`), or change it by hand. Those of an instant run after everything else of that instant.

use crate::apply::{Refused, Shell};
use crate::assemble;
use crate::console::ipvsadm::{Call, Output, Tool};
use crate::console::sysctl;
use crate::console::{Command, PROGRAMS, ParseError, Word, proc, words};
use crate::problem::Problem;
use crate::run::Journey;
use crate::scenario::Scenario;
use sim_core::Time;

/// A line that a host's shell understands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// As it was typed.
    pub text: String,
    program: Program,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Program {
    /// Its arguments are judged by the tool itself, which says what is wrong with them; and what it reads.
    Call(Call, String),
    /// `cat FILE …`
    Cat(Vec<String>),
    /// `sysctl NAME …` without values: settings to read (with slashes); are their names printed?
    Settings(Vec<String>, bool),
    /// A command that changes something.
    Change(Command),
}

/// What a line left behind, and when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// When.
    pub at: Time,
    /// The line.
    pub line: String,
    /// What it printed, and its exit status.
    pub output: Output,
}

impl Line {
    /// Reads a line for a host of this scenario; none for an empty one or a comment.
    ///
    /// # Errors
    /// What is wrong, where, and the cure. The arguments of `ipvsadm` are not judged here: the tool itself does.
    pub fn read(text: &str, scenario: &Scenario) -> Result<Option<Line>, ParseError> {
        let all = words(text)?;
        let prompt = all.iter().take_while(|word| matches!(word.text.as_str(), "sudo" | "$" | "#")).count();
        let Some((program, args)) = all[prompt..].split_first() else { return Ok(None) };
        if let Some(tool) = Tool::named(&program.text) {
            let program = Program::Call(Call::read(tool, args)?, String::new());
            return Ok(Some(Line { text: text.trim().to_string(), program }));
        }
        let program = match program.text.rsplit('/').next().unwrap_or_default() {
            "cat" => Program::Cat(files(program, args)?),
            "sysctl" if args.iter().all(|word| !word.text.contains('=')) => settings(program, args)?,
            name if PROGRAMS.contains(&name) => match Command::parse(text, &assemble::names(scenario))? {
                Some(command) => Program::Change(command),
                None => return Ok(None),
            },
            name => {
                let problem = format!("there is no `{name}' on the simulated hosts");
                let cure = format!("use one of: {}, cat", PROGRAMS.join(", "));
                return Err(ParseError::new(program.columns.clone(), problem, cure));
            }
        };
        Ok(Some(Line { text: text.trim().to_string(), program }))
    }
}

impl Line {
    /// Does it read what it is given on standard input (`ipvsadm-restore`, `ipvsadm -R`)?
    pub fn reads(&self) -> bool {
        matches!(&self.program, Program::Call(call, _) if call.reads() && call.input.is_none())
    }

    /// Gives it something to read.
    pub fn give(&mut self, text: &str) {
        if let Program::Call(_, stdin) = &mut self.program {
            text.clone_into(stdin);
        }
    }
}

/// Runs a scenario to each of these instants (in rising order) and types the lines there on a host, given by its index
/// in [`Scenario::hosts`]. None if `progress` stopped it.
///
/// # Errors
/// The commands that hosts refuse when they are set up.
pub fn exec(
    scenario: &Scenario,
    host: usize,
    instants: &[Time],
    lines: &[Line],
    progress: &mut dyn FnMut(Time) -> bool,
) -> Result<Option<Vec<Answer>>, Vec<Problem>> {
    let mut journey = Journey::begin(scenario)?;
    let mut answers = Vec::with_capacity(instants.len() * lines.len());
    for &at in instants {
        if !journey.reach(at, progress) {
            return Ok(None);
        }
        for line in lines {
            let output = journey.assembled.shell(host).type_line(line);
            answers.push(Answer { at, line: line.text.clone(), output });
        }
    }
    Ok(Some(answers))
}

impl Shell<'_> {
    /// Carries a line out: what it prints on which stream, and its exit status.
    pub fn type_line(&mut self, line: &Line) -> Output {
        match &line.program {
            Program::Call(call, stdin) => {
                let output = self.call(call, stdin);
                self.network.settle(self.host);
                output
            }
            Program::Cat(files) => files.iter().fold(Output::default(), |done, file| {
                joined(done, self.file(file), &format!("cat: {file}: No such file or directory\n"), 1)
            }),
            Program::Settings(paths, named) => paths.iter().fold(Output::default(), |done, path| {
                let value = self.setting(path).map(|value| match named {
                    true => format!("{} = {value}\n", path.replace('/', ".")),
                    false => format!("{value}\n"),
                });
                let missing = format!("sysctl: cannot stat /proc/sys/{path}: No such file or directory\n");
                joined(done, value, &missing, 1)
            }),
            Program::Change(command) => match self.run(command) {
                Ok(stdout) => Output { stdout: stdout + &echoed(command, &line.text), ..Output::default() },
                Err(refused) => failed(command, &refused),
            },
        }
    }

    /// The text of a file.
    fn file(&mut self, path: &str) -> Option<String> {
        if let Some(text) = self.files.get(path) {
            return Some(text.clone());
        }
        if let Some(setting) = path.strip_prefix("/proc/sys/") {
            return self.setting(setting).map(|value| value + "\n");
        }
        let (now, has_director) = (self.network.now(), self.network.host(self.host).director.is_some());
        let file = proc::FILES.iter().find(|file| file.path == path && has_director)?;
        let (director, _) = self.network.ipvs(self.host, self.kernel);
        director.advance(now);
        Some((file.text)(director, now))
    }

    /// The value of a setting below /proc/sys.
    fn setting(&mut self, path: &str) -> Option<String> {
        if let Some(name) = path.strip_prefix("net/ipv4/vs/") {
            return self.network.host(self.host).director.as_ref()?.sysctl_get(name).ok();
        }
        let dotted = sysctl::dotted(path);
        self.network.host(self.host).stack.sysctl_get(&dotted).ok()
    }
}

/// The files to print.
fn files(program: &Word, args: &[Word]) -> Result<Vec<String>, ParseError> {
    let known: Vec<&str> = proc::FILES.iter().map(|file| file.path).collect();
    let cure = format!("the simulated hosts have {} and the settings below /proc/sys", known.join(", "));
    if args.is_empty() {
        return Err(ParseError::new(program.columns.clone(), "`cat' needs a file", cure));
    }
    let may_be = |file: &str| file.starts_with("/proc/sys/") || !file.starts_with("/proc/");
    let read = |word: &Word| match known.contains(&&*word.text) || may_be(&word.text) {
        true => Ok(word.text.clone()),
        false => {
            let problem = format!("there is no file `{}'", word.text);
            Err(ParseError::new(word.columns.clone(), problem, cure.clone()))
        }
    };
    args.iter().map(read).collect()
}

/// The settings to read.
fn settings(program: &Word, args: &[Word]) -> Result<Program, ParseError> {
    let (options, names): (Vec<&Word>, Vec<&Word>) = args.iter().partition(|word| word.text.starts_with('-'));
    if let Some(unknown) = options.iter().find(|word| word.text != "-n") {
        let problem = format!("the option `{}' is not modelled for reading", unknown.text);
        return Err(ParseError::new(
            unknown.columns.clone(),
            problem,
            "write sysctl [-n] NAME, or NAME=VALUE",
        ));
    }
    if names.is_empty() {
        let cure = "write sysctl net.ipv4.ip_forward, or with =VALUE to change it";
        return Err(ParseError::new(program.columns.clone(), "`sysctl' needs a setting", cure));
    }
    let paths = names.iter().map(|word| sysctl::path(&word.text)).collect();
    Ok(Program::Settings(paths, options.is_empty()))
}

/// One more piece of output; if there is none, a complaint.
fn joined(mut done: Output, piece: Option<String>, complaint: &str, status: i32) -> Output {
    match piece {
        Some(text) => done.stdout += &text,
        None => {
            done.stderr += complaint;
            done.status = status;
        }
    }
    done
}

/// `sysctl -w` says what it has set; `-q` and all other programs say nothing.
fn echoed(command: &Command, line: &str) -> String {
    let Command::Sysctl(settings) = command else { return String::new() };
    if line.split_whitespace().any(|word| matches!(word, "-q" | "--quiet" | "echo")) {
        return String::new();
    }
    settings.iter().map(|setting| format!("{} = {}\n", setting.dotted(), setting.value)).collect()
}

/// How a program tells what the kernel refused.
fn failed(command: &Command, refused: &Refused) -> Output {
    let message = refused.message.trim_end();
    let status = match command {
        Command::Ip(_) if !message.starts_with("Cannot find device") => 2,
        _ => 1,
    };
    Output { stdout: String::new(), stderr: format!("{message}\n"), status }
}
