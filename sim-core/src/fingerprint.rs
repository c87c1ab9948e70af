//! stub
/// stub
#[derive(Clone, Copy, Debug, Default)]
pub struct Fingerprint(u64);
impl Fingerprint {
    /// stub
    #[inline]
    pub fn add(&mut self, time: u64, kind: u32, place: u32) {
        let word = time ^ (u64::from(kind) << 56) ^ (u64::from(place) << 24);
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
    /// stub
    pub fn value(self) -> u64 {
        self.0
    }
}
