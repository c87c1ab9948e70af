//! `lvsim fuzz`: its exit statuses, its recordings, and what it leaves behind.

use crate::lvsim::{command, lvsim, scratch, text};

#[test]
fn the_simulation_agrees_with_itself_and_with_what_was_recorded() {
    let folder = scratch("fuzzing");
    let file = folder.join("record.jsonl");
    let (file, out) = (text(&file), folder.join("out"));
    let args = ["fuzz", "--backend", "simulated", "--cases", "6", "--seed", "3", "--record", file];
    let called = lvsim(&args).with_status(0);
    assert!(called.stdout.starts_with("0 of 6 cases differ: "), "{}", called.stdout);
    let again = ["fuzz", "--backend", "recorded", "--transcript", file, "--out", text(&out)];
    assert_eq!(lvsim(&again).with_status(0).stdout, called.stdout);
    // A recording in which somebody else served: the difference is shown and kept.
    let recorded = std::fs::read_to_string(file).expect("it was written");
    let other = recorded.replacen(r#""end":"Answered""#, r#""end":"Reset""#, 1);
    assert_ne!(other, recorded);
    std::fs::write(file, other).expect("it can be written");
    let called = lvsim(&again).with_status(1);
    assert!(called.stdout.contains("1 of 6 cases differ"), "{}", called.stdout);
    assert!(called.stdout.contains(", reset\n"), "{}", called.stdout);
    let kept: Vec<String> = std::fs::read_dir(&out)
        .expect("it was made")
        .map(|entry| entry.expect("it can be read").file_name().to_string_lossy().into_owned())
        .collect();
    assert!(kept.iter().any(|name| name.ends_with(".sh")), "{kept:?}");
    let scenario = kept.iter().find(|name| name.ends_with(".yaml")).expect("the scenario is kept");
    lvsim(&["run", text(&out.join(scenario)), "--quiet"]).with_status(0);
}

#[test]
fn who_cannot_tell_says_so() {
    let absent = lvsim(&["fuzz", "--backend", "recorded", "--transcript", "absent.jsonl"]).with_status(125);
    assert!(absent.stderr.contains("cannot read absent.jsonl"), "{}", absent.stderr);
    let folder = scratch("fuzzing-wrong-transcript");
    let wrong = folder.join("README.md");
    std::fs::write(&wrong, "# no recording\n").expect("the folder is there");
    let called = lvsim(&["fuzz", "--backend", "recorded", "--transcript", text(&wrong)]).with_status(125);
    assert!(called.stderr.contains("README.md:1: "), "{}", called.stderr);
    assert!(called.stderr.contains("wants what `lvsim fuzz --record FILE` has written"), "{}", called.stderr);
    let ignored = lvsim(&["fuzz", "--transcript", text(&wrong)]).with_status(125);
    assert!(ignored.stderr.contains("read by `--backend recorded`"), "{}", ignored.stderr);
    let empty = scratch("fuzzing-without-kernel");
    let mut fuzz = command(&["fuzz", "--cases", "1"]);
    let output = fuzz.env("LVSIM_CACHE", &empty).output().expect("the binary starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(125), "{said}");
    assert!(said.contains("lvsim kernel fetch"), "{said}");
}

/// `git bisect run` finds the first kernel that decides otherwise. Each commit here has what its kernel said; one of them
/// was not built.
#[test]
fn git_bisect_finds_the_first_bad_kernel() {
    let folder = scratch("fuzzing-bisect");
    let file = folder.join("said.jsonl");
    let args = ["fuzz", "--backend", "simulated", "--cases", "2", "--seed", "3", "--record", text(&file)];
    lvsim(&args).with_status(0);
    let good = std::fs::read_to_string(&file).expect("it was written");
    let bad = good.replacen(r#""end":"Answered""#, r#""end":"Reset""#, 1);
    assert_ne!(good, bad);
    let git = |args: &[&str]| {
        let who =
            ["-c", "user.name=Test", "-c", "user.email=test@localhost", "-c", "init.defaultBranch=main"];
        let done = std::process::Command::new("git").current_dir(&folder).args(who).args(args).output();
        let done = done.expect("git can be called");
        assert!(done.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).expect("it is text")
    };
    git(&["init", "--quiet"]);
    let said = [&*good, &good, "", &good, &bad, &bad, "", &bad];
    for (number, said) in said.iter().enumerate() {
        std::fs::write(&file, said).expect("it can be written");
        git(&["add", "said.jsonl"]);
        git(&["commit", "--quiet", "--allow-empty", "--message", &format!("kernel {number}")]);
    }
    git(&["bisect", "start", "HEAD", "HEAD~7"]);
    let judge = ["fuzz", "--quiet", "--backend", "recorded", "--transcript", "said.jsonl", "--out", "out"];
    let run: Vec<&str> = ["bisect", "run", env!("CARGO_BIN_EXE_lvsim")].into_iter().chain(judge).collect();
    let told = git(&run);
    assert!(told.contains("is the first bad commit"), "{told}");
    assert!(git(&["show", "--no-patch", "--format=%s", "refs/bisect/bad"]).starts_with("kernel 4"), "{told}");
}
