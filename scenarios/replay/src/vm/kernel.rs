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
pub const PACKAGE: &str = "linux-image-cloud-amd64";

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
    cached_package(cache, PACKAGE)
}

/// The kernel of a package in the cache, if it was fetched.
pub fn cached_package(cache: &Path, package: &str) -> Option<Kernel> {
    let root = place(cache, package);
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

/// Where the kernel of a package is.
fn place(cache: &Path, package: &str) -> PathBuf {
    if package == PACKAGE { cache.join("kernel") } else { cache.join("kernels").join(package) }
}

/// Downloads a kernel package of Debian through apt and unpacks it into the cache.
///
/// # Errors
/// See [`FetchError`].
pub fn fetch(cache: &Path, package: &str) -> Result<Kernel, FetchError> {
    let newest = newest(package)?;
    let folder = cache.join("download");
    let strange = |error: std::io::Error| FetchError::Strange(format!("{}: {error}", folder.display()));
    let _ = std::fs::remove_dir_all(&folder); // of an earlier attempt that was interrupted
    std::fs::create_dir_all(&folder).map_err(strange)?;
    run(Command::new("apt-get").args(["download", "-qq", &newest]).current_dir(&folder))?;
    let entries = std::fs::read_dir(&folder).map_err(strange)?;
    let file = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .ok_or_else(|| FetchError::Strange(format!("apt-get download {newest} has left no package")))?;
    // Unpacked beside its place and moved there whole, so that nobody finds half a kernel.
    let (unpacked, place) = (folder.join("unpacked"), place(cache, package));
    run(Command::new("dpkg-deb").arg("-x").arg(&file).arg(&unpacked))?;
    let _ = std::fs::remove_dir_all(&place);
    place.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(strange)?;
    std::fs::rename(&unpacked, &place).map_err(strange)?;
    std::fs::remove_dir_all(&folder).map_err(strange)?;
    cached_package(cache, package)
        .ok_or_else(|| FetchError::Strange(format!("there is no kernel in {newest}")))
}

/// The package that has the image: the one that this one depends on, or this one itself.
fn newest(package: &str) -> Result<String, FetchError> {
    let said = run(Command::new("apt-cache").args(["depends", "--no-suggests", package]));
    let text = match said {
        Err(FetchError::Program(_, why)) if why.contains("No packages found") => String::new(),
        said => said?,
    };
    image_in(package, &text).ok_or_else(|| {
        FetchError::Strange(format!(
            "apt knows no {package}; run `apt-get update` on a Debian machine; `apt-cache search '^linux-image'` lists \
             the packages that it knows"
        ))
    })
}

/// What `apt-cache depends` says of a package: which has the image?
fn image_in(package: &str, text: &str) -> Option<String> {
    let mut depends = text.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    let image = depends.find(|name| name.starts_with("linux-image-")).map(Into::into);
    image.or_else(|| (text.lines().next()?.trim() == package).then(|| package.into()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_lead_to_the_one_with_the_image() {
        let meta = "linux-image-cloud-amd64\n  Depends: linux-image-6.1.0-56-cloud-amd64\n";
        assert_eq!(image_in(PACKAGE, meta).as_deref(), Some("linux-image-6.1.0-56-cloud-amd64"));
        let own = "linux-image-6.12.9-amd64\n  Depends: kmod\n  Depends: linux-base\n";
        assert_eq!(image_in("linux-image-6.12.9-amd64", own).as_deref(), Some("linux-image-6.12.9-amd64"));
        assert_eq!(image_in("linux-image-none", ""), None);
    }

    #[test]
    fn each_package_has_a_place_of_its_own() {
        let cache = Path::new("/c");
        assert_eq!(place(cache, PACKAGE), Path::new("/c/kernel"));
        assert_eq!(place(cache, "linux-image-amd64"), Path::new("/c/kernels/linux-image-amd64"));
        assert_eq!(cached_package(Path::new("/nowhere"), "linux-image-amd64"), None);
    }
}
