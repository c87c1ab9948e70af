//! The kernel modules that jobs need, each after those it depends on.
//!
//! A module says itself what it depends on (`depends=` and `softdep=` in its `.modinfo`), so that nobody has to run
//! `depmod` first.

use crate::job::{Action, Job};
use rustc_hash::FxHashMap;
use std::io::Error;
use std::path::{Path, PathBuf};

/// What every guest needs.
const ALWAYS: [&str; 7] =
    ["virtio_pci", "virtio_console", "bridge", "veth", "sch_netem", "ip_vs", "nf_conntrack"];

/// Words of `ip` commands, and the modules they need.
const DEVICES: [(&str, &str); 7] = [
    ("dummy", "dummy"),
    ("vlan", "8021q"),
    ("ipip", "ipip"),
    ("gre", "ip_gre"),
    ("ip6tnl", "ip6_tunnel"),
    ("fou", "fou"),
    ("gue", "fou"),
];

/// The modules' files in the order in which they are loaded.
pub(super) fn needed(folder: &Path, jobs: &[Job]) -> std::io::Result<Vec<PathBuf>> {
    let mut files = FxHashMap::default();
    find(&folder.join("kernel"), &mut files)
        .map_err(|error| Error::new(error.kind(), format!("{}: {error}", folder.join("kernel").display())))?;
    let mut loaded = Vec::new();
    for name in ALWAYS.iter().map(|name| (*name).to_owned()).chain(wanted(jobs)) {
        load(&name, &files, &mut loaded)?;
    }
    Ok(loaded)
}

/// The modules that the jobs' commands ask for.
fn wanted(jobs: &[Job]) -> Vec<String> {
    let timed = |job: &'_ Job| job.events.iter().map(|timed| timed.command.clone()).collect::<Vec<_>>();
    let commands = jobs.iter().flat_map(|job| job.setup.iter().cloned().chain(timed(job)));
    let mut wanted = Vec::new();
    for command in commands {
        let words = match &command.action {
            Action::Load(module) => {
                wanted.push(module.clone());
                continue;
            }
            Action::Set(..) => continue,
            Action::Run(words) => words,
        };
        match words[0].rsplit('/').next().unwrap_or_default() {
            "ipvsadm" => wanted.extend(schedulers(words)),
            "iptables" => wanted.extend(tables(words, "iptable", "ipt_REJECT")),
            "ip6tables" => wanted.extend(tables(words, "ip6table", "ip6t_REJECT")),
            "arptables" => wanted.extend(["arptable_filter", "arpt_mangle"].map(Into::into)),
            "ip" => wanted.extend(devices(words)),
            _ => {}
        }
    }
    wanted.sort_unstable();
    wanted.dedup();
    wanted
}

/// What the rules of a family are made of. Whatever tracks connections comes only if a rule asks for it: it would change
/// what the kernel does.
fn tables(words: &[String], family: &str, reject: &str) -> Vec<String> {
    let says = |word: &str| words.iter().any(|typed| typed == word);
    let own = ["filter", "mangle"].map(|table| format!("{family}_{table}"));
    let common = [reject, "xt_mark", "xt_tcpudp", "xt_multiport"].map(str::to_owned);
    let tracking =
        (says("state") || says("conntrack")).then(|| ["xt_state", "xt_conntrack"].map(str::to_owned));
    let nat = says("nat").then(|| [format!("{family}_nat"), "xt_REDIRECT".to_owned()]);
    own.into_iter()
        .chain(common)
        .chain(tracking.into_iter().flatten())
        .chain(nat.into_iter().flatten())
        .collect()
}

/// The modules of devices that an `ip` command makes.
fn devices(words: &[String]) -> Vec<String> {
    let modules = DEVICES.iter().filter(|(word, _)| words.iter().any(|typed| typed == word));
    modules.map(|(_, module)| (*module).to_owned()).collect()
}

/// Schedulers and persistence engines of an ipvsadm line; the kernel's own default among them.
fn schedulers(words: &[String]) -> Vec<String> {
    let after = |names: [&str; 2], prefix: &str| {
        let at = words.iter().position(|word| names.contains(&word.as_str()))?;
        words.get(at + 1).map(|name| format!("{prefix}{name}"))
    };
    let mut modules = vec!["ip_vs_wlc".to_owned()];
    modules.extend(after(["-s", "--scheduler"], "ip_vs_"));
    modules.extend(after(["--pe", "--pe"], "ip_vs_pe_"));
    modules
}

/// All modules below a folder, by their names.
fn find(folder: &Path, files: &mut FxHashMap<String, PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "ko") {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().replace('-', "_");
            files.insert(name, path);
        }
    }
    Ok(())
}

/// A module after everything it depends on. One that is not there may be built in, or is missed when it is used.
fn load(name: &str, files: &FxHashMap<String, PathBuf>, loaded: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let Some(path) = files.get(&name.replace('-', "_")) else { return Ok(()) };
    if loaded.contains(path) {
        return Ok(());
    }
    for before in dependencies(&std::fs::read(path)?) {
        load(&before, files, loaded)?;
    }
    loaded.push(path.clone());
    Ok(())
}

/// What a module depends on, or asks for: `depends=a,b` and `softdep=pre: c d post: e`.
fn dependencies(module: &[u8]) -> Vec<String> {
    let asked = said(module, b"\0softdep=pre:");
    let asked = asked.split_whitespace().take_while(|word| !word.ends_with(':'));
    // A method of the kernel's cryptography is asked for by its own name; the plain implementation is NAME_generic.
    let asked = asked.flat_map(|name| [name.to_owned(), format!("{name}_generic")]);
    let needed = said(module, b"\0depends=");
    let needed = needed.split(',').filter(|name| !name.is_empty()).map(str::to_owned);
    asked.chain(needed).collect()
}

/// What stands behind a mark in `.modinfo`.
fn said(module: &[u8], mark: &[u8]) -> String {
    let Some(at) = module.windows(mark.len()).position(|window| window == mark) else { return String::new() };
    let text = module[at + mark.len()..].split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_says_what_it_depends_on() {
        let module = b"\x7fELF\0license=GPL\0depends=nf_conntrack,libcrc32c\0retpoline=Y\0";
        assert_eq!(dependencies(module), ["nf_conntrack", "libcrc32c"]);
        assert!(dependencies(b"\0depends=\0name=x\0").is_empty());
        assert!(dependencies(b"nothing").is_empty());
    }

    #[test]
    fn what_a_module_asks_for_comes_before_it() {
        let module = b"\x7fELF\0softdep=pre: crc32c post: late\0depends=libb\0";
        assert_eq!(dependencies(module), ["crc32c", "crc32c_generic", "libb"]);
    }

    #[test]
    fn a_folder_without_modules_is_named() {
        let error = needed(Path::new("/nowhere"), &[]).expect_err("there is no such folder");
        assert!(error.to_string().contains("/nowhere/kernel"), "{error}");
    }
}
