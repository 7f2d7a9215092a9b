//! A checkpoint: the whole state of an engine.

use std::borrow::Cow;

use calybris_kernel::{Decision, Request};
use calybris_units::UnixMillis;
use serde::{Deserialize, Serialize};

use super::budget::NotLogged;
use super::budget_state::BudgetStateV1;
use super::decided::{AdmissionV1, checked_request_key};
use super::decision::{DecisionV1, DecisionV2, checked};
use super::invalid::InvalidField;
use super::request::{RequestV1, RequestV2};
use super::says::{FitsV1, Says};
use super::snapshot::{SnapshotV1, SnapshotV2};
use crate::record::{Checkpoint, KeyedDecision, LoggedSnapshot, LoggedTicket};

/// All that the records before it lead to: `S` is a snapshot, `R` a request, `D` a decision.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct CheckpointOf<'a, S, R, D> {
    time_unix_ms: u64,
    snapshot: Option<S>,
    #[serde(borrow)]
    budget: BudgetStateV1<'a>,
    tickets: Vec<TicketOf<'a, R>>,
    #[serde(borrow)]
    keyed_decisions: Vec<KeyedDecisionOf<'a, R, D>>,
    decisions: u64,
}

pub(super) type CheckpointV1<'a> = CheckpointOf<'a, SnapshotV1<'a>, RequestV1, DecisionV1>;
pub(super) type CheckpointV2<'a> = CheckpointOf<'a, SnapshotV2<'a>, RequestV2, DecisionV2>;

/// An open ticket, but for its money.
#[derive(Debug, Serialize, Deserialize)]
struct TicketOf<'a, R> {
    decision_sequence: u64,
    model_id: u32,
    failed_model_ids: Cow<'a, [u32]>,
    request: R,
}

/// A decision that was made under a request key.
#[derive(Debug, Serialize, Deserialize)]
struct KeyedDecisionOf<'a, R, D> {
    decision_sequence: u64,
    request_key: &'a str,
    tenant: &'a str,
    request: R,
    decision: D,
    admission: AdmissionV1,
}

impl<'a, S, R: Says<Request>, D: Says<Decision>> CheckpointOf<'a, S, R, D>
where
    S: From<&'a LoggedSnapshot<'a>> + TryInto<LoggedSnapshot<'static>, Error = InvalidField>,
{
    pub(super) fn of(checkpoint: &'a Checkpoint<'_>) -> Result<Self, NotLogged> {
        Ok(Self {
            time_unix_ms: checkpoint.time.get(),
            snapshot: checkpoint.snapshot.as_ref().map(Into::into),
            budget: (&checkpoint.budget).try_into()?,
            tickets: checkpoint.tickets.iter().map(TicketOf::of).collect(),
            keyed_decisions: checkpoint.keyed_decisions.iter().map(KeyedDecisionOf::of).collect(),
            decisions: checkpoint.decisions,
        })
    }

    pub(super) fn read(self) -> Result<Checkpoint<'static>, InvalidField> {
        let tickets = self.tickets.into_iter().map(TicketOf::read);
        let tickets = tickets.collect::<Result<Vec<LoggedTicket>, _>>()?;
        if !tickets.is_sorted_by(|a, b| a.decision_sequence < b.decision_sequence) {
            return Err(out_of_order("tickets"));
        }
        let keyed_decisions = self.keyed_decisions.into_iter().map(KeyedDecisionOf::read);
        let keyed_decisions = keyed_decisions.collect::<Result<Vec<KeyedDecision<'_>>, _>>()?;
        if !keyed_decisions.is_sorted_by(|a, b| a.decision_sequence < b.decision_sequence) {
            return Err(out_of_order("keyed_decisions"));
        }
        Ok(Checkpoint {
            time: UnixMillis::new(self.time_unix_ms),
            snapshot: self.snapshot.map(TryInto::try_into).transpose()?,
            budget: self.budget.try_into()?,
            tickets: Cow::Owned(tickets),
            keyed_decisions: Cow::Owned(keyed_decisions),
            decisions: self.decisions,
        })
    }
}

impl FitsV1 for Checkpoint<'_> {
    fn fits_v1(&self) -> bool {
        self.snapshot.as_ref().is_none_or(FitsV1::fits_v1)
            && self.tickets.iter().all(|ticket| ticket.request.fits_v1())
            && self
                .keyed_decisions
                .iter()
                .all(|keyed| keyed.request.fits_v1() && keyed.decision.fits_v1())
    }
}

fn out_of_order(field: &'static str) -> InvalidField {
    InvalidField::new(
        field,
        "they are not in ascending order of their decisions, each with its own",
    )
}

impl<'a, R: Says<Request>> TicketOf<'a, R> {
    fn of(ticket: &'a LoggedTicket) -> Self {
        Self {
            decision_sequence: ticket.decision_sequence,
            model_id: ticket.model_id,
            failed_model_ids: Cow::Borrowed(&ticket.failed_model_ids),
            request: R::of(&ticket.request),
        }
    }

    fn read(self) -> Result<LoggedTicket, InvalidField> {
        Ok(LoggedTicket {
            decision_sequence: self.decision_sequence,
            model_id: self.model_id,
            failed_model_ids: self.failed_model_ids.into_owned(),
            request: self.request.read()?,
        })
    }
}

impl<'a, R: Says<Request>, D: Says<Decision>> KeyedDecisionOf<'a, R, D> {
    fn of(keyed: &'a KeyedDecision<'_>) -> Self {
        Self {
            decision_sequence: keyed.decision_sequence,
            request_key: &keyed.request_key,
            tenant: &keyed.tenant,
            request: R::of(&keyed.request),
            decision: D::of(&keyed.decision),
            admission: keyed.admission.into(),
        }
    }

    fn read(self) -> Result<KeyedDecision<'static>, InvalidField> {
        let decision = self.decision.read()?;
        checked(&decision)?;
        Ok(KeyedDecision {
            decision_sequence: self.decision_sequence,
            request_key: Cow::Owned(checked_request_key(self.request_key)?.to_owned()),
            tenant: Cow::Owned(self.tenant.to_owned()),
            request: self.request.read()?,
            decision,
            admission: self.admission.into(),
        })
    }
}
