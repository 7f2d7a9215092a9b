//! A model as its catalog lists it, before the rules of a policy file add what the catalog leaves out.

use calybris_units::Microunits;

use crate::place::Place;
use crate::price::is_plausible;
use crate::traits::Traits;

/// One model as its catalog lists it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Candidate {
    /// The name that requests ask for.
    pub name: String,
    /// Where its file names it.
    pub place: Place,
    /// The name of the provider.
    pub provider: String,
    /// The price of input.
    pub input_price_per_million_tokens: Microunits,
    /// The price of output.
    pub output_price_per_million_tokens: Microunits,
    /// Names of what it can do.
    pub capabilities: Vec<String>,
    /// Quality, latency and so on, from the catalog and, once they are applied, from the rules.
    pub traits: Traits,
}

/// Why an entry of a price list is not a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Skipped {
    /// Its mode is not `chat`.
    NotChat,
    /// Its price for input or for output tokens is not listed.
    NoPrice,
}

/// The contents of a catalog in either form.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listed {
    pub(crate) candidates: Vec<Candidate>,
    /// Prices that were not a whole number of microunits per million tokens and were rounded up.
    pub(crate) rounded_prices: u64,
    pub(crate) skipped: Vec<Skipped>,
}

impl Candidate {
    /// Whether it may be chosen.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.traits.enabled.unwrap_or(true)
    }

    /// Whether it costs nothing. In a price list that mostly means that its price is unknown.
    #[must_use]
    pub fn is_free(&self) -> bool {
        let fixed_price = self.traits.fixed_price.unwrap_or_default();
        self.prices().into_iter().chain([fixed_price]).all(Microunits::is_zero)
    }

    /// Whether one of its prices per million tokens is outside of [`PLAUSIBLE_PRICES`](crate::PLAUSIBLE_PRICES): most likely
    /// it is a price per token, or was divided by a million twice.
    #[must_use]
    pub fn is_oddly_priced(&self) -> bool {
        !self.prices().into_iter().all(is_plausible)
    }

    const fn prices(&self) -> [Microunits; 2] {
        [self.input_price_per_million_tokens, self.output_price_per_million_tokens]
    }
}
