//! What a run has not kept.

use std::fmt;

/// An expectation that does not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failed {
    /// The line.
    pub expected: String,
    /// What was found instead.
    pub got: String,
    /// Where to look.
    pub look: String,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}\n     got {}\n    look {}", self.expected, self.got, self.look)
    }
}
