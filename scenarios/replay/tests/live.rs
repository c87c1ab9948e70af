//! The test scenarios on a real kernel in a virtual machine: all in one boot.
//!
//! With `LVSIM_LIVE=1` a missing kernel or tool is a failure; without it this says what it did not run. With
//! `LVSIM_RECORD=1` as well, the recordings that `tests/recorded.rs` reads are made anew.

use replay::agent::self_test::MASTER;
use replay::backend::{Backend, BackendError};
use replay::campaign::case::{Act, Ask, Case, Method, Server, Step};
use replay::campaign::script::script;
use replay::campaign::trial::Trial;
use replay::job::{Action, Close, Command, Job, Timed};
use replay::recording::Recording;
use replay::rehearse::{Rehearsed, rehearse};
use replay::this_kernel::ThisKernel;
use replay::vm::Machine;
use replay::vm::kernel::{cache, cached};
use scenarios::scenario::Scenario;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;

fn main() -> ExitCode {
    // The guest has this very program as its first process.
    if let Some(code) = replay::agent::init::run_if_asked() {
        return code;
    }
    if std::env::args().nth(1).is_some_and(|argument| argument == MASTER) {
        return master();
    }
    if std::env::var_os("LVSIM_LIVE").is_none_or(|value| value != "1") {
        println!(
            "not run: the scenarios of tests/scenarios and a thousand connections on a real kernel (LVSIM_LIVE=1 runs \
             them; see docs/replay.md); tests/recorded.rs holds recordings of some of them, and of a part of the gallery, \
             against the simulation"
        );
        return ExitCode::SUCCESS;
    }
    let all = || -> Result<bool, BackendError> {
        Ok(live()? & this_kernel()? & a_thousand_connections()? & a_script()?)
    };
    match all() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// In the guest: the jobs, done as `lvsim replay --backend kernel` has them done, which Ctrl-C interrupts.
fn master() -> ExitCode {
    let program = std::env::current_exe().expect("a program has a file");
    let mut backend = ThisKernel::new(program);
    let interrupted = backend.interrupted.clone();
    ctrlc::set_handler(move || interrupted.store(true, Ordering::SeqCst)).expect("nobody else listens");
    let text = std::fs::read("/jobs.json").expect("the jobs are there");
    match backend.perform(&serde_json::from_slice::<Vec<Job>>(&text).expect("they are jobs")) {
        Ok(_) => ExitCode::SUCCESS,
        Err(BackendError::Interrupted) => ExitCode::from(2),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs all of them; true if nothing differs.
fn live() -> Result<bool, BackendError> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let scenarios: Vec<(Scenario, Rehearsed)> =
        files(&folder.join("scenarios")).iter().map(|file| rehearsed(file)).collect();
    let jobs: Vec<_> = scenarios.iter().map(|(_, rehearsed)| rehearsed.job.clone()).collect();
    let program = std::env::current_exe().expect("a program has a file");
    let done = Machine::new(cached(&cache()).unwrap_or_default(), program).perform(&jobs)?;
    let mut is_good = done.len() == jobs.len();
    for ((scenario, rehearsed), seen) in scenarios.iter().zip(done) {
        let result = seen.and_then(|seen| {
            if std::env::var_os("LVSIM_RECORD").is_some() {
                let path = folder.join(format!("recordings/{}.json", scenario.name));
                let recipe = format!(
                    "recorded from {} by LVSIM_LIVE=1 LVSIM_RECORD=1 cargo test --test live",
                    seen.by
                );
                let text = Recording::new(&recipe, &rehearsed.job, &seen).text();
                std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
            }
            if seen.chosen.is_none() {
                return Err("the kernel did not tell its decisions itself".into());
            }
            replay::judge(scenario, rehearsed, &seen, None)
        });
        match result {
            Ok(comparison) => {
                println!("test {} ... {}", scenario.name, comparison.sentence());
                comparison.differences.iter().for_each(|one| println!("{}", one.text));
                is_good &= comparison.differences.is_empty();
            }
            Err(why) => {
                println!("test {} ... FAILED: {why}", scenario.name);
                is_good = false;
            }
        }
    }
    Ok(is_good)
}

/// The backend for the kernel of this host, tested where it can run as root: in the guest. Replays end there by Ctrl-C,
/// SIGTERM, SIGKILL, a panic, the loss of their master, and by themselves, and leave nothing behind.
fn this_kernel() -> Result<bool, BackendError> {
    alone("this kernel, interrupted in every way, and not", "scenarios/nat.yaml", |machine| {
        machine.through_this_kernel = true;
    })
}

/// A thousand connections within ten virtual minutes: it must not take longer than one real one.
fn a_thousand_connections() -> Result<bool, BackendError> {
    let name = "a thousand connections within ten minutes, in less than one";
    // Of the processor's time: neighbours on the machine do not count.
    let limit = std::time::Duration::from_secs(60);
    alone(name, "long/thousand-connections.yaml", |machine| machine.limit = Some(limit))
}

/// The script of a counterexample, run as a stranger would: clients hear the servers that the simulation chose, the
/// director's table is that of the case itself on the same kernel, and nothing is left behind.
fn a_script() -> Result<bool, BackendError> {
    let trial = Trial::new(&small_case()).expect("hosts take it");
    let run = |line: &str| {
        let action = Action::Run(line.split(' ').map(Into::into).collect());
        Timed { at: 0, event: 0, command: Command { host: None, action } }
    };
    // The guest has the programs that its jobs name.
    let tools = ["sed --version", "sleep 0", "socat -V", "sysctl --version"].map(run);
    let mut typed = run("sh -c");
    let (script, rest) = (script(&trial, "A test."), "[ -e /run/netns/director ] || echo nothing is left");
    if let Action::Run(words) = &mut typed.command.action {
        words.push(format!("{script}{rest}\n"));
    }
    let events = tools.into_iter().chain([typed]).collect();
    let job = Job { name: "script".into(), events, end: 60_000_000_000, ..Job::default() };
    let program = std::env::current_exe().expect("a program has a file");
    let done =
        Machine::new(cached(&cache()).unwrap_or_default(), program).perform(&[trial.job.clone(), job])?;
    let judged = done.into_iter().collect::<Result<Vec<_>, _>>().and_then(|done| {
        let [case, script] = &done[..] else { return Err("no answer".into()) };
        let said = &script.notes.last().ok_or("it is silent")?.stdout;
        let hears = said.lines().filter_map(|line| line.split_once(" hears: ")).map(|(_, server)| server);
        let chosen = trial.simulated.attempts.iter().map(|attempt| {
            attempt.server.map_or("nobody", |server| &trial.job.hosts[trial.job.servers[server].host])
        });
        let table = &case.notes.last().ok_or("the case is silent")?.stdout;
        let is_good = hears.eq(chosen) && said.contains(table) && said.ends_with("nothing is left\n");
        if is_good {
            Ok(trial.job.attempts.len())
        } else {
            Err(format!("it said\n{said}\nthe table is\n{table}"))
        }
    });
    let text =
        judged.as_ref().map_or_else(|why| format!("FAILED: {why}"), |asked| format!("{asked} clients heard"));
    println!("test the script of a case ... {text}");
    Ok(judged.is_ok())
}

/// Six clients of two servers, one of which is then sent into retirement.
fn small_case() -> Case {
    let server = |number| Server { number, method: Method::Nat, listens: true, arp: (0, 0) };
    let ask = |number: u16| Ask {
        udp: false,
        client: (0, 10, 2_000 + number),
        target: (0, 80),
        hold: 1,
        bytes: 100,
        close: if number.is_multiple_of(2) { Close::Client } else { Close::Nobody },
    };
    let mut steps: Vec<Step> =
        (0..6).map(|n| Step { at: 1_500 + 200 * u64::from(n), act: Act::Ask(ask(n)) }).collect();
    let service = "10.0.0.100:80";
    let run = |at, line: &str| Step { at, act: Act::Run(format!("ipvsadm {line}")) };
    steps.insert(3, run(2_000, &format!("-e -t {service} -r 10.0.0.11 -m -w 0")));
    steps.push(run(3_500, "-Ln"));
    let director = ["-A -t S -s wrr", "-a -t S -r 10.0.0.11 -m -w 2", "-a -t S -r 10.0.0.12 -m -w 1"];
    Case {
        name: "small".into(),
        ipv6: false,
        servers: vec![server(1), server(2)],
        director: director.iter().map(|line| format!("ipvsadm {}", line.replace('S', service))).collect(),
        steps,
    }
}

/// One scenario in a machine of its own.
fn alone(name: &str, file: &str, arrange: impl FnOnce(&mut Machine)) -> Result<bool, BackendError> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let (scenario, rehearsed) = rehearsed(&folder.join(file));
    let program = std::env::current_exe().expect("a program has a file");
    let mut machine = Machine::new(cached(&cache()).unwrap_or_default(), program);
    arrange(&mut machine);
    let seen = machine.perform(std::slice::from_ref(&rehearsed.job))?.pop();
    let result = seen
        .unwrap_or_else(|| Err("no answer".into()))
        .and_then(|seen| replay::judge(&scenario, &rehearsed, &seen, None));
    let text =
        result.as_ref().map_or_else(|why| format!("FAILED: {why}"), replay::compare::Comparison::sentence);
    println!("test {name} ... {text}");
    Ok(result.is_ok_and(|comparison| comparison.differences.is_empty()))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder exists");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be read").path()).collect();
    files.sort_unstable();
    files
}

fn rehearsed(file: &Path) -> (Scenario, Rehearsed) {
    let scenario = scenarios::load::load(file).expect("it is a scenario").scenario;
    let rehearsed = rehearse(&scenario, &mut |_| true).expect("hosts take it").expect("nobody stops it");
    (scenario, rehearsed)
}
