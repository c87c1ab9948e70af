//! The kernel that a virtual machine runs: Debian's own, unpacked from its package and never installed.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A kernel image with its modules.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Kernel {
    /// The bootable image (`bzImage`).
    pub image: PathBuf,
    /// The folder with `kernel/` in it: `/lib/modules/VERSION`.
    pub modules: PathBuf,
}

/// Why there is no kernel.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// A program failed.
    #[error("`{0}` failed: {1}")]
    Program(String, String),
    /// The package is not what was expected.
    #[error("{0}")]
    Strange(String),
}

/// Debian's package whose newest version is fetched: small, made for virtual machines.
const PACKAGE: &str = "linux-image-cloud-amd64";

/// Where the kernel lives: `$LVSIM_CACHE`, else `lvsim` in `$XDG_CACHE_HOME` or `~/.cache`.
pub fn cache() -> PathBuf {
    let from = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    from("LVSIM_CACHE").unwrap_or_else(|| {
        let home = || from("HOME").unwrap_or_else(|| PathBuf::from("/tmp")).join(".cache");
        from("XDG_CACHE_HOME").unwrap_or_else(home).join("lvsim")
    })
}

/// The kernel in the cache, if it was fetched.
pub fn cached(cache: &Path) -> Option<Kernel> {
    let root = cache.join("kernel");
    let only = |folder: PathBuf, begins: &str| {
        let entries = std::fs::read_dir(folder).ok()?;
        let mut found: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        found.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(begins)));
        found.sort_unstable();
        found.pop()
    };
    let image = only(root.join("boot"), "vmlinuz-")?;
    let modules = only(root.join("lib/modules"), "").or_else(|| only(root.join("usr/lib/modules"), ""))?;
    Some(Kernel { image, modules })
}

/// Downloads Debian's kernel package through apt and unpacks it into the cache.
///
/// # Errors
/// See [`FetchError`].
pub fn fetch(cache: &Path) -> Result<Kernel, FetchError> {
    let package = newest()?;
    let folder = cache.join("download");
    let strange = |error: std::io::Error| FetchError::Strange(format!("{}: {error}", folder.display()));
    std::fs::create_dir_all(&folder).map_err(strange)?;
    run(Command::new("apt-get").args(["download", "-qq", &package]).current_dir(&folder))?;
    let entries = std::fs::read_dir(&folder).map_err(strange)?;
    let file = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .ok_or_else(|| FetchError::Strange(format!("apt-get download {package} has left no package")))?;
    // Unpacked beside its place and moved there whole, so that nobody finds half a kernel.
    let (unpacked, place) = (folder.join("unpacked"), cache.join("kernel"));
    run(Command::new("dpkg-deb").arg("-x").arg(&file).arg(&unpacked))?;
    let _ = std::fs::remove_dir_all(&place);
    std::fs::rename(&unpacked, &place).map_err(strange)?;
    std::fs::remove_dir_all(&folder).map_err(strange)?;
    cached(cache).ok_or_else(|| FetchError::Strange(format!("there is no kernel in {package}")))
}

/// The package that has the image: the one that [`PACKAGE`] depends on.
fn newest() -> Result<String, FetchError> {
    let text = run(Command::new("apt-cache").args(["depends", "--no-suggests", PACKAGE]))?;
    let depends = text.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    let image = depends.into_iter().find(|name| name.starts_with("linux-image-"));
    image.map(Into::into).ok_or_else(|| {
        FetchError::Strange(format!("apt knows no {PACKAGE}; run `apt-get update` on a Debian machine"))
    })
}

fn run(command: &mut Command) -> Result<String, FetchError> {
    let typed = || {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
    };
    let typed = typed();
    match command.output() {
        Ok(output) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        Ok(output) => {
            Err(FetchError::Program(typed, String::from_utf8_lossy(&output.stderr).trim().to_owned()))
        }
        Err(error) => Err(FetchError::Program(typed, error.to_string())),
    }
}
