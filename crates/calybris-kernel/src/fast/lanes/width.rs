//! The number of lanes, and the bit of each.

/// How many numbers there are.
pub(crate) const LANES: usize = 16;

/// The bit of each lane in a set of lanes.
pub(super) const BIT: [u16; LANES] = {
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
