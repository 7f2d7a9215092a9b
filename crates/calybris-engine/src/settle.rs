//! Settles, abandons and extends open tickets.

use calybris_budget::{BudgetEvent, Covered};
use calybris_units::{Microunits, UnixMillis, invariant};

use crate::decide::refusal;
use crate::engine::Engine;
use crate::error::{EngineError, SettleRefused};
use crate::record::{Admission, Record};
use crate::ticket::{Settlement, Ticket, TicketEntry};
use crate::tickets::Disposition;

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
    /// assert_eq!(ticket.reserved().get(), 7_500);
    ///
    /// // It cost more than anybody has, and the truth is not refused.
    /// let refused = engine.settle(ticket, Microunits::new(12_000), UnixMillis::new(3)).unwrap_err();
    /// let rules = TenantRules::default().with_overrun(OverrunPolicy::DrawThenDebt);
    /// engine.set_rules("acme", rules, UnixMillis::new(3))?;
    /// engine.settle(refused.ticket, Microunits::new(12_000), UnixMillis::new(3))?;
    /// assert_eq!(engine.account("acme").ok_or("gone")?.debt.get(), 2_000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Cost and time cannot be confused:
    ///
    /// ```compile_fail,E0308
    #[doc = include_str!("doc_world.txt")]
    /// let ticket = engine.decide(&call)?.ticket.ok_or("refused")?;
    /// let (cost, time) = (Microunits::new(410), UnixMillis::new(3));
    /// engine.settle(ticket, time, cost)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// In the right order they compile:
    ///
    /// ```
    #[doc = include_str!("doc_world.txt")]
    /// let ticket = engine.decide(&call)?.ticket.ok_or("refused")?;
    /// let (cost, time) = (Microunits::new(410), UnixMillis::new(3));
    /// engine.settle(ticket, cost, time)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn settle(
        &self,
        ticket: Ticket,
        cost: Microunits,
        time: UnixMillis,
    ) -> Result<Settlement, SettleRefused> {
        let settled = self.while_sound(|| self.settle_by_rules(&ticket, cost, time));
        self.after(settled, ticket, time)
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
    /// let settlement = engine.abandon(ticket, UnixMillis::new(3))?;
    /// assert_eq!((settlement.committed.get(), settlement.returned.get()), (0, 7_500));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn abandon(&self, ticket: Ticket, time: UnixMillis) -> Result<Settlement, SettleRefused> {
        let abandoned = self.while_sound(|| self.release(&ticket, time));
        self.after(abandoned, ticket, time)
    }

    fn release(&self, ticket: &Ticket, time: UnixMillis) -> Result<Settlement, EngineError> {
        let decision_sequence = ticket.decision_sequence;
        let _in_force = self.in_force.read();
        self.change_ticket(ticket, |entry| {
            let record = Record::Abandoned { time, decision_sequence };
            let sequence = self.append(&record)?.sequence;
            let settlement = Settlement {
                sequence,
                committed: Microunits::ZERO,
                returned: entry.reserved(),
                uncharged: Microunits::ZERO,
            };
            Ok((Disposition::IsClosed, settlement))
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
    /// assert_eq!(engine.extend(&mut ticket, Microunits::new(1_500), UnixMillis::new(3))?, Admission::Reserved);
    /// assert_eq!(ticket.reserved().get(), 9_000);
    /// let refused = Admission::Insufficient { available: Microunits::new(1_000) };
    /// assert_eq!(engine.extend(&mut ticket, Microunits::new(1_001), UnixMillis::new(4))?, refused);
    /// # engine.abandon(ticket, UnixMillis::new(5))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn extend(
        &self,
        ticket: &mut Ticket,
        more: Microunits,
        time: UnixMillis,
    ) -> Result<Admission, EngineError> {
        self.while_sound(|| self.reserve_more(ticket, more, time))
    }

    fn reserve_more(
        &self,
        ticket: &mut Ticket,
        more: Microunits,
        time: UnixMillis,
    ) -> Result<Admission, EngineError> {
        let extended = {
            let _in_force = self.in_force.read();
            self.change_ticket(ticket, |entry| {
                let reservation = &mut entry.reservation;
                if let Err(refused) = reservation.extend(more) {
                    let admission = refusal(reservation.tenant(), refused)?;
                    return Ok((Disposition::StaysOpen, Err(admission)));
                }
                let event = BudgetEvent::Extended {
                    reservation: ticket.decision_sequence.into(),
                    amount: more,
                };
                let logged = self.append(&Record::BudgetChanged { time, event, reason: "".into() });
                if logged.is_err() {
                    invariant!(
                        reservation.release_part(more).ok(),
                        "what was just reserved can be released"
                    )?;
                }
                let sequence = logged?.sequence;
                self.log_warnings(time);
                Ok((Disposition::StaysOpen, Ok((sequence, entry.reserved()))))
            })?
        };
        match extended {
            Ok((sequence, reserved)) => {
                ticket.reserved = reserved;
                self.checkpoint_if_due(sequence, time);
                Ok(Admission::Reserved)
            }
            Err(refused) => Ok(refused),
        }
    }

    fn settle_by_rules(
        &self,
        ticket: &Ticket,
        cost: Microunits,
        time: UnixMillis,
    ) -> Result<Settlement, EngineError> {
        let mut admin = None;
        loop {
            let in_force = self.in_force.read();
            let settled = self.change_ticket(ticket, |entry| {
                if cost > entry.reserved() && admin.is_none() {
                    return Ok((Disposition::StaysOpen, None));
                }
                let settlement = self.settle_entry(ticket.decision_sequence, entry, cost, time)?;
                Ok((Disposition::IsClosed, Some(settlement)))
            })?;
            drop(in_force);
            match settled {
                Some(settlement) => return Ok(settlement),
                // Debt is made under `admin`, which is taken before `in_force`: INVARIANT (quiet).
                None => admin = Some(self.admin.lock()),
            }
        }
    }

    fn settle_entry(
        &self,
        decision_sequence: u64,
        entry: &mut TicketEntry,
        cost: Microunits,
        time: UnixMillis,
    ) -> Result<Settlement, EngineError> {
        let reservation = &mut entry.reservation;
        let Covered { commit, overdraft, .. } = reservation.cover_overrun(cost)?;
        if let Some(overdraft) = &overdraft {
            let event = BudgetEvent::Overdrawn {
                reservation: decision_sequence.into(),
                extra: overdraft.extra,
                drawn: overdraft.drawn.clone(),
            };
            if let Err(error) =
                self.append(&Record::BudgetChanged { time, event, reason: "".into() })
            {
                invariant!(
                    reservation.undo_overdraft(overdraft).ok(),
                    "an overdraft that was just made can be undone"
                )?;
                return Err(error);
            }
        }
        let record = Record::Settled { time, decision_sequence, actual_cost: cost };
        let sequence = self.append(&record)?.sequence;
        invariant!(
            reservation.commit_part(commit).ok(),
            "a commit that `cover_overrun` made room for is not refused"
        )?;
        Ok(Settlement {
            sequence,
            committed: commit,
            returned: reservation.amount(),
            uncharged: invariant!(cost.checked_sub(commit), "no more is charged than a call cost")?,
        })
    }

    fn after(
        &self,
        settled: Result<Settlement, EngineError>,
        ticket: Ticket,
        time: UnixMillis,
    ) -> Result<Settlement, SettleRefused> {
        match settled {
            Ok(settlement) => {
                self.checkpoint_if_due(settlement.sequence, time);
                Ok(settlement)
            }
            Err(error) => Err(SettleRefused { error, ticket }),
        }
    }
}
