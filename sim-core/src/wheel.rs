//! stub
use crate::{Duration, Time};
/// stub
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Timers {
    /// stub
    #[default]
    Ideal,
}
impl Timers {
    /// stub
    #[inline]
    pub fn fires_at(self, now: Time, delay: Duration) -> Time {
        now + delay
    }
}
