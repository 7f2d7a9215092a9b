//! The price of a model: a rate for each class of tokens, in bands of prompt lengths, and fees.

use calybris_units::Microunits;

use crate::{Band, Rates, SearchFee, TokenClass};

#[cfg(feature = "serde")]
mod serialized;

/// The most bands that a price has.
pub(crate) const MOST_BANDS: usize = 4;

/// How many numbers a price is made of: four, and for each band a threshold and eight rates.
const NUMBERS: usize = 4 + MOST_BANDS * (1 + TokenClass::ALL.len());

/// The price of a model: rates per million tokens in one to four bands of prompt lengths, a fixed price per request, and
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

/// What a price charges for a prompt: its fees, and the rates of the band of the prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tariff {
    pub(crate) fixed_price: Microunits,
    pub(crate) search_fee: SearchFee,
    pub(crate) rates: Rates,
}

/// A list of bands that is not a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PriceError {
    /// A price has at most four bands.
    #[error("a price has at most {MOST_BANDS} bands")]
    TooManyBands,
    /// A price has at least one band. Only data that is read can lack it.
    #[error("a price has at least one band")]
    NoBand,
    /// The first band applies to prompts of any length. Only data that is read can say otherwise.
    #[error("the first band of a price begins at 0 prompt tokens, not above {above_prompt_tokens}")]
    FirstBand {
        /// The threshold of the first band, which is not 0.
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
    /// No rate falls from band to band. If one did, a longer prompt could cost less than a shorter one, and the maximum
    /// cost would not be the cost of the longest prompt.
    #[error(
        "the rate of {class} falls from {} to {} microunits per million tokens above {above_prompt_tokens} prompt tokens; rates may only rise",
        .previous.get(), .rate.get()
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

    /// With this price per request, whatever the request uses; 0 for none.
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
    /// The threshold is not above that of the band before, a rate is below that of the band before, or there are four
    /// bands already; if several, the first of these.
    ///
    /// ```
    /// use calybris_kernel::{Microunits, Price, Rates};
    ///
    /// let rates = |input| Rates::plain(Microunits::new(input), Microunits::new(15_000_000));
    /// let price = Price::new(rates(3_000_000)).with_band(200_000, rates(6_000_000))?;
    /// assert_eq!(price.band(200_000).rates.input.get(), 3_000_000);
    /// assert_eq!(price.band(200_001).rates.input.get(), 6_000_000);
    ///
    /// let error = price.with_band(400_000, rates(5_000_000)).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "the rate of input falls from 6000000 to 5000000 microunits per million tokens above 400000 prompt tokens; rates may only rise",
    /// );
    /// # Ok::<(), calybris_kernel::PriceError>(())
    /// ```
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

    /// The price per request, whatever it uses; 0 if there is none.
    #[must_use]
    pub const fn fixed_price(&self) -> Microunits {
        self.fixed_price
    }

    /// The fee for searches.
    #[must_use]
    pub const fn search_fee(&self) -> SearchFee {
        self.search_fee
    }

    /// The bands, in ascending order of their thresholds: one to four, the first of which begins at 0.
    #[must_use = "iterators are lazy"]
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
        self.band_of_several(prompt_tokens)
    }

    #[inline(never)]
    fn band_of_several(&self, prompt_tokens: u64) -> &Band {
        let above = |band: &&Band| prompt_tokens > band.above_prompt_tokens.into();
        self.bands().rev().find(above).unwrap_or(&self.first)
    }

    /// What it charges for a prompt of this many tokens.
    #[inline(always)]
    pub(crate) fn tariff(&self, prompt_tokens: u64) -> Tariff {
        Tariff {
            fixed_price: self.fixed_price,
            search_fee: self.search_fee,
            rates: self.band(prompt_tokens).rates,
        }
    }

    /// All that it is made of: prices with the same numbers are equal.
    pub(crate) fn numbers(&self) -> [u64; NUMBERS] {
        let mut numbers = [0; NUMBERS];
        let [fee, per_request] =
            [self.search_fee.amount().get(), self.search_fee.is_per_request().into()];
        let head = [self.bands_after_first.into(), self.fixed_price.get(), fee, per_request];
        let of_bands = [&self.first].into_iter().chain(&self.rest).flat_map(|band| {
            let rates = TokenClass::ALL.map(|class| band.rates.of(class).get());
            [u64::from(band.above_prompt_tokens)].into_iter().chain(rates)
        });
        for (place, number) in numbers.iter_mut().zip(head.into_iter().chain(of_bands)) {
            *place = number;
        }
        numbers
    }

    /// The plain rate of the prompt in the first band, in microunits per million tokens.
    pub(crate) const fn plain_input(&self) -> u64 {
        self.first.rates.input.get()
    }

    /// The plain rate of the completion in the first band, in microunits per million tokens.
    pub(crate) const fn plain_output(&self) -> u64 {
        self.first.rates.output.get()
    }

    /// Whether it has two rates and a fixed price, and nothing else: one band of plain rates, and no search fee.
    pub(crate) fn is_flat(&self) -> bool {
        self.bands_after_first == 0
            && self.first.rates.is_plain()
            && self.search_fee == SearchFee::NONE
    }

    /// The lowest and the highest rate that a class may have in the band of this prompt: its rates in the bands before
    /// and after.
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

    /// With another rate in the band of this prompt. The rate must be within [`rate_limits`](Self::rate_limits).
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
