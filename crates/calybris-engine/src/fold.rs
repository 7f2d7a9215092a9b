//! The fold: applies the records of a log one by one to the state. Recovery and every reader of the money use it.

use std::collections::BTreeMap;

use calybris_budget::{
    Audit, AuditError, BudgetEngine, BudgetEvent, Microunits, OverrunPolicy, RebuiltBudget, Replay,
    Reservation,
};
use calybris_units::UnixMillis;

use crate::active_snapshot::nothing_since;
use crate::error::{EngineError, contradiction, installed_nothing, refused_by_state};
use crate::keys::KeyWindow;
use crate::ledger::LedgerCheckpoint;
use crate::options::MAX_REQUEST_KEYS;
use crate::record::{Admission, Decided, Fallback, Record};
use crate::snapshot::Installed;
use crate::ticket::{TicketEntry, TicketState};

/// The state after the records so far.
pub(crate) struct Fold {
    pub(crate) budget: Replay,
    /// The second opinion on the money: the same events, summed up by code that shares nothing with the budget.
    /// `None` if it was not asked for.
    pub(crate) audit: Option<Result<Audit, AuditError>>,
    /// INVARIANT (one reservation a ticket): the open tickets are the open reservations of `budget`, by the same numbers.
    pub(crate) tickets: BTreeMap<u64, TicketState>,
    pub(crate) installed: Option<Installed>,
    /// Sequence of the record that put the snapshot in force that `installed` followed; 0 if there was none.
    superseded_sequence: u64,
    pub(crate) keys: KeyWindow,
    /// Of the first record that was read; 0 before it.
    pub(crate) first_sequence: u64,
    pub(crate) last_sequence: u64,
    /// Of the last checkpoint that was read; 0 before one.
    pub(crate) checkpoint_sequence: u64,
    pub(crate) checkpoint_time: UnixMillis,
    /// Every checkpoint that was read, oldest first.
    pub(crate) checkpoints: Vec<LedgerCheckpoint>,
    /// How many were read.
    pub(crate) records: u64,
    /// How many the log has had, also before the first record that was read.
    pub(crate) decisions: u64,
}

impl Fold {
    /// Before the first record, with a window for so many request keys.
    pub(crate) fn new(request_keys: usize) -> Self {
        Self {
            budget: Replay::new(),
            audit: None,
            tickets: BTreeMap::new(),
            installed: None,
            superseded_sequence: 0,
            keys: KeyWindow::new(request_keys),
            first_sequence: 0,
            last_sequence: 0,
            checkpoint_sequence: 0,
            checkpoint_time: UnixMillis::EPOCH,
            checkpoints: Vec::new(),
            records: 0,
            decisions: 0,
        }
    }

    /// As [`new`](Self::new), with the second opinion on the money, and with as many request keys as any checkpoint may
    /// have.
    pub(crate) fn audited() -> Self {
        Self { audit: Some(Ok(Audit::new())), ..Self::new(MAX_REQUEST_KEYS) }
    }

    /// Adds the next record.
    pub(crate) fn apply(
        &mut self,
        sequence: u64,
        record: Record<'static>,
    ) -> Result<(), EngineError> {
        if self.records == 0 {
            self.first_sequence = sequence;
        }
        self.records += 1;
        self.last_sequence = sequence;
        if let Record::Checkpoint(checkpoint) = &record {
            self.checkpoints.push(LedgerCheckpoint { sequence, time: checkpoint.time });
        }
        match record {
            Record::Checkpoint(checkpoint) if self.first_sequence == sequence => {
                self.begin(sequence, checkpoint)
            }
            _ if self.first_sequence == sequence && sequence > 1 => {
                let what = "the records before it are gone, and it is no checkpoint".to_owned();
                Err(contradiction(sequence, what))
            }
            Record::Checkpoint(checkpoint) => self.check(sequence, checkpoint),
            Record::SnapshotInstalled { snapshot, .. } => {
                let snapshot = snapshot.restore(sequence)?;
                self.put_in_force(Installed { sequence, snapshot });
                Ok(())
            }
            Record::BudgetChanged { event, .. } => self.changed(sequence, event),
            Record::Decided(decided) => self.decided(sequence, decided),
            Record::Settled { decision_sequence, actual_cost, .. } => {
                let actual = self.charged(decision_sequence, actual_cost);
                self.close(sequence, decision_sequence)?;
                let reservation = decision_sequence.into();
                self.budget(sequence, BudgetEvent::Committed { reservation, actual })
            }
            Record::Abandoned { decision_sequence, .. } => {
                self.close(sequence, decision_sequence)?;
                self.budget(
                    sequence,
                    BudgetEvent::Released { reservation: decision_sequence.into() },
                )
            }
            Record::FellBack {
                decision_sequence,
                snapshot_sequence,
                failed_model_id,
                fallback,
                ..
            } => {
                self.check_snapshot(sequence, snapshot_sequence)?;
                self.fell_back(sequence, decision_sequence, failed_model_id, fallback)
            }
        }
    }

    /// Whether more than a snapshot was read behind the last checkpoint.
    pub(crate) fn checkpoint_is_due(&self) -> bool {
        let installed_sequence = self.installed.as_ref().map(|installed| installed.sequence);
        !nothing_since(self.checkpoint_sequence, installed_sequence, self.last_sequence)
    }

    pub(crate) fn put_in_force(&mut self, installed: Installed) {
        self.superseded_sequence = self.installed.as_ref().map_or(0, |before| before.sequence);
        self.installed = Some(installed);
    }

    /// What the administrator of a budget did, or what made the reservation of a ticket grow. All else that happens to a
    /// reservation has a record of its own.
    fn changed(&mut self, sequence: u64, event: BudgetEvent) -> Result<(), EngineError> {
        match &event {
            BudgetEvent::TenantOpened { tenant, .. } | BudgetEvent::ChildOpened { tenant, .. } => {
                if self.budget.tenant(tenant).is_some() {
                    return Err(contradiction(
                        sequence,
                        format!("tenant `{tenant}` is open already"),
                    ));
                }
            }
            BudgetEvent::ToppedUp { .. }
            | BudgetEvent::Reduced { .. }
            | BudgetEvent::Refunded { .. }
            | BudgetEvent::Repaid { .. }
            | BudgetEvent::CarriedOver { .. }
            | BudgetEvent::Frozen { .. }
            | BudgetEvent::Unfrozen { .. }
            | BudgetEvent::RulesSet { .. }
            | BudgetEvent::SoftLimitReached { .. }
            | BudgetEvent::Extended { .. }
            | BudgetEvent::Overdrawn { .. } => {}
            _ => {
                let what = format!("{event:?} has a record of its own and is no change by itself");
                return Err(contradiction(sequence, what));
            }
        }
        self.budget(sequence, event)
    }

    fn decided(&mut self, sequence: u64, decided: Decided<'static>) -> Result<(), EngineError> {
        self.decisions += 1;
        self.check_snapshot(sequence, decided.snapshot_sequence)?;
        if self.budget.tenant(&decided.tenant).is_none() {
            let what = format!("tenant `{}` was not opened", decided.tenant);
            return Err(contradiction(sequence, what));
        }
        if !decided.request_key.is_empty() {
            self.keys.add(decided.keyed(sequence));
        }
        let model_id = match (decided.decision.selected_model_id, decided.admission) {
            (Some(model_id), Admission::Reserved) => model_id,
            (None, Admission::NotAsked) => return Ok(()),
            (Some(_), refused) if refused.is_refusal() => return Ok(()),
            (_, admission) => {
                let what = format!("admission {admission:?} does not fit its decision");
                return Err(contradiction(sequence, what));
            }
        };
        let event = BudgetEvent::Reserved {
            reservation: sequence.into(),
            amount: decided.reserved(),
            tenant: decided.tenant.into_owned(),
        };
        self.budget(sequence, event)?;
        self.tickets.insert(sequence, TicketState::new(model_id, decided.request));
        Ok(())
    }

    fn fell_back(
        &mut self,
        sequence: u64,
        decision_sequence: u64,
        failed_model_id: u32,
        fallback: Option<Fallback>,
    ) -> Result<(), EngineError> {
        let id = decision_sequence.into();
        let reserved = self.budget.reservation(id).map(Reservation::amount);
        let (Some(ticket), Some(reserved)) = (self.tickets.get_mut(&decision_sequence), reserved)
        else {
            return Err(no_ticket(sequence, decision_sequence));
        };
        if ticket.model_id != failed_model_id {
            let what =
                format!("model {failed_model_id} failed where model {} was tried", ticket.model_id);
            return Err(contradiction(sequence, what));
        }
        ticket.fail();
        let Some(fallback) = fallback else { return Ok(()) };
        if ticket.has_failed(fallback.model_id) {
            let what = format!("it falls back on model {}, which failed", fallback.model_id);
            return Err(contradiction(sequence, what));
        }
        ticket.model_id = fallback.model_id;
        let cost = fallback.maximum_cost;
        let grown = cost.checked_sub(reserved).filter(|amount| !amount.is_zero());
        let shrunk = reserved.checked_sub(cost).filter(|amount| !amount.is_zero());
        match (grown, shrunk) {
            (Some(amount), _) => {
                self.budget(sequence, BudgetEvent::Extended { reservation: id, amount })
            }
            (None, Some(amount)) => {
                self.budget(sequence, BudgetEvent::PartReleased { reservation: id, amount })
            }
            (None, None) => Ok(()),
        }
    }

    /// The amount that a tenant is charged for an actual cost. Rules change only while nothing is being settled (INVARIANT
    /// (quiet) of the engine), so the tenant's present rules are those that the settlement was made under.
    fn charged(&self, decision_sequence: u64, actual_cost: Microunits) -> Microunits {
        match self.budget.reservation(decision_sequence.into()) {
            Some(reservation)
                if reservation.tenant().rules().overrun == OverrunPolicy::CapAtReserved =>
            {
                actual_cost.min(reservation.amount())
            }
            _ => actual_cost,
        }
    }

    fn close(&mut self, sequence: u64, decision_sequence: u64) -> Result<(), EngineError> {
        match self.tickets.remove(&decision_sequence) {
            Some(_) => Ok(()),
            None => Err(no_ticket(sequence, decision_sequence)),
        }
    }

    /// INVARIANT (in force): a record names the snapshot that was installed last, or, while the record of that was being
    /// written, the one before it. So even a holder of the log's key cannot decide under last year's policy.
    fn check_snapshot(&self, sequence: u64, snapshot_sequence: u64) -> Result<(), EngineError> {
        let in_force = self.installed.as_ref().map_or(0, |installed| installed.sequence);
        match snapshot_sequence {
            0 => Err(installed_nothing(sequence, 0)),
            named if named == in_force || named == self.superseded_sequence => Ok(()),
            named => Err(contradiction(
                sequence,
                format!("record {named} installed no snapshot, or one that was superseded"),
            )),
        }
    }

    fn budget(&mut self, sequence: u64, event: BudgetEvent) -> Result<(), EngineError> {
        if let Some(Ok(audit)) = &mut self.audit
            && let Err(error) = audit.apply(&event)
        {
            self.audit = Some(Err(error));
        }
        self.budget.apply(event).map_err(|refused| refused_by_state(sequence, refused.error))
    }
}

/// Ends a fold: the budget, and every open ticket with its reservation.
///
/// A ticket without a reservation, or a reservation without a ticket, is a contradiction. Only the checkpoint that the
/// reading began with can claim such a thing; to drop the reservation would be to give back money that no record gives back.
pub(crate) fn finish(
    first_sequence: u64,
    budget: Replay,
    tickets: BTreeMap<u64, TicketState>,
) -> Result<(BudgetEngine, BTreeMap<u64, TicketEntry>), EngineError> {
    let RebuiltBudget { engine, open_reservations: mut reservations, .. } = budget.finish();
    let refused = |what| contradiction(first_sequence, what);
    let mut open = BTreeMap::new();
    for (sequence, state) in tickets {
        let reservation = reservations
            .remove(&sequence.into())
            .ok_or_else(|| refused(format!("its ticket {sequence} has no reservation")))?;
        open.insert(sequence, TicketEntry { reservation, state });
    }
    match reservations.first_key_value() {
        Some((id, _)) => Err(refused(format!("its reservation {id} has no ticket"))),
        None => Ok((engine, open)),
    }
}

fn no_ticket(sequence: u64, decision_sequence: u64) -> EngineError {
    contradiction(sequence, format!("decision {decision_sequence} has no open ticket"))
}
