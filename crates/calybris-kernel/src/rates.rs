//! Rates: the price of a million tokens of each class, and the band of prompt lengths in which they apply.

use calybris_units::Microunits;

use crate::{TokenClass, TokenClassSet};

/// The price of a million tokens of each class; 0 is free.
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
        // Without branches: whether a class is in the set could not be predicted.
        let rates = self.prompt_rates().into_iter().chain(self.completion_rates());
        let allowed = rates
            .zip(0_u8..)
            .map(|(rate, class)| rate.get() * u64::from(classes.bits() >> class & 1));
        Microunits::new(allowed.fold(0, u64::max))
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
