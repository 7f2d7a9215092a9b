//! Eight 16-bit numbers at once, as `wide` gives them to each machine.

use wide::u16x8;

/// Eight unsigned 16-bit numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lanes(u16x8);

impl Lanes {
    pub(crate) const ZERO: Self = Self::new([0; 8]);

    pub(crate) const fn new(lanes: [u16; 8]) -> Self {
        Self(u16x8::new(lanes))
    }

    #[inline]
    pub(crate) fn splat(number: u16) -> Self {
        Self(u16x8::splat(number))
    }

    #[inline]
    pub(crate) fn to_array(self) -> [u16; 8] {
        self.0.to_array()
    }

    pub(crate) fn first(self) -> u16 {
        let [first, ..] = self.to_array();
        first
    }

    /// The second greatest number; equal to the greatest if that stands twice.
    #[inline]
    pub(crate) fn second(self) -> u16 {
        let (_, second) =
            self.to_array().into_iter().fold((0, 0), |(first, second), number: u16| {
                (first.max(number), second.max(first.min(number)))
            });
        second
    }

    /// The upper half of each 32-bit product: `floor(a * b / 65,536)`.
    #[inline]
    pub(crate) fn mul_high(self, other: Self) -> Self {
        Self(self.0.mul_keep_high(other.0))
    }

    #[inline]
    pub(crate) fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    #[inline]
    pub(crate) fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The greater of each pair. Baseline x86-64 has no such instruction, but this is it.
    #[inline]
    pub(crate) fn max(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0) + other.0)
    }

    #[inline]
    pub(crate) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// One bit per lane, set where the number is 0.
    #[inline]
    pub(crate) fn zeros(self) -> u8 {
        let [bits, ..] = self.0.simd_eq(u16x8::ZERO).to_bitmask().to_le_bytes();
        bits
    }

    /// The numbers whose bit is set, and 0 elsewhere.
    #[inline]
    pub(crate) fn only(self, bits: u8) -> Self {
        const BIT: u16x8 = u16x8::new([1, 2, 4, 8, 16, 32, 64, 128]);
        let set = (u16x8::splat(u16::from(bits)) & BIT).simd_eq(BIT);
        Self(self.0 & set)
    }
}
