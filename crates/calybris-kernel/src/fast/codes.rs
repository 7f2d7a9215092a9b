//! Sixteen models in 16-bit codes.

use super::lanes::{LANES, Lanes};
use crate::Model;

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

    /// The same, but codes are exact: what does not fit is an outlier.
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
    /// The codes of a model, and whether any number of it is an outlier.
    pub(crate) fn new(quanta: &Quanta, model: &Model) -> (Self, bool) {
        let (latency, slow) = quanta.latency.encode(model.p95_latency_ms.into());
        let (input, dear_in) = quanta.input.encode(model.input_price_per_million_tokens.get());
        let (output, dear_out) = quanta.output.encode(model.output_price_per_million_tokens.get());
        let (fixed, dear) = quanta.fixed.encode(model.fixed_price.get());
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

#[cfg(test)]
mod tests {
    use super::super::lanes::Splat;
    use super::super::units::{TokenWeight, Unit};
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
}
