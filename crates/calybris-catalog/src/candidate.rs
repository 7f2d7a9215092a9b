//! A model as its catalog lists it, before the rules of a policy file add what the catalog leaves out.

use std::collections::BTreeSet;

use calybris_kernel::{Price, TokenClass, TokenClassSet, Window};
use calybris_units::Microunits;

use crate::date::Date;
use crate::note::Note;
use crate::number::is_plausible;
use crate::place::Place;
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
    /// The classes of tokens whose rates its catalog states; the others have the plain rate of their side.
    pub listed_classes: TokenClassSet,
    /// The terms under which calls are served, which end its name: `batch` in `gpt-4o@batch`. `None` for the standard ones.
    pub service_tier: Option<String>,
    /// The day from which its provider no longer serves it.
    pub retirement: Option<Date>,
    /// Names of what it can do.
    pub capabilities: Vec<String>,
    /// Quality, latency, maxima and so on, from the catalog and, once they are applied, from the rules.
    pub traits: Traits,
    /// How it was read, and what its provider charges for beyond that.
    pub notes: BTreeSet<Note>,
    /// Without the fixed price, which is a trait.
    pub(crate) listed_price: Price,
    /// Whether it may be chosen where neither its catalog nor a rule says so.
    pub(crate) is_enabled_by_default: bool,
}

/// Why an entry of a price list is not a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Skipped {
    /// Its mode is neither `chat` nor `responses`.
    NotChat,
    /// It lists neither a price for input and one for output tokens, nor prices for ranges of prompts.
    NoPrice,
}

/// The contents of a catalog in either form.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listed {
    pub(crate) candidates: Vec<Candidate>,
    /// Rows with prices that are no candidates, because they do not chat.
    pub(crate) others: Vec<Candidate>,
    /// Prices that were not a whole number of microunits per million tokens and were rounded up.
    pub(crate) rounded_prices: u64,
    pub(crate) skipped: Vec<Skipped>,
}

impl Candidate {
    /// Whether it may be chosen. Rows of service tiers may not unless a rule says so.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.traits.enabled.unwrap_or(self.is_enabled_by_default)
    }

    /// What it charges.
    #[must_use]
    pub fn price(&self) -> Price {
        self.listed_price.with_fixed_price(self.traits.fixed_price.unwrap_or_default())
    }

    /// How many tokens it takes.
    #[must_use]
    pub const fn window(&self) -> Window {
        self.traits.window()
    }

    /// Whether its plain tokens and its requests cost nothing, whatever its caches, audio and reasoning cost. In a price list that
    /// mostly means that its price is unknown.
    #[must_use]
    pub fn is_free(&self) -> bool {
        let mut bands = self.listed_price.bands();
        self.price().fixed_price().is_zero()
            && bands.all(|band| band.rates.input.is_zero() && band.rates.output.is_zero())
    }

    /// Whether one of its prices per million tokens is outside of [`PLAUSIBLE_PRICES`](crate::PLAUSIBLE_PRICES): most likely
    /// it is a price per token, or was divided by a million twice.
    #[must_use]
    pub fn is_oddly_priced(&self) -> bool {
        !self.rates().all(|(_, rate)| is_plausible(rate))
    }

    /// Whether its provider no longer serves it on that day.
    #[must_use]
    pub fn is_retired(&self, today: Date) -> bool {
        self.retirement.is_some_and(|retirement| retirement <= today)
    }

    /// The rates of all its bands.
    pub(crate) fn rates(&self) -> impl Iterator<Item = (TokenClass, Microunits)> {
        let bands: Vec<_> = self.listed_price.bands().map(|band| band.rates).collect();
        bands.into_iter().flat_map(|rates| TokenClass::ALL.map(|class| (class, rates.of(class))))
    }
}
