//! `lvsim kernel`: the kernel for the virtual machine.

use crate::terminal::print;
use anyhow::{Result, anyhow, bail};
use clap::Subcommand;
use replay::vm::kernel::{Kernel, PACKAGE, cache, cached_package, fetch};
use std::process::ExitCode;

/// Get the kernel for `lvsim replay`, or say which one it is.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Download Debian's kernel for virtual machines through apt and unpack it into the cache; it is not installed
    Fetch(Which),
    /// Print where the kernel is
    Show(Which),
}

#[derive(clap::Args)]
struct Which {
    /// Another kernel package of Debian, for `lvsim replay --vs PACKAGE`
    #[arg(long, value_name = "PACKAGE", default_value = PACKAGE)]
    package: String,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let folder = cache();
    let kernel = match &args.what {
        What::Fetch(which) => fetch(&folder, &which.package).map_err(|error| anyhow!(error))?,
        What::Show(which) => match cached_package(&folder, &which.package) {
            Some(kernel) => kernel,
            None => bail!("{}", missing(&which.package)),
        },
    };
    print(&shown(&kernel))?;
    Ok(ExitCode::SUCCESS)
}

/// What to say if the kernel of a package is not there.
pub(crate) fn missing(package: &str) -> String {
    let option = if package == PACKAGE { String::new() } else { format!(" --package {package}") };
    format!(
        "there is no kernel of the package {package} in {}; get it with `lvsim kernel fetch{option}`",
        cache().display()
    )
}

fn shown(kernel: &Kernel) -> String {
    format!("image    {}\nmodules  {}\n", kernel.image.display(), kernel.modules.display())
}
