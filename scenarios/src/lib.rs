//! To be filled.

pub mod console;
