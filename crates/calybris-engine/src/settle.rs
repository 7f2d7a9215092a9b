//! What becomes of an open ticket: settled, abandoned, or extended.

use calybris_budget::{BudgetEvent, Covered};

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
    /// # use calybris_engine::{Call, Engine, EngineOptions, Names, Snapshot};
    /// # use calybris_kernel::*;
    /// # let dir = tempfile::tempdir()?;
    /// # let policy = Policy {
    /// #     policy_epoch: 1, catalog_epoch: 1, hard_risk_limit_bps: 9_000, minimum_confidence_bps: 5_000,
    /// #     risk_penalty_multiplier_bps: 2_500, latency_penalty_microunits_per_ms: 1,
    /// # };
    /// # let model = Model {
    /// #     model_id: 7, provider_id: 0, quality_bps: 8_000, risk_ceiling_bps: 9_000, enabled: true,
    /// #     p95_latency_ms: 400, capabilities: CapabilitySet::EMPTY, regions: RegionSet::EMPTY,
    /// #     input_price_microunits_per_million_tokens: 0, output_price_microunits_per_million_tokens: 0,
    /// #     fixed_price_microunits: 7_500,
    /// # };
    /// # let request = Request {
    /// #     sequence: 1, requested_model_id: 7, input_tokens: 0, output_tokens: 0,
    /// #     business_value_microunits: 50_000, budget_limit_microunits: 20_000, risk_bps: 500,
    /// #     confidence_bps: 9_000, minimum_quality_bps: 7_000, max_p95_latency_ms: 0,
    /// #     required_capabilities: CapabilitySet::EMPTY, allowed_providers: ProviderSet::ALL,
    /// #     required_regions: RegionSet::EMPTY,
    /// # };
    /// use calybris_budget::{OverrunPolicy, TenantRules};
    ///
    /// # let engine = Engine::open(dir.path().join("log"), &EngineOptions::default())?;
    /// # engine.install(Snapshot::new(PolicySnapshot::new(policy, [model])?, Names::default()), 1)?;
    /// # engine.ensure_tenant("acme", 10_000, 1)?;
    /// # let call =
    /// #     Call { tenant: "acme", time_unix_ms: 2, correlation_id: "", request_key: "", request };
    /// let ticket = engine.decide(&call)?.ticket.ok_or("refused")?;
    /// assert_eq!(ticket.reserved_microunits(), 7_500);
    ///
    /// // It cost more than anybody has, and the truth is not refused.
    /// let refused = engine.settle(ticket, 12_000, 3).unwrap_err();
    /// let rules = TenantRules { overrun: OverrunPolicy::DrawThenDebt, ..TenantRules::default() };
    /// engine.set_rules("acme", rules, 3)?;
    /// engine.settle(refused.ticket, 12_000, 3)?;
    /// assert_eq!(engine.account("acme").ok_or("gone")?.debt_microunits, 2_000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn settle(
        &self,
        ticket: Ticket,
        actual_cost_microunits: u64,
        time_unix_ms: u64,
    ) -> Result<Settlement, SettleRefused> {
        let settled = self.settle_by_rules(&ticket, actual_cost_microunits, time_unix_ms);
        self.after(settled, ticket, time_unix_ms)
    }

    /// Says that a decision was not carried out: the whole reservation goes back.
    ///
    /// # Errors
    /// The ticket comes back with [`EngineError::TicketNotOpen`] or [`EngineError::Log`].
    pub fn abandon(&self, ticket: Ticket, time_unix_ms: u64) -> Result<Settlement, SettleRefused> {
        let decision_sequence = ticket.decision_sequence;
        let abandoned = {
            let _in_force = self.in_force.read();
            self.tickets.change(decision_sequence, |hold| {
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
        };
        self.after(abandoned, ticket, time_unix_ms)
    }

    /// Reserves more for an open ticket: a stream goes on for longer than was thought. [`Admission::Reserved`] says that
    /// it is reserved; any other answer that nothing changed and nothing was logged.
    ///
    /// # Errors
    /// [`EngineError::TicketNotOpen`]; [`EngineError::Budget`] for 0; [`EngineError::Log`] if the log cannot be written:
    /// then nothing more is reserved.
    pub fn extend(
        &self,
        ticket: &mut Ticket,
        additional_microunits: u64,
        time_unix_ms: u64,
    ) -> Result<Admission, EngineError> {
        let hold_number = ticket.decision_sequence;
        let (admission, sequence) = {
            let _in_force = self.in_force.read();
            self.tickets.change(hold_number, |hold| {
                let reservation = &mut hold.reservation;
                if let Err(refused) = reservation.extend(additional_microunits) {
                    let admission = refusal(reservation.tenant(), refused)?;
                    return Ok((Fate::StaysOpen, (admission, None)));
                }
                let amount_microunits = additional_microunits;
                let event = BudgetEvent::Extended { hold: hold_number, amount_microunits };
                match self.append(&Record::BudgetChanged { time_unix_ms, event }) {
                    Ok(receipt) => {
                        ticket.reserved_microunits = reservation.amount_microunits();
                        self.log_warnings(time_unix_ms);
                        let answer = (Admission::Reserved, Some(receipt.sequence));
                        Ok((Fate::StaysOpen, answer))
                    }
                    Err(error) => {
                        reservation.release_part(additional_microunits)?;
                        Err(error)
                    }
                }
            })?
        };
        if let Some(sequence) = sequence {
            self.checkpoint_if_due(sequence, time_unix_ms);
        }
        Ok(admission)
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
            let settled = self.tickets.change(ticket.decision_sequence, |hold| {
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
        let Covered { commit_microunits, overdraft, .. } =
            reservation.cover(actual_cost_microunits)?;
        if let Some(overdraft) = &overdraft {
            let event = BudgetEvent::Overdrawn {
                hold: decision_sequence,
                extra_microunits: overdraft.extra_microunits,
                drawn_microunits: overdraft.drawn_microunits.clone(),
            };
            if let Err(error) = self.append(&Record::BudgetChanged { time_unix_ms, event }) {
                reservation.uncover(overdraft)?;
                return Err(error);
            }
        }
        let record = Record::Settled { time_unix_ms, decision_sequence, actual_cost_microunits };
        let sequence = self.append(&record)?.sequence;
        // `cover` made room for it, so this is not refused.
        reservation.commit_part(commit_microunits)?;
        Ok(Settlement {
            sequence,
            committed_microunits: commit_microunits,
            returned_microunits: reservation.amount_microunits(),
            uncharged_microunits: actual_cost_microunits.saturating_sub(commit_microunits),
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
