//! `lvsim replay`: what it says where it cannot, and two kernels beside each other where they are.

use crate::lvsim::{Called, SMALL, lvsim, scratch};
use std::path::Path;

/// `lvsim replay` with these arguments, about the small cluster.
fn replay(name: &str, args: &[&str]) -> Called {
    let folder = scratch(name);
    let file = folder.join("small.yaml");
    std::fs::write(&file, SMALL).expect("it can be written");
    lvsim(&[&["replay", file.to_str().expect("it is text")], args].concat())
}

/// A file that is no kernel, and a folder without modules.
fn junk(name: &str) -> (String, String) {
    let folder = scratch(name);
    let image = folder.join("image");
    std::fs::write(&image, "no kernel").expect("it can be written");
    (image.display().to_string(), folder.display().to_string())
}

#[test]
fn a_second_kernel_that_is_not_there_is_named_with_its_cure() {
    let said = replay("replay-vs-package", &["--vs", "linux-image-of-yesterday"]).with_status(2).stderr;
    assert!(said.contains("lvsim kernel fetch --package linux-image-of-yesterday"), "{said}");
}

#[test]
fn an_image_needs_its_modules() {
    let (image, folder) = junk("replay-junk");
    let said = replay("replay-vs-image", &["--vs", &image]).with_status(2).stderr;
    assert!(said.contains("--vs-modules DIR"), "{said}");
    for args in [["--vs", "--vs-modules"], ["--kernel-image", "--modules"]] {
        let [with_image, with_modules] = args;
        let said = replay("replay-no-image", &[with_image, "/nowhere/bzImage", with_modules, &folder]);
        let said = said.with_status(2).stderr;
        assert!(said.contains("there is no kernel image /nowhere/bzImage"), "{said}");
        let said = replay("replay-no-modules", &[with_image, &image, with_modules, &folder]);
        let said = said.with_status(2).stderr;
        assert!(said.contains(&format!("{folder} has no kernel modules")), "{said}");
        assert!(said.contains("lib/modules/VERSION"), "{said}");
    }
}

/// A host that has IPVS, and its root, would get a real replay here; all others are told what is missing.
#[test]
#[cfg(target_os = "linux")]
fn a_host_that_cannot_says_why() {
    let status = std::fs::read_to_string("/proc/self/status").expect("the kernel tells");
    let is_root = status.lines().any(|line| line.starts_with("Uid:\t0\t0\t"));
    let has_ipvs = Path::new("/proc/net/ip_vs").exists();
    let sentence = match (is_root, has_ipvs) {
        (true, true) => return println!("not run: this host could do it"),
        (true, false) => "the kernel of this host has no ip_vs, and `modprobe ip_vs` does not bring it; use",
        (false, _) => "the kernel of this host takes root; without root use `--backend vm`",
    };
    let said = replay("replay-this-kernel", &["--backend", "kernel"]).with_status(2).stderr;
    assert!(said.contains(sentence) && said.contains("--backend vm"), "{said}");
}

/// The stock kernel for machines beside the one for virtual machines.
#[test]
fn two_kernels_do_the_same() {
    const SECOND: &str = "linux-image-amd64";
    if std::env::var_os("LVSIM_LIVE").is_none_or(|value| value != "1") {
        return println!("not run: two kernels in virtual machines (LVSIM_LIVE=1 runs them)");
    }
    lvsim(&["kernel", "fetch", "--package", SECOND]).with_status(0);
    let said = replay("replay-two-kernels", &["--vs", SECOND]).with_status(0).stdout;
    let good = said.lines().filter(|line| line.contains(": 0 differences in "));
    assert_eq!(good.count(), 2, "{said}");
    assert!(said.contains("0 ended otherwise"), "{said}");
}
