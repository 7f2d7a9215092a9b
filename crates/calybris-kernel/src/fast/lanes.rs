//! Sixteen 16-bit numbers at once: in plain Rust, or with the feature `simd` as `wide` gives them to each machine.
//!
//! Both are the same numbers: the feature changes how fast an answer comes, never the answer.

#[cfg(not(feature = "simd"))]
mod portable;
#[cfg(feature = "simd")]
mod simd;

#[cfg(not(feature = "simd"))]
pub(crate) use portable::Lanes;
#[cfg(feature = "simd")]
pub(crate) use simd::Lanes;

/// How many numbers there are.
pub(crate) const LANES: usize = 16;

/// The bit of each lane in a set of lanes.
const BIT: [u16; LANES] = {
    let mut bits = [1; LANES];
    let mut rest: &mut [u16] = &mut bits;
    let mut bit = 1;
    while let [first, others @ ..] = rest {
        *first = bit;
        bit = bit.wrapping_shl(1);
        rest = others;
    }
    bits
};

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

    /// The greatest number.
    #[inline(always)]
    pub(crate) fn greatest(self) -> u16 {
        self.to_array().into_iter().fold(0, u16::max)
    }

    /// A number that at least two of the lanes reach: nearly always the second greatest.
    #[inline(always)]
    pub(crate) fn reached_twice(self) -> u16 {
        // The greater of the two halves, then the two greatest of eight numbers as in a tournament.
        let [a, b, c, d, e, f, g, h] = self.greater_half();
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
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each operation is, one number at a time. It holds with the feature `simd` and without.
    #[test]
    fn every_lane_is_computed_as_a_number_alone() {
        let numbers =
            [0, 1, 2, 255, 256, 300, 4_095, 9_999, 32_767, 32_768, 40_000, 65_534, 65_535, 7, 0, 5];
        for shift in 0..LANES {
            let mut other = numbers;
            other.rotate_left(shift);
            let (a, b) = (Lanes::new(numbers), Lanes::new(other));
            let each =
                |apply: fn(u16, u16) -> u16| core::array::from_fn(|i| apply(numbers[i], other[i]));
            assert_eq!(a.saturating_add(b).to_array(), each(u16::saturating_add));
            assert_eq!(a.saturating_sub(b).to_array(), each(u16::saturating_sub));
            assert_eq!(a.max(b).to_array(), each(u16::max));
            assert_eq!(a.or(b).to_array(), each(|a, b| a | b));
            let high = |a, b| u16::try_from((u32::from(a) * u32::from(b)) >> 16).unwrap();
            assert_eq!(a.mul_high(b).to_array(), each(high));
            let zeros = (0..LANES).filter(|&i| other[i] == 0).fold(0, |bits, i| bits | 1 << i);
            assert_eq!(b.zeros(), zeros);
            let bits = 0b1010_0110_1100_0011_u16.rotate_left(u32::try_from(shift).unwrap());
            let kept = core::array::from_fn(|i| if bits >> i & 1 == 1 { numbers[i] } else { 0 });
            assert_eq!(a.only(bits).to_array(), kept);
            assert_eq!(b.greatest(), 65_535);
            assert_eq!((b.reached_by(1), b.reached_by(2), b.reached_by(17)), (65_535, 65_534, 0));
            let reached = b.reached_twice();
            assert!(other.iter().filter(|&&number| number >= reached).count() >= 2);
        }
    }
}
