//! `lvsim kernel`: the kernel for the virtual machine.

use crate::terminal::print;
use anyhow::{Result, anyhow, bail};
use clap::Subcommand;
use replay::vm::kernel::{Kernel, cache, cached, fetch};
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
    Fetch,
    /// Print where the kernel is
    Show,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let folder = cache();
    let kernel = match args.what {
        What::Fetch => fetch(&folder).map_err(|error| anyhow!(error))?,
        What::Show => match cached(&folder) {
            Some(kernel) => kernel,
            None => bail!("there is no kernel in {}; get one with `lvsim kernel fetch`", folder.display()),
        },
    };
    print(&shown(&kernel))?;
    Ok(ExitCode::SUCCESS)
}

fn shown(kernel: &Kernel) -> String {
    format!("image    {}\nmodules  {}\n", kernel.image.display(), kernel.modules.display())
}
