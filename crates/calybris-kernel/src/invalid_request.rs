//! The reasons for which a request is invalid.

use calybris_units::BasisPoints;

use crate::TokenClass;

/// Why a request is invalid. If there are several reasons, it is the first in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[expect(clippy::exhaustive_enums, reason = "the law names them all")]
pub enum InvalidRequest {
    /// A field is above 10,000 basis points.
    #[error("{field} is {} and may be at most {}", .found.get(), .limit.get())]
    OutOfRange {
        /// The name of the field.
        field: &'static str,
        /// What it holds.
        #[cfg_attr(feature = "serde", serde(rename = "found_bps"))]
        found: BasisPoints,
        /// The most it may hold.
        #[cfg_attr(feature = "serde", serde(rename = "limit_bps"))]
        limit: BasisPoints,
    },
    /// The ceiling allows tokens of the prompt or of the completion, but none of their classes.
    #[error("the ceiling allows {limit} {field}, but no class of them")]
    NoClassAllowed {
        /// `prompt_tokens` or `completion_tokens`.
        field: &'static str,
        /// How many tokens the ceiling allows.
        limit: u32,
    },
    /// The usage has tokens of a class that the ceiling does not allow.
    #[error("the usage has {tokens} tokens of class `{class}`, which the ceiling does not allow")]
    ClassNotAllowed {
        /// The class.
        class: TokenClass,
        /// How many tokens there are.
        tokens: u32,
    },
    /// The usage is beyond its ceiling.
    #[error("the usage has {found} {field}, and the ceiling allows {limit}")]
    AboveCeiling {
        /// `prompt_tokens`, `completion_tokens` or `searches`.
        field: &'static str,
        /// How many the usage has.
        found: u64,
        /// How many the ceiling allows.
        limit: u32,
    },
    /// The snapshot has no such group.
    #[error("the snapshot has no group `{group_id}`")]
    UnknownGroup {
        /// The group.
        group_id: u8,
    },
}
