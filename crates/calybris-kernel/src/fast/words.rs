//! Words of one bit per model of a block, made from up to four times sixteen lanes.

use super::codes::Codes;
use super::lanes::{LANES, Lanes};

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

/// One bit per score that is at least the bar, which is above 0.
#[inline(always)]
pub(crate) fn reaching<const N: usize>(scores: &[Lanes; N], bar: u16) -> u64 {
    let below = Lanes::splat(bar.saturating_sub(1));
    gather(scores, |score| !score.saturating_sub(below).zeros())
}

#[inline(always)]
pub(crate) fn sixteen_bits(word: u64) -> u16 {
    let [low, high, ..] = word.to_le_bytes();
    u16::from_le_bytes([low, high])
}

/// The same lanes for up to four times sixteen models. Written out, because a loop makes the
/// compiler convert every weight to another width and back.
#[inline(always)]
pub(crate) fn lanes_of_all<const N: usize>(
    codes: &[Codes; N],
    of: impl Fn(&Codes) -> Lanes,
) -> [Lanes; N] {
    let mut lanes = [Lanes::ZERO; N];
    match (codes.as_slice(), lanes.as_mut_slice()) {
        ([a], [lanes_a]) => *lanes_a = of(a),
        ([a, b], [lanes_a, lanes_b]) => {
            *lanes_a = of(a);
            *lanes_b = of(b);
        }
        ([a, b, c], [lanes_a, lanes_b, lanes_c]) => {
            *lanes_a = of(a);
            *lanes_b = of(b);
            *lanes_c = of(c);
        }
        ([a, b, c, d], [lanes_a, lanes_b, lanes_c, lanes_d]) => {
            *lanes_a = of(a);
            *lanes_b = of(b);
            *lanes_c = of(c);
            *lanes_d = of(d);
        }
        _ => {}
    }
    lanes
}
