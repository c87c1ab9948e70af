//! A small discrete-event kernel: virtual time, the agenda of future events, one stream of random numbers per
//! named component, distributions, and the statistics every model needs. It knows nothing of networks.
//!
//! | module          | what it is for                                                                              |
//! |-----------------|---------------------------------------------------------------------------------------------|
//! | [`time`]        | [`Time`] and [`Duration`]: nanoseconds in 64 bits                                             |
//! | [`agenda`]      | [`Agenda`]: what will happen, in order of time and of posting                                |
//! | [`wheel`]       | [`Timers`]: when a Linux kernel timer really fires                                            |
//! | [`rng`]         | [`Stream`]: one component's random numbers, the same on every machine                        |
//! | [`dist`]        | [`Dist`]: distributions of durations and sizes                                               |
//! | [`arrivals`]    | [`ArrivalProcess`]: when things begin                                                        |
//! | [`histogram`]   | [`Histogram`]: durations in logarithmic buckets, mergeable                                   |
//! | [`series`]      | [`Sampling`]: when to sample, and how the samples stay few                                    |
//! | [`fingerprint`] | [`Fingerprint`]: a rolling hash of everything that happened                                  |
//! | [`workload`]    | join the shortest queue: a complete model, and a measure of speed                             |
//!
//! A model is a loop: take the earlier of the next arrival and the next event, handle it, post what follows from it.
//! [`workload`] is one, complete. Three rules make its result the same on every machine and at any
//! number of threads: time is an integer, equal times are handled in order of posting, and every component draws from
//! its own stream.

pub mod agenda;
pub mod arrivals;
pub mod dist;
pub mod fingerprint;
pub mod histogram;
pub mod rng;
mod run;
pub mod series;
mod slots;
pub mod time;
pub mod wheel;
pub mod workload;

pub use agenda::Agenda;
pub use arrivals::ArrivalProcess;
pub use dist::Dist;
pub use fingerprint::Fingerprint;
pub use histogram::Histogram;
pub use rng::Stream;
pub use series::Sampling;
pub use time::{Duration, Time};
pub use wheel::{Timers, Wheel};
