//! Falling back: the model of a ticket failed, and the next in the order of preference takes its place.

use calybris_kernel::PolicySnapshot;
use calybris_units::{Microunits, UnixMillis, invariant};

use crate::decide::refusal;
use crate::engine::Engine;
use crate::error::{EngineError, SettleRefused};
use crate::preference::Preference;
use crate::record::{Fallback, Record};
use crate::ticket::{Ticket, TicketEntry};
use crate::tickets::Disposition;

/// The outcome of falling back. It is in the log.
#[derive(Debug)]
#[non_exhaustive]
#[must_use = "its cost stays reserved until it is settled or abandoned"]
pub struct FellBack {
    /// Sequence of the record in the log.
    pub sequence: u64,
    /// The model to call now; `None` if no untried model is eligible and affordable.
    pub fallback: Option<Fallback>,
    /// The ticket: for the new model and its maximum cost, or as it was.
    pub ticket: Ticket,
}

impl Engine {
    /// Says that the model of a ticket failed, and goes on to the next: the best, under the snapshot in force, of those
    /// that this ticket has not tried, and whose maximum cost its reservation and the tenant's available budget can pay. The
    /// reservation becomes the maximum cost of that model, which may be above that of the one that failed. With nothing left
    /// the ticket stays as it was; it can be abandoned, settled for what the failure cost, or tried again later.
    ///
    /// # Errors
    /// The ticket comes back with [`EngineError::TicketNotOpen`]; with [`EngineError::TicketMovedOn`] if another ticket for
    /// the same decision has fallen back from this model; or with [`EngineError::Log`] if the log cannot be written: then
    /// it is as before.
    ///
    /// ```
    #[doc = include_str!("doc_world.txt")]
    /// let ticket = engine.decide(&call)?.ticket.ok_or("refused")?;
    /// assert_eq!((ticket.model_id(), ticket.reserved().get()), (7, 7_500));
    ///
    /// // Its provider does not answer.
    /// let fell_back = engine.fall_back(ticket, UnixMillis::new(3))?;
    /// assert_eq!(fell_back.fallback.ok_or("nothing is left")?.model_id, 8);
    /// assert_eq!(fell_back.ticket.reserved().get(), 450);
    /// engine.settle(fell_back.ticket, Microunits::new(430), UnixMillis::new(4))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fall_back(&self, ticket: Ticket, time: UnixMillis) -> Result<FellBack, SettleRefused> {
        match self.while_sound(|| self.go_on(&ticket, time)) {
            Ok(fell_back) => {
                self.checkpoint_if_due(fell_back.sequence, time);
                Ok(fell_back)
            }
            Err(error) => Err(SettleRefused { error, ticket }),
        }
    }

    fn go_on(&self, ticket: &Ticket, time: UnixMillis) -> Result<FellBack, EngineError> {
        let &Ticket { log_id_prefix, decision_sequence, model_id: failed_model_id, .. } = ticket;
        {
            let in_force = self.in_force.read();
            self.change_ticket(ticket, |entry| {
                let installed = in_force.installed.as_ref().ok_or(EngineError::NoSnapshot)?;
                let model_id = entry.state.model_id;
                if model_id != failed_model_id {
                    let moved =
                        EngineError::TicketMovedOn { decision_sequence, failed_model_id, model_id };
                    return Err(moved);
                }
                let reserved_before = entry.reserved();
                let fallback = grow_to_next(installed.snapshot.policy_snapshot(), entry)?;
                let record = Record::FellBack {
                    time,
                    decision_sequence,
                    snapshot_sequence: installed.sequence,
                    failed_model_id,
                    fallback,
                };
                let sequence = match self.append(&record) {
                    Ok(receipt) => receipt.sequence,
                    Err(error) => {
                        shrink_to(entry, reserved_before)?;
                        return Err(error);
                    }
                };
                entry.state.fail();
                if let Some(fallback) = fallback {
                    entry.state.model_id = fallback.model_id;
                    shrink_to(entry, fallback.maximum_cost)?;
                }
                self.log_warnings(time);
                let ticket = entry.ticket(log_id_prefix, decision_sequence);
                Ok((Disposition::StaysOpen, FellBack { sequence, fallback, ticket }))
            })
        }
    }
}

/// Finds the next model and makes the reservation large enough for it. INVARIANT (debit first).
fn grow_to_next(
    snapshot: &PolicySnapshot,
    entry: &mut TicketEntry,
) -> Result<Option<Fallback>, EngineError> {
    for ranked in Preference::new(snapshot, &entry.state.request) {
        if ranked.model_id == entry.state.model_id || entry.state.has_failed(ranked.model_id) {
            continue;
        }
        if let Some(missing) = ranked.maximum_cost.checked_sub(entry.reserved())
            && !missing.is_zero()
            && let Err(refused) = entry.reservation.extend(missing)
        {
            // A dearer one may come before a cheaper one.
            refusal(entry.reservation.tenant(), refused)?;
            continue;
        }
        return Ok(Some(Fallback::on(ranked)));
    }
    Ok(None)
}

fn shrink_to(entry: &mut TicketEntry, amount: Microunits) -> Result<(), EngineError> {
    let surplus = invariant!(
        entry.reserved().checked_sub(amount),
        "a reservation shrinks to what it has at most"
    )?;
    let released = entry.reservation.release_part(surplus);
    Ok(invariant!(released.ok(), "a part of a reservation can be released")?)
}
