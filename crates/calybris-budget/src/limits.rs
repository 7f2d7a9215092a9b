//! The limits on amounts, names and keys.

use calybris_units::Microunits;

/// The largest amount that can be granted, reserved or committed: 2^63 - 1 microunits.
///
/// That is nine million million units, and it fits the signed 64-bit column of any database.
/// INVARIANT (headroom): no word of an account exceeds this number, so that the sum of any two
/// fits in a `u64` and nothing has to saturate.
pub const MAX_AMOUNT: Microunits = Microunits::new(MAX_MICROUNITS);

/// [`MAX_AMOUNT`] as a number.
pub(crate) const MAX_MICROUNITS: u64 = i64::MAX as u64;

/// The longest name of a tenant, in bytes of UTF-8.
pub const MAX_NAME_BYTES: usize = 128;

/// The most levels a tenant has: itself and all above it.
pub const MAX_LEVELS: usize = 32;

/// How many idempotency keys are remembered. When one more comes, the oldest is forgotten.
pub const KEY_WINDOW: usize = 65_536;
