//! The window of a model: how many tokens it takes.

use core::fmt;

/// The most tokens that a model takes, inclusive. A maximum that is absent is unknown and no limit; 0 takes no token.
///
/// ```
/// use calybris_kernel::Window;
///
/// let window = Window::UNKNOWN.with_max_prompt_tokens(200_000).with_max_completion_tokens(8_192);
/// assert_eq!(window.max_total_tokens, None);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct Window {
    /// The most tokens of the prompt.
    pub max_prompt_tokens: Option<u32>,
    /// The most tokens of the completion.
    pub max_completion_tokens: Option<u32>,
    /// The most tokens of prompt and completion together.
    pub max_total_tokens: Option<u32>,
}

/// One of the maxima of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[expect(clippy::exhaustive_enums, reason = "one for each maximum of a window")]
pub enum WindowPart {
    /// The tokens of the prompt.
    Prompt,
    /// The tokens of the completion.
    Completion,
    /// Both together.
    Total,
}

impl Window {
    /// A window of which nothing is known.
    pub const UNKNOWN: Self =
        Self { max_prompt_tokens: None, max_completion_tokens: None, max_total_tokens: None };

    /// With at most this many tokens of the prompt.
    #[must_use]
    pub const fn with_max_prompt_tokens(mut self, max_prompt_tokens: u32) -> Self {
        self.max_prompt_tokens = Some(max_prompt_tokens);
        self
    }

    /// With at most this many tokens of the completion.
    #[must_use]
    pub const fn with_max_completion_tokens(mut self, max_completion_tokens: u32) -> Self {
        self.max_completion_tokens = Some(max_completion_tokens);
        self
    }

    /// With at most this many tokens of prompt and completion together.
    #[must_use]
    pub const fn with_max_total_tokens(mut self, max_total_tokens: u32) -> Self {
        self.max_total_tokens = Some(max_total_tokens);
        self
    }

    /// All that it is made of: windows with the same numbers are equal.
    pub(crate) const fn numbers(&self) -> [Option<u32>; 3] {
        [self.max_prompt_tokens, self.max_completion_tokens, self.max_total_tokens]
    }

    /// Whether nothing is known of it.
    #[inline(always)]
    pub(crate) const fn is_unknown(&self) -> bool {
        // Without branches.
        self.max_prompt_tokens.is_none()
            & self.max_completion_tokens.is_none()
            & self.max_total_tokens.is_none()
    }

    /// Whether it takes whatever the other takes.
    pub(crate) fn takes_all_that(&self, other: &Self) -> bool {
        let no_less = |maximum: Option<u32>, other: Option<u32>| match (maximum, other) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(maximum), Some(other)) => maximum >= other,
        };
        no_less(self.max_prompt_tokens, other.max_prompt_tokens)
            && no_less(self.max_completion_tokens, other.max_completion_tokens)
            && no_less(self.max_total_tokens, other.max_total_tokens)
    }

    /// The first maximum that is exceeded, in the order of declaration, the tokens that exceed it, and the maximum itself.
    #[inline]
    pub(crate) fn exceeded(
        &self,
        prompt_tokens: u64,
        completion_tokens: u64,
    ) -> Option<(WindowPart, u64, u32)> {
        let parts = [
            (WindowPart::Prompt, prompt_tokens, self.max_prompt_tokens),
            (WindowPart::Completion, completion_tokens, self.max_completion_tokens),
            // Each is below 2^35.
            (WindowPart::Total, prompt_tokens + completion_tokens, self.max_total_tokens),
        ];
        parts.into_iter().find_map(|(part, tokens, maximum)| {
            let maximum = maximum?;
            (tokens > maximum.into()).then_some((part, tokens, maximum))
        })
    }
}

impl fmt::Display for WindowPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prompt => "prompt",
            Self::Completion => "completion",
            Self::Total => "total",
        })
    }
}
