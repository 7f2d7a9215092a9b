//! Rates by class as far as a file states them, and the price that they make.

use std::collections::BTreeMap;

use calybris_kernel::{Price, PriceError, Rates, TokenClass, TokenClassSet};
use calybris_units::Microunits;

/// The stated rates per million tokens by class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ListedRates(BTreeMap<TokenClass, Microunits>);

impl ListedRates {
    pub(crate) fn get(&self, class: TokenClass) -> Option<Microunits> {
        self.0.get(&class).copied()
    }

    pub(crate) fn set(&mut self, class: TokenClass, rate: Microunits) {
        self.0.insert(class, rate);
    }

    /// Overwrites the rates that `other` states.
    pub(crate) fn overlay(&mut self, other: &Self) {
        self.0.extend(&other.0);
    }

    /// Those of these classes.
    pub(crate) fn of(mut self, classes: TokenClassSet) -> Self {
        self.0.retain(|class, _| classes.contains(*class));
        self
    }

    pub(crate) fn classes(&self) -> TokenClassSet {
        self.0.keys().copied().collect()
    }

    /// A rate for every class. A class without one has the plain rate of its side, a long cache write that of a short one; a
    /// plain rate that is not stated is 0.
    pub(crate) fn complete(&self) -> Rates {
        let plain = |class| self.get(class).unwrap_or_default();
        let mut rates = Rates::plain(plain(TokenClass::Input), plain(TokenClass::Output));
        if let Some(write) = self.get(TokenClass::CacheWrite) {
            rates = rates.with(TokenClass::CacheWriteLong, write);
        }
        self.0.iter().fold(rates, |rates, (class, rate)| rates.with(*class, *rate))
    }
}

impl FromIterator<(TokenClass, Microunits)> for ListedRates {
    fn from_iter<I: IntoIterator<Item = (TokenClass, Microunits)>>(rates: I) -> Self {
        Self(rates.into_iter().collect())
    }
}

/// The rates of prompts above a length.
pub(crate) type RatesAbove = (u32, Rates);

/// The price of these bands, the first of which begins at 0 whatever it says.
pub(crate) fn price_of(bands: impl IntoIterator<Item = RatesAbove>) -> Result<Price, PriceError> {
    let mut bands = bands.into_iter();
    let first = bands.next().map(|(_, rates)| rates).unwrap_or_default();
    bands.try_fold(Price::new(first), |price, (above, rates)| price.with_band(above, rates))
}

/// Raises each rate that is lower than in the band before to the rate of that band. Returns whether there was one.
pub(crate) fn raise_falling(bands: &mut [RatesAbove]) -> bool {
    let mut has_raised = false;
    let mut before: Option<Rates> = None;
    for (_, rates) in bands {
        if let Some(before) = before {
            for class in TokenClass::ALL {
                if rates.of(class) < before.of(class) {
                    *rates = rates.with(class, before.of(class));
                    has_raised = true;
                }
            }
        }
        before = Some(*rates);
    }
    has_raised
}
