//! Sixteen 16-bit numbers at once: in plain Rust, or with the feature `simd` as `wide` gives them to each machine.
//!
//! Both are the same numbers: the feature changes how fast an answer comes, never the answer.

// A word cast to lanes is in their order only where the lowest byte comes first.
#[cfg(not(all(feature = "simd", target_endian = "little")))]
mod portable;
#[cfg(all(feature = "simd", target_endian = "little"))]
mod simd;
mod width;

#[cfg(not(all(feature = "simd", target_endian = "little")))]
pub(crate) use portable::{Lanes, Mask, Sums};
#[cfg(all(feature = "simd", target_endian = "little"))]
pub(crate) use simd::{Lanes, Mask, Sums};
pub(crate) use width::LANES;

/// One number for all lanes. It is kept in 32 bits because memory is read back fastest in the width
/// in which it was written, and no narrower read makes lanes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Splat(u32);

impl Splat {
    pub(crate) const ZERO: Self = Self(0);

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

impl Sums {
    pub(crate) const ZERO: Self = Self::new([0; LANES]);

    /// In all lanes, the number that `count` of the lanes reach, none of which is below 0; 0 if there
    /// are not so many lanes.
    pub(crate) fn reached_by(self, count: usize) -> Self {
        if count == 0 || count > LANES {
            return Self::ZERO;
        }
        // The greatest are taken out until there are enough.
        let (mut rest, mut reaching) = (self, 0);
        loop {
            let greatest = Self::splat(rest.greatest());
            let less = greatest.above(rest);
            reaching += LANES - less.bits().count_ones() as usize;
            if reaching >= count {
                return greatest;
            }
            rest = rest.only(less);
        }
    }
}

/// Whether at most `count` bits are set; cheaper than counting where machines can't.
#[inline]
pub(crate) const fn at_most(count: u32, mut bits: u64) -> bool {
    let mut removed = 0;
    while removed < count {
        bits &= bits.wrapping_sub(1);
        removed += 1;
    }
    bits == 0
}

/// One bit per model of a block.
#[inline(always)]
pub(crate) fn gather<T, const N: usize>(parts: &[T; N], bits: impl Fn(&T) -> u16) -> u64 {
    let (mut word, mut shift) = (0, 0);
    for part in parts {
        word |= u64::from(bits(part)) << shift;
        shift += LANES;
    }
    word
}

/// One bit per score that is above the bar.
#[inline(always)]
pub(crate) fn above<const N: usize>(scores: &[Sums; N], bar: i16) -> u64 {
    let bar = Sums::splat(bar);
    gather(scores, |score| score.above(bar).bits())
}

/// Maps the parts of a block (sixteen models each), and what else is known of each. Written out, because in a loop the
/// compiler converts every weight to another width and back.
#[inline(always)]
pub(crate) fn each_pair<P, Q, T: Copy + Default, const N: usize>(
    parts: &[P; N],
    others: &[Q; N],
    of: impl Fn(&P, &Q) -> T,
) -> [T; N] {
    let mut results = [T::default(); N];
    match (parts.as_slice(), others.as_slice(), results.as_mut_slice()) {
        ([a, b], [a2, b2], [of_a, of_b]) => {
            *of_a = of(a, a2);
            *of_b = of(b, b2);
        }
        ([a, b, c, d], [a2, b2, c2, d2], [of_a, of_b, of_c, of_d]) => {
            *of_a = of(a, a2);
            *of_b = of(b, b2);
            *of_c = of(c, c2);
            *of_d = of(d, d2);
        }
        _ => {}
    }
    results
}

/// The positions of the bits that are set, lowest first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bits(pub(crate) u64);

impl Iterator for Bits {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let bit = self.0.trailing_zeros() as usize;
        self.0 &= self.0 - 1;
        Some(bit)
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
            assert_eq!(a.saturating_sub(b), Lanes::new(each(u16::saturating_sub)));
            assert_eq!(a.or(b), Lanes::new(each(|a, b| a | b)));
            let high = |a, b| u16::try_from((u32::from(a) * u32::from(b)) >> 16).unwrap();
            assert_eq!(a.mul_high(b), Lanes::new(each(high)));
            let zeros = (0..LANES).filter(|&i| other[i] == 0).fold(0, |bits, i| bits | 1 << i);
            assert_eq!(b.zeros().bits(), zeros);
        }
    }

    #[test]
    fn every_sum_is_computed_as_a_number_alone() {
        let numbers = [
            0, 1, -1, 255, 256, -300, 4_095, 9_999, 32_766, 32_767, -32_768, -32_767, -20_000, 7,
            0, 5,
        ];
        for shift in 0..LANES {
            let mut other = numbers;
            other.rotate_left(shift);
            let (a, b) = (Sums::new(numbers), Sums::new(other));
            let each =
                |apply: fn(i16, i16) -> i16| core::array::from_fn(|i| apply(numbers[i], other[i]));
            assert_eq!(a.plus(b).to_array(), each(i16::saturating_add));
            assert_eq!(a.less(b).to_array(), each(i16::saturating_sub));
            assert_eq!(a.min(b).to_array(), each(i16::min));
            assert_eq!(a.max(b).to_array(), each(i16::max));
            let negative = (0..LANES).filter(|&i| other[i] < 0);
            assert_eq!(b.negative(), negative.fold(0, |bits, i| bits | 1 << i));
            let above = (0..LANES).filter(|&i| numbers[i] > other[i]);
            assert_eq!(a.above(b).bits(), above.fold(0, |bits, i| bits | 1 << i));
            let bits = 0b1010_0110_1100_0011_u16.rotate_left(u32::try_from(shift).unwrap());
            let kept = core::array::from_fn(|i| if bits >> i & 1 == 1 { numbers[i] } else { 0 });
            assert_eq!(a.only(Mask::of(bits)).to_array(), kept);
            let sunk = core::array::from_fn(|i| if bits >> i & 1 == 1 { -1 } else { numbers[i] });
            assert_eq!(a.negative_where(Mask::of(bits)).to_array(), sunk);
            assert_eq!(a.negative_unless(Mask::of(!bits)).to_array(), sunk);
            assert_eq!(Mask::of(bits).bits(), bits);
            let word = u64::from(bits) << 48 | 0xabcd_0000_ffff;
            assert_eq!(Mask::of_word(word).map(Mask::bits), [0xffff, 0, 0xabcd, bits]);
            assert_eq!(b.greatest(), 32_767);
            let positive = b.max(Sums::ZERO);
            let mut descending = positive.to_array();
            descending.sort_unstable_by(|a, b| b.cmp(a));
            for (count, reached) in (1..).zip(descending).chain([(0, 0), (LANES + 1, 0)]) {
                assert_eq!(positive.reached_by(count), Sums::splat(reached), "{count}");
            }
        }
    }

    #[test]
    fn what_is_reached_twice_is_the_second_greatest_or_less() {
        for first in 0..LANES {
            for second in (0..LANES).filter(|second| *second != first) {
                for (most, more) in [(9, 7), (9, 9), (32_767, 3), (5, 0)] {
                    let mut lanes = [0; LANES];
                    (lanes[first], lanes[second]) = (most, more);
                    let reached = Sums::new(lanes).reached_twice();
                    assert!(reached == Sums::splat(more) || reached == Sums::ZERO, "{lanes:?}");
                    if first % 8 != second % 8 {
                        assert_eq!(reached, Sums::splat(more));
                    }
                }
            }
        }
    }
}
