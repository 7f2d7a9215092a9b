//! Usage: counts of tokens by class, and of searches.

use core::fmt;

/// A class of tokens, each with a rate of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[repr(u8)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the list is complete: another class would be another law"
)]
pub enum TokenClass {
    /// Prompt tokens that were neither read from a cache nor written to one.
    Input = 0,
    /// Prompt tokens read from a cache.
    CacheRead = 1,
    /// Prompt tokens written to a cache.
    CacheWrite = 2,
    /// Prompt tokens written to a cache that keeps them long.
    CacheWriteLong = 3,
    /// Prompt tokens of sound.
    AudioInput = 4,
    /// Completion tokens of text.
    Output = 5,
    /// Completion tokens of reasoning.
    Reasoning = 6,
    /// Completion tokens of sound.
    AudioOutput = 7,
}

impl TokenClass {
    /// All classes, those of the prompt before those of the completion.
    pub const ALL: [Self; 8] = [
        Self::Input,
        Self::CacheRead,
        Self::CacheWrite,
        Self::CacheWriteLong,
        Self::AudioInput,
        Self::Output,
        Self::Reasoning,
        Self::AudioOutput,
    ];

    /// All but plain input and plain output, those of the prompt first: the order of bits in the canonical bytes.
    pub(crate) const BESIDES_PLAIN: [Self; 6] = [
        Self::CacheRead,
        Self::CacheWrite,
        Self::CacheWriteLong,
        Self::AudioInput,
        Self::Reasoning,
        Self::AudioOutput,
    ];

    /// The name, as files and JSON have it: `cache_read`.
    ///
    /// ```
    /// use calybris_kernel::TokenClass;
    ///
    /// assert_eq!(TokenClass::CacheWriteLong.name(), "cache_write_long");
    /// ```
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::CacheRead => "cache_read",
            Self::CacheWrite => "cache_write",
            Self::CacheWriteLong => "cache_write_long",
            Self::AudioInput => "audio_input",
            Self::Output => "output",
            Self::Reasoning => "reasoning",
            Self::AudioOutput => "audio_output",
        }
    }

    /// Whether its tokens are part of the prompt; the others are part of the completion.
    #[must_use]
    pub const fn is_prompt(self) -> bool {
        TokenClassSet::PROMPT.contains(self)
    }
}

impl fmt::Display for TokenClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of token classes; bit `n` is the class with the number `n`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct TokenClassSet(u8);

impl TokenClassSet {
    /// No class.
    pub const EMPTY: Self = Self(0);
    /// Every class.
    pub const ALL: Self = Self(0b1111_1111);
    /// The five classes of the prompt.
    pub const PROMPT: Self = Self(0b0001_1111);
    /// The three classes of the completion.
    pub const COMPLETION: Self = Self(0b1110_0000);

    /// The set with these bits; every value is a set.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// The bits.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The set with this class in it.
    ///
    /// ```
    /// use calybris_kernel::{TokenClass, TokenClassSet};
    ///
    /// let plain = TokenClassSet::EMPTY.with(TokenClass::Input).with(TokenClass::Output);
    /// assert!(plain.contains(TokenClass::Output) && !plain.contains(TokenClass::CacheRead));
    /// ```
    #[must_use]
    pub const fn with(self, class: TokenClass) -> Self {
        Self(self.0 | 1 << class as u8)
    }

    /// The set without this class.
    #[must_use]
    pub const fn without(self, class: TokenClass) -> Self {
        Self(self.0 & !(1 << class as u8))
    }

    /// Whether the class is in the set.
    #[must_use]
    pub const fn contains(self, class: TokenClass) -> bool {
        self.0 >> class as u8 & 1 == 1
    }

    /// The classes that are in both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether no class is in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The classes in the set, in their order.
    pub fn iter(self) -> impl Iterator<Item = TokenClass> {
        TokenClass::ALL.into_iter().filter(move |&class| self.contains(class))
    }
}

impl FromIterator<TokenClass> for TokenClassSet {
    fn from_iter<I: IntoIterator<Item = TokenClass>>(classes: I) -> Self {
        classes.into_iter().fold(Self::EMPTY, Self::with)
    }
}

/// Counts of tokens by class, and of searches. No token is counted twice. A count that is absent in JSON is 0.
///
/// The *prompt* is the sum of the first five counts, the *completion* is the sum of the next three.
///
/// ```
/// use calybris_kernel::Usage;
///
/// let usage = Usage::new(20_000, 500).with_cache_read_tokens(80_000).with_reasoning_tokens(1_500);
/// assert_eq!((usage.prompt_tokens(), usage.completion_tokens()), (100_000, 2_000));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct Usage {
    /// Prompt tokens that are neither read from a cache nor written to one.
    pub input_tokens: u32,
    /// Prompt tokens read from a cache.
    pub cache_read_tokens: u32,
    /// Prompt tokens written to a cache.
    pub cache_write_tokens: u32,
    /// Prompt tokens written to a cache that keeps them long.
    pub cache_write_long_tokens: u32,
    /// Prompt tokens of sound.
    pub audio_input_tokens: u32,
    /// Completion tokens of text.
    pub output_tokens: u32,
    /// Completion tokens of reasoning.
    pub reasoning_tokens: u32,
    /// Completion tokens of sound.
    pub audio_output_tokens: u32,
    /// Searches; a price may have a fee for them.
    pub searches: u32,
}

impl Usage {
    /// Plain input and output tokens, and nothing else.
    #[must_use]
    pub const fn new(input_tokens: u32, output_tokens: u32) -> Self {
        Self {
            input_tokens,
            cache_read_tokens: 0,
            cache_write_tokens: 0,
            cache_write_long_tokens: 0,
            audio_input_tokens: 0,
            output_tokens,
            reasoning_tokens: 0,
            audio_output_tokens: 0,
            searches: 0,
        }
    }

    /// With this many prompt tokens read from a cache.
    #[must_use]
    pub const fn with_cache_read_tokens(mut self, cache_read_tokens: u32) -> Self {
        self.cache_read_tokens = cache_read_tokens;
        self
    }

    /// With this many prompt tokens written to a cache.
    #[must_use]
    pub const fn with_cache_write_tokens(mut self, cache_write_tokens: u32) -> Self {
        self.cache_write_tokens = cache_write_tokens;
        self
    }

    /// With this many prompt tokens written to a cache that keeps them long.
    #[must_use]
    pub const fn with_cache_write_long_tokens(mut self, cache_write_long_tokens: u32) -> Self {
        self.cache_write_long_tokens = cache_write_long_tokens;
        self
    }

    /// With this many prompt tokens of sound.
    #[must_use]
    pub const fn with_audio_input_tokens(mut self, audio_input_tokens: u32) -> Self {
        self.audio_input_tokens = audio_input_tokens;
        self
    }

    /// With this many completion tokens of reasoning.
    #[must_use]
    pub const fn with_reasoning_tokens(mut self, reasoning_tokens: u32) -> Self {
        self.reasoning_tokens = reasoning_tokens;
        self
    }

    /// With this many completion tokens of sound.
    #[must_use]
    pub const fn with_audio_output_tokens(mut self, audio_output_tokens: u32) -> Self {
        self.audio_output_tokens = audio_output_tokens;
        self
    }

    /// With this many searches.
    #[must_use]
    pub const fn with_searches(mut self, searches: u32) -> Self {
        self.searches = searches;
        self
    }

    /// The tokens of one class.
    #[must_use]
    pub const fn tokens(&self, class: TokenClass) -> u32 {
        match class {
            TokenClass::Input => self.input_tokens,
            TokenClass::CacheRead => self.cache_read_tokens,
            TokenClass::CacheWrite => self.cache_write_tokens,
            TokenClass::CacheWriteLong => self.cache_write_long_tokens,
            TokenClass::AudioInput => self.audio_input_tokens,
            TokenClass::Output => self.output_tokens,
            TokenClass::Reasoning => self.reasoning_tokens,
            TokenClass::AudioOutput => self.audio_output_tokens,
        }
    }

    /// With this many tokens of one class.
    ///
    /// ```
    /// use calybris_kernel::{TokenClass, Usage};
    ///
    /// let usage = Usage::new(20_000, 500).with_tokens(TokenClass::CacheRead, 80_000);
    /// assert_eq!(usage.tokens(TokenClass::CacheRead), 80_000);
    /// ```
    #[must_use]
    pub const fn with_tokens(mut self, class: TokenClass, tokens: u32) -> Self {
        match class {
            TokenClass::Input => self.input_tokens = tokens,
            TokenClass::CacheRead => self.cache_read_tokens = tokens,
            TokenClass::CacheWrite => self.cache_write_tokens = tokens,
            TokenClass::CacheWriteLong => self.cache_write_long_tokens = tokens,
            TokenClass::AudioInput => self.audio_input_tokens = tokens,
            TokenClass::Output => self.output_tokens = tokens,
            TokenClass::Reasoning => self.reasoning_tokens = tokens,
            TokenClass::AudioOutput => self.audio_output_tokens = tokens,
        }
        self
    }

    /// The tokens of the prompt: the sum of five counts, below 2^35.
    #[must_use]
    pub fn prompt_tokens(&self) -> u64 {
        self.prompt_counts().into_iter().map(u64::from).sum()
    }

    /// The tokens of the completion: the sum of three counts, below 2^34.
    #[must_use]
    pub fn completion_tokens(&self) -> u64 {
        self.completion_counts().into_iter().map(u64::from).sum()
    }

    /// Whether it has plain input and output tokens only.
    #[inline(always)]
    pub(crate) const fn is_plain(&self) -> bool {
        let classed = self.cache_read_tokens
            | self.cache_write_tokens
            | self.cache_write_long_tokens
            | self.audio_input_tokens
            | self.reasoning_tokens
            | self.audio_output_tokens
            | self.searches;
        classed == 0
    }

    #[inline(always)]
    pub(crate) const fn prompt_counts(&self) -> [u32; 5] {
        [
            self.input_tokens,
            self.cache_read_tokens,
            self.cache_write_tokens,
            self.cache_write_long_tokens,
            self.audio_input_tokens,
        ]
    }

    #[inline(always)]
    pub(crate) const fn completion_counts(&self) -> [u32; 3] {
        [self.output_tokens, self.reasoning_tokens, self.audio_output_tokens]
    }
}
