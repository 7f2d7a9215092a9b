//! What can go wrong, with its evidence.

use calybris_budget::{BudgetError, StateError};
use calybris_kernel::{Decision, SnapshotError};
use calybris_units::BrokenInvariant;
use calybris_wal::WalError;
use thiserror::Error;

#[cfg(doc)]
use crate::record::Admission;
use crate::ticket::Ticket;

/// Why the engine could not do what it was asked. Budgets and open tickets are as before the call, and so is the log.
///
/// But after a write or a sync that failed ([`WalError::Io`], and [`WalError::Poisoned`] from then on), bytes of the
/// refused record may be on the disk: the log takes nothing more, and opening it again finds out. A decision whose
/// `decide` failed so may come back as an open ticket, never as a lost one; a settlement may come back as done. One above
/// its reservation is two records, and if only the first was written the whole cost is reserved.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The log refused: it cannot be opened, is damaged, or could not be written. What was asked for was not done; after a
    /// failed write, opening the log again finds out what stands in it.
    #[error(transparent)]
    Log(#[from] WalError),
    /// The budget refused: a cost above its reservation (the ticket stays open), a name or an amount out of range, another
    /// grant for a tenant that has one. A lack of money is no error but an answer, [`Admission::Insufficient`].
    #[error(transparent)]
    Budget(#[from] BudgetError),
    /// The log is new and no policy and catalog were installed. Call `install` first.
    #[error("no policy and catalog are installed")]
    NoSnapshot,
    /// Nobody opened this tenant. Call `ensure_tenant` first.
    #[error("tenant `{tenant}` is not known: open it with a budget first")]
    UnknownTenant {
        /// The name as given.
        tenant: String,
    },
    /// The caller's id of the call is too long to be logged.
    #[error("a correlation id has at most {limit_bytes} bytes, found {found_bytes}")]
    CorrelationIdTooLong {
        /// Its length.
        found_bytes: usize,
        /// The most that is allowed.
        limit_bytes: usize,
    },
    /// The request key is too long to be logged.
    #[error("a request key has at most {limit_bytes} bytes, found {found_bytes}")]
    RequestKeyTooLong {
        /// Its length.
        found_bytes: usize,
        /// The most that is allowed.
        limit_bytes: usize,
    },
    /// The reason of an administrator's change cannot be logged.
    #[error("the reason cannot be logged: {why}")]
    InvalidReason {
        /// What is wrong with it.
        why: String,
    },
    /// The tenant had another request decided under this request key.
    #[error(
        "request key `{request_key}` was used for another call, decided at sequence {decision_sequence}"
    )]
    RequestKeyReused {
        /// The key as given.
        request_key: String,
        /// Sequence of the decision that was made under it.
        decision_sequence: u64,
    },
    /// More request keys are to be remembered than is allowed.
    #[error("at most {limit} request keys are remembered, found {found}")]
    TooManyRequestKeys {
        /// How many were asked for.
        found: usize,
        /// The most that is allowed.
        limit: usize,
    },
    /// The books do not add up, so no checkpoint can be made of them. Nothing was logged.
    #[error(transparent)]
    Books(Box<StateError>),
    /// The ticket was settled or abandoned before, or is one of another log.
    #[error("the decision at sequence {decision_sequence} has no open ticket")]
    TicketNotOpen {
        /// Sequence of the decision.
        decision_sequence: u64,
    },
    /// The ticket has fallen back from the model that is said to have failed: another ticket for the same decision did it.
    /// [`Engine::ticket`](crate::Engine::ticket) answers the ticket as it is now.
    #[error(
        "the ticket at sequence {decision_sequence} has gone on from model {failed_model_id} to model {model_id}"
    )]
    TicketMovedOn {
        /// Sequence of the decision.
        decision_sequence: u64,
        /// The model of the ticket as given.
        failed_model_id: u32,
        /// The model that it is at.
        model_id: u32,
    },
    /// A record is authentic but contradicts what the log said before it, so the log was not written by this engine.
    #[error("record {sequence} contradicts the log before it: {contradiction}")]
    Contradiction {
        /// Sequence of the record.
        sequence: u64,
        /// What does not fit.
        contradiction: String,
    },
    /// A record is authentic, but a field of it has a value that no record may have: an unknown code, say.
    #[error("record {sequence}, {record}, has an invalid `{field}`: {why}")]
    InvalidRecord {
        /// Sequence of the record.
        sequence: u64,
        /// What the record is.
        record: &'static str,
        /// The field, as `RECORDS.md` names it.
        field: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A logged policy and catalog are not valid.
    #[error("the snapshot at record {sequence} is not valid: {source}")]
    InvalidSnapshot {
        /// Sequence of the record.
        sequence: u64,
        /// What is wrong with it.
        source: SnapshotError,
    },
    /// The record at that sequence is there, but is not a decision.
    #[error("record {sequence} is {found}, not a decision")]
    NotADecision {
        /// The sequence asked for.
        sequence: u64,
        /// What the record is.
        found: &'static str,
    },
    /// The record at that sequence is there, but is not a checkpoint.
    #[error("record {sequence} is {found}, not a checkpoint")]
    NotACheckpoint {
        /// The sequence asked for.
        sequence: u64,
        /// What the record is.
        found: &'static str,
    },
    /// A decision of the log does not come out again from its recorded request and snapshot: it was not made by this
    /// kernel, or was altered by somebody who could write authentic records.
    #[error(
        "decision {sequence} replays differently: recorded {recorded:?}, replayed {replayed:?}"
    )]
    ReplayDiffers {
        /// Sequence of the `Decided` record.
        sequence: u64,
        /// What the record says.
        recorded: Box<Decision>,
        /// What the kernel decides.
        replayed: Box<Decision>,
    },
    /// A proof of a decision does not hold, or not for the tree head it was checked against.
    #[error("the proof does not hold: {what}")]
    ProofRefused {
        /// What does not hold.
        what: String,
    },
    /// A policy and a catalog that were proposed to a replay are not valid.
    #[error("the proposed policy and catalog are not valid: {0}")]
    InvalidProposal(#[from] SnapshotError),
    /// An invariant of the engine, its log or its budget does not hold. The engine decides, logs and acknowledges nothing more;
    /// balances and open tickets can still be read. Opening the log again begins with what stands in it.
    #[error("internal error: {0}")]
    Internal(#[from] BrokenInvariant),
}

impl From<StateError> for EngineError {
    fn from(error: StateError) -> Self {
        Self::Books(Box::new(error))
    }
}

impl EngineError {
    /// The invariant that does not hold, in the engine or in what it is built on, if that is the error.
    pub(crate) fn broken_invariant(&self) -> Option<BrokenInvariant> {
        match self {
            Self::Internal(broken)
            | Self::Log(WalError::Internal(broken))
            | Self::Budget(BudgetError::Internal(broken)) => Some(*broken),
            Self::Books(error) => match **error {
                StateError::Internal(broken)
                | StateError::Invalid { error: BudgetError::Internal(broken), .. } => Some(broken),
                _ => None,
            },
            _ => None,
        }
    }
}

/// A record that does not fit what the log says before it.
pub(crate) fn contradiction(sequence: u64, contradiction: String) -> EngineError {
    EngineError::Contradiction { sequence, contradiction }
}

/// A record that the state before it refuses. A broken invariant does not accuse the record.
pub(crate) fn refused_by_state(sequence: u64, refused: impl Into<EngineError>) -> EngineError {
    let refused = refused.into();
    match refused.broken_invariant() {
        Some(_) => refused,
        None => contradiction(sequence, refused.to_string()),
    }
}

/// A record that names one that put no snapshot in force.
pub(crate) fn installed_nothing(sequence: u64, named: u64) -> EngineError {
    contradiction(sequence, format!("record {named} installed no snapshot"))
}

/// A record that names a snapshot that could not be in force any more.
pub(crate) fn superseded(sequence: u64, named: u64) -> EngineError {
    contradiction(sequence, format!("the snapshot of record {named} was superseded before it"))
}

/// A settlement, an abandonment or a step to the next model that did not happen, with the ticket given back.
#[derive(Debug, Error)]
#[error("{error}")]
#[non_exhaustive]
pub struct SettleRefused {
    /// Why.
    pub error: EngineError,
    /// The ticket, still open unless the error says that it is not.
    pub ticket: Ticket,
}
