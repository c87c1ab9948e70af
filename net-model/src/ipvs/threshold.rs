//! Connection thresholds (`ipvsadm -x`, `-y`): when a destination is overloaded.
//!
//! What counts is active + inactive. The flag, not the count, is what schedulers look at; templates and existing
//! connections ignore it. The two kernel profiles judge it differently.

use super::kernel::Kernel;

/// `-x` and `-y` of a destination.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Thresholds {
    /// Upper threshold, 0 for none.
    pub(super) upper: u32,
    /// Lower threshold, 0 for three quarters of the upper one.
    pub(super) lower: u32,
}

impl Thresholds {
    /// The count below which an overloaded destination is taken back (new kernels).
    pub(super) fn relief(self) -> u32 {
        if self.lower != 0 { self.lower } else { self.upper - self.upper / 4 }
    }

    /// The flag after something was bound; `count` is active + inactive afterwards.
    pub(super) fn bound(self, kernel: Kernel, was: bool, count: u32) -> bool {
        let full = match kernel {
            Kernel::New => count == self.upper,
            Kernel::Classic => count >= self.upper,
        };
        self.upper != 0 && (was || full)
    }

    /// The flag after a connection (`template` false) or a template left; `count` is active + inactive afterwards.
    pub(super) fn released(self, kernel: Kernel, was: bool, count: u32, template: bool) -> bool {
        if self.upper == 0 {
            return false;
        }
        match kernel {
            Kernel::New if template => was,
            Kernel::New => was && count + 1 != self.relief(),
            Kernel::Classic if self.lower != 0 => was && count >= self.lower,
            Kernel::Classic => was && 4 * u64::from(count) >= 3 * u64::from(self.upper),
        }
    }

    /// The flag after an edit that changed `before` to `self`.
    pub(super) fn edited(self, kernel: Kernel, before: Thresholds, was: bool, count: u32) -> bool {
        if self.upper == 0 {
            return false;
        }
        match kernel {
            Kernel::Classic => was && self.upper <= before.upper,
            Kernel::New if self == before => was,
            Kernel::New if count >= self.upper => true,
            Kernel::New => was && count >= self.relief(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_relief_is_three_quarters_rounded_up() {
        let relief = |upper| Thresholds { upper, lower: 0 }.relief();
        assert_eq!([1, 2, 3, 4, 5, 6, 8].map(relief), [1, 2, 3, 3, 4, 5, 6]);
    }

    #[test]
    fn a_new_kernel_reacts_to_equality_only() {
        let t = Thresholds { upper: 4, lower: 2 };
        let flags: Vec<bool> = (1..=5).map(|count| t.bound(Kernel::New, false, count)).collect();
        assert_eq!(flags, [false, false, false, true, false]);
        let flags: Vec<bool> = (0..4).map(|count| t.released(Kernel::New, true, count, false)).collect();
        assert_eq!(flags, [true, false, true, true]);
    }

    #[test]
    fn a_classic_kernel_judges_anew_at_each_binding_and_release() {
        let t = Thresholds { upper: 4, lower: 0 };
        let flags: Vec<bool> = (1..=5).map(|count| t.bound(Kernel::Classic, false, count)).collect();
        assert_eq!(flags, [false, false, false, true, true]);
        let flags: Vec<bool> = (0..=4).map(|count| t.released(Kernel::Classic, true, count, true)).collect();
        assert_eq!(flags, [false, false, false, true, true]);
    }

    #[test]
    fn raising_x_on_a_classic_kernel_lets_one_more_in() {
        let (low, high) = (Thresholds { upper: 2, lower: 0 }, Thresholds { upper: 3, lower: 0 });
        assert!(!high.edited(Kernel::Classic, low, true, 5));
        assert!(low.edited(Kernel::Classic, high, true, 5));
        assert!(high.edited(Kernel::New, low, true, 5));
    }
}
