//! Every refusal, with its evidence.

use thiserror::Error;

use crate::{MAX_AMOUNT_MICROUNITS, MAX_LEVELS, MAX_NAME_BYTES};

/// Why an operation was refused. The state after a refusal is the state before it.
///
/// [`Insufficient`](Self::Insufficient) is the ordinary "no" of a budget; all others say that the
/// caller asked for something that can never be.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum BudgetError {
    /// The tenant has less available than was requested.
    #[error(
        "tenant `{tenant}` has {available_microunits} microunits available, \
         {requested_microunits} were requested"
    )]
    Insufficient {
        /// The tenant that lacks it: the one that was asked, or one above it.
        tenant: String,
        /// What the caller wanted to take.
        requested_microunits: u64,
        /// What was available at the instant of the refusal: always less than requested.
        available_microunits: u64,
    },
    /// A reservation of nothing was asked for. A call that costs nothing needs no reservation.
    #[error("a reservation of 0 microunits for tenant `{tenant}` reserves nothing")]
    ZeroAmount {
        /// The tenant that was asked.
        tenant: String,
    },
    /// The tenant is frozen.
    #[error("tenant `{tenant}` is frozen")]
    Frozen {
        /// The tenant that is frozen: the one that was asked, or one above it.
        tenant: String,
    },
    /// The tenant has spent more than it was granted and reserves nothing until that is cleared.
    #[error("tenant `{tenant}` owes {debt_microunits} microunits")]
    InDebt {
        /// The tenant in debt: the one that was asked, or one above it.
        tenant: String,
        /// What it owes.
        debt_microunits: u64,
    },
    /// More would be reserved at once than the tenant's cap allows.
    #[error(
        "tenant `{tenant}` has {reserved_microunits} microunits reserved of at most \
         {cap_microunits} at once, {requested_microunits} more were requested"
    )]
    Exposed {
        /// The tenant with the cap: the one that was asked, or one above it.
        tenant: String,
        /// What the caller wanted to reserve.
        requested_microunits: u64,
        /// What was reserved at the instant of the refusal.
        reserved_microunits: u64,
        /// The most that may be reserved at once.
        cap_microunits: u64,
    },
    /// More was to be refunded than was spent.
    #[error(
        "tenant `{tenant}` has committed {committed_microunits} microunits, \
         {requested_microunits} were to be refunded"
    )]
    RefundTooLarge {
        /// The tenant that has spent less: the one that was asked, or one above it.
        tenant: String,
        /// What the caller wanted to refund.
        requested_microunits: u64,
        /// What was committed.
        committed_microunits: u64,
    },
    /// The grant (and the debt) of the tenant would exceed [`MAX_AMOUNT_MICROUNITS`].
    #[error(
        "tenant `{tenant}` was granted {granted_microunits} microunits; {requested_microunits} \
         more would exceed the maximum of {}",
        MAX_AMOUNT_MICROUNITS
    )]
    GrantTooLarge {
        /// The tenant.
        tenant: String,
        /// What it was granted and owes.
        granted_microunits: u64,
        /// What was to be added.
        requested_microunits: u64,
    },
    /// The amount is above [`MAX_AMOUNT_MICROUNITS`].
    #[error(
        "the amount of {amount_microunits} microunits exceeds the maximum of {}",
        MAX_AMOUNT_MICROUNITS
    )]
    AmountTooLarge {
        /// The amount as given.
        amount_microunits: u64,
    },
    /// The actual cost is above what was reserved. The reservation stays open.
    #[error(
        "{actual_microunits} microunits are more than the {reserved_microunits} \
         reserved for tenant `{tenant}`"
    )]
    Overrun {
        /// The tenant that holds the reservation.
        tenant: String,
        /// What the reservation holds.
        reserved_microunits: u64,
        /// What was to be committed.
        actual_microunits: u64,
    },
    /// The name is empty or longer than [`MAX_NAME_BYTES`].
    #[error("a tenant name has 1 to {} bytes, this one has {bytes}", MAX_NAME_BYTES)]
    NameLength {
        /// The length of the name as given.
        bytes: usize,
    },
    /// The tenant exists under another parent, or under one where none was named.
    #[error("tenant `{tenant}` exists under another parent")]
    ParentDiffers {
        /// The tenant that exists.
        tenant: String,
    },
    /// No tenant has this name.
    #[error("no tenant `{tenant}`")]
    UnknownTenant {
        /// The name as given.
        tenant: String,
    },
    /// The tenant exists and was opened with another grant.
    #[error(
        "tenant `{tenant}` was opened with {granted_microunits} microunits, \
         not with {requested_microunits}"
    )]
    GrantDiffers {
        /// The tenant that exists.
        tenant: String,
        /// The grant it was opened with.
        granted_microunits: u64,
        /// The grant the caller named.
        requested_microunits: u64,
    },
    /// The tenant has no open reservation of this id: it never had, or it was settled.
    #[error("tenant `{tenant}` has no open reservation {reservation}")]
    UnknownReservation {
        /// The tenant as given.
        tenant: String,
        /// The id as given.
        reservation: u64,
    },
    /// An idempotency key is empty or longer than [`MAX_NAME_BYTES`].
    #[error("an idempotency key has 1 to {} bytes, this one has {bytes}", MAX_NAME_BYTES)]
    KeyLength {
        /// The length of the key as given.
        bytes: usize,
    },
    /// The idempotency key was used for another question.
    #[error("key `{key}` was used to reserve {amount_microunits} microunits of tenant `{tenant}`")]
    KeyConflict {
        /// The key as given.
        key: String,
        /// The tenant it was used for.
        tenant: String,
        /// The amount it was used for.
        amount_microunits: u64,
    },
    /// The tenant has open reservations of its own, so it cannot be given its first child now.
    #[error(
        "tenant `{tenant}` has {reserved_microunits} microunits reserved and cannot become a \
         parent before they are settled"
    )]
    ParentInUse {
        /// The tenant that was to become a parent.
        tenant: String,
        /// What it has reserved.
        reserved_microunits: u64,
    },
    /// The tenant would be deeper below its root than [`MAX_LEVELS`] allows.
    #[error("tenant `{tenant}` would have more than {} levels", MAX_LEVELS)]
    TooDeep {
        /// The tenant that was to be opened.
        tenant: String,
    },
    /// The id names a hold that is open already.
    #[error("hold {hold} is open already")]
    HoldExists {
        /// The id as given.
        hold: u64,
    },
    /// No hold with this id is open.
    #[error("no hold {hold} is open")]
    UnknownHold {
        /// The id as given.
        hold: u64,
    },
}

/// An event that cannot follow the events before it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("event {event_index} cannot be replayed: {error}")]
#[non_exhaustive]
pub struct ReplayError {
    /// The place of the event in the sequence; the first is 0.
    pub event_index: u64,
    /// What is wrong with it.
    pub error: BudgetError,
}
