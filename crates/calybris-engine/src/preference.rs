//! The eligible models of a snapshot for one request, best first, ranked on demand.

use calybris_kernel::{PolicySnapshot, RankedModel, Request};

/// Number of places ranked at first: usually one of the next few models is taken.
const FIRST_PLACES: usize = 8;

/// Factor by which the number of ranked places grows when they run out.
const GROWTH: usize = 8;

/// Iterates over the models in order of preference, and ranks more of them when it runs out.
#[derive(Debug)]
pub(crate) struct Preference<'a> {
    snapshot: &'a PolicySnapshot,
    request: &'a Request,
    best: Vec<RankedModel>,
    /// Number of places already returned.
    ranked: usize,
    next: usize,
}

impl<'a> Preference<'a> {
    pub(crate) fn new(snapshot: &'a PolicySnapshot, request: &'a Request) -> Self {
        let mut preference = Self { snapshot, request, best: Vec::new(), ranked: 0, next: 0 };
        preference.rank(FIRST_PLACES);
        preference
    }

    fn rank(&mut self, places: usize) {
        self.best.clear();
        self.best.resize(places.min(self.snapshot.models().len()), RankedModel::default());
        self.ranked = self.snapshot.rank(self.request, &mut self.best);
    }
}

impl Iterator for Preference<'_> {
    type Item = RankedModel;

    fn next(&mut self) -> Option<RankedModel> {
        let may_be_more =
            self.ranked == self.best.len() && self.ranked < self.snapshot.models().len();
        if self.next == self.ranked && may_be_more {
            self.rank(self.best.len().saturating_mul(GROWTH));
        }
        let model = self.best.get(self.next).filter(|_| self.next < self.ranked).copied();
        self.next += usize::from(model.is_some());
        model
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test code")]
mod tests {
    use super::*;
    use calybris_kernel::{BasisPoints, Microunits, Model, Policy, Price};

    #[test]
    fn it_is_the_whole_rank_however_many_are_eligible() {
        let policy = Policy::new().with_policy_epoch(1).with_catalog_epoch(1);
        for count in [0, 1, 7, 8, 9, 63, 64, 65, 600] {
            let model = |model_id: u32| {
                Model::new(model_id, 0, BasisPoints::percent(90))
                    .with_enabled(model_id % 6 != 5) // Every sixth is not eligible.
                    .with_p95_latency_ms(1)
                    .with_price(
                        Price::FREE
                            .with_fixed_price(Microunits::new(u64::from(model_id * 37 % 101))),
                    )
            };
            let snapshot = PolicySnapshot::new(policy, (0..count).map(model).collect::<Vec<_>>());
            let snapshot = snapshot.unwrap();
            let request = Request::new(1, 1, 0, 0)
                .with_business_value_microunits(1_000)
                .with_budget_limit(Microunits::new(1_000));
            let mut all = vec![RankedModel::default(); snapshot.models().len()];
            let ranked = snapshot.rank(&request, &mut all);
            all.truncate(ranked);
            assert_eq!(Preference::new(&snapshot, &request).collect::<Vec<_>>(), all);
            assert_eq!(ranked, (0..count).filter(|id| id % 6 != 5).count());
        }
    }
}
