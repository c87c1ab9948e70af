//! `lvsim schema`: the JSON Schema of the scenario language.

use crate::terminal::print;
use anyhow::Result;
use std::process::ExitCode;

pub(crate) fn run() -> Result<ExitCode> {
    print(&scenarios::json_schema::json_schema())?;
    Ok(ExitCode::SUCCESS)
}
