//! The ceiling of a request: the most tokens and searches that it may use, and of which classes.

use crate::{InvalidRequest, TokenClass, TokenClassSet, Usage};

/// The most that a request may use, inclusive.
///
/// The [maximum cost](crate::Price::maximum_cost) of a model is the cost of the dearest usage within the ceiling. A request
/// whose usage is not within its ceiling is [invalid](crate::InvalidRequest).
///
/// ```
/// use calybris_kernel::{Ceiling, TokenClass, TokenClassSet};
///
/// // The prompt has 2,000 tokens, the completion at most 4,096, and neither has sound.
/// let text = TokenClassSet::ALL.without(TokenClass::AudioInput).without(TokenClass::AudioOutput);
/// let ceiling = Ceiling::new(2_000, 4_096).with_classes(text);
/// assert_eq!(ceiling.searches, 0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct Ceiling {
    /// The most tokens of the prompt, of all classes together.
    pub prompt_tokens: u32,
    /// The most tokens of the completion, of all classes together.
    pub completion_tokens: u32,
    /// The most searches.
    #[cfg_attr(feature = "serde", serde(default))]
    pub searches: u32,
    /// The classes that may be used. A side with tokens and no class is an invalid request.
    #[cfg_attr(feature = "serde", serde(rename = "class_bits", default = "all_classes"))]
    pub classes: TokenClassSet,
}

#[cfg(feature = "serde")]
const fn all_classes() -> TokenClassSet {
    TokenClassSet::ALL
}

impl Ceiling {
    /// At most these tokens, of any class, and no search.
    #[must_use]
    pub const fn new(prompt_tokens: u32, completion_tokens: u32) -> Self {
        Self { prompt_tokens, completion_tokens, searches: 0, classes: TokenClassSet::ALL }
    }

    /// With at most this many searches.
    #[must_use]
    pub const fn with_searches(mut self, searches: u32) -> Self {
        self.searches = searches;
        self
    }

    /// With tokens of these classes only.
    #[must_use]
    pub const fn with_classes(mut self, classes: TokenClassSet) -> Self {
        self.classes = classes;
        self
    }

    /// Checks that each side with tokens allows a class, and that the usage is within the ceiling.
    /// Not inlined: a request without a ceiling does not pay for it.
    #[inline(never)]
    pub(crate) fn check(&self, usage: &Usage) -> Result<(), InvalidRequest> {
        let sides = [
            ("prompt_tokens", TokenClassSet::PROMPT, self.prompt_tokens, usage.prompt_tokens()),
            (
                "completion_tokens",
                TokenClassSet::COMPLETION,
                self.completion_tokens,
                usage.completion_tokens(),
            ),
        ];
        for (field, side, limit, _) in sides {
            if limit > 0 && self.classes.intersection(side).is_empty() {
                return Err(InvalidRequest::NoClassAllowed { field, limit });
            }
        }
        let not_allowed =
            |class: &TokenClass| usage.tokens(*class) > 0 && !self.classes.contains(*class);
        if let Some(class) = TokenClass::ALL.into_iter().find(not_allowed) {
            let tokens = usage.tokens(class);
            return Err(InvalidRequest::ClassNotAllowed { class, tokens });
        }
        let counts = sides.map(|(field, _, limit, found)| (field, limit, found));
        let searches = ("searches", self.searches, u64::from(usage.searches));
        match counts.into_iter().chain([searches]).find(|&(_, limit, found)| found > limit.into()) {
            Some((field, limit, found)) => {
                Err(InvalidRequest::AboveCeiling { field, found, limit })
            }
            None => Ok(()),
        }
    }
}
