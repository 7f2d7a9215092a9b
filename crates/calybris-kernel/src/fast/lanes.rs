//! Eight 16-bit numbers at once.

/// Eight unsigned 16-bit numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(align(16))]
pub(crate) struct Lanes([u16; 8]);

impl Lanes {
    pub(crate) const ZERO: Self = Self([0; 8]);

    pub(crate) const fn new(lanes: [u16; 8]) -> Self {
        Self(lanes)
    }

    pub(crate) const fn splat(number: u16) -> Self {
        Self([number; 8])
    }

    pub(crate) const fn first(self) -> u16 {
        let [first, ..] = self.0;
        first
    }

    pub(crate) const fn to_array(self) -> [u16; 8] {
        self.0
    }

    /// The second greatest number; equal to the greatest if that stands twice.
    pub(crate) fn second(self) -> u16 {
        let (_, second) = self.0.into_iter().fold((0, 0), |(first, second), number: u16| {
            (first.max(number), second.max(first.min(number)))
        });
        second
    }

    /// The upper half of each 32-bit product: `floor(a * b / 65,536)`.
    #[inline]
    pub(crate) fn mul_high(self, other: Self) -> Self {
        self.zip(other, |a, b| {
            let [_, _, b2, b3] = (u32::from(a) * u32::from(b)).to_le_bytes();
            u16::from_le_bytes([b2, b3])
        })
    }

    #[inline]
    pub(crate) fn saturating_add(self, other: Self) -> Self {
        self.zip(other, u16::saturating_add)
    }

    #[inline]
    pub(crate) fn saturating_sub(self, other: Self) -> Self {
        self.zip(other, u16::saturating_sub)
    }

    #[inline]
    pub(crate) fn max(self, other: Self) -> Self {
        self.zip(other, u16::max)
    }

    #[inline]
    pub(crate) fn or(self, other: Self) -> Self {
        self.zip(other, |a, b| a | b)
    }

    /// One bit per lane, set where the number is 0.
    #[inline]
    pub(crate) fn zeros(self) -> u8 {
        let mut bits = 0;
        for (lane, number) in self.0.into_iter().enumerate() {
            bits |= u8::from(number == 0) << lane;
        }
        bits
    }

    /// The numbers whose bit is set, and 0 elsewhere.
    #[inline]
    pub(crate) fn only(self, bits: u8) -> Self {
        let mut lanes = self.0;
        for (lane, number) in lanes.iter_mut().enumerate() {
            *number = if bits & (1 << lane) != 0 { *number } else { 0 };
        }
        Self(lanes)
    }

    #[inline]
    fn zip(self, other: Self, combine: impl Fn(u16, u16) -> u16) -> Self {
        let mut lanes = self.0;
        for (a, b) in lanes.iter_mut().zip(other.0) {
            *a = combine(*a, b);
        }
        Self(lanes)
    }
}
