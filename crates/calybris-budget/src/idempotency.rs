//! The window of idempotency keys: what was answered to whom, for the last keys that came.

use std::collections::{HashMap, VecDeque};

use crate::checkpoint::KeyState;
use crate::{BudgetError, MAX_NAME_BYTES, ReservationId};

/// How many keys are remembered. When one more comes, the oldest is forgotten.
pub const KEY_WINDOW: usize = 65_536;

#[derive(Debug, Default)]
pub(crate) struct Keys {
    answers: HashMap<String, Answer>,
    in_order: VecDeque<String>,
}

/// What was asked under a key, and what was answered.
#[derive(Debug)]
struct Answer {
    tenant: String,
    amount_microunits: u64,
    id: ReservationId,
}

impl Keys {
    /// The answer that was given to the same question under this key.
    pub(crate) fn find(
        &self,
        key: &str,
        tenant: &str,
        amount_microunits: u64,
    ) -> Result<Option<ReservationId>, BudgetError> {
        check_key(key)?;
        let Some(answer) = self.answers.get(key) else { return Ok(None) };
        if answer.tenant != tenant || answer.amount_microunits != amount_microunits {
            return Err(BudgetError::KeyConflict {
                key: key.to_owned(),
                tenant: answer.tenant.clone(),
                amount_microunits: answer.amount_microunits,
            });
        }
        Ok(Some(answer.id))
    }

    pub(crate) fn remember(
        &mut self,
        key: &str,
        tenant: &str,
        amount_microunits: u64,
        id: ReservationId,
    ) {
        let answer = Answer { tenant: tenant.to_owned(), amount_microunits, id };
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
    pub(crate) fn list(&self) -> Vec<KeyState> {
        let state = |key: &String| {
            let Answer { tenant, amount_microunits, id } = self.answers.get(key)?;
            let (key, tenant, hold) = (key.clone(), tenant.clone(), id.as_u64());
            Some(KeyState { key, tenant, amount_microunits: *amount_microunits, hold })
        };
        self.in_order.iter().filter_map(state).collect()
    }
}

/// Refuses a key that is empty or too long.
pub(crate) fn check_key(key: &str) -> Result<(), BudgetError> {
    if key.is_empty() || key.len() > MAX_NAME_BYTES {
        return Err(BudgetError::KeyLength { bytes: key.len() });
    }
    Ok(())
}
