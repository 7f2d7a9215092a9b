//! The cost of a usage and the maximum cost of a ceiling, for those who ask a price alone.

use calybris_units::Microunits;

use crate::{Ceiling, Price, Usage, utility};

impl Price {
    /// The cost of a usage, at the rates of the band of its prompt:
    ///
    /// ```text
    /// fixed price + searches * search fee + ceil(sum of the prompt's counts * rates / 1,000,000)
    ///                                     + ceil(sum of the completion's counts * rates / 1,000,000)
    /// ```
    ///
    /// [`Microunits::MAX`] also stands for anything above it. For the usage that a provider reports, this is the amount to
    /// settle.
    ///
    /// ```
    /// use calybris_kernel::{Microunits, Price, Usage};
    ///
    /// let price = Price::per_million_tokens(Microunits::new(1_000_000), Microunits::new(4_000_000));
    /// assert_eq!(price.cost(&Usage::new(1_000, 500).with_reasoning_tokens(100)).get(), 1_000 + 2_400);
    /// ```
    #[must_use]
    pub fn cost(&self, usage: &Usage) -> Microunits {
        Microunits::new(utility::cost_microunits(usage, &self.tariff(usage.prompt_tokens())))
    }

    /// The cost of the dearest usage within a ceiling: all of its tokens, each side at the highest rate that the ceiling
    /// allows, in the band of the longest prompt; `None` above [`Microunits::MAX`].
    ///
    /// ```
    /// use calybris_kernel::{Ceiling, Microunits, Price, Rates, TokenClass};
    ///
    /// let price = Price::new(
    ///     Rates::plain(Microunits::new(1_000_000), Microunits::new(2_000_000))
    ///         .with(TokenClass::CacheWrite, Microunits::new(1_250_000)),
    /// );
    /// let maximum = price.maximum_cost(&Ceiling::new(1_000, 100));
    /// assert_eq!(maximum, Some(Microunits::new(1_250 + 200))); // all of the prompt may be written
    /// ```
    #[must_use]
    pub fn maximum_cost(&self, ceiling: &Ceiling) -> Option<Microunits> {
        let tariff = self.tariff(ceiling.prompt_tokens.into());
        utility::maximum_cost_microunits(ceiling, &tariff).map(Microunits::new)
    }
}
