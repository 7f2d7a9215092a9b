//! The lanes as vectors.

use wide::{u16x8, u16x16};

use super::LANES;

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

    #[inline(always)]
    pub(crate) fn to_array(self) -> [u16; LANES] {
        self.0.to_array()
    }

    /// The greater of each number of the first half and its fellow of the second.
    #[inline(always)]
    pub(crate) fn greater_half(self) -> [u16; LANES / 2] {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = self.0.to_array();
        let low = u16x8::new([a, b, c, d, e, f, g, h]);
        let high = u16x8::new([i, j, k, l, m, n, o, p]);
        (low.saturating_sub(high) + high).to_array()
    }

    /// The upper half of each 32-bit product: `floor(a * b / 65,536)`.
    #[inline(always)]
    pub(crate) fn mul_high(self, other: Self) -> Self {
        Self(self.0.mul_keep_high(other.0))
    }

    #[inline(always)]
    pub(crate) fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    #[inline(always)]
    pub(crate) fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The greater of each pair. Baseline x86-64 has no such instruction, but this is it.
    #[inline(always)]
    pub(crate) fn max(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0) + other.0)
    }

    #[inline(always)]
    pub(crate) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// One bit per lane, set where the number is 0.
    #[inline(always)]
    pub(crate) fn zeros(self) -> u16 {
        let [low, high, ..] = self.0.simd_eq(u16x16::ZERO).to_bitmask().to_le_bytes();
        u16::from_le_bytes([low, high])
    }

    /// The numbers whose bit is set, and 0 elsewhere.
    #[inline(always)]
    pub(crate) fn only(self, bits: u16) -> Self {
        const BIT: u16x16 = u16x16::new(super::BIT);
        let set = (u16x16::splat(bits) & BIT).simd_eq(BIT);
        Self(self.0 & set)
    }
}
