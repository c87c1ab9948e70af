//! The sequence diagram of one exchange.

use super::Args;
use crate::stop::Stop;
use anyhow::{Result, bail};
use scenarios::load::Loaded;
use scenarios::scenario::Scenario;
use std::process::ExitCode;

pub(super) fn run(_: &Args, _: &Loaded, _: &Scenario, _: &Stop) -> Result<ExitCode> {
    bail!("soon")
}
