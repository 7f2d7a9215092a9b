//! What a model charges: a rate for each class of tokens, in bands of prompt lengths, and fees.

use calybris_units::Microunits;

use crate::{Ceiling, TokenClass, TokenClassSet, Usage, utility};

/// The most bands that a price has.
pub(crate) const MOST_BANDS: usize = 4;

/// What a million tokens of each class cost; 0 is free.
///
/// There is no absent rate: a class that a model does not price has the plain rate of its side, that of
/// [`input`](Self::input) or of [`output`](Self::output).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Rates {
    /// Of [`TokenClass::Input`], per million tokens.
    #[cfg_attr(feature = "serde", serde(rename = "input_microunits_per_million_tokens"))]
    pub input: Microunits,
    /// Of [`TokenClass::CacheRead`], per million tokens.
    #[cfg_attr(feature = "serde", serde(rename = "cache_read_microunits_per_million_tokens"))]
    pub cache_read: Microunits,
    /// Of [`TokenClass::CacheWrite`], per million tokens.
    #[cfg_attr(feature = "serde", serde(rename = "cache_write_microunits_per_million_tokens"))]
    pub cache_write: Microunits,
    /// Of [`TokenClass::CacheWriteLong`], per million tokens.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "cache_write_long_microunits_per_million_tokens")
    )]
    pub cache_write_long: Microunits,
    /// Of [`TokenClass::AudioInput`], per million tokens.
    #[cfg_attr(feature = "serde", serde(rename = "audio_input_microunits_per_million_tokens"))]
    pub audio_input: Microunits,
    /// Of [`TokenClass::Output`], per million tokens.
    #[cfg_attr(feature = "serde", serde(rename = "output_microunits_per_million_tokens"))]
    pub output: Microunits,
    /// Of [`TokenClass::Reasoning`], per million tokens.
    #[cfg_attr(feature = "serde", serde(rename = "reasoning_microunits_per_million_tokens"))]
    pub reasoning: Microunits,
    /// Of [`TokenClass::AudioOutput`], per million tokens.
    #[cfg_attr(feature = "serde", serde(rename = "audio_output_microunits_per_million_tokens"))]
    pub audio_output: Microunits,
}

impl Rates {
    /// Every class of the prompt at `input` per million tokens, every class of the completion at `output`.
    ///
    /// ```
    /// use calybris_kernel::{Microunits, Rates, TokenClass};
    ///
    /// let rates = Rates::plain(Microunits::new(3_000_000), Microunits::new(15_000_000))
    ///     .with(TokenClass::CacheRead, Microunits::new(300_000));
    /// assert_eq!(rates.of(TokenClass::CacheRead).get(), 300_000);
    /// assert_eq!(rates.of(TokenClass::CacheWrite).get(), 3_000_000);
    /// ```
    #[must_use]
    pub const fn plain(input: Microunits, output: Microunits) -> Self {
        Self {
            input,
            cache_read: input,
            cache_write: input,
            cache_write_long: input,
            audio_input: input,
            output,
            reasoning: output,
            audio_output: output,
        }
    }

    /// The rate of a class.
    #[must_use]
    pub const fn of(&self, class: TokenClass) -> Microunits {
        match class {
            TokenClass::Input => self.input,
            TokenClass::CacheRead => self.cache_read,
            TokenClass::CacheWrite => self.cache_write,
            TokenClass::CacheWriteLong => self.cache_write_long,
            TokenClass::AudioInput => self.audio_input,
            TokenClass::Output => self.output,
            TokenClass::Reasoning => self.reasoning,
            TokenClass::AudioOutput => self.audio_output,
        }
    }

    /// The plain rate of the side that a class is on.
    #[must_use]
    pub const fn plain_of(&self, class: TokenClass) -> Microunits {
        if class.is_prompt() { self.input } else { self.output }
    }

    /// With this rate for one class. The plain rates do not bring the others along.
    #[must_use]
    pub const fn with(mut self, class: TokenClass, rate: Microunits) -> Self {
        match class {
            TokenClass::Input => self.input = rate,
            TokenClass::CacheRead => self.cache_read = rate,
            TokenClass::CacheWrite => self.cache_write = rate,
            TokenClass::CacheWriteLong => self.cache_write_long = rate,
            TokenClass::AudioInput => self.audio_input = rate,
            TokenClass::Output => self.output = rate,
            TokenClass::Reasoning => self.reasoning = rate,
            TokenClass::AudioOutput => self.audio_output = rate,
        }
        self
    }

    /// Whether every class has the plain rate of its side.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        *self == Self::plain(self.input, self.output)
    }

    /// The highest rate of these classes; 0 if there is none.
    #[inline]
    pub(crate) fn dearest(&self, classes: TokenClassSet) -> Microunits {
        classes.iter().map(|class| self.of(class)).max().unwrap_or_default()
    }

    #[inline(always)]
    pub(crate) const fn prompt_rates(&self) -> [Microunits; 5] {
        [self.input, self.cache_read, self.cache_write, self.cache_write_long, self.audio_input]
    }

    #[inline(always)]
    pub(crate) const fn completion_rates(&self) -> [Microunits; 3] {
        [self.output, self.reasoning, self.audio_output]
    }
}

/// The rates of all prompts longer than a threshold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Band {
    /// It applies to prompts of more tokens than this; 0 in the first band, which applies to any prompt.
    pub above_prompt_tokens: u32,
    /// What tokens cost in it, those of the completion included.
    pub rates: Rates,
}

/// What searches cost: each of them, or all of a request together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(from = "serialized::FeeFields", into = "serialized::FeeFields")
)]
pub struct SearchFee {
    amount: Microunits,
    /// Never for an amount of 0, so that fees that are alike are equal.
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

    /// What is charged at once.
    #[must_use]
    pub const fn amount(self) -> Microunits {
        self.amount
    }

    /// Whether it is charged at most once for a request.
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

/// What a model charges: rates per million tokens in one to four bands of prompt lengths, a fixed price per request, and
/// a fee for searches.
///
/// The whole request, completion included, is charged at the rates of the last band whose threshold its prompt
/// exceeds.
///
/// INVARIANT (price): thresholds ascend from 0 and no rate falls from band to band. So a cost never falls when a
/// count rises. Bands that are not used are the default, so that equal prices have equal fields.
///
/// ```
/// use calybris_kernel::{Microunits, Price, Rates, TokenClass, Usage};
///
/// let short = Rates::plain(Microunits::new(3_000_000), Microunits::new(15_000_000))
///     .with(TokenClass::CacheRead, Microunits::new(300_000));
/// let long = Rates::plain(Microunits::new(6_000_000), Microunits::new(22_500_000))
///     .with(TokenClass::CacheRead, Microunits::new(600_000));
/// let price = Price::new(short).with_band(200_000, long)?;
///
/// let usage = Usage::new(20_000, 1_000).with_cache_read_tokens(180_000);
/// assert_eq!(price.cost(&usage).get(), 60_000 + 54_000 + 15_000);
/// let one_more = Usage::new(20_001, 1_000).with_cache_read_tokens(180_000);
/// assert_eq!(price.cost(&one_more).get(), 120_006 + 108_000 + 22_500);
/// # Ok::<(), calybris_kernel::PriceError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(try_from = "serialized::PriceFields", into = "serialized::PriceFields")
)]
pub struct Price {
    fixed_price: Microunits,
    search_fee: SearchFee,
    bands_after_first: u8,
    first: Band,
    rest: [Band; MOST_BANDS - 1],
}

/// Why bands make no price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PriceError {
    /// A price has at most four bands.
    #[error("a price has at most {MOST_BANDS} bands")]
    TooManyBands,
    /// There is a first band, and it begins at 0.
    #[error("the first band of a price begins at 0 prompt tokens, not above {above_prompt_tokens}")]
    FirstBand {
        /// The threshold of the first band that was found; 0 if there was none.
        above_prompt_tokens: u32,
    },
    /// Thresholds ascend, and only the first band begins at 0.
    #[error(
        "a band above {above_prompt_tokens} prompt tokens cannot follow one above {previous}: thresholds ascend"
    )]
    ThresholdNotAbove {
        /// The threshold.
        above_prompt_tokens: u32,
        /// The threshold of the band before it.
        previous: u32,
    },
    /// No rate falls from band to band: a longer prompt would cost less, and no ceiling could be relied on.
    #[error(
        "the rate of {class} falls from {previous} to {rate} per million tokens above {above_prompt_tokens} prompt tokens; rates may only rise"
    )]
    FallingRate {
        /// The class.
        class: TokenClass,
        /// The threshold of the band in which the rate is lower.
        above_prompt_tokens: u32,
        /// The rate of the band before it.
        previous: Microunits,
        /// The lower rate.
        rate: Microunits,
    },
}

impl Price {
    /// Nothing costs anything.
    pub const FREE: Self = Self::new(Rates::plain(Microunits::ZERO, Microunits::ZERO));

    /// These rates for prompts of any length, and no fees.
    #[must_use]
    pub const fn new(rates: Rates) -> Self {
        const EMPTY: Band = Band {
            above_prompt_tokens: 0,
            rates: Rates::plain(Microunits::ZERO, Microunits::ZERO),
        };
        Self {
            fixed_price: Microunits::ZERO,
            search_fee: SearchFee::NONE,
            bands_after_first: 0,
            first: Band { above_prompt_tokens: 0, rates },
            rest: [EMPTY; MOST_BANDS - 1],
        }
    }

    /// A million tokens in for `input`, a million out for `output`, of whatever class and however long the prompt.
    ///
    /// ```
    /// use calybris_kernel::{Microunits, Price, Usage};
    ///
    /// let price = Price::per_million_tokens(Microunits::new(150_000), Microunits::new(600_000));
    /// assert_eq!(price.cost(&Usage::new(1_001, 500)).get(), 151 + 300); // 150.15 is rounded up
    /// ```
    #[must_use]
    pub const fn per_million_tokens(input: Microunits, output: Microunits) -> Self {
        Self::new(Rates::plain(input, output))
    }

    /// This much for the request itself, whatever it uses; 0 if there is no such price.
    ///
    /// ```
    /// use calybris_kernel::{Microunits, Price, Usage};
    ///
    /// let quote = Price::FREE.with_fixed_price(Microunits::new(2_000_000));
    /// assert_eq!(quote.cost(&Usage::default()).get(), 2_000_000);
    /// ```
    #[must_use]
    pub const fn with_fixed_price(mut self, fixed_price: Microunits) -> Self {
        self.fixed_price = fixed_price;
        self
    }

    /// With this fee for searches.
    #[must_use]
    pub const fn with_search_fee(mut self, search_fee: SearchFee) -> Self {
        self.search_fee = search_fee;
        self
    }

    /// With these rates for prompts of more tokens than the threshold.
    ///
    /// # Errors
    /// The threshold is not above that of the band before, a rate falls, or there are four bands already.
    pub fn with_band(mut self, above_prompt_tokens: u32, rates: Rates) -> Result<Self, PriceError> {
        let last = self.last_band();
        let previous = last.above_prompt_tokens;
        if above_prompt_tokens <= previous {
            return Err(PriceError::ThresholdNotAbove { above_prompt_tokens, previous });
        }
        if let Some(class) =
            TokenClass::ALL.into_iter().find(|&class| rates.of(class) < last.rates.of(class))
        {
            let (previous, rate) = (last.rates.of(class), rates.of(class));
            return Err(PriceError::FallingRate { class, above_prompt_tokens, previous, rate });
        }
        let free = self.rest.get_mut(usize::from(self.bands_after_first));
        *free.ok_or(PriceError::TooManyBands)? = Band { above_prompt_tokens, rates };
        self.bands_after_first += 1;
        Ok(self)
    }

    /// The price of the request itself.
    #[must_use]
    pub const fn fixed_price(&self) -> Microunits {
        self.fixed_price
    }

    /// The fee for searches.
    #[must_use]
    pub const fn search_fee(&self) -> SearchFee {
        self.search_fee
    }

    /// The bands, the first of which begins at 0: one to four.
    pub fn bands(&self) -> impl DoubleEndedIterator<Item = &Band> {
        let rest = self.rest.iter().take(usize::from(self.bands_after_first));
        core::iter::once(&self.first).chain(rest)
    }

    /// The band of a prompt of this many tokens: the last whose threshold it exceeds, or the first.
    #[must_use]
    #[inline(always)]
    pub fn band(&self, prompt_tokens: u64) -> &Band {
        if self.bands_after_first == 0 {
            return &self.first;
        }
        let above = |band: &&Band| prompt_tokens > band.above_prompt_tokens.into();
        self.bands().rev().find(above).unwrap_or(&self.first)
    }

    /// What a usage costs, in the band of its prompt:
    ///
    /// ```text
    /// fixed price + searches * search fee + ceil(sum of the prompt's counts * rates / 1,000,000)
    ///                                     + ceil(sum of the completion's counts * rates / 1,000,000)
    /// ```
    ///
    /// [`Microunits::MAX`] also stands for anything above it. With what was really used, this is the amount to settle.
    #[must_use]
    pub fn cost(&self, usage: &Usage) -> Microunits {
        Microunits::new(utility::cost_microunits(usage, self))
    }

    /// What the dearest usage within a ceiling costs: all of its tokens, each side at the dearest rate that the
    /// ceiling allows, in the band of the longest prompt; `None` above [`Microunits::MAX`].
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
        utility::maximum_cost_microunits(ceiling, self).map(Microunits::new)
    }

    /// The plain rate of the prompt in the first band, in microunits per million tokens.
    pub(crate) const fn plain_input(&self) -> u64 {
        self.first.rates.input.get()
    }

    /// The plain rate of the completion in the first band, in microunits per million tokens.
    pub(crate) const fn plain_output(&self) -> u64 {
        self.first.rates.output.get()
    }

    /// Whether it says two rates and a fixed price, and nothing else.
    pub(crate) fn is_flat(&self) -> bool {
        self.bands_after_first == 0
            && self.first.rates.is_plain()
            && self.search_fee == SearchFee::NONE
    }

    /// The least and the highest rate that a class may have in the band of this prompt, given those of its neighbours.
    pub(crate) fn rate_limits(
        &self,
        prompt_tokens: u64,
        class: TokenClass,
    ) -> (Microunits, Microunits) {
        let current = self.band(prompt_tokens).above_prompt_tokens;
        let below = self.bands().rev().find(|band| band.above_prompt_tokens < current);
        let above = self.bands().find(|band| band.above_prompt_tokens > current);
        let rate = |band: &Band| band.rates.of(class);
        (below.map_or(Microunits::ZERO, rate), above.map_or(Microunits::MAX, rate))
    }

    /// With another rate in the band of this prompt; it is within [`rate_limits`](Self::rate_limits).
    pub(crate) fn with_rate(
        mut self,
        prompt_tokens: u64,
        class: TokenClass,
        rate: Microunits,
    ) -> Self {
        let current = self.band(prompt_tokens).above_prompt_tokens;
        let bands = core::iter::once(&mut self.first).chain(&mut self.rest);
        if let Some(band) = bands.into_iter().find(|band| band.above_prompt_tokens == current) {
            band.rates = band.rates.with(class, rate);
        }
        self
    }

    pub(crate) const fn bands_after_first(&self) -> u8 {
        self.bands_after_first
    }

    #[inline(always)]
    pub(crate) fn last_band(&self) -> &Band {
        let last = usize::from(self.bands_after_first).checked_sub(1);
        last.and_then(|last| self.rest.get(last)).unwrap_or(&self.first)
    }
}

impl Default for Price {
    fn default() -> Self {
        Self::FREE
    }
}

/// The forms that are read and written. Reading goes through the constructors.
#[cfg(feature = "serde")]
mod serialized {
    use alloc::vec::Vec;

    use super::{Band, Microunits, Price, PriceError, SearchFee};

    #[derive(serde::Serialize, serde::Deserialize)]
    pub(super) struct PriceFields {
        #[serde(rename = "fixed_price_microunits", default)]
        fixed_price: Microunits,
        #[serde(default)]
        search_fee: SearchFee,
        bands: Vec<Band>,
    }

    #[derive(serde::Serialize, serde::Deserialize)]
    pub(super) struct FeeFields {
        #[serde(rename = "amount_microunits")]
        amount: Microunits,
        per_request: bool,
    }

    impl From<Price> for PriceFields {
        fn from(price: Price) -> Self {
            Self {
                fixed_price: price.fixed_price,
                search_fee: price.search_fee,
                bands: price.bands().copied().collect(),
            }
        }
    }

    impl TryFrom<PriceFields> for Price {
        type Error = PriceError;

        fn try_from(fields: PriceFields) -> Result<Self, PriceError> {
            let mut bands = fields.bands.into_iter();
            let price = match bands.next() {
                Some(first) if first.above_prompt_tokens == 0 => Self::new(first.rates),
                first => {
                    let above_prompt_tokens = first.map_or(0, |first| first.above_prompt_tokens);
                    return Err(PriceError::FirstBand { above_prompt_tokens });
                }
            };
            bands
                .try_fold(price, |price, band| {
                    price.with_band(band.above_prompt_tokens, band.rates)
                })
                .map(|price| {
                    price.with_fixed_price(fields.fixed_price).with_search_fee(fields.search_fee)
                })
        }
    }

    impl From<SearchFee> for FeeFields {
        fn from(fee: SearchFee) -> Self {
            Self { amount: fee.amount, per_request: fee.is_per_request }
        }
    }

    impl From<FeeFields> for SearchFee {
        fn from(fields: FeeFields) -> Self {
            if fields.per_request {
                Self::per_request(fields.amount)
            } else {
                Self::per_search(fields.amount)
            }
        }
    }
}
