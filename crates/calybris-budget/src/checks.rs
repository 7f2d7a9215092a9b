//! The checks of amounts, names and keys, made once at the door.

use calybris_units::Microunits;

use crate::BudgetError;
use crate::limits::{MAX_AMOUNT, MAX_NAME_BYTES};

/// Refuses an amount that no account can have; answers its microunits.
pub(crate) fn check_amount(amount: Microunits) -> Result<u64, BudgetError> {
    if amount > MAX_AMOUNT {
        return Err(BudgetError::AmountTooLarge { amount });
    }
    Ok(amount.get())
}

/// Refuses a name that is empty or too long.
pub(crate) fn check_name(name: &str) -> Result<(), BudgetError> {
    if name.is_empty() || name.len() > MAX_NAME_BYTES {
        return Err(BudgetError::NameLength { bytes: name.len() });
    }
    Ok(())
}

/// Refuses a key that is empty or too long.
pub(crate) fn check_key(key: &str) -> Result<(), BudgetError> {
    if key.is_empty() || key.len() > MAX_NAME_BYTES {
        return Err(BudgetError::KeyLength { bytes: key.len() });
    }
    Ok(())
}
