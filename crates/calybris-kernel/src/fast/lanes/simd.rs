//! The lanes as vectors.

use wide::bytemuck::cast;
use wide::{i16x8, i16x16, u16x16};

use super::{BIT, LANES};

/// Sixteen unsigned 16-bit numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lanes(u16x16);

impl Lanes {
    pub(crate) const fn new(lanes: [u16; LANES]) -> Self {
        Self(u16x16::new(lanes))
    }

    #[inline(always)]
    pub(crate) fn splat(number: u16) -> Self {
        Self(u16x16::splat(number))
    }

    /// The upper half of each 32-bit product: `floor(a * b / 65,536)`.
    #[inline(always)]
    pub(crate) fn mul_high(self, other: Self) -> Self {
        Self(self.0.mul_keep_high(other.0))
    }

    #[inline(always)]
    pub(crate) fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    #[inline(always)]
    pub(crate) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// One bit per lane, set where the number is 0.
    #[inline(always)]
    pub(crate) fn zeros(self) -> u16 {
        low_bits(self.0.simd_eq(u16x16::ZERO).to_bitmask())
    }

    /// The same numbers, each below 32,768, with a sign.
    #[inline(always)]
    pub(crate) fn signed(self) -> Sums {
        Sums(cast(self.0))
    }
}

/// Sixteen signed 16-bit numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums(i16x16);

impl Sums {
    pub(crate) const fn new(lanes: [i16; LANES]) -> Self {
        Self(i16x16::new(lanes))
    }

    #[inline(always)]
    pub(crate) fn splat(number: i16) -> Self {
        Self(i16x16::splat(number))
    }

    #[inline(always)]
    pub(crate) fn to_array(self) -> [i16; LANES] {
        self.0.to_array()
    }

    /// The sum of each pair, or the nearest number.
    #[inline(always)]
    pub(crate) fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference of each pair, or the nearest number.
    #[inline(always)]
    pub(crate) fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The lesser of each pair.
    #[inline(always)]
    pub(crate) fn min(self, other: Self) -> Self {
        Self(self.0.min(other.0))
    }

    /// The greater of each pair.
    #[inline(always)]
    pub(crate) fn max(self, other: Self) -> Self {
        Self(self.0.max(other.0))
    }

    /// One bit per lane, set where the first of a pair is the greater.
    #[inline(always)]
    pub(crate) fn above(self, other: Self) -> u16 {
        low_bits(cast::<i16x16, u16x16>(self.0.simd_gt(other.0)).to_bitmask())
    }

    /// One bit per lane, set where the number is below 0.
    #[inline(always)]
    pub(crate) fn negative(self) -> u16 {
        low_bits(cast::<i16x16, u16x16>(self.0).to_bitmask())
    }

    /// The numbers whose bit is set, and 0 elsewhere.
    #[inline(always)]
    pub(crate) fn only(self, bits: u16) -> Self {
        const BITS: u16x16 = u16x16::new(BIT);
        let set = (u16x16::splat(bits) & BITS).simd_eq(BITS);
        Self(self.0 & cast::<u16x16, i16x16>(set))
    }

    /// The greatest number.
    #[inline(always)]
    pub(crate) fn greatest(self) -> i16 {
        self.greater_half().reduce_max()
    }

    /// A number that at least two of the lanes reach, none of which is below 0: nearly always the
    /// second greatest.
    #[inline(always)]
    pub(crate) fn reached_twice(self) -> i16 {
        let half = self.greater_half();
        let greatest = half.reduce_max();
        let ties = half.simd_eq(i16x8::splat(greatest));
        let bits = ties.to_bitmask();
        if bits & bits.wrapping_sub(1) == 0 { (half & !ties).reduce_max() } else { greatest }
    }

    /// The greater of each number of the first half and its fellow of the second.
    #[inline(always)]
    fn greater_half(self) -> i16x8 {
        let [low, high]: [i16x8; 2] = cast(self.0);
        low.max(high)
    }
}

#[inline(always)]
fn low_bits(bits: u32) -> u16 {
    let [low, high, ..] = bits.to_le_bytes();
    u16::from_le_bytes([low, high])
}
