//! The hot word of an account: the ready amount, the spent amount, and two flags.

/// How wide the two parts of the hot word are: four thousand and one thousand units of money. Loom
/// explores narrow ones, so that it comes to their ends.
const READY_BITS: u32 = if cfg!(loom) { 5 } else { 32 };
const SPENT_BITS: u32 = if cfg!(loom) { 5 } else { 30 };

/// The largest part of what is available that the hot word has room for, in its lowest bits.
const READY: u64 = (1 << READY_BITS) - 1;

/// How much of the available amount an adjustment leaves in the hot word: half of what fits. The
/// other half is room for amounts that come back.
pub(super) const READY_AT_REST: u64 = READY / 2 + 1;

/// The largest part of what was committed that the hot word has room for, above `READY`.
const SPENT: u64 = (1 << SPENT_BITS) - 1;

/// The top bit of the hot word. Where it is set, a debit goes through the lock: a rule must be asked,
/// or several levels must admit it together. As it is part of the word, a debit that did not see it
/// set cannot succeed after it was.
pub(super) const GUARDED: u64 = 1 << 63;

/// The bit below it. Where it is set, the account is broken: nothing is debited or settled. It is never
/// taken away.
pub(super) const BROKEN: u64 = 1 << 62;

/// The part of what is available in a hot word.
#[inline]
pub(super) fn ready(hot: u64) -> u64 {
    hot & READY
}

/// The part of what was committed in a hot word.
#[inline]
pub(super) fn spent(hot: u64) -> u64 {
    (hot >> READY_BITS) & SPENT
}

/// The hot word after a settlement, if both parts have room for it.
#[inline]
pub(super) fn settled(hot: u64, actual: u64, surplus: u64) -> Option<u64> {
    let fits = surplus <= READY - ready(hot) && actual <= SPENT - spent(hot);
    fits.then(|| hot + (actual << READY_BITS) + surplus)
}
