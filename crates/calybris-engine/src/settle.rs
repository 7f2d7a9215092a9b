//! What becomes of an open ticket: settled, abandoned, or extended.

use calybris_budget::{BudgetEvent, Covered, Microunits};

use crate::decide::refusal;
use crate::engine::Engine;
use crate::error::{EngineError, SettleRefused};
use crate::record::{Admission, Record};
use crate::ticket::{Hold, Settlement, Ticket};
use crate::tickets::Fate;

impl Engine {
    /// Says that a decision was carried out and what it cost: that much is spent, the rest of the reservation goes back.
    ///
    /// A cost above the reservation is met as the tenant's rules say
    /// ([`OverrunPolicy`](calybris_budget::OverrunPolicy)): refused, unless they are changed; drawn from what is available,
    /// and what is missing becomes debt; or capped at what was reserved. The log has the actual cost in each case.
    ///
    /// # Errors
    /// The ticket comes back with [`EngineError::Budget`] if the cost is above the reservation and the rules refuse that,
    /// with [`EngineError::TicketNotOpen`], or with [`EngineError::Log`] if the log cannot be written.
    ///
    /// ```
    #[doc = include_str!("doc_world.txt")]
    /// use calybris_budget::{OverrunPolicy, TenantRules};
    ///
    /// let ticket = engine.decide(&call)?.ticket.ok_or("refused")?;
    /// assert_eq!(ticket.reserved_microunits(), 7_500);
    ///
    /// // It cost more than anybody has, and the truth is not refused.
    /// let refused = engine.settle(ticket, 12_000, 3).unwrap_err();
    /// let rules = TenantRules::default().with_overrun(OverrunPolicy::DrawThenDebt);
    /// engine.set_rules("acme", rules, 3)?;
    /// engine.settle(refused.ticket, 12_000, 3)?;
    /// assert_eq!(engine.account("acme").ok_or("gone")?.debt.get(), 2_000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn settle(
        &self,
        ticket: Ticket,
        actual_cost_microunits: u64,
        time_unix_ms: u64,
    ) -> Result<Settlement, SettleRefused> {
        let settled = self
            .while_sound(|| self.settle_by_rules(&ticket, actual_cost_microunits, time_unix_ms));
        self.after(settled, ticket, time_unix_ms)
    }

    /// Says that a decision was not carried out: the whole reservation goes back.
    ///
    /// # Errors
    /// The ticket comes back with [`EngineError::TicketNotOpen`] or [`EngineError::Log`].
    ///
    /// ```
    #[doc = include_str!("doc_world.txt")]
    /// let ticket = engine.decide(&call)?.ticket.ok_or("refused")?;
    /// // The caller hung up before the model was called.
    /// let settlement = engine.abandon(ticket, 3)?;
    /// assert_eq!((settlement.committed_microunits, settlement.returned_microunits), (0, 7_500));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn abandon(&self, ticket: Ticket, time_unix_ms: u64) -> Result<Settlement, SettleRefused> {
        let abandoned = self.while_sound(|| self.release(&ticket, time_unix_ms));
        self.after(abandoned, ticket, time_unix_ms)
    }

    fn release(&self, ticket: &Ticket, time_unix_ms: u64) -> Result<Settlement, EngineError> {
        let decision_sequence = ticket.decision_sequence;
        let _in_force = self.in_force.read();
        self.tickets.change(ticket, |hold| {
            let record = Record::Abandoned { time_unix_ms, decision_sequence };
            let sequence = self.append(&record)?.sequence;
            let settlement = Settlement {
                sequence,
                committed_microunits: 0,
                returned_microunits: hold.reserved_microunits(),
                uncharged_microunits: 0,
            };
            Ok((Fate::IsClosed, settlement))
        })
    }

    /// Reserves more for an open ticket: a stream goes on for longer than was thought. [`Admission::Reserved`] says that
    /// it is reserved; any other answer that nothing changed and nothing was logged.
    ///
    /// # Errors
    /// [`EngineError::TicketNotOpen`]; [`EngineError::Budget`] for 0; [`EngineError::Log`] if the log cannot be written:
    /// then nothing more is reserved.
    ///
    /// ```
    #[doc = include_str!("doc_world.txt")]
    /// use calybris_engine::Admission;
    ///
    /// let mut ticket = engine.decide(&call)?.ticket.ok_or("refused")?;
    /// assert_eq!(engine.extend(&mut ticket, 1_500, 3)?, Admission::Reserved);
    /// assert_eq!(ticket.reserved_microunits(), 9_000);
    /// let refused = Admission::Insufficient { available_microunits: 1_000 };
    /// assert_eq!(engine.extend(&mut ticket, 1_001, 4)?, refused);
    /// # engine.abandon(ticket, 5)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn extend(
        &self,
        ticket: &mut Ticket,
        additional_microunits: u64,
        time_unix_ms: u64,
    ) -> Result<Admission, EngineError> {
        self.while_sound(|| self.reserve_more(ticket, additional_microunits, time_unix_ms))
    }

    fn reserve_more(
        &self,
        ticket: &mut Ticket,
        additional_microunits: u64,
        time_unix_ms: u64,
    ) -> Result<Admission, EngineError> {
        let extended = {
            let _in_force = self.in_force.read();
            self.tickets.change(ticket, |hold| {
                let reservation = &mut hold.reservation;
                if let Err(refused) = reservation.extend(Microunits::new(additional_microunits)) {
                    let admission = refusal(reservation.tenant(), refused)?;
                    return Ok((Fate::StaysOpen, Err(admission)));
                }
                let event = BudgetEvent::Extended {
                    reservation: ticket.decision_sequence.into(),
                    amount: Microunits::new(additional_microunits),
                };
                let logged = self.append(&Record::BudgetChanged { time_unix_ms, event });
                if logged.is_err() {
                    reservation.release_part(Microunits::new(additional_microunits))?;
                }
                let sequence = logged?.sequence;
                self.log_warnings(time_unix_ms);
                Ok((Fate::StaysOpen, Ok((sequence, hold.reserved_microunits()))))
            })?
        };
        match extended {
            Ok((sequence, reserved_microunits)) => {
                ticket.reserved_microunits = reserved_microunits;
                self.checkpoint_if_due(sequence, time_unix_ms);
                Ok(Admission::Reserved)
            }
            Err(refused) => Ok(refused),
        }
    }

    fn settle_by_rules(
        &self,
        ticket: &Ticket,
        actual_cost_microunits: u64,
        time_unix_ms: u64,
    ) -> Result<Settlement, EngineError> {
        let mut owner = None;
        loop {
            let in_force = self.in_force.read();
            let settled = self.tickets.change(ticket, |hold| {
                if actual_cost_microunits > hold.reserved_microunits() && owner.is_none() {
                    return Ok((Fate::StaysOpen, None));
                }
                let settlement = self.settle_hold(
                    ticket.decision_sequence,
                    hold,
                    actual_cost_microunits,
                    time_unix_ms,
                )?;
                Ok((Fate::IsClosed, Some(settlement)))
            })?;
            drop(in_force);
            match settled {
                Some(settlement) => return Ok(settlement),
                // What makes debt is done by one at a time, and that lock comes first: INVARIANT (quiet).
                None => owner = Some(self.owner.lock()),
            }
        }
    }

    fn settle_hold(
        &self,
        decision_sequence: u64,
        hold: &mut Hold,
        actual_cost_microunits: u64,
        time_unix_ms: u64,
    ) -> Result<Settlement, EngineError> {
        let reservation = &mut hold.reservation;
        let Covered { commit, overdraft, .. } =
            reservation.cover_overrun(Microunits::new(actual_cost_microunits))?;
        if let Some(overdraft) = &overdraft {
            let event = BudgetEvent::Overdrawn {
                reservation: decision_sequence.into(),
                extra: overdraft.extra,
                drawn: overdraft.drawn.clone(),
            };
            if let Err(error) = self.append(&Record::BudgetChanged { time_unix_ms, event }) {
                reservation.undo_overdraft(overdraft)?;
                return Err(error);
            }
        }
        let record = Record::Settled { time_unix_ms, decision_sequence, actual_cost_microunits };
        let sequence = self.append(&record)?.sequence;
        // `cover_overrun` made room for it, so this is not refused.
        reservation.commit_part(commit)?;
        Ok(Settlement {
            sequence,
            committed_microunits: commit.get(),
            returned_microunits: reservation.amount().get(),
            uncharged_microunits: actual_cost_microunits.saturating_sub(commit.get()),
        })
    }

    fn after(
        &self,
        settled: Result<Settlement, EngineError>,
        ticket: Ticket,
        time_unix_ms: u64,
    ) -> Result<Settlement, SettleRefused> {
        match settled {
            Ok(settlement) => {
                self.checkpoint_if_due(settlement.sequence, time_unix_ms);
                Ok(settlement)
            }
            Err(error) => Err(SettleRefused { error, ticket }),
        }
    }
}
