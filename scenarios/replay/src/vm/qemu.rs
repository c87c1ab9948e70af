//! QEMU while it runs: watched, so that a guest that hangs ends in a sentence, and ended with whoever started it.

use crate::backend::BackendError;
use crate::missing::which;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// The processor time that a machine may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Limit(pub(super) Duration);

/// How often somebody looks after the machine.
const LOOK: Duration = Duration::from_millis(20);
/// A machine that has used no processor for so many looks waits for something that never comes.
const STILL: u32 = 3_000;
/// The kernel counts processor time in these.
const TICKS_PER_SECOND: u64 = 100;

/// A command line that begins with QEMU. The kernel ends it when this process ends, however it ends, if `setpriv` is there.
pub(super) fn command() -> Command {
    let qemu = "qemu-system-x86_64";
    match which("setpriv") {
        None => Command::new(qemu),
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "KILL", qemu]);
            command
        }
    }
}

/// Runs the machine until it switches itself off, at most until `limit`: what its console printed.
///
/// # Errors
/// It could not be started, was interrupted, hangs, or takes longer than it should.
pub(super) fn run(mut qemu: Command, limit: Limit, interrupted: &AtomicBool) -> Result<String, BackendError> {
    qemu.stdin(Stdio::null()).stderr(Stdio::piped()).stdout(Stdio::piped());
    let failed = |error| BackendError::File { path: "qemu-system-x86_64".into(), error };
    let mut child = qemu.spawn().map_err(failed)?;
    let said = [
        listen(child.stdout.take().expect("it was asked for")),
        listen(child.stderr.take().expect("it was asked for")),
    ];
    let end = watch(&mut child, limit, interrupted);
    if end.is_err() {
        let _ = child.kill();
        let _ = child.wait();
    }
    let console: String =
        said.into_iter().map(|thread| thread.join().expect("it only reads")).collect::<Vec<_>>().concat();
    match end {
        Ok(()) => Ok(console),
        Err(End::Interrupted) => Err(BackendError::Interrupted),
        Err(End::Failed(error)) => Err(failed(error)),
        Err(End::Hangs(why)) => Err(BackendError::silent(why, &console)),
    }
}

/// Why a machine is ended.
enum End {
    Interrupted,
    Failed(std::io::Error),
    Hangs(String),
}

fn watch(child: &mut Child, limit: Limit, interrupted: &AtomicBool) -> Result<(), End> {
    let (mut last, mut still) = (Duration::ZERO, 0);
    while child.try_wait().map_err(End::Failed)?.is_none() {
        if interrupted.load(Ordering::SeqCst) {
            return Err(End::Interrupted);
        }
        std::thread::sleep(LOOK);
        let used = processor_time(child.id()).unwrap_or(last);
        still = if used > last { 0 } else { still + 1 };
        last = used;
        let Limit(most) = limit;
        if used > most {
            let seconds = most.as_secs();
            return Err(End::Hangs(format!(
                "the virtual machine has used {seconds} s of processor time, more than this can take"
            )));
        }
        if still > STILL {
            let seconds = (LOOK * STILL).as_secs();
            return Err(End::Hangs(format!("the virtual machine stands still since {seconds} s")));
        }
    }
    Ok(())
}

/// Everything that comes, to its end.
fn listen(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// The processor time of a process, from `/proc/PID/stat`.
fn processor_time(process: u32) -> Option<Duration> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    ticks(&text).map(|ticks| Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND))
}

/// User and system time: the 14th and 15th field. The second is a name in brackets, which may contain anything.
fn ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(script: &str, limit: u64, interrupted: bool) -> Result<String, String> {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let interrupted = AtomicBool::new(interrupted);
        run(command, Limit(Duration::from_millis(limit)), &interrupted).map_err(|error| error.to_string())
    }

    #[test]
    fn who_ends_by_himself_is_heard() {
        assert_eq!(ends("echo out; echo err >&2", 10_000, false), Ok("out\nerr\n".into()));
    }

    #[test]
    fn who_never_ends_is_ended_and_his_last_words_are_told() {
        let error = ends("echo the last words; while :; do :; done", 300, false).expect_err("it hangs");
        assert!(error.contains("processor time") && error.contains("the last words"), "{error}");
    }

    #[test]
    fn one_interruption_is_enough() {
        let error = ends("exec sleep 1000", 10_000, true).expect_err("it is interrupted");
        assert_eq!(error, "interrupted");
    }

    #[test]
    fn the_kernel_says_how_much_processor_time_was_used() {
        let stat = "42 (a (strange) name) R 1 2 3 4 5 6 7 8 9 10 250 30 0 0 20 0 1 0 99 0";
        assert_eq!(ticks(stat), Some(280));
        assert!(processor_time(std::process::id()).is_some());
    }
}
