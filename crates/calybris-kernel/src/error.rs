//! The errors of a policy or a catalog.

use calybris_units::BasisPoints;

/// Why a policy and a catalog make no snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// Two models of the catalog have the same id. Give each its own.
    #[error("model id `{model_id}` stands more than once in the catalog")]
    DuplicateModelId {
        /// The lowest id that stands more than once.
        model_id: u32,
    },
    /// Two groups of the catalog have the same id. Give each its own.
    #[error("group id `{group_id}` stands more than once in the catalog")]
    DuplicateGroupId {
        /// The lowest id that stands more than once.
        group_id: u8,
    },
    /// A group names a model that the catalog does not have.
    #[error("group `{group_id}` names model id `{model_id}`, which the catalog does not have")]
    UnknownModelInGroup {
        /// The group with the lowest id that names such a model.
        group_id: u8,
        /// The lowest such id.
        model_id: u32,
    },
    /// A field of a model is above 10,000 basis points.
    #[error("{field} of model `{model_id}` is {} and may be at most {}", .found.get(), BasisPoints::WHOLE.get())]
    ModelOutOfRange {
        /// The model with the lowest id that has such a field.
        model_id: u32,
        /// The name of the field in JSON.
        field: &'static str,
        /// What it holds.
        found: BasisPoints,
    },
    /// A field of the policy is above 10,000 basis points.
    #[error("{field} of the policy is {} and may be at most {}", .found.get(), BasisPoints::WHOLE.get())]
    PolicyOutOfRange {
        /// The name of the field in JSON.
        field: &'static str,
        /// What it holds.
        found: BasisPoints,
    },
    /// The catalog has more models than a `u32` can count.
    #[error("the catalog has {found} models and may have at most {}", u32::MAX)]
    TooManyModels {
        /// How many there are.
        found: usize,
    },
}
