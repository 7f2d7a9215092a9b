//! A checkpoint: the whole state of an engine.

use std::borrow::Cow;

use calybris_units::UnixMillis;
use serde::{Deserialize, Serialize};

use super::budget::NotLogged;
use super::budget_state::BudgetStateV1;
use super::decided::{AdmissionV1, DecisionV1, RequestV1, checked_request_key};
use super::invalid::InvalidField;
use super::snapshot::SnapshotV1;
use crate::record::{Checkpoint, KeyedDecision, LoggedTicket};

/// All that the records before it lead to.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct CheckpointV1<'a> {
    time_unix_ms: u64,
    #[serde(borrow)]
    snapshot: Option<SnapshotV1<'a>>,
    #[serde(borrow)]
    budget: BudgetStateV1<'a>,
    tickets: Vec<TicketV1<'a>>,
    #[serde(borrow)]
    keyed_decisions: Vec<KeyedDecisionV1<'a>>,
    decisions: u64,
}

/// An open ticket, but for its money.
#[derive(Debug, Serialize, Deserialize)]
struct TicketV1<'a> {
    decision_sequence: u64,
    model_id: u32,
    failed_model_ids: Cow<'a, [u32]>,
    request: RequestV1,
}

/// A decision that was made under a request key.
#[derive(Debug, Serialize, Deserialize)]
struct KeyedDecisionV1<'a> {
    decision_sequence: u64,
    request_key: &'a str,
    tenant: &'a str,
    request: RequestV1,
    decision: DecisionV1,
    admission: AdmissionV1,
}

impl<'a> TryFrom<&'a Checkpoint<'_>> for CheckpointV1<'a> {
    type Error = NotLogged;

    fn try_from(checkpoint: &'a Checkpoint<'_>) -> Result<Self, NotLogged> {
        Ok(Self {
            time_unix_ms: checkpoint.time.get(),
            snapshot: checkpoint.snapshot.as_ref().map(Into::into),
            budget: (&checkpoint.budget).try_into()?,
            tickets: checkpoint.tickets.iter().map(Into::into).collect(),
            keyed_decisions: checkpoint.keyed_decisions.iter().map(Into::into).collect(),
            decisions: checkpoint.decisions,
        })
    }
}

impl TryFrom<CheckpointV1<'_>> for Checkpoint<'static> {
    type Error = InvalidField;

    fn try_from(wire: CheckpointV1<'_>) -> Result<Self, InvalidField> {
        let tickets: Vec<LoggedTicket> = wire.tickets.into_iter().map(Into::into).collect();
        if !tickets.is_sorted_by(|a, b| a.decision_sequence < b.decision_sequence) {
            return Err(out_of_order("tickets"));
        }
        let keyed_decisions = wire
            .keyed_decisions
            .into_iter()
            .map(TryInto::try_into)
            .collect::<Result<Vec<_>, _>>()?;
        if !keyed_decisions
            .is_sorted_by(|a: &KeyedDecision<'_>, b| a.decision_sequence < b.decision_sequence)
        {
            return Err(out_of_order("keyed_decisions"));
        }
        Ok(Self {
            time: UnixMillis::new(wire.time_unix_ms),
            snapshot: wire.snapshot.map(TryInto::try_into).transpose()?,
            budget: wire.budget.try_into()?,
            tickets: Cow::Owned(tickets),
            keyed_decisions: Cow::Owned(keyed_decisions),
            decisions: wire.decisions,
        })
    }
}

fn out_of_order(field: &'static str) -> InvalidField {
    InvalidField::new(
        field,
        "they are not in ascending order of their decisions, each with its own",
    )
}

impl<'a> From<&'a LoggedTicket> for TicketV1<'a> {
    fn from(ticket: &'a LoggedTicket) -> Self {
        Self {
            decision_sequence: ticket.decision_sequence,
            model_id: ticket.model_id,
            failed_model_ids: Cow::Borrowed(&ticket.failed_model_ids),
            request: (&ticket.request).into(),
        }
    }
}

impl From<TicketV1<'_>> for LoggedTicket {
    fn from(wire: TicketV1<'_>) -> Self {
        Self {
            decision_sequence: wire.decision_sequence,
            model_id: wire.model_id,
            failed_model_ids: wire.failed_model_ids.into_owned(),
            request: wire.request.into(),
        }
    }
}

impl<'a> From<&'a KeyedDecision<'_>> for KeyedDecisionV1<'a> {
    fn from(keyed: &'a KeyedDecision<'_>) -> Self {
        Self {
            decision_sequence: keyed.decision_sequence,
            request_key: &keyed.request_key,
            tenant: &keyed.tenant,
            request: (&keyed.request).into(),
            decision: (&keyed.decision).into(),
            admission: keyed.admission.into(),
        }
    }
}

impl TryFrom<KeyedDecisionV1<'_>> for KeyedDecision<'static> {
    type Error = InvalidField;

    fn try_from(wire: KeyedDecisionV1<'_>) -> Result<Self, InvalidField> {
        Ok(Self {
            decision_sequence: wire.decision_sequence,
            request_key: Cow::Owned(checked_request_key(wire.request_key)?.to_owned()),
            tenant: Cow::Owned(wire.tenant.to_owned()),
            request: wire.request.into(),
            decision: wire.decision.try_into()?,
            admission: wire.admission.into(),
        })
    }
}
