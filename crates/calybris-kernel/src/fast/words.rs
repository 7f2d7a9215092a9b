//! From sixteen lanes to a block, and to words of one bit per model.

use super::codes::Codes;
use super::lanes::{LANES, Sums};

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

/// What is done to the codes of sixteen models, done to all of a block. Written out, because in a
/// loop the compiler converts every weight to another width and back.
#[inline(always)]
pub(crate) fn each<const N: usize, T: Copy + Default>(
    codes: &[Codes; N],
    of: impl Fn(&Codes) -> T,
) -> [T; N] {
    let mut results = [T::default(); N];
    match (codes.as_slice(), results.as_mut_slice()) {
        ([a, b], [of_a, of_b]) => {
            *of_a = of(a);
            *of_b = of(b);
        }
        ([a, b, c, d], [of_a, of_b, of_c, of_d]) => {
            *of_a = of(a);
            *of_b = of(b);
            *of_c = of(c);
            *of_d = of(d);
        }
        _ => {}
    }
    results
}
