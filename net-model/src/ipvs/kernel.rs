//! Which kernel is modelled. Long-term kernels changed two rules in 2026; everything that depends on it hangs here.

use schedulers::LoadFormula;

/// The behaviour profile of a kernel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Kernel {
    /// Linux 6.1.183 and later of that series, and what carries the same fixes: load = 257·active + inactive,
    /// and the overload flag changes when the connection count passes a threshold exactly.
    #[default]
    New,
    /// Linux 6.1.0 to 6.1.182, 6.2 to 6.18 as released: load = 256·active + inactive, and the overload flag is
    /// judged again whenever something is bound or unbound.
    Classic,
}

impl Kernel {
    /// How connection counts become the load that lc, wlc, lblc and lblcr compare.
    pub const fn load_formula(self) -> LoadFormula {
        match self {
            Kernel::New => LoadFormula::New,
            Kernel::Classic => LoadFormula::Classic,
        }
    }
}
