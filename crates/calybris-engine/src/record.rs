//! What the records of a log say. Their bytes are the business of [`wire`](crate::wire).

use std::borrow::Cow;
use std::fmt;

use calybris_budget::BudgetEvent;
use calybris_kernel::{Decision, Group, Model, Policy, RankedModel, Request};
use calybris_units::{Microunits, UnixMillis};

use crate::snapshot::{Names, SnapshotDigest};

/// One record of the log, in whichever version it was written. It is serialized as the oldest one that says all of it: as
/// bytes for the log, as an object in JSON. `RECORDS.md` describes both.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Record<'a> {
    /// From here on, decisions may name this record's sequence as the snapshot they were made under.
    SnapshotInstalled {
        /// When, by the caller's clock; [`UnixMillis::EPOCH`] if the caller gave none.
        time: UnixMillis,
        /// What was installed.
        snapshot: LoggedSnapshot<'a>,
    },
    /// A budget changed otherwise than by a decision or its settlement: a tenant was opened, a grant raised, say.
    ///
    /// A reservation is named by the sequence of its decision.
    BudgetChanged {
        /// When, by the caller's clock.
        time: UnixMillis,
        /// The change.
        event: BudgetEvent,
        /// Why, by the administrator who made it: at most [`MAX_REASON_BYTES`](crate::MAX_REASON_BYTES) bytes without control
        /// characters; empty if no reason was given.
        reason: Cow<'a, str>,
    },
    /// A request was decided, and its maximum cost reserved or refused.
    Decided(Decided<'a>),
    /// The decision at that sequence was carried out and cost this much.
    Settled {
        /// When, by the caller's clock.
        time: UnixMillis,
        /// Sequence of the `Decided` record.
        decision_sequence: u64,
        /// The actual cost. It is above what is reserved only where the tenant's rules cap what it is charged at that
        /// ([`CapAtReserved`](calybris_budget::OverrunPolicy::CapAtReserved)).
        actual_cost: Microunits,
    },
    /// The decision at that sequence was not carried out; what it had reserved went back.
    Abandoned {
        /// When, by the caller's clock.
        time: UnixMillis,
        /// Sequence of the `Decided` record.
        decision_sequence: u64,
    },
    /// The model of an open ticket failed, and the ticket went on to the next that is eligible and affordable.
    FellBack {
        /// When, by the caller's clock.
        time: UnixMillis,
        /// Sequence of the `Decided` record.
        decision_sequence: u64,
        /// Sequence of the snapshot that ranked the models: the one in force at that moment.
        snapshot_sequence: u64,
        /// The model that failed.
        failed_model_id: u32,
        /// Where the ticket went; `None` if no untried model is eligible and affordable: it then stays as it was.
        fallback: Option<Fallback>,
    },
    /// All that the records before this one lead to. It is the first record of its segment, so that neither recovery
    /// nor a decision later in the log needs anything from before it.
    Checkpoint(Checkpoint<'a>),
}

/// The state of an engine at one place of its log.
///
/// The engine writes a `SnapshotInstalled` with the same snapshot behind it, which later decisions name. A proof of a
/// decision shows the record that the decision names, and must not show every balance. If a crash comes between the two, the
/// next opening writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a record is written with all of its fields")]
pub struct Checkpoint<'a> {
    /// When, by the caller's clock.
    pub time: UnixMillis,
    /// The snapshot in force; `None` if none was installed.
    pub snapshot: Option<LoggedSnapshot<'a>>,
    /// Every tenant with its account and its rules, and every open reservation, by the sequence of its decision.
    pub budget: calybris_budget::BudgetState,
    /// What else is known about the open tickets, ascending by sequence. There is one for each reservation.
    pub tickets: Cow<'a, [LoggedTicket]>,
    /// The last decisions with a request key, ascending by sequence, as many as the engine remembers.
    pub keyed_decisions: Cow<'a, [KeyedDecision<'a>]>,
    /// How many decisions the log had before this record.
    pub decisions: u64,
}

/// An open ticket, but for its money.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a record is written with all of its fields")]
pub struct LoggedTicket {
    /// Sequence of the `Decided` record.
    pub decision_sequence: u64,
    /// The model that is to be called.
    pub model_id: u32,
    /// The models that failed, in order.
    pub failed_model_ids: Vec<u32>,
    /// What was asked.
    pub request: Request,
}

/// A decision that was made under a request key: what the same call is answered again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a record is written with all of its fields")]
pub struct KeyedDecision<'a> {
    /// Sequence of the `Decided` record.
    pub decision_sequence: u64,
    /// The key.
    pub request_key: Cow<'a, str>,
    /// Who asked.
    pub tenant: Cow<'a, str>,
    /// What was asked.
    pub request: Request,
    /// What the kernel answered.
    pub decision: Decision,
    /// What the budget answered.
    pub admission: Admission,
}

/// A policy, a catalog and its groups with their names, as a record holds them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a record is written with all of its fields")]
pub struct LoggedSnapshot<'a> {
    /// SHA-256 over the canonical bytes of policy, catalog and groups.
    pub digest: SnapshotDigest,
    /// The policy.
    pub policy: Policy,
    /// The catalog, ascending by model id.
    pub models: Cow<'a, [Model]>,
    /// The groups of its models, ascending by group id, each with its models ascending by model id.
    pub groups: Cow<'a, [Group]>,
    /// The names of the catalog's numbers.
    pub names: Cow<'a, Names>,
}

/// Where a ticket went whose model failed: the best by the snapshot's rank among those that the ticket has not tried and
/// whose maximum cost the ticket's reservation and the tenant's available budget can pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a record is written with all of its fields")]
pub struct Fallback {
    /// The model to call now.
    pub model_id: u32,
    /// Its estimated cost.
    pub estimated_cost: Microunits,
    /// Its maximum cost, which is reserved from here on. It may be above that of the model that failed.
    pub maximum_cost: Microunits,
    /// Its expected utility.
    pub expected_utility_microunits: i64,
}

/// One decision with everything that is needed to make it again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a record is written with all of its fields")]
pub struct Decided<'a> {
    /// When, by the caller's clock.
    pub time: UnixMillis,
    /// Who asked.
    pub tenant: Cow<'a, str>,
    /// The caller's own id of the call, at most 64 bytes; may be empty.
    pub correlation_id: Cow<'a, str>,
    /// Under which the same call is decided once, at most 64 bytes; empty if it was not asked for.
    pub request_key: Cow<'a, str>,
    /// Sequence of the `SnapshotInstalled` or `Checkpoint` record it was decided under.
    pub snapshot_sequence: u64,
    /// The full request.
    pub request: Request,
    /// What the kernel answered.
    pub decision: Decision,
    /// What the budget answered.
    pub admission: Admission,
}

/// What the budget said to a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "callers tell every answer of the budget apart")]
pub enum Admission {
    /// The kernel rejected the request: there was nothing to pay for.
    NotAsked,
    /// The decision's maximum cost is reserved (for a free model: nothing is) and the ticket is open.
    Reserved,
    /// The tenant, or one above it, had less than the maximum cost: no ticket.
    Insufficient {
        /// What was available to it at that moment.
        available: Microunits,
    },
    /// The tenant, or one above it, is frozen: no ticket.
    Frozen,
    /// The tenant, or one above it, spent more than it was granted and reserves nothing until that is cleared: no ticket.
    InDebt {
        /// What it owed at that moment.
        debt: Microunits,
    },
    /// The tenant, or one above it, would have more reserved at once than its cap allows: no ticket.
    Exposed {
        /// What it had reserved at that moment.
        reserved: Microunits,
        /// The most that it may have reserved at once.
        cap: Microunits,
    },
}

impl Fallback {
    /// Going on to that model.
    pub(crate) fn on(ranked: RankedModel) -> Self {
        Self {
            model_id: ranked.model_id,
            estimated_cost: ranked.cost,
            maximum_cost: ranked.maximum_cost,
            expected_utility_microunits: ranked.utility_microunits,
        }
    }
}

impl Admission {
    /// Whether the budget refused: there is a model, and no ticket.
    #[must_use]
    pub fn is_refusal(self) -> bool {
        match self {
            Self::NotAsked | Self::Reserved => false,
            Self::Insufficient { .. }
            | Self::Frozen
            | Self::InDebt { .. }
            | Self::Exposed { .. } => true,
        }
    }
}

impl fmt::Display for Admission {
    /// A line for people, with amounts in currency units: `insufficient: 0.0004 is available`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAsked => f.write_str("not asked: the request was rejected"),
            Self::Reserved => f.write_str("reserved"),
            Self::Insufficient { available } => {
                write!(f, "insufficient: {available} is available")
            }
            Self::Frozen => f.write_str("frozen"),
            Self::InDebt { debt } => write!(f, "in debt: {debt} is owed"),
            Self::Exposed { reserved, cap } => {
                write!(f, "exposed: {reserved} is reserved, and at most {cap} may be")
            }
        }
    }
}

impl Decided<'_> {
    /// The same with texts of its own, to keep.
    #[must_use]
    pub fn into_owned(self) -> Decided<'static> {
        Decided {
            time: self.time,
            tenant: Cow::Owned(self.tenant.into_owned()),
            correlation_id: Cow::Owned(self.correlation_id.into_owned()),
            request_key: Cow::Owned(self.request_key.into_owned()),
            snapshot_sequence: self.snapshot_sequence,
            request: self.request,
            decision: self.decision,
            admission: self.admission,
        }
    }

    /// What this decision took from the tenant's available budget: its maximum cost if admitted, else 0.
    #[must_use]
    pub fn reserved(&self) -> Microunits {
        match self.admission {
            Admission::Reserved => self.decision.maximum_cost,
            _ => Microunits::ZERO,
        }
    }

    /// What is kept of a decision under its request key.
    pub(crate) fn keyed(&self, decision_sequence: u64) -> KeyedDecision<'static> {
        KeyedDecision {
            decision_sequence,
            request_key: Cow::Owned(self.request_key.clone().into_owned()),
            tenant: Cow::Owned(self.tenant.clone().into_owned()),
            request: self.request,
            decision: self.decision,
            admission: self.admission,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_admission_says_its_amounts_in_currency_units() {
        let (less, more) = (Microunits::new(400), Microunits::new(2_500_000));
        let texts = [
            (Admission::NotAsked, "not asked: the request was rejected"),
            (Admission::Reserved, "reserved"),
            (Admission::Insufficient { available: less }, "insufficient: 0.0004 is available"),
            (Admission::Frozen, "frozen"),
            (Admission::InDebt { debt: more }, "in debt: 2.5 is owed"),
            (
                Admission::Exposed { reserved: less, cap: more },
                "exposed: 0.0004 is reserved, and at most 2.5 may be",
            ),
        ];
        for (admission, text) in texts {
            assert_eq!(admission.to_string(), text);
        }
    }
}
