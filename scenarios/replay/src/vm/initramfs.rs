//! The guest's whole disk: this program as its first process, the tools the plan types, the modules, the jobs.

use super::{Machine, libraries, modules};
use crate::agent::init::{JOBS, MODULES};
use crate::job::Job;
use crate::missing::{programs, which};
use cpio::newc::{Builder, ModeFileType, trailer};
use std::collections::BTreeMap;
use std::io::{Error, Result};
use std::path::{Path, PathBuf};

/// Tools whose real name differs from what is typed: Debian's alternatives, of which the guest has the legacy ones.
const LEGACY: [(&str, &str); 3] = [
    ("iptables", "xtables-legacy-multi"),
    ("ip6tables", "xtables-legacy-multi"),
    ("arptables", "arptables-legacy"),
];
/// Where the extensions of iptables are.
const XTABLES: &str = "/usr/lib/x86_64-linux-gnu/xtables";

/// The files of a guest by their paths there.
#[derive(Default)]
struct Tree {
    files: BTreeMap<String, (Vec<u8>, bool)>,
}

/// An archive for the kernel to unpack.
pub(super) fn build(machine: &Machine, jobs: &[Job]) -> Result<Vec<u8>> {
    let mut tree = Tree::default();
    tree.program("/init", &machine.program)?;
    let through = machine.through_this_kernel.then(|| "unshare".to_owned());
    for program in programs(jobs).into_iter().chain(through) {
        let real = LEGACY.iter().find(|(typed, _)| *typed == program).and_then(|(_, real)| which(real));
        if let Some(path) = real.or_else(|| which(&program)) {
            tree.program(&format!("/bin/{program}"), &path)?;
        }
        if program.ends_with("tables") {
            tree.extensions()?;
        }
    }
    let paths = modules::needed(&machine.kernel.modules, jobs)?;
    let mut listed = String::new();
    for path in &paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        listed += &format!("/lib/modules/{name}\n");
        tree.file(&format!("/lib/modules/{name}"), std::fs::read(path)?, false);
    }
    tree.file(MODULES, listed.into_bytes(), false);
    for name in ["/etc/protocols", "/etc/services"] {
        tree.file(name, std::fs::read(name).unwrap_or_default(), false);
    }
    tree.file("/etc/passwd", b"root:x:0:0::/:/bin/sh\n".to_vec(), false);
    tree.file(JOBS, serde_json::to_vec(jobs).map_err(Error::other)?, false);
    tree.archive()
}

impl Tree {
    fn file(&mut self, path: &str, contents: Vec<u8>, executable: bool) {
        self.files.insert(path.into(), (contents, executable));
    }

    /// A program with everything it loads.
    fn program(&mut self, path: &str, from: &Path) -> Result<()> {
        self.file(path, std::fs::read(from)?, true);
        for library in libraries::of(from) {
            self.library(&library)?;
        }
        Ok(())
    }

    fn library(&mut self, library: &Path) -> Result<()> {
        let path = library.display().to_string();
        if !self.files.contains_key(&path) {
            self.file(&path, std::fs::read(library)?, true);
        }
        Ok(())
    }

    /// What iptables and arptables load by themselves.
    fn extensions(&mut self) -> Result<()> {
        let wanted = ["libxt_", "libipt_", "libarpt_"];
        let entries = std::fs::read_dir(XTABLES).into_iter().flatten();
        let paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        for path in paths {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if wanted.iter().any(|prefix| name.starts_with(prefix)) {
                self.library(&path)?;
            }
        }
        Ok(())
    }

    /// The archive: folders before what is in them.
    fn archive(self) -> Result<Vec<u8>> {
        let mut folders = BTreeMap::new();
        for path in self.files.keys() {
            let parents = Path::new(path).ancestors().skip(1).filter(|parent| parent.parent().is_some());
            folders.extend(parents.map(|parent| (parent.display().to_string(), ())));
        }
        for mount in ["/proc", "/sys", "/dev", "/run", "/tmp", "/var/run"] {
            folders.insert(mount.into(), ());
        }
        folders.insert("/var".into(), ());
        let mut out = Vec::new();
        for (index, folder) in folders.keys().enumerate() {
            entry(&mut out, folder, index, 0o755, ModeFileType::Directory, &[])?;
        }
        for (index, (path, (contents, executable))) in self.files.iter().enumerate() {
            let mode = if *executable { 0o755 } else { 0o644 };
            entry(&mut out, path, folders.len() + index, mode, ModeFileType::Regular, contents)?;
        }
        trailer(&mut out)?;
        Ok(out)
    }
}

fn entry(
    out: &mut Vec<u8>,
    path: &str,
    number: usize,
    mode: u32,
    kind: ModeFileType,
    contents: &[u8],
) -> Result<()> {
    let size = u32::try_from(contents.len()).map_err(Error::other)?;
    let builder = Builder::new(path.trim_start_matches('/')).ino(number as u32 + 1).mode(mode);
    let mut writer = builder.set_mode_file_type(kind).write(&mut *out, size);
    std::io::Write::write_all(&mut writer, contents)?;
    writer.finish()?;
    Ok(())
}
