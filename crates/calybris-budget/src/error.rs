//! Every refusal, with its evidence.

use thiserror::Error;

use calybris_units::{BrokenInvariant, Microunits};

use crate::{
    AccountSnapshot, KEY_WINDOW, MAX_AMOUNT, MAX_LEVELS, MAX_NAME_BYTES, ReservationId, Sums,
};

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
        "tenant `{tenant}` has {available} microunits available, \
         {requested} were requested", available = available.get(), requested = requested.get())]
    Insufficient {
        /// The tenant that lacks it: the one that was asked, or one above it.
        tenant: String,
        /// The amount that the caller wanted to take.
        requested: Microunits,
        /// The available amount at the instant of the refusal: always less than requested.
        available: Microunits,
    },
    /// A reservation of nothing was asked for. A call that costs nothing needs no reservation.
    #[error("a reservation of 0 microunits for tenant `{tenant}` reserves nothing")]
    ZeroAmount {
        /// The tenant that was asked.
        tenant: String,
    },
    /// The tenant is frozen. Unfreeze it first.
    #[error("tenant `{tenant}` is frozen")]
    Frozen {
        /// The tenant that is frozen: the one that was asked, or one above it.
        tenant: String,
    },
    /// The tenant has spent more than it was granted and reserves nothing until that is cleared: top
    /// it up, or repay from what is available.
    #[error("tenant `{tenant}` owes {debt} microunits", debt = debt.get())]
    InDebt {
        /// The tenant in debt: the one that was asked, or one above it.
        tenant: String,
        /// Its debt.
        debt: Microunits,
    },
    /// More would be reserved at once than the tenant's cap allows. It may fit once others settle.
    #[error(
        "tenant `{tenant}` has {reserved} microunits reserved of at most \
         {cap} at once, {requested} more were requested", reserved = reserved.get(), cap = cap.get(), requested = requested.get())]
    Exposed {
        /// The tenant with the cap: the one that was asked, or one above it.
        tenant: String,
        /// The amount that the caller wanted to reserve.
        requested: Microunits,
        /// The reserved amount at the instant of the refusal.
        reserved: Microunits,
        /// The most that may be reserved at once.
        cap: Microunits,
    },
    /// More was to be refunded than was spent.
    #[error(
        "tenant `{tenant}` has committed {committed} microunits, \
         {requested} were to be refunded", committed = committed.get(), requested = requested.get())]
    RefundTooLarge {
        /// The tenant that has spent less: the one that was asked, or one above it.
        tenant: String,
        /// The amount that the caller wanted to refund.
        requested: Microunits,
        /// The committed amount.
        committed: Microunits,
    },
    /// An event repays more than was owed.
    #[error(
        "tenant `{tenant}` owes {debt} microunits, {requested} were to be repaid", debt = debt.get(), requested = requested.get())]
    RepaymentTooLarge {
        /// The tenant that owes less.
        tenant: String,
        /// The amount that the event says was repaid.
        requested: Microunits,
        /// Its debt.
        debt: Microunits,
    },
    /// The grant (and the debt) of the tenant would exceed [`MAX_AMOUNT`].
    #[error(
        "tenant `{tenant}` was granted {granted} microunits; {requested} \
         more would exceed the maximum of {}",
        MAX_AMOUNT.get(), granted = granted.get(), requested = requested.get())]
    GrantTooLarge {
        /// The tenant.
        tenant: String,
        /// Its grant and its debt together.
        granted: Microunits,
        /// The amount that was to be added.
        requested: Microunits,
    },
    /// The amount is above [`MAX_AMOUNT`].
    #[error(
        "the amount of {amount} microunits exceeds the maximum of {}",
        MAX_AMOUNT.get(), amount = amount.get())]
    AmountTooLarge {
        /// The amount as given.
        amount: Microunits,
    },
    /// The actual cost is above what was reserved, and the tenant's overrun policy refuses that. The
    /// reservation stays open: extend it, or let the policy draw or cap.
    #[error(
        "{actual} microunits are more than the {reserved} \
         reserved for tenant `{tenant}`", actual = actual.get(), reserved = reserved.get())]
    Overrun {
        /// The tenant of the reservation.
        tenant: String,
        /// The amount of the reservation.
        reserved: Microunits,
        /// The amount that was to be committed.
        actual: Microunits,
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
        "tenant `{tenant}` was opened with {granted} microunits, \
         not with {requested}", granted = granted.get(), requested = requested.get())]
    GrantDiffers {
        /// The tenant that exists.
        tenant: String,
        /// The grant it was opened with.
        granted: Microunits,
        /// The grant the caller named.
        requested: Microunits,
    },
    /// The tenant has no open reservation of this id: it never had, or it was settled.
    #[error("tenant `{tenant}` has no open reservation {reservation}")]
    UnknownReservation {
        /// The tenant as given.
        tenant: String,
        /// The id as given.
        reservation: ReservationId,
    },
    /// An idempotency key is empty or longer than [`MAX_NAME_BYTES`].
    #[error("an idempotency key has 1 to {} bytes, this one has {bytes}", MAX_NAME_BYTES)]
    KeyLength {
        /// The length of the key as given.
        bytes: usize,
    },
    /// The idempotency key was used for another question. A new question takes a new key.
    #[error("key `{key}` was used to reserve {amount} microunits of tenant `{tenant}`", amount = amount.get())]
    KeyConflict {
        /// The key as given.
        key: String,
        /// The tenant it was used for.
        tenant: String,
        /// The amount it was used for.
        amount: Microunits,
    },
    /// The tenant has open reservations of its own, so it cannot be given its first child now. Try
    /// again once they are settled.
    #[error(
        "tenant `{tenant}` has {reserved} microunits reserved and cannot become a \
         parent before they are settled", reserved = reserved.get())]
    ParentInUse {
        /// The tenant that was to become a parent.
        tenant: String,
        /// The reserved amount.
        reserved: Microunits,
    },
    /// The tenant would be deeper below its root than [`MAX_LEVELS`] allows.
    #[error("tenant `{tenant}` would have more than {} levels", MAX_LEVELS)]
    TooDeep {
        /// The tenant that was to be opened.
        tenant: String,
    },
    /// The id names a reservation that is open already.
    #[error("reservation {reservation} is open already")]
    AlreadyOpen {
        /// The id as given.
        reservation: ReservationId,
    },
    /// An overdraft that the tenant cannot have made: it has another number of levels, draws more from
    /// one than was missing, or, to be undone, left more debt there than there is.
    #[error(
        "no overdraft of {extra} microunits by tenant `{tenant}` with {levels} levels \
         draws {drawn:?}", extra = extra.get(), drawn = drawn.iter().map(|level| level.get()).collect::<Vec<_>>())]
    OverdraftDiffers {
        /// The tenant of the reservation.
        tenant: String,
        /// It and all above it.
        levels: usize,
        /// By how much the reservation was to grow.
        extra: Microunits,
        /// The amounts that the event says were drawn, one for each level.
        drawn: Vec<Microunits>,
    },
    /// An invariant of this crate does not hold: a defect, or broken memory. The account it belongs to
    /// stands still: every later debit, settlement and change of its amounts is refused with this error,
    /// and so is every debit of a tenant below it. Its reserved amount stays reserved.
    #[error("internal error: {0}")]
    Internal(#[from] BrokenInvariant),
    /// No reservation with this id is open.
    #[error("no reservation {reservation} is open")]
    NotOpen {
        /// The id as given.
        reservation: ReservationId,
    },
}

/// An event that cannot follow the events before it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("event {event_index} cannot be replayed: {error}")]
#[non_exhaustive]
pub struct ReplayError {
    /// The place of the event in the sequence; the first is 0.
    pub event_index: u64,
    /// The reason.
    pub error: BudgetError,
}

/// A state that no budget can be in.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum StateError {
    /// A tenant has a name, a grant or a rule that no tenant can have.
    #[error("tenant `{tenant}` of the state cannot exist: {error}")]
    Invalid {
        /// The name as given.
        tenant: String,
        /// The reason.
        error: BudgetError,
    },
    /// Two tenants have one name.
    #[error("the state has tenant `{tenant}` twice")]
    DuplicateTenant {
        /// The name.
        tenant: String,
    },
    /// A parent that does not come before its child, or the tenant of a reservation or of a key, is
    /// not in the state.
    #[error("{named_by} names tenant `{tenant}`, which the state does not have before it")]
    UnknownTenant {
        /// The name that was not found.
        tenant: String,
        /// The part of the state that names it.
        named_by: String,
    },
    /// A tenant is deeper below its root than [`MAX_LEVELS`] allows.
    #[error("tenant `{tenant}` of the state has more than {} levels", MAX_LEVELS)]
    TooDeep {
        /// The tenant.
        tenant: String,
    },
    /// The quantities of a tenant do not add up, or exceed [`MAX_AMOUNT`].
    #[error(
        "the books of tenant `{tenant}`, in microunits, do not add up to at most {}: {account}",
        MAX_AMOUNT.get()
    )]
    Unbalanced {
        /// The tenant.
        tenant: String,
        /// The books.
        account: Box<AccountSnapshot>,
    },
    /// The reserved amount of a tenant is not the sum of the open reservations of it and of all below it.
    #[error(
        "tenant `{tenant}` has {reserved} microunits reserved, \
         its open reservations add up to {open_microunits}", reserved = reserved.get())]
    ReservedDiffers {
        /// The tenant.
        tenant: String,
        /// The reserved amount in its account.
        reserved: Microunits,
        /// The sum of the reservations, in microunits.
        open_microunits: u128,
    },
    /// Two open reservations have one id, or one has a greater id than any that was given out.
    #[error("the state has reservation {reservation} twice, or above its last id")]
    ReservationOutOfTurn {
        /// The id.
        reservation: ReservationId,
    },
    /// An idempotency key is there twice, is empty or too long, or names a reservation above any id
    /// that was given out.
    #[error("the state has key `{key}` twice, or no such key can exist")]
    KeyOutOfTurn {
        /// The key as given.
        key: String,
    },
    /// An invariant of this crate does not hold: a defect, or broken memory.
    #[error("internal error: {0}")]
    Internal(#[from] BrokenInvariant),
    /// There are more idempotency keys than are ever remembered.
    #[error("the state has {keys} keys, at most {} are remembered", KEY_WINDOW)]
    TooManyKeys {
        /// How many there are.
        keys: usize,
    },
}

/// A finding of an audit.
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
    /// An event names a reservation that is not open, or opens one that is.
    #[error("event {event_index} names reservation {reservation} out of turn")]
    ReservationOutOfTurn {
        /// The place of the event; the first is 0.
        event_index: u64,
        /// The id as given.
        reservation: ReservationId,
    },
    /// An event takes more from a reservation than is reserved.
    #[error(
        "event {event_index} takes {taken_microunits} microunits from reservation {reservation}, \
         which has {open_microunits}"
    )]
    ReservationExceeded {
        /// The place of the event; the first is 0.
        event_index: u64,
        /// The id as given.
        reservation: ReservationId,
        /// The amount before the event, in microunits.
        open_microunits: i128,
        /// The amount that the event says was committed or released, in microunits.
        taken_microunits: i128,
    },
    /// An event says what was drawn for another number of levels than the tenant has.
    #[error("event {event_index} draws from {drawn_levels} levels, tenant `{tenant}` has {levels}")]
    LevelsDiffer {
        /// The place of the event; the first is 0.
        event_index: u64,
        /// The tenant of the reservation.
        tenant: String,
        /// It and all above it.
        levels: usize,
        /// From how many levels the event draws.
        drawn_levels: usize,
    },
    /// After an event, the quantities of a tenant do not add up, or one of them is negative.
    #[error(
        "after event {event_index} the books of tenant `{tenant}`, in microunits, do not add up: {sums}"
    )]
    Unbalanced {
        /// The place of the event; the first is 0.
        event_index: u64,
        /// The tenant.
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
        /// The tenant.
        tenant: String,
        /// The account by the events; `None` when they know no such tenant.
        logged: Option<Box<AccountSnapshot>>,
        /// The account in the budget; `None` when it knows no such tenant.
        live: Option<Box<AccountSnapshot>>,
    },
}

fn account_or_none(account: Option<&AccountSnapshot>) -> String {
    account.map_or_else(|| "not there".to_owned(), ToString::to_string)
}
