//! Sixteen 16-bit numbers at once, as `wide` gives them to each machine.

use wide::{u16x8, u16x16};

/// How many numbers there are.
pub(crate) const LANES: usize = 16;

/// Sixteen unsigned 16-bit numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lanes(u16x16);

/// One number for all lanes. It is kept in 32 bits because memory is read back fastest in the width
/// in which it was written, and no narrower read makes lanes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Splat(u32);

impl Splat {
    #[inline(always)]
    pub(crate) fn new(number: u16) -> Self {
        Self(u32::from(number))
    }

    #[inline(always)]
    pub(crate) fn number(self) -> u16 {
        let [low, high, ..] = self.0.to_le_bytes();
        u16::from_le_bytes([low, high])
    }

    #[inline(always)]
    pub(crate) fn lanes(self) -> Lanes {
        Lanes::splat(self.number())
    }
}

impl Lanes {
    pub(crate) const ZERO: Self = Self::new([0; LANES]);

    pub(crate) const fn new(lanes: [u16; LANES]) -> Self {
        Self(u16x16::new(lanes))
    }

    #[inline(always)]
    pub(crate) fn splat(number: u16) -> Self {
        Self(u16x16::splat(number))
    }

    #[inline(always)]
    fn halves(self) -> [u16x8; 2] {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = self.0.to_array();
        [u16x8::new([a, b, c, d, e, f, g, h]), u16x8::new([i, j, k, l, m, n, o, p])]
    }

    #[inline(always)]
    pub(crate) fn to_array(self) -> [u16; LANES] {
        self.0.to_array()
    }

    /// The greatest number.
    #[inline(always)]
    pub(crate) fn greatest(self) -> u16 {
        self.to_array().into_iter().fold(0, u16::max)
    }

    /// A number that at least two of the lanes reach: nearly always the second greatest.
    #[inline(always)]
    pub(crate) fn reached_twice(self) -> u16 {
        // The greater of the two halves, then the two greatest of eight numbers as in a tournament.
        let [low, high] = self.halves();
        let greater = low.saturating_sub(high) + high;
        let [a, b, c, d, e, f, g, h] = greater.to_array();
        let pair = |a: u16, b: u16| (a.max(b), a.min(b));
        let merge =
            |(a1, a2): (u16, u16), (b1, b2): (u16, u16)| (a1.max(b1), a1.min(b1).max(a2.max(b2)));
        let (_, second) = merge(merge(pair(a, b), pair(c, d)), merge(pair(e, f), pair(g, h)));
        second
    }

    /// A number that at least `count` of the lanes reach; 0 if there are not so many.
    pub(crate) fn reached_by(self, count: usize) -> u16 {
        let mut lanes = self.to_array();
        lanes.sort_unstable_by(|a, b| b.cmp(a));
        count.checked_sub(1).and_then(|last| lanes.get(last)).copied().unwrap_or(0)
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
        const BIT: u16x16 = u16x16::new([
            1,
            1 << 1,
            1 << 2,
            1 << 3,
            1 << 4,
            1 << 5,
            1 << 6,
            1 << 7,
            1 << 8,
            1 << 9,
            1 << 10,
            1 << 11,
            1 << 12,
            1 << 13,
            1 << 14,
            1 << 15,
        ]);
        let set = (u16x16::splat(bits) & BIT).simd_eq(BIT);
        Self(self.0 & set)
    }
}
