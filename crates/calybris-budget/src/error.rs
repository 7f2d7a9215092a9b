//! Every refusal, with its evidence.

use thiserror::Error;

use crate::{AccountSnapshot, KEY_WINDOW, MAX_AMOUNT_MICROUNITS, MAX_LEVELS, MAX_NAME_BYTES, Sums};

/// Why an operation was refused. The state after a refusal is the state before it.
///
/// [`Insufficient`](Self::Insufficient) is the ordinary "no" of a budget. [`Frozen`](Self::Frozen),
/// [`InDebt`](Self::InDebt), [`Exposed`](Self::Exposed), [`Overrun`](Self::Overrun) and
/// [`ParentInUse`](Self::ParentInUse) may be answered otherwise later; all others say that the caller
/// asked for something that cannot be.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum BudgetError {
    /// The tenant has less available than was requested: the ordinary no. Wait for open reservations
    /// to settle, or top up.
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
    /// The tenant is frozen. Who froze it may unfreeze it.
    #[error("tenant `{tenant}` is frozen")]
    Frozen {
        /// The tenant that is frozen: the one that was asked, or one above it.
        tenant: String,
    },
    /// The tenant has spent more than it was granted and reserves nothing until that is cleared: top
    /// it up, or repay from what is available.
    #[error("tenant `{tenant}` owes {debt_microunits} microunits")]
    InDebt {
        /// The tenant in debt: the one that was asked, or one above it.
        tenant: String,
        /// What it owes.
        debt_microunits: u64,
    },
    /// More would be reserved at once than the tenant's cap allows. It may fit once others settle.
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
    /// An event repays more than was owed.
    #[error(
        "tenant `{tenant}` owes {debt_microunits} microunits, {requested_microunits} were to be repaid"
    )]
    RepaymentTooLarge {
        /// The tenant that owes less.
        tenant: String,
        /// What the event says was repaid.
        requested_microunits: u64,
        /// What was owed.
        debt_microunits: u64,
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
    /// The actual cost is above what was reserved, and the tenant's overrun policy refuses that. The
    /// reservation stays open: extend it, or let the policy draw or cap.
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
    /// The tenant exists under another parent, or under one where none was named. A tenant keeps its
    /// place.
    #[error("tenant `{tenant}` exists under another parent")]
    ParentDiffers {
        /// The tenant that exists.
        tenant: String,
    },
    /// No tenant has this name. Open it first.
    #[error("no tenant `{tenant}`")]
    UnknownTenant {
        /// The name as given.
        tenant: String,
    },
    /// The tenant exists and was opened with another grant. Change the grant with `top_up` or `reduce`.
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
    /// The idempotency key was used for another question. A new question takes a new key.
    #[error("key `{key}` was used to reserve {amount_microunits} microunits of tenant `{tenant}`")]
    KeyConflict {
        /// The key as given.
        key: String,
        /// The tenant it was used for.
        tenant: String,
        /// The amount it was used for.
        amount_microunits: u64,
    },
    /// The tenant has open reservations of its own, so it cannot be given its first child now. Try
    /// again once they are settled.
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
    /// An overdraft that the tenant cannot have made: it has another number of levels, draws more from
    /// one than was missing, or, to be undone, left more debt there than there is.
    #[error(
        "no overdraft of {extra_microunits} microunits by tenant `{tenant}` with {levels} levels \
         draws {drawn_microunits:?}"
    )]
    OverdraftDiffers {
        /// The tenant of the hold.
        tenant: String,
        /// It and all above it.
        levels: usize,
        /// By how much the hold was to grow.
        extra_microunits: u64,
        /// What the event says was drawn from each level.
        drawn_microunits: Vec<u64>,
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

/// A checkpoint that no budget can have given.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckpointError {
    /// A tenant has a name, a grant or a rule that no tenant can have.
    #[error("tenant `{tenant}` of the checkpoint cannot exist: {error}")]
    Invalid {
        /// The name as given.
        tenant: String,
        /// What is wrong with it.
        error: BudgetError,
    },
    /// Two tenants have one name.
    #[error("the checkpoint has tenant `{tenant}` twice")]
    DuplicateTenant {
        /// The name.
        tenant: String,
    },
    /// A parent that does not come before its child, or the tenant of a hold or of a key, is not in
    /// the checkpoint.
    #[error("{named_by} names tenant `{tenant}`, which the checkpoint does not have before it")]
    UnknownTenant {
        /// The name that was not found.
        tenant: String,
        /// What names it.
        named_by: String,
    },
    /// A tenant is deeper below its root than [`MAX_LEVELS`] allows.
    #[error("tenant `{tenant}` of the checkpoint has more than {} levels", MAX_LEVELS)]
    TooDeep {
        /// The tenant.
        tenant: String,
    },
    /// The quantities of a tenant do not add up, or exceed [`MAX_AMOUNT_MICROUNITS`].
    #[error(
        "the books of tenant `{tenant}`, in microunits, do not add up to at most {}: {account}",
        MAX_AMOUNT_MICROUNITS
    )]
    Unbalanced {
        /// Whose books.
        tenant: String,
        /// The books.
        account: Box<AccountSnapshot>,
    },
    /// What a tenant has reserved is not what the open holds of it and of all below it hold.
    #[error(
        "tenant `{tenant}` has {reserved_microunits} microunits reserved, \
         its open holds hold {held_microunits}"
    )]
    HeldDiffers {
        /// The tenant.
        tenant: String,
        /// What its account says.
        reserved_microunits: u64,
        /// What its holds say.
        held_microunits: u128,
    },
    /// Two open holds have one number, or one has a greater number than any that was given out.
    #[error("the checkpoint has hold {hold} twice, or above its last number")]
    HoldOutOfTurn {
        /// The number.
        hold: u64,
    },
    /// An idempotency key is there twice, is empty or too long, or names a hold above any number
    /// that was given out.
    #[error("the checkpoint has key `{key}` twice, or no such key can exist")]
    KeyOutOfTurn {
        /// The key as given.
        key: String,
    },
    /// There are more idempotency keys than are ever remembered.
    #[error("the checkpoint has {keys} keys, at most {} are remembered", KEY_WINDOW)]
    TooManyKeys {
        /// How many there are.
        keys: usize,
    },
}

/// What an audit finds.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuditError {
    /// An event names a tenant that no event has opened.
    #[error("event {event_index} names tenant `{tenant}`, which no event has opened")]
    UnknownTenant {
        /// The place of the event; the first is 0.
        event_index: u64,
        /// The name as given.
        tenant: String,
    },
    /// An event names a hold that is not open, or opens one that is.
    #[error("event {event_index} names hold {hold} out of turn")]
    HoldOutOfTurn {
        /// The place of the event; the first is 0.
        event_index: u64,
        /// The hold as given.
        hold: u64,
    },
    /// An event takes more from a hold than it holds.
    #[error(
        "event {event_index} takes {taken_microunits} microunits from hold {hold}, \
         which holds {held_microunits}"
    )]
    HoldExceeded {
        /// The place of the event; the first is 0.
        event_index: u64,
        /// The hold as given.
        hold: u64,
        /// What it held before the event.
        held_microunits: i128,
        /// What the event says was committed or released of it.
        taken_microunits: i128,
    },
    /// After an event, the quantities of a tenant do not add up, or one of them is negative.
    #[error(
        "after event {event_index} the books of tenant `{tenant}`, in microunits, do not add up: {sums}"
    )]
    Unbalanced {
        /// The place of the event; the first is 0.
        event_index: u64,
        /// Whose books.
        tenant: String,
        /// The books.
        sums: Box<Sums>,
    },
    /// The live account is not what the events say.
    #[error(
        "the account of tenant `{tenant}`, in microunits, is {}; the events say {}",
        account_or_none(live.as_deref()),
        account_or_none(logged.as_deref())
    )]
    Differs {
        /// Whose account.
        tenant: String,
        /// What the events say; `None` when they know no such tenant.
        logged: Option<Box<AccountSnapshot>>,
        /// What the budget says; `None` when it knows no such tenant.
        live: Option<Box<AccountSnapshot>>,
    },
}

fn account_or_none(account: Option<&AccountSnapshot>) -> String {
    account.map_or_else(|| "not there".to_owned(), ToString::to_string)
}
