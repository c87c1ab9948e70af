//! A small discrete-event kernel: virtual time, the agenda of future events, one stream of random numbers per
//! named component, distributions, and the statistics every model needs. It knows nothing of networks.

pub mod agenda;
pub mod arrivals;
pub mod dist;
pub mod fingerprint;
pub mod histogram;
pub mod rng;
pub mod series;
pub mod slab;
pub mod time;
pub mod wheel;

pub use agenda::Agenda;
pub use arrivals::ArrivalProcess;
pub use dist::Dist;
pub use fingerprint::Fingerprint;
pub use histogram::Histogram;
pub use rng::Stream;
pub use series::Sampling;
pub use slab::Slab;
pub use time::{Duration, Time};
pub use wheel::{Timers, Wheel};
