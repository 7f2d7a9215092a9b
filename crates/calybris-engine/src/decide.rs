//! Deciding: the kernel's answer and the budget's, in the log before the caller has them.

use std::borrow::Cow;
use std::sync::atomic::Ordering::Relaxed;

use calybris_budget::{BudgetError, Tenant};
use calybris_kernel::Decision;
use calybris_units::invariant;

use crate::call::{Call, MAX_CORRELATION_ID_BYTES, MAX_REQUEST_KEY_BYTES, Outcome};
use crate::engine::Engine;
use crate::error::EngineError;
use crate::keys::{Claim, Claimed};
use crate::record::{Admission, Decided, KeyedDecision, Record};
use crate::ticket::{TicketEntry, TicketState};

impl Engine {
    /// Decides a call, reserves its maximum cost, and logs both before it answers.
    ///
    /// A rejection by the kernel and a refusal by the budget are answers, and are logged too.
    ///
    /// A call with a request key is decided once for its tenant: made again, it gets the same answer, with its ticket if
    /// that is still open, and nothing is logged. Of callers at the same time one decides and the others wait for it. The
    /// engine remembers as many keys as [`EngineOptions::request_keys`](crate::EngineOptions::request_keys) says, across
    /// restarts too.
    ///
    /// # Errors
    /// [`EngineError::NoSnapshot`], [`EngineError::UnknownTenant`], [`EngineError::CorrelationIdTooLong`],
    /// [`EngineError::RequestKeyTooLong`], [`EngineError::RequestKeyReused`] if the tenant used the key for another
    /// request, or [`EngineError::Log`] if the log cannot be written: then nothing is reserved.
    ///
    /// ```
    #[doc = include_str!("doc_world.txt")]
    /// use calybris_engine::Admission;
    ///
    /// let call = call.with_request_key("order-17");
    /// let outcome = engine.decide(&call)?;
    /// assert_eq!((outcome.decision.selected_model_id, outcome.admission), (Some(7), Admission::Reserved));
    ///
    /// // The answer was lost on its way, and the caller asks again.
    /// let again = engine.decide(&call)?;
    /// assert!(again.repeated && again.decision_sequence == outcome.decision_sequence);
    ///
    /// // Another call finds less than it costs, which is an answer too.
    /// let other = engine.decide(&call.with_request_key("order-18"))?;
    /// assert_eq!(other.admission, Admission::Insufficient { available: Microunits::new(2_500) });
    /// assert!(other.ticket.is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn decide(&self, call: &Call<'_>) -> Result<Outcome, EngineError> {
        self.while_sound(|| self.decide_once(call))
    }

    fn decide_once(&self, call: &Call<'_>) -> Result<Outcome, EngineError> {
        let (found_bytes, limit_bytes) = (call.correlation_id.len(), MAX_CORRELATION_ID_BYTES);
        if found_bytes > limit_bytes {
            return Err(EngineError::CorrelationIdTooLong { found_bytes, limit_bytes });
        }
        if call.request_key.is_empty() {
            return self.decide_anew(call, None);
        }
        let (found_bytes, limit_bytes) = (call.request_key.len(), MAX_REQUEST_KEY_BYTES);
        if found_bytes > limit_bytes {
            return Err(EngineError::RequestKeyTooLong { found_bytes, limit_bytes });
        }
        match self.keys.claim(call.tenant, call.request_key)? {
            Claim::New(claimed) => self.decide_anew(call, Some(claimed)),
            Claim::Decided(decision) => self.answer_again(call, &decision),
        }
    }

    fn decide_anew(
        &self,
        call: &Call<'_>,
        claimed: Option<Claimed<'_>>,
    ) -> Result<Outcome, EngineError> {
        let outcome = {
            let tenant = self.tenant(call.tenant)?;
            let in_force = self.in_force.read();
            let installed = in_force.installed.as_ref().ok_or(EngineError::NoSnapshot)?;
            let decision = installed.snapshot.policy_snapshot().prescribe(&call.request);
            // If the append fails, the reservation goes out of scope, and the debit with it.
            let (admission, admitted) = admit(&tenant, call, &decision)?;
            let record = Record::Decided(Decided {
                time: call.time,
                tenant: Cow::Borrowed(call.tenant),
                correlation_id: Cow::Borrowed(call.correlation_id),
                request_key: Cow::Borrowed(call.request_key),
                snapshot_sequence: installed.sequence,
                request: call.request,
                decision,
                admission,
            });
            let decision_sequence = self.append(&record)?.sequence;
            self.decisions.fetch_add(1, Relaxed);
            let ticket = admitted.map(|entry| self.tickets.open(decision_sequence, entry));
            if let Some(claimed) = claimed {
                let decided = match &record {
                    Record::Decided(decided) => Some(decided),
                    _ => None,
                };
                claimed.decided(
                    decision_sequence,
                    invariant!(decided, "the record of a decision is a decision")?,
                );
            }
            self.log_warnings(call.time);
            Outcome { decision_sequence, decision, admission, repeated: false, ticket }
        };
        self.checkpoint_if_due(outcome.decision_sequence, call.time);
        Ok(outcome)
    }

    fn answer_again(
        &self,
        call: &Call<'_>,
        known: &KeyedDecision<'_>,
    ) -> Result<Outcome, EngineError> {
        let &KeyedDecision { decision_sequence, decision, admission, .. } = known;
        if known.request != call.request {
            let request_key = call.request_key.to_owned();
            return Err(EngineError::RequestKeyReused { request_key, decision_sequence });
        }
        let ticket = self.tickets.ticket(decision_sequence);
        Ok(Outcome { decision_sequence, decision, admission, repeated: true, ticket })
    }
}

/// Asks the tenant's budget for the maximum cost of a decision.
fn admit(
    tenant: &Tenant,
    call: &Call<'_>,
    decision: &Decision,
) -> Result<(Admission, Option<TicketEntry>), EngineError> {
    let Some(model_id) = decision.selected_model_id else {
        return Ok((Admission::NotAsked, None));
    };
    match tenant.try_reserve_allowing_zero(decision.maximum_cost) {
        Ok(reservation) => {
            let state = TicketState::new(model_id, call.request);
            Ok((Admission::Reserved, Some(TicketEntry { reservation, state })))
        }
        Err(refused) => Ok((refusal(tenant, refused)?, None)),
    }
}

/// Maps an expected refusal to an [`Admission`]; anything else is an error.
pub(crate) fn refusal(tenant: &Tenant, refused: BudgetError) -> Result<Admission, EngineError> {
    Ok(match refused {
        BudgetError::Insufficient { available, .. } => Admission::Insufficient { available },
        // More than any budget can hold.
        BudgetError::AmountTooLarge { .. } => {
            Admission::Insufficient { available: tenant.snapshot().available }
        }
        BudgetError::Frozen { .. } => Admission::Frozen,
        BudgetError::InDebt { debt, .. } => Admission::InDebt { debt },
        BudgetError::Exposed { reserved, cap, .. } => Admission::Exposed { reserved, cap },
        error => return Err(error.into()),
    })
}
