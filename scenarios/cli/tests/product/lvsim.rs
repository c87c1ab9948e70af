//! Runs the binary, and names the places that the tests use.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A small cluster: a second of ten requests, done in no time.
pub(crate) const SMALL: &str = "\
about: Two servers behind a director.
duration: 1s
cluster:
  forwarding: dr
  vips: 10.0.0.100
  services: {port: 80, scheduler: rr}
  server: {workers: 4, service_time: {exponential: 5ms}, response: 3kB}
  servers:
    \"web[1-2]\": {}
clients:
  browsers: {arrivals: {poisson: 100/s}}
";

/// What a call of the binary did.
#[derive(Debug)]
pub(crate) struct Called {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Called {
    /// The status must be this one; the call is shown if not.
    #[track_caller]
    pub(crate) fn with_status(self, status: i32) -> Called {
        assert_eq!(self.status, status, "{}\n{}", self.stdout, self.stderr);
        self
    }
}

/// The binary with these arguments, not yet started, in the folder of the test program's scratch files.
pub(crate) fn command<S: AsRef<OsStr>>(args: &[S]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lvsim"));
    command.args(args).current_dir(env!("CARGO_TARGET_TMPDIR"));
    command
}

/// Calls the binary and waits for its end.
pub(crate) fn lvsim<S: AsRef<OsStr>>(args: &[S]) -> Called {
    lvsim_reading("", args)
}

/// The same with a text on standard input.
pub(crate) fn lvsim_reading<S: AsRef<OsStr>>(stdin: &str, args: &[S]) -> Called {
    let mut command = command(args);
    let streams = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = streams.spawn().expect("the binary starts");
    // A call that does not read its input may be gone already.
    let _ = child.stdin.take().expect("it was asked for").write_all(stdin.as_bytes());
    let output = child.wait_with_output().expect("the binary ends");
    Called {
        status: output.status.code().expect("no signal ended it"),
        stdout: String::from_utf8(output.stdout).expect("output is UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("messages are UTF-8"),
    }
}

/// A scratch folder of this test's own, empty.
pub(crate) fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("product-{name}"));
    if folder.exists() {
        std::fs::remove_dir_all(&folder).expect("it is ours");
    }
    std::fs::create_dir_all(&folder).expect("the target folder can be written");
    folder
}

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the crate is two folders down")
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("test paths are UTF-8")
}
