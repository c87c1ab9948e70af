//! The shared libraries of a program, as the dynamic loader finds them.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The libraries that a program loads, and the loader itself; none for a static one.
pub(super) fn of(program: &Path) -> Vec<PathBuf> {
    let Ok(output) = Command::new("ldd").arg(program).output() else { return Vec::new() };
    listed(&String::from_utf8_lossy(&output.stdout))
}

/// The paths that `ldd` prints: after `=>`, or, of the loader, first in the line.
fn listed(text: &str) -> Vec<PathBuf> {
    let path = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [_, "=>", path, ..] | [path, ..] if path.starts_with('/') => Some(PathBuf::from(path)),
            _ => None,
        }
    };
    text.lines().filter_map(path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_read_from_what_ldd_prints() {
        let text = "\tlinux-vdso.so.1 (0x00007ffc1)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x0000)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x0000)\n\tlibgone.so => not found\n";
        let expected = ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"];
        assert_eq!(listed(text), expected.map(PathBuf::from));
        assert_eq!(listed("\tstatically linked\n"), Vec::<PathBuf>::new());
    }
}
