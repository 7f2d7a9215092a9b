//! Why an account does not admit a debit.

use calybris_units::BrokenInvariant;

/// Why an account does not admit a debit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Short {
        available: u64,
    },
    Frozen,
    InDebt {
        debt: u64,
    },
    Exposed {
        cap: u64,
        reserved: u64,
    },
    /// The account is broken.
    Broken(BrokenInvariant),
}

impl From<BrokenInvariant> for Refusal {
    fn from(broken: BrokenInvariant) -> Self {
        Self::Broken(broken)
    }
}
