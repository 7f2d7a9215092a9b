//! Numbers in 16 bits: models as codes, and weights and amounts in a unit of the request.
//!
//! A price, a latency or a quality becomes a code of 16 bits (scalar quantization), rounded down.
//!
//! Weights and amounts are fixed-point numbers of 64 bits, in *grains* of `2^14` hundred-millionths of a microunit, rounded
//! down. A unit is `2^k` grains, `k >= 0`. Rounding down to grains and then to units is rounding down
//! once, because `floor(floor(x / a) / b) = floor(x / (a * b))` for whole `a` and `b`.
//!
//! INVARIANT (guards): values, and budgets where they limit anything, are below `2^45` microunits (35
//! million dollars), a weight per token is below `2^29` grains, and every other weight is below
//! `2^61`, so no product exceeds 64 bits. [`Scale`](super::bounds::Scale) and
//! [`Bounds`](super::bounds::Bounds) check it; catalogs and requests beyond it are scanned.

use super::lanes::{LANES, Lanes};
use crate::utility::{BPS_SQUARED, TOKENS_PER_PRICE};
use crate::{Model, Rates};

/// How a number becomes a 16-bit code: shifted right until it fits, or left until it fills.
///
/// INVARIANT (codes): the code of `x` stands for `code * 2^right / 2^left`, which is at most `x`.
/// Unless `x` is an outlier it is also more than `x - 2^right`, and equal to `x` if `right` is 0.
/// Codes are monotone: a greater `x` never has a lesser code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Quantum {
    right: u32,
    left: u32,
}

/// The left shift of a column of zeros: it has no code but 0.
const EMPTY: u32 = u16::BITS;

impl Quantum {
    /// The finest quantum in which `largest` still has a code of its own.
    pub(crate) const fn new(largest: u64) -> Self {
        let bits = u64::BITS - largest.leading_zeros();
        if bits > u16::BITS {
            Self { right: bits - u16::BITS, left: 0 }
        } else if bits == 0 {
            Self { right: 0, left: EMPTY }
        } else {
            Self { right: 0, left: u16::BITS - bits }
        }
    }

    /// The same, but codes are exact: a number that does not fit is an outlier.
    pub(crate) const fn exact(largest: u64) -> Self {
        Self { right: 0, left: Self::new(largest).left }
    }

    /// The code, and whether the number is an outlier, above what codes can stand for.
    pub(crate) fn encode(self, number: u64) -> (u16, bool) {
        let greatest = u16::MAX.unbounded_shr(self.left);
        match u16::try_from(number >> self.right) {
            Ok(code) if code <= greatest => (code.unbounded_shl(self.left), false),
            _ => (greatest.unbounded_shl(self.left), true),
        }
    }

    /// The greatest code of a limit on numbers that have exact codes: no number that is not an
    /// outlier is above the limit unless its code is above this.
    #[inline(always)]
    pub(crate) const fn encode_limit(self, limit: u32) -> u16 {
        // Codes are exact, so nothing is dropped. Of an empty column the greatest number is 0, and
        // the code of any limit is 0, too.
        let greatest = (u16::MAX as u32) >> self.left;
        let limit = if limit < greatest { limit } else { greatest };
        let [low, high, ..] = (limit << self.left).to_le_bytes();
        u16::from_le_bytes([low, high])
    }

    /// What a term of this column falls short of the true one at most, in units (see
    /// [`bounds`](super::bounds)).
    pub(crate) const fn shortfall(self) -> u16 {
        match self {
            Self { left: EMPTY, .. } => 0,
            Self { right: 0, .. } => 2,
            Self { .. } => 3,
        }
    }

    /// Whether this is a column of zeros.
    pub(crate) const fn is_empty(self) -> bool {
        self.left == EMPTY
    }

    pub(crate) const fn right(self) -> u32 {
        self.right
    }

    pub(crate) const fn left(self) -> u32 {
        self.left
    }
}

/// The quanta of all coded columns of a catalog.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Quanta {
    pub(crate) latency: Quantum,
    pub(crate) input: Quantum,
    pub(crate) output: Quantum,
    pub(crate) fixed: Quantum,
    pub(crate) per_search: Quantum,
    pub(crate) per_request: Quantum,
}

/// The quality, at most 10,000, times this is its code: it uses 15 bits well, and so may be compared
/// as a number with a sign.
const QUALITY_CODE: u16 = 2;

/// The code of a quality, which is at most 10,000.
pub(crate) const fn quality_code(quality_bps: u16) -> u16 {
    quality_bps.wrapping_mul(QUALITY_CODE)
}

/// One model in codes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Code {
    pub(crate) quality: u16,
    pub(crate) ceiling: u16,
    pub(crate) latency: u16,
    pub(crate) input: u16,
    pub(crate) output: u16,
    pub(crate) fixed: u16,
}

impl Code {
    /// The codes of a model in one of its bands, and whether any number of it is an outlier.
    pub(crate) fn new(quanta: &Quanta, model: &Model, rates: &Rates) -> (Self, bool) {
        let (latency, slow) = quanta.latency.encode(model.p95_latency_ms.into());
        let (input, dear_in) = quanta.input.encode(rates.input.get());
        let (output, dear_out) = quanta.output.encode(rates.output.get());
        let (fixed, dear) = quanta.fixed.encode(model.price.fixed_price().get());
        let code = Self {
            quality: quality_code(model.quality.get()),
            ceiling: model.risk_ceiling.get(),
            latency,
            input,
            output,
            fixed,
        };
        (code, slow | dear_in | dear_out | dear)
    }

    /// In each column the better of two codes: no model between them is better in any.
    pub(crate) fn best(self, other: Self) -> Self {
        Self {
            quality: self.quality.max(other.quality),
            ceiling: self.ceiling.max(other.ceiling),
            latency: self.latency.min(other.latency),
            input: self.input.min(other.input),
            output: self.output.min(other.output),
            fixed: self.fixed.min(other.fixed),
        }
    }

    /// In each column the worse of two codes.
    pub(crate) fn worst(self, other: Self) -> Self {
        Self {
            quality: self.quality.min(other.quality),
            ceiling: self.ceiling.min(other.ceiling),
            latency: self.latency.max(other.latency),
            input: self.input.max(other.input),
            output: self.output.max(other.output),
            fixed: self.fixed.max(other.fixed),
        }
    }
}

/// Sixteen models in codes, a lane each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Codes {
    pub(crate) quality: Lanes,
    pub(crate) ceiling: Lanes,
    pub(crate) latency: Lanes,
    pub(crate) input: Lanes,
    pub(crate) output: Lanes,
    pub(crate) fixed: Lanes,
}

impl Codes {
    /// Up to sixteen codes; lanes without one are 0.
    pub(crate) fn gather(codes: impl Iterator<Item = Code>) -> Self {
        let mut sixteen = [Code::default(); LANES];
        for (place, code) in sixteen.iter_mut().zip(codes) {
            *place = code;
        }
        let column = |number: fn(Code) -> u16| Lanes::new(sixteen.map(number));
        Self {
            quality: column(|code| code.quality),
            ceiling: column(|code| code.ceiling),
            latency: column(|code| code.latency),
            input: column(|code| code.input),
            output: column(|code| code.output),
            fixed: column(|code| code.fixed),
        }
    }
}

/// No value and no budget that is reckoned with reaches this.
pub(crate) const AMOUNT_GUARD: u64 = 1 << 45;
/// No weight that is added to others reaches this.
pub(crate) const WEIGHT_GUARD: u64 = 1 << 61;

/// A grain is this many hundred-millionths of a microunit.
const GRAIN_BITS: u32 = 14;
/// `10^8 = 390,625 * 2^8`.
const AMOUNT_FACTOR: u64 = BPS_SQUARED >> AMOUNT_FACTOR_SHIFT;
const AMOUNT_FACTOR_SHIFT: u32 = BPS_SQUARED.trailing_zeros();
/// By how much the factor overstates grains.
const AMOUNT_SHIFT: u32 = GRAIN_BITS - AMOUNT_FACTOR_SHIFT;
/// The most bits of a weight.
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
    use super::super::lanes::Splat;
    use super::*;

    #[test]
    fn a_term_falls_short_of_the_true_one_by_less_than_the_shortfall() {
        for bits in 0..36 {
            for largest in [(1 << bits) - 1, 1_u64 << bits, (1 << bits) | ((1 << bits) / 3)] {
                let quantum = Quantum::new(largest);
                let Some(weight) = TokenWeight::new(quantum) else { continue };
                for tokens in [1, 3, 1_000, 123_457, u32::MAX] {
                    let grains = weight.of(tokens);
                    let unit = Unit::fitting(grains);
                    // A unit is `2^14 * 2^k` hundred-millionths, `k` as small as 15 bits allow.
                    let unit_bits = 14 + (64 - grains.leading_zeros()).saturating_sub(15);
                    for price in
                        (0..20).map(|part| largest - largest / 20 * part).chain([0, largest / 3])
                    {
                        let (code, outlier) = quantum.encode(price);
                        assert!(!outlier);
                        let weight = Splat::new(unit.weight(grains)).lanes();
                        let [term, ..] = Lanes::splat(code).mul_high(weight).signed().to_array();
                        let term = u128::try_from(term).unwrap();
                        let exact = u128::from(price) * u128::from(tokens) * 100;
                        assert!(term << unit_bits <= exact);
                        let bound = (term + u128::from(quantum.shortfall())) << unit_bits;
                        assert!(
                            exact < bound || exact == 0,
                            "{price} of {largest}, {tokens} tokens"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn what_codes_cannot_stand_for_is_an_outlier() {
        for (largest, number) in
            [(200, 256), (200, 60_000), (200, 1 << 17), (1 << 20, 1 << 21), (0, 1)]
        {
            let quantum = Quantum::new(largest);
            assert!(!quantum.encode(largest).1);
            let (code, outlier) = quantum.encode(number);
            assert!(outlier && code >= quantum.encode(largest).0, "{largest} {number}");
        }
    }

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
