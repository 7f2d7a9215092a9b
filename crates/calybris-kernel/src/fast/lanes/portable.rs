//! The lanes as arrays, for those who want no dependency.

use super::{BIT, LANES};

/// Sixteen unsigned 16-bit numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lanes([u16; LANES]);

impl Lanes {
    pub(crate) const fn new(lanes: [u16; LANES]) -> Self {
        Self(lanes)
    }

    #[inline(always)]
    pub(crate) fn splat(number: u16) -> Self {
        Self([number; LANES])
    }

    /// The upper half of each 32-bit product: `floor(a * b / 65,536)`.
    #[inline(always)]
    pub(crate) fn mul_high(self, other: Self) -> Self {
        self.with(other, |a, b| {
            let [_, _, low, high] = (u32::from(a) * u32::from(b)).to_le_bytes();
            u16::from_le_bytes([low, high])
        })
    }

    #[inline(always)]
    pub(crate) fn saturating_sub(self, other: Self) -> Self {
        self.with(other, u16::saturating_sub)
    }

    #[inline(always)]
    pub(crate) fn or(self, other: Self) -> Self {
        self.with(other, |a, b| a | b)
    }

    /// One bit per lane, set where the number is 0.
    #[inline(always)]
    pub(crate) fn zeros(self) -> u16 {
        let bits = self.0.iter().zip(&BIT);
        bits.fold(0, |zeros, (number, bit)| if *number == 0 { zeros | bit } else { zeros })
    }

    /// The same numbers, each below 32,768, with a sign.
    #[inline(always)]
    pub(crate) fn signed(self) -> Sums {
        Sums(self.0.map(u16::cast_signed))
    }

    #[inline(always)]
    fn with(self, other: Self, apply: impl Fn(u16, u16) -> u16) -> Self {
        Self(each(self.0, &other.0, apply))
    }
}

/// Sixteen signed 16-bit numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums([i16; LANES]);

impl Sums {
    pub(crate) const fn new(lanes: [i16; LANES]) -> Self {
        Self(lanes)
    }

    #[inline(always)]
    pub(crate) fn splat(number: i16) -> Self {
        Self([number; LANES])
    }

    #[inline(always)]
    pub(crate) fn to_array(self) -> [i16; LANES] {
        self.0
    }

    /// The sum of each pair, or the nearest number.
    #[inline(always)]
    pub(crate) fn plus(self, other: Self) -> Self {
        Self(each(self.0, &other.0, i16::saturating_add))
    }

    /// The difference of each pair, or the nearest number.
    #[inline(always)]
    pub(crate) fn less(self, other: Self) -> Self {
        Self(each(self.0, &other.0, i16::saturating_sub))
    }

    /// The lesser of each pair.
    #[inline(always)]
    pub(crate) fn min(self, other: Self) -> Self {
        Self(each(self.0, &other.0, i16::min))
    }

    /// The greater of each pair.
    #[inline(always)]
    pub(crate) fn max(self, other: Self) -> Self {
        Self(each(self.0, &other.0, i16::max))
    }

    /// One bit per lane, set where the first of a pair is the greater.
    #[inline(always)]
    pub(crate) fn above(self, other: Self) -> u16 {
        let pairs = self.0.iter().zip(&other.0).zip(&BIT);
        pairs.fold(0, |bits, ((a, b), bit)| if a > b { bits | bit } else { bits })
    }

    /// One bit per lane, set where the number is below 0.
    #[inline(always)]
    pub(crate) fn negative(self) -> u16 {
        Self::ZERO.above(self)
    }

    /// The numbers whose bit is set, and 0 elsewhere.
    #[inline(always)]
    pub(crate) fn only(self, bits: u16) -> Self {
        let mut kept = self.0;
        for (number, bit) in kept.iter_mut().zip(&BIT) {
            *number = if bits & bit == 0 { 0 } else { *number };
        }
        Self(kept)
    }

    /// The greatest number.
    #[inline(always)]
    pub(crate) fn greatest(self) -> i16 {
        self.0.iter().copied().fold(i16::MIN, i16::max)
    }

    /// A number that at least two of the lanes reach, none of which is below 0: nearly always the
    /// second greatest.
    #[inline(always)]
    pub(crate) fn reached_twice(self) -> i16 {
        let places = self.0.iter().copied().fold((0, 0), |(first, second), number: i16| {
            (number.max(first), number.min(first).max(second))
        });
        places.1
    }
}

#[inline(always)]
fn each<T: Copy>(mut a: [T; LANES], b: &[T; LANES], apply: impl Fn(T, T) -> T) -> [T; LANES] {
    for (a, b) in a.iter_mut().zip(b) {
        *a = apply(*a, *b);
    }
    a
}
