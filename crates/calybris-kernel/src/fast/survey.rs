//! Who is eligible in blocks that can't hold a winner, in one pass over their codes.

use super::bounds::Bounds;
use super::clearance::{Clearances, Work};
use super::codes::Codes;
use super::index::PARTS;
use super::limits::Limits;
use super::rows::{Bits, GROUP};
use super::words::{each, gather};

/// Some blocks of a group.
pub(super) struct Survey<'a> {
    pub(super) bounds: &'a Bounds,
    pub(super) limits: &'a Limits,
    /// Which blocks.
    pub(super) blocks: u64,
    /// Of all blocks of the group, as all that follow.
    pub(super) codes: &'a [[Codes; PARTS]],
    pub(super) outliers: &'a [u64],
    /// The models that pass the gates on capabilities, providers and regions.
    pub(super) live: &'a [u64],
    /// The models that may be eligible or not: nobody yet, and afterwards those of the blocks that
    /// have any.
    pub(super) doubtful: &'a mut [u64; GROUP],
}

/// What was found.
#[derive(Default)]
pub(super) struct Surveyed {
    /// How many are surely eligible.
    pub(super) eligible_models: u32,
    /// Which blocks have doubtful models.
    pub(super) doubting: u64,
}

/// One bit for each of sixteen models.
#[derive(Clone, Copy, Default)]
struct Part {
    sure: u16,
    impossible: u16,
}

impl Work for Survey<'_> {
    type Answer = Surveyed;

    #[inline(never)]
    fn with<const BUDGET: u8, const FIXED: bool, const LATENCY: bool>(self) -> Surveyed {
        let Self { bounds, limits, blocks, codes, outliers, live, doubtful } = self;
        let clearances = Clearances::<BUDGET, FIXED, LATENCY>::new(bounds);
        let almost_sure = clearances.almost_sure();
        let mut surveyed = Surveyed::default();
        for block in Bits(blocks) {
            let (Some(codes), Some(outliers), Some(live), Some(doubtful)) =
                (codes.get(block), outliers.get(block), live.get(block), doubtful.get_mut(block))
            else {
                break;
            };
            let parts = each(codes, |codes| {
                let (clearance, _) = clearances.of(codes);
                let clearance = clearance.negative_unless(limits.passing(codes));
                Part { sure: clearance.above(almost_sure).bits(), impossible: clearance.negative() }
            });
            // The codes of an outlier say less, but what they rule out is out.
            let eligible = gather(&parts, |part| part.sure) & live & !outliers;
            *doubtful = !gather(&parts, |part| part.impossible) & live & !eligible;
            surveyed.eligible_models += eligible.count_ones();
            surveyed.doubting |= u64::from(*doubtful != 0) << block;
        }
        surveyed
    }
}
