//! Why a usage report was refused: the vendor, the field, what was found there and what is allowed.

use crate::place::Place;

/// Why a usage report was refused.
///
/// ```
/// use calybris_catalog::usage::{UsageError, from_openai};
///
/// let refused = from_openai(
///     r#"{"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010,
///         "prompt_tokens_details": {"cached_tokens": 1200}}"#,
/// )
/// .unwrap_err();
/// assert_eq!(
///     refused.to_string(),
///     "usage report of OpenAI: `prompt_tokens_details.cached_tokens`: found `1200`, \
///      allowed is at most 1000 of the 1000 in `prompt_tokens`"
/// );
/// let UsageError::Field { field, .. } = refused else { panic!("it is JSON") };
/// assert_eq!(field, "prompt_tokens_details.cached_tokens");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UsageError {
    /// The text is not one JSON object, or an object in it has a key twice.
    #[error("usage report of {vendor}: {place}: {what}")]
    #[non_exhaustive]
    Json {
        /// The vendor whose form was expected.
        vendor: &'static str,
        /// Where in the text.
        place: Place,
        /// What is wrong there.
        what: String,
    },
    /// A field is missing, or has a value that the vendor's form does not allow.
    #[error("usage report of {vendor}: `{field}`: found {found}, allowed is {allowed}")]
    #[non_exhaustive]
    Field {
        /// The vendor whose form was expected.
        vendor: &'static str,
        /// The path of the field: `prompt_tokens_details.cached_tokens`, `cacheDetails[0].ttl`.
        field: String,
        /// The value found there.
        found: String,
        /// The values allowed there.
        allowed: String,
    },
}
