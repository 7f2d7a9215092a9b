//! The lanes as plain arrays, without a dependency.

use super::width::{BIT, LANES};

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

    /// Where the number is 0.
    #[inline(always)]
    pub(crate) fn zeros(self) -> Mask {
        Mask(self.0.map(|number| if number == 0 { -1 } else { 0 }))
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

    #[cfg(test)]
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

    /// Where the first of a pair is the greater.
    #[inline(always)]
    pub(crate) fn above(self, other: Self) -> Mask {
        Mask(each(self.0, &other.0, |a, b| if a > b { -1 } else { 0 }))
    }

    /// One bit per lane, set where the number is below 0.
    #[inline(always)]
    pub(crate) fn negative(self) -> u16 {
        bits(&self.0)
    }

    /// The numbers where the mask is set, and 0 elsewhere.
    #[inline(always)]
    pub(crate) fn only(self, mask: Mask) -> Self {
        Self(each(self.0, &mask.0, |number, mask| number & mask))
    }

    /// The numbers where the mask is not set, and -1 elsewhere.
    #[inline(always)]
    pub(crate) fn negative_where(self, mask: Mask) -> Self {
        Self(each(self.0, &mask.0, |number, mask| number | mask))
    }

    /// The numbers where the mask is set, and -1 elsewhere.
    #[inline(always)]
    pub(crate) fn negative_unless(self, mask: Mask) -> Self {
        Self(each(self.0, &mask.0, |number, mask| number | !mask))
    }

    /// The greatest number.
    #[inline(always)]
    pub(crate) fn greatest(self) -> i16 {
        self.0.iter().copied().fold(i16::MIN, i16::max)
    }

    /// In all lanes, a number that at least two of the lanes reach: the second greatest.
    #[inline(always)]
    pub(crate) fn reached_twice(self) -> Self {
        let least = (i16::MIN, i16::MIN);
        let places = self.0.iter().copied().fold(least, |(first, second), number: i16| {
            (number.max(first), number.min(first).max(second))
        });
        Self::splat(places.1)
    }
}

/// A yes or no for each of sixteen lanes: -1 or 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mask([i16; LANES]);

impl Mask {
    /// The lanes whose bit is set.
    #[inline(always)]
    pub(crate) fn of(bits: u16) -> Self {
        Self(BIT.map(|bit| if bits & bit == 0 { 0 } else { -1 }))
    }

    /// The lanes whose bit is set, sixteen at a time.
    #[inline(always)]
    pub(crate) fn of_word(word: u64) -> [Self; 4] {
        let [a, b, c, d, e, f, g, h] = word.to_le_bytes();
        [[a, b], [c, d], [e, f], [g, h]].map(|bits| Self::of(u16::from_le_bytes(bits)))
    }

    /// One bit per lane.
    #[inline(always)]
    pub(crate) fn bits(self) -> u16 {
        bits(&self.0)
    }
}

/// The signs.
#[inline(always)]
fn bits(numbers: &[i16; LANES]) -> u16 {
    let numbers = numbers.iter().zip(&BIT);
    numbers.fold(0, |bits, (number, bit)| if *number < 0 { bits | bit } else { bits })
}

#[inline(always)]
fn each<T: Copy>(mut a: [T; LANES], b: &[T; LANES], apply: impl Fn(T, T) -> T) -> [T; LANES] {
    for (a, b) in a.iter_mut().zip(b) {
        *a = apply(*a, *b);
    }
    a
}
