//! Linux's own commands, as administrators type them and production hosts print them.

pub mod ipvsadm;
pub mod names;
