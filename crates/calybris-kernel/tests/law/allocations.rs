//! Deciding allocates nothing, by whichever way a catalog goes.

use crate::cases::Case;
use calybris_kernel::{
    Ceiling, ExcludedModels, Microunits, PolicySnapshot, Price, RankedModel, Rates, Request,
};

#[test]
fn no_decision_allocates() {
    for seed in 0..200 {
        for case in [
            Case::generate(seed, 400, 4),
            Case::about_the_guards(seed, 300, 4),
            Case::with_outliers(seed, 300, 4),
            Case::of_second_law(seed, 300, 8),
        ] {
            let snapshot =
                PolicySnapshot::with_groups(case.policy, case.models, case.groups).unwrap();
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

#[test]
fn a_price_a_ceiling_and_exclusions_allocate_nothing() {
    let ids: Vec<u32> = (0..16).rev().collect();
    let counted = allocation_counter::measure(|| {
        let excluded = ExcludedModels::new(&ids).unwrap();
        let price = Price::per_million_tokens(Microunits::new(1), Microunits::new(2));
        let price =
            price.with_band(7, Rates::plain(Microunits::new(3), Microunits::new(4))).unwrap();
        let request = Request::new(1, 1, 10, 10)
            .with_ceiling(Ceiling::new(20, 20))
            .with_excluded_models(excluded);
        let maximum = price.maximum_cost(&Ceiling::new(20, 20));
        assert!(Some(price.cost(&request.usage)) <= maximum);
    });
    assert_eq!(counted.count_total, 0);
}
