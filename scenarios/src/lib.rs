//! The languages users speak: scenarios in YAML, and inside them Linux's own commands.

pub mod console;
pub mod decode;
pub mod emit;
pub mod expect;
pub mod json_schema;
pub mod names;
pub mod problem;
pub mod scenario;
pub mod schema;
pub mod source;
pub mod trace;
pub mod tree;
pub mod units;
