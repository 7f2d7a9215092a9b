//! A catalog of a single block without outliers.

use super::block_filter::{BlockFilter, Filtered};
use super::blocks::HALF;
use super::bounds::{Bounds, Scale};
use super::charges::PlainBill;
use super::index::Index;
use super::lanes::{Bits, Splat, at_most, gather};
use super::only_block::SingleBlock;
use super::quantize::Codes;
use super::slack::{Limits, minimum_quality};
use crate::catalog::Entry;
use crate::gates::admit_price;
use crate::ranking::{Candidate, Ranking};
use crate::utility::Valuation;

/// Up to this many models are valued one by one, if gates turn others away.
const FEW: u32 = 4;

/// Gives the best models of the block their places, and says how many are eligible.
#[inline(always)]
pub(super) fn search_single<R: Ranking, const N: usize>(
    mut ranking: R,
    index: &Index,
    (single, codes): (&SingleBlock, &[Codes; N]),
    entries: &[Entry],
    valuation: &Valuation<'_>,
    scale: &Scale,
    bounds: &Bounds<PlainBill<false>>,
) -> (R, u32) {
    let request = valuation.request();
    let mut live = index.rows.open_to(request, 0, single.enabled);
    let open = live == single.enabled;
    let mut few = false;
    if !single.all_within_limits_of(request) {
        let limits = Limits::new(request, scale);
        if N == HALF {
            live &= gather(codes, |codes| limits.passing(codes).bits());
            few = at_most(FEW, live);
        } else {
            live &= limits.passing_latency_and_ceiling(codes);
        }
    }

    if single.highest_quality_bps < request.minimum_quality.get() {
        live = 0;
    }
    let asked = BlockFilter {
        minimum_quality: minimum_quality(request),
        live,
        all_live: live == single.enabled,
        floor: Splat::default(),
        places: ranking.places(),
    };
    let Filtered { eligible, doubtful, mut contenders } = if few {
        Filtered { eligible: 0, doubtful: live, contenders: 0 }
    } else {
        Filtered::new(bounds, codes, &[(); N], &asked)
    };
    contenders &= single.skyline(open, ranking.places());
    let mut eligible_models = eligible.count_ones();
    if doubtful != 0 {
        let admitted;
        (ranking, admitted) = judge_exactly(ranking, entries, *valuation, doubtful);
        eligible_models += admitted;
    }
    let contenders = Bits(contenders).map_while(|bit| entries.get(bit));
    ranking.offer_all(contenders, valuation);
    (ranking, eligible_models)
}

/// Sends models that pass all gates on other things through those on cost and utility.
#[inline(never)]
fn judge_exactly<R: Ranking>(
    mut ranking: R,
    entries: &[Entry],
    valuation: Valuation<'_>,
    bits: u64,
) -> (R, u32) {
    let mut admitted = 0;
    for entry in Bits(bits).filter_map(|bit| entries.get(bit)) {
        if let Ok(worth) = admit_price(&valuation, entry) {
            admitted += 1;
            ranking.offer(Candidate::new(entry, worth));
        }
    }
    (ranking, admitted)
}
