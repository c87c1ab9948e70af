//! The languages users speak: scenarios in YAML, and inside them Linux's own commands.

pub mod apply;
pub mod assemble;
pub mod check;
pub mod console;
pub mod decode;
pub mod emit;
pub mod exec;
pub mod expand;
pub mod expect;
pub mod json_schema;
pub mod load;
pub mod names;
pub mod native;
pub mod problem;
pub mod recording;
pub mod replay;
pub mod resolve;
pub mod run;
pub mod scenario;
pub mod schema;
pub mod source;
pub mod sweep;
pub mod topology;
pub mod trace;
pub mod tree;
pub mod units;
