//! Weights and amounts as 64-bit whole numbers, and the unit of a request in which they take 15 bits.
//!
//! Everything here is in *grains* of `2^14` hundred-millionths of a microunit, rounded down. A
//! unit is `2^k` grains, `k >= 0`; rounding down to grains and then to units is rounding down once,
//! because `floor(floor(x / a) / b) = floor(x / (a * b))` for whole `a` and `b`.
//!
//! INVARIANT (guards): what enters here is small enough that no product exceeds 64 bits: value, and
//! budget where it limits anything, are below `2^45` microunits (35 million dollars), a weight per token is below `2^29`
//! grains, every other weight below `2^61`. [`Scale`](super::bounds::Scale) and
//! [`Bounds`](super::bounds::Bounds) see to that; what is beyond is scanned.

use super::codes::Quantum;
use crate::utility::{BPS_SQUARED, TOKENS_PER_PRICE};

/// No value and no budget that is reckoned with reaches this.
pub(crate) const AMOUNT_GUARD: u64 = 1 << 45;
/// No weight that is added to others reaches this.
const WEIGHT_GUARD: u64 = 1 << 61;

/// A grain is this many hundred-millionths of a microunit.
const GRAIN_BITS: u32 = 14;
/// `10^8 = 390,625 * 2^8`.
const AMOUNT_FACTOR: u64 = BPS_SQUARED >> AMOUNT_FACTOR_SHIFT;
const AMOUNT_FACTOR_SHIFT: u32 = BPS_SQUARED.trailing_zeros();
/// By how much the factor overstates grains.
const AMOUNT_SHIFT: u32 = GRAIN_BITS - AMOUNT_FACTOR_SHIFT;
/// What weights have at most.
const WEIGHT_BITS: u32 = 15;

/// An amount below the guard, in grains.
#[inline]
pub(crate) const fn grains(amount_microunits: u64) -> u64 {
    (amount_microunits * AMOUNT_FACTOR) >> AMOUNT_SHIFT
}

/// How much greater 65,536 codes of a column are, in grains, than a number of it is in
/// hundred-millionths: `2^up / 2^down`.
const fn code_shifts(quantum: Quantum) -> (u32, u32) {
    (u16::BITS - GRAIN_BITS + quantum.right(), quantum.left())
}

/// The weight of 65,536 codes of a column each number of which weighs so many microunits: nothing
/// if it is beyond the guards.
pub(crate) fn column_weight(quantum: Quantum, microunits: u64) -> Option<u64> {
    if quantum.is_empty() {
        return Some(0);
    }
    let (up, down) = code_shifts(quantum);
    let weight = u128::from(microunits.checked_mul(BPS_SQUARED)?) << up >> down;
    u64::try_from(weight).ok().filter(|grains| *grains < WEIGHT_GUARD)
}

/// The weight of 65,536 codes of a price, per token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenWeight {
    factor: u64,
    shift: u32,
}

impl TokenWeight {
    /// Nothing if it is beyond the guards.
    pub(crate) fn new(quantum: Quantum) -> Option<Self> {
        const PER_TOKEN: u64 = BPS_SQUARED / TOKENS_PER_PRICE;
        if quantum.is_empty() {
            return Some(Self { factor: 0, shift: 0 });
        }
        let (up, down) = code_shifts(quantum);
        let factor = PER_TOKEN << up.saturating_sub(down);
        let guarded = factor < WEIGHT_GUARD >> u32::BITS;
        guarded.then_some(Self { factor, shift: down.saturating_sub(up) })
    }

    /// The weight for so many tokens, in grains.
    #[inline(always)]
    pub(crate) const fn of(self, tokens: u32) -> u64 {
        (tokens as u64 * self.factor) >> self.shift
    }
}

/// A unit of `2^k` grains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unit {
    k: u32,
}

impl Unit {
    /// The smallest unit in which weights take 15 bits. `weights` is all of them, or-ed together:
    /// that has as many digits as the greatest.
    #[inline(always)]
    pub(crate) const fn fitting(weights: u64) -> Self {
        const FITTING: u64 = (1 << WEIGHT_BITS) - 1;
        Self { k: (weights | FITTING).ilog2() - (WEIGHT_BITS - 1) }
    }

    /// Whether this unit is not smaller than needed, but the one that fits these weights, none of
    /// which takes more than 15 bits in it.
    #[inline(always)]
    pub(crate) const fn fits(self, weights: u64) -> bool {
        self.k == 0 || weights >> self.k >> (WEIGHT_BITS - 1) != 0
    }

    /// A weight in units, if the unit fits it.
    #[inline(always)]
    pub(crate) const fn weight(self, grains: u64) -> u16 {
        let [low, high, ..] = (grains >> self.k).to_le_bytes();
        u16::from_le_bytes([low, high])
    }

    /// An amount below the guard, in units.
    #[inline(always)]
    pub(crate) const fn amount(self, amount_microunits: u64) -> u64 {
        self.whole(grains(amount_microunits))
    }

    /// Grains in units.
    #[inline(always)]
    pub(crate) const fn whole(self, grains: u64) -> u64 {
        grains >> self.k
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hundred_millionths(unit: Unit) -> u128 {
        1 << (14 + unit.k)
    }

    #[test]
    fn the_fitting_unit_is_the_smallest_in_which_weights_take_15_bits() {
        for (weights, k) in [(0, 0), (1, 0), (0x7fff, 0), (0x8000, 1), (0xffff, 1), (0x1_0000, 2)] {
            assert_eq!(Unit::fitting(weights), Unit { k }, "{weights:#x}");
        }
        for bits in 16..64 {
            for weights in [1 << bits, (1 << bits) | ((1 << bits) - 1)] {
                let unit = Unit::fitting(weights);
                assert!(unit.weight(weights) < 1 << 15 && weights >> unit.k < 1 << 15);
                assert!(unit.weight(weights) >= 1 << 14);
            }
        }
    }

    #[test]
    fn an_amount_is_rounded_down_once() {
        for amount in [0, 1, 2, 3, 999, 123_456_789, (1 << 45) - 1] {
            for k in 0..50 {
                let unit = Unit { k };
                let exact = u128::from(amount) * 100_000_000 / hundred_millionths(unit);
                assert_eq!(u128::from(unit.amount(amount)), exact);
            }
        }
    }

    #[test]
    fn a_price_weighs_what_its_tokens_cost() {
        for bits in 0..37 {
            for price in [1 << bits, (1_u64 << (bits + 1)) - 1] {
                let quantum = Quantum::new(price);
                let Some(weight) = TokenWeight::new(quantum) else {
                    assert!(bits == 36);
                    continue;
                };
                for tokens in [0, 1, 3, 1_000, u32::MAX] {
                    // 65,536 codes, each of them `2^right / 2^left` microunits per million tokens.
                    let prices = u128::from(tokens) << (16 + quantum.right());
                    let exact = (100 * prices) >> (14 + quantum.left());
                    assert_eq!(u128::from(weight.of(tokens)), exact, "{price} {tokens}");
                }
            }
        }
        let free = TokenWeight::new(Quantum::new(0)).unwrap();
        assert_eq!(free.of(u32::MAX), 0);
        assert!(TokenWeight::new(Quantum::new(u64::MAX)).is_none());
    }
}
