//! The fee for searches.

use calybris_units::Microunits;

/// The fee for searches: for each of them, or once for a request that searches.
///
/// ```
/// use calybris_kernel::{Microunits, Price, SearchFee, Usage};
///
/// let cent = Microunits::new(10_000);
/// let three = Usage::new(0, 0).with_searches(3);
/// assert_eq!(Price::FREE.with_search_fee(SearchFee::per_search(cent)).cost(&three).get(), 30_000);
/// assert_eq!(Price::FREE.with_search_fee(SearchFee::per_request(cent)).cost(&three).get(), 10_000);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(from = "FeeFields", into = "FeeFields"))]
pub struct SearchFee {
    amount: Microunits,
    /// False if the amount is 0, so that all fees of 0 are equal.
    is_per_request: bool,
}

impl SearchFee {
    /// Searches are free.
    pub const NONE: Self = Self { amount: Microunits::ZERO, is_per_request: false };

    /// This much for each search.
    #[must_use]
    pub const fn per_search(amount: Microunits) -> Self {
        Self { amount, is_per_request: false }
    }

    /// This much for a request that searches, however often.
    #[must_use]
    pub const fn per_request(amount: Microunits) -> Self {
        Self { amount, is_per_request: amount.get() > 0 }
    }

    /// Charged as often, with another amount.
    pub(crate) const fn with_amount(self, amount: Microunits) -> Self {
        if self.is_per_request { Self::per_request(amount) } else { Self::per_search(amount) }
    }

    /// The amount that each charge adds; 0 if searches are free.
    #[must_use]
    pub const fn amount(self) -> Microunits {
        self.amount
    }

    /// Whether it is charged at most once for a request; a fee of 0 is never charged.
    #[must_use]
    pub const fn is_per_request(self) -> bool {
        self.is_per_request
    }

    /// How often it is charged for this many searches.
    #[must_use]
    pub const fn charged_searches(self, searches: u32) -> u32 {
        if self.is_per_request && searches > 1 { 1 } else { searches }
    }
}

/// The form that is read and written.
#[cfg(feature = "serde")]
#[derive(serde::Serialize, serde::Deserialize)]
struct FeeFields {
    #[serde(rename = "amount_microunits")]
    amount: Microunits,
    per_request: bool,
}

#[cfg(feature = "serde")]
impl From<SearchFee> for FeeFields {
    fn from(fee: SearchFee) -> Self {
        Self { amount: fee.amount, per_request: fee.is_per_request }
    }
}

#[cfg(feature = "serde")]
impl From<FeeFields> for SearchFee {
    fn from(fields: FeeFields) -> Self {
        if fields.per_request {
            Self::per_request(fields.amount)
        } else {
            Self::per_search(fields.amount)
        }
    }
}
