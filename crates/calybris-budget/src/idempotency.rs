//! The window of idempotency keys: the answers to the last calls that had one.

use std::collections::{HashMap, VecDeque};

use calybris_units::{BrokenInvariant, Microunits, invariant};

use crate::checks::check_key;
use crate::state::KeyState;
use crate::{BudgetError, KEY_WINDOW, ReservationId};

#[derive(Debug, Default)]
pub(crate) struct Keys {
    answers: HashMap<String, Answer>,
    in_order: VecDeque<String>,
}

/// The question under a key, and the answer.
#[derive(Debug)]
struct Answer {
    tenant: String,
    amount: Microunits,
    id: ReservationId,
}

impl Keys {
    /// The answer that was given to the same question under this key.
    pub(crate) fn find(
        &self,
        key: &str,
        tenant: &str,
        amount: Microunits,
    ) -> Result<Option<ReservationId>, BudgetError> {
        check_key(key)?;
        let Some(answer) = self.answers.get(key) else { return Ok(None) };
        if answer.tenant != tenant || answer.amount != amount {
            return Err(BudgetError::KeyConflict {
                key: key.to_owned(),
                tenant: answer.tenant.clone(),
                amount: answer.amount,
            });
        }
        Ok(Some(answer.id))
    }

    pub(crate) fn remember(
        &mut self,
        key: &str,
        tenant: &str,
        amount: Microunits,
        id: ReservationId,
    ) {
        let answer = Answer { tenant: tenant.to_owned(), amount, id };
        if self.answers.insert(key.to_owned(), answer).is_none() {
            self.in_order.push_back(key.to_owned());
        }
        if self.in_order.len() > KEY_WINDOW
            && let Some(oldest) = self.in_order.pop_front()
        {
            self.answers.remove(&oldest);
        }
    }

    /// Every answer, the oldest first.
    pub(crate) fn list(&self) -> Result<Vec<KeyState>, BrokenInvariant> {
        let state = |key: &String| {
            let answer = self.answers.get(key);
            let Answer { tenant, amount, id } =
                invariant!(answer, "a key that is remembered has its answer")?;
            let (key, tenant, reservation) = (key.clone(), tenant.clone(), *id);
            Ok(KeyState { key, tenant, amount: *amount, reservation })
        };
        self.in_order.iter().map(state).collect()
    }
}
