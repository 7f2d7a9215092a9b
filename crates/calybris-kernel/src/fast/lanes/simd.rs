//! The lanes as vectors.

use wide::bytemuck::cast;
use wide::{i16x8, i16x16, u16x8, u16x16};

use super::width::{BIT, LANES};

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

    /// Where the number is 0.
    #[inline(always)]
    pub(crate) fn zeros(self) -> Mask {
        Mask(cast(self.0.simd_eq(u16x16::ZERO)))
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

    #[cfg(test)]
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

    /// Where the first of a pair is the greater.
    #[inline(always)]
    pub(crate) fn above(self, other: Self) -> Mask {
        Mask(self.0.simd_gt(other.0))
    }

    /// One bit per lane, set where the number is below 0.
    #[inline(always)]
    pub(crate) fn negative(self) -> u16 {
        bits(self.0)
    }

    /// The numbers where the mask is set, and 0 elsewhere.
    #[inline(always)]
    pub(crate) fn only(self, mask: Mask) -> Self {
        Self(self.0 & mask.0)
    }

    /// The numbers where the mask is not set, and -1 elsewhere.
    #[inline(always)]
    pub(crate) fn negative_where(self, mask: Mask) -> Self {
        Self(self.0 | mask.0)
    }

    /// The numbers where the mask is set, and -1 elsewhere.
    #[inline(always)]
    pub(crate) fn negative_unless(self, mask: Mask) -> Self {
        Self(self.0 | !mask.0)
    }

    /// The greatest number.
    #[inline(always)]
    pub(crate) fn greatest(self) -> i16 {
        self.greater_half().reduce_max()
    }

    /// In all lanes, a number that at least two of the lanes reach: nearly always the second
    /// greatest.
    #[inline(always)]
    pub(crate) fn reached_twice(self) -> Self {
        // A tournament: each lane keeps the greatest number so far and the greatest of those that lost. In
        // the end each of the eight has met every other. The losers of `greater_half` are dropped, so
        // the result may be less than the second greatest.
        let winners = self.greater_half();
        let rivals = swap_fours(winners);
        let (losers, winners) = (winners.min(rivals), winners.max(rivals));
        let (losers, winners) = next_round(losers, winners, swap_twos);
        let (losers, _) = next_round(losers, winners, swap_ones);
        Self(cast([losers, losers]))
    }

    /// The greater of each number of the first half and its fellow of the second.
    #[inline(always)]
    fn greater_half(self) -> i16x8 {
        let [low, high]: [i16x8; 2] = cast(self.0);
        low.max(high)
    }
}

/// The losers and the winners after each lane has met its rival.
#[inline(always)]
fn next_round(losers: i16x8, winners: i16x8, rivals: fn(i16x8) -> i16x8) -> (i16x8, i16x8) {
    let rival_winners = rivals(winners);
    let losers = losers.max(rivals(losers)).max(winners.min(rival_winners));
    (losers, winners.max(rival_winners))
}

#[inline(always)]
fn swap_fours(numbers: i16x8) -> i16x8 {
    let [a, b, c, d, e, f, g, h] = numbers.to_array();
    i16x8::new([e, f, g, h, a, b, c, d])
}

#[inline(always)]
fn swap_twos(numbers: i16x8) -> i16x8 {
    let [a, b, c, d, e, f, g, h] = numbers.to_array();
    i16x8::new([c, d, a, b, g, h, e, f])
}

#[inline(always)]
fn swap_ones(numbers: i16x8) -> i16x8 {
    let [a, b, c, d, e, f, g, h] = numbers.to_array();
    i16x8::new([b, a, d, c, f, e, h, g])
}

/// A yes or no for each of sixteen lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mask(i16x16);

impl Mask {
    /// The lanes whose bit is set.
    #[inline(always)]
    pub(crate) fn of(bits: u16) -> Self {
        const BITS: u16x16 = u16x16::new(BIT);
        Self(cast((u16x16::splat(bits) & BITS).simd_eq(BITS)))
    }

    /// The lanes whose bit is set, sixteen at a time.
    #[inline(always)]
    pub(crate) fn of_word(word: u64) -> [Self; 4] {
        let [a, b, c, d, ..] = cast::<[u64; 2], u16x8>([word, 0]).to_array();
        [Self::of(a), Self::of(b), Self::of(c), Self::of(d)]
    }

    /// One bit per lane.
    #[inline(always)]
    pub(crate) fn bits(self) -> u16 {
        bits(self.0)
    }
}

/// The signs.
#[inline(always)]
fn bits(numbers: i16x16) -> u16 {
    let [low, high, ..] = cast::<i16x16, u16x16>(numbers).to_bitmask().to_le_bytes();
    u16::from_le_bytes([low, high])
}
