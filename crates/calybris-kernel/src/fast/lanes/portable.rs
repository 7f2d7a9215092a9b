//! The lanes as an array, for those who want no dependency.

use core::array::from_fn;

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

    #[inline(always)]
    pub(crate) fn to_array(self) -> [u16; LANES] {
        self.0
    }

    /// The greater of each number of the first half and its fellow of the second.
    #[inline(always)]
    pub(crate) fn greater_half(self) -> [u16; LANES / 2] {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = self.0;
        [a.max(i), b.max(j), c.max(k), d.max(l), e.max(m), f.max(n), g.max(o), h.max(p)]
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
    pub(crate) fn saturating_add(self, other: Self) -> Self {
        self.with(other, u16::saturating_add)
    }

    #[inline(always)]
    pub(crate) fn saturating_sub(self, other: Self) -> Self {
        self.with(other, u16::saturating_sub)
    }

    /// The greater of each pair.
    #[inline(always)]
    pub(crate) fn max(self, other: Self) -> Self {
        self.with(other, u16::max)
    }

    #[inline(always)]
    pub(crate) fn or(self, other: Self) -> Self {
        self.with(other, |a, b| a | b)
    }

    /// One bit per lane, set where the number is 0.
    #[inline(always)]
    pub(crate) fn zeros(self) -> u16 {
        let bits = self.0.into_iter().zip(BIT);
        bits.fold(0, |zeros, (number, bit)| if number == 0 { zeros | bit } else { zeros })
    }

    /// The numbers whose bit is set, and 0 elsewhere.
    #[inline(always)]
    pub(crate) fn only(self, bits: u16) -> Self {
        self.with(Self(BIT), |number, bit| if bits & bit == 0 { 0 } else { number })
    }

    #[inline(always)]
    fn with(self, other: Self, apply: impl Fn(u16, u16) -> u16) -> Self {
        let mut pairs = self.0.into_iter().zip(other.0);
        // Both have as many numbers as are asked for.
        Self(from_fn(|_| pairs.next().map_or(0, |(a, b)| apply(a, b))))
    }
}
