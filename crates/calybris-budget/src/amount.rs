//! The limits on amounts and names, checked once at the door.

use crate::BudgetError;

/// The largest amount that can be granted, reserved or committed, in microunits: 2^63 - 1.
///
/// That is nine million million units, and it fits the signed 64-bit column of any database.
/// INVARIANT (headroom): no word of an account exceeds this number, so that the sum of any two
/// fits in a `u64` and nothing has to saturate.
pub const MAX_AMOUNT_MICROUNITS: u64 = i64::MAX as u64;

/// The longest name of a tenant, in bytes of UTF-8.
pub const MAX_NAME_BYTES: usize = 128;

/// The most levels a tenant has: itself and all above it.
pub const MAX_LEVELS: usize = 32;

/// Refuses an amount that no account can hold.
pub(crate) fn check_amount(amount_microunits: u64) -> Result<(), BudgetError> {
    if amount_microunits > MAX_AMOUNT_MICROUNITS {
        return Err(BudgetError::AmountTooLarge { amount_microunits });
    }
    Ok(())
}

/// Refuses a name that is empty or too long.
pub(crate) fn check_name(name: &str) -> Result<(), BudgetError> {
    if name.is_empty() || name.len() > MAX_NAME_BYTES {
        return Err(BudgetError::NameLength { bytes: name.len() });
    }
    Ok(())
}
