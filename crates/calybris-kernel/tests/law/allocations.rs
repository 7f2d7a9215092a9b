//! Deciding allocates nothing, by whichever way a catalog goes.

use crate::cases::Case;
use calybris_kernel::{PolicySnapshot, RankedModel};

#[test]
fn no_decision_allocates() {
    for seed in 0..200 {
        for case in [
            Case::generate(seed, 400, 4),
            Case::about_the_guards(seed, 300, 4),
            Case::with_outliers(seed, 300, 4),
        ] {
            let snapshot = PolicySnapshot::new(case.policy, case.models).unwrap();
            let mut best = [RankedModel::default(); 70];
            for request in &case.requests {
                let counted = allocation_counter::measure(|| {
                    let _ = snapshot.prescribe(request);
                    let _ = snapshot.rank(request, &mut best);
                    let _ = snapshot.margin(request);
                    let _ = snapshot.what_would_win(request, request.requested_model_id);
                });
                assert_eq!(counted.count_total, 0, "seed {seed}: {request:?}");
            }
        }
    }
}
