//! The product as its users meet it: the real binary, its files, its exit statuses.

mod command_line;
mod determinism;
mod explain;
mod fuzzing;
mod gallery;
mod interrupted;
mod lvsim;
mod pcap;
mod replaying;
mod testing;
mod tidy;
