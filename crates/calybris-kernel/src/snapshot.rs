//! A policy and a catalog, checked and frozen: the kernel's door.

use alloc::vec::Vec;

use calybris_units::Microunits;

use crate::candidates::{Candidates, Groups};
use crate::catalog::Catalog;
use crate::fast::{Index, is_small, search, search_among};
use crate::gates::admit_request;
use crate::ranking::{Candidate, TopK, TopTwo};
use crate::scan::{Outcome, scan};
use crate::utility::{Valuation, has_narrow_prices, maximum_cost_microunits};
use crate::{
    Action, Ceiling, Decision, Group, Model, Policy, RankedModel, Reason, Refusal, Request,
    SnapshotError, canonical,
};

mod checks;

use checks::{check_models, check_policy, count_models};

/// A policy and a catalog that were checked once and never change again.
///
/// INVARIANT (catalog): models stand in ascending order of their ids, no id stands twice, every
/// bps is at most 10,000, and a `u32` counts them. So the order in which the catalog was given
/// changes nothing: neither a decision nor the canonical bytes.
///
/// A decision depends on the snapshot and the request and on nothing else.
#[derive(Clone, Debug)]
pub struct PolicySnapshot {
    policy: Policy,
    catalog: Catalog,
    model_count: u32,
    groups: Groups,
    /// Whether all prices are narrow (see [`Valuation::new`]).
    narrow_prices: bool,
    index: Index,
}

impl PolicySnapshot {
    /// Checks a policy and a catalog and freezes them.
    ///
    /// The catalog may be empty; every request is rejected then.
    ///
    /// # Errors
    ///
    /// More than `u32::MAX` models, a bps above 10,000 in the policy, a model id that stands twice, or
    /// a bps above 10,000 in a model, and if several, the first of these. Nothing is made then.
    ///
    /// ```
    /// use calybris_kernel::{BasisPoints, Model, Policy, PolicySnapshot};
    ///
    /// let model = Model::new(1, 0, BasisPoints::percent(90));
    /// assert!(PolicySnapshot::new(Policy::new(), [model]).is_ok());
    ///
    /// let error = PolicySnapshot::new(Policy::new(), [model, model]).unwrap_err();
    /// assert_eq!(error.to_string(), "model id `1` stands more than once in the catalog");
    /// ```
    pub fn new(policy: Policy, models: impl Into<Vec<Model>>) -> Result<Self, SnapshotError> {
        Self::with_groups(policy, models, [])
    }

    /// Checks a policy, a catalog and its groups, and freezes them. A request may be restricted to a group.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new); then a group id that stands twice, or a group with a model that the catalog does not have,
    /// and if several, the first of these.
    ///
    /// ```
    /// use calybris_kernel::{BasisPoints, Group, Model, Policy, PolicySnapshot};
    ///
    /// let model = Model::new(1, 0, BasisPoints::percent(90));
    /// let snapshot = PolicySnapshot::with_groups(Policy::new(), [model], [Group::new(0, [1])])?;
    /// assert_eq!(snapshot.groups()[0].model_ids, [1]);
    ///
    /// let error = PolicySnapshot::with_groups(Policy::new(), [model], [Group::new(0, [2])]).unwrap_err();
    /// assert_eq!(error.to_string(), "group `0` names model id `2`, which the catalog does not have");
    /// # Ok::<(), calybris_kernel::SnapshotError>(())
    /// ```
    pub fn with_groups(
        policy: Policy,
        models: impl Into<Vec<Model>>,
        groups: impl Into<Vec<Group>>,
    ) -> Result<Self, SnapshotError> {
        let mut models = models.into();
        let model_count = count_models(models.len())?;
        check_policy(&policy)?;
        models.sort_unstable_by_key(|model| model.model_id);
        check_models(&models)?;
        let groups = Groups::new(groups.into(), &models)?;
        let index = Index::new(&policy, &models, &groups);
        let narrow_prices = models.iter().all(has_narrow_prices);
        let catalog = Catalog::new(&models);
        Ok(Self { policy, catalog, model_count, groups, narrow_prices, index })
    }

    /// The policy.
    ///
    /// ```
    /// # mod plain { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/plain.inc")); }
    /// # use calybris_kernel::*;
    /// # use plain::{POLICY};
    /// let snapshot = PolicySnapshot::new(POLICY, [])?;
    /// assert_eq!(snapshot.policy().catalog_epoch, 7);
    /// # Ok::<(), SnapshotError>(())
    /// ```
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The models of the catalog, in ascending order of their ids. They are made anew: a snapshot keeps them in a smaller form.
    ///
    /// ```
    /// # mod plain { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/plain.inc")); }
    /// # use calybris_kernel::*;
    /// # use plain::{POLICY, model};
    /// let snapshot = PolicySnapshot::new(POLICY, [model(9, 100), model(4, 300)])?;
    /// let ids: Vec<u32> = snapshot.models().map(|model| model.model_id).collect();
    /// assert_eq!(ids, [4, 9]);
    /// # Ok::<(), SnapshotError>(())
    /// ```
    #[must_use = "iterators are lazy"]
    pub fn models(&self) -> impl ExactSizeIterator<Item = Model> + DoubleEndedIterator {
        self.catalog.models()
    }

    /// The groups, in ascending order of their ids, each with its models in ascending order of theirs.
    ///
    /// ```
    /// # mod plain { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/plain.inc")); }
    /// # use calybris_kernel::*;
    /// # use plain::{POLICY, model};
    /// let models = [model(1, 100), model(2, 200)];
    /// let groups = [Group::new(9, [2, 1]), Group::new(4, [])];
    /// let snapshot = PolicySnapshot::with_groups(POLICY, models, groups)?;
    /// assert_eq!(snapshot.groups(), [Group::new(4, []), Group::new(9, [1, 2])]);
    /// # Ok::<(), SnapshotError>(())
    /// ```
    #[must_use]
    pub fn groups(&self) -> &[Group] {
        self.groups.as_slice()
    }

    /// The model with this id, if the catalog has it.
    ///
    /// ```
    /// # mod plain { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/plain.inc")); }
    /// # use calybris_kernel::*;
    /// # use plain::{POLICY, model};
    /// let snapshot = PolicySnapshot::new(POLICY, [model(9, 100), model(4, 300)])?;
    /// assert_eq!(snapshot.model(4).map(|model| model.price.fixed_price()), Some(Microunits::new(300)));
    /// assert_eq!(snapshot.model(5), None);
    /// # Ok::<(), SnapshotError>(())
    /// ```
    #[must_use]
    pub fn model(&self, model_id: u32) -> Option<Model> {
        self.catalog.model(model_id)
    }

    pub(crate) const fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Decides one request: the eligible model of highest utility, or a reject.
    ///
    /// Total: whatever the request holds, it gets an answer, and everything doubtful is a reject.
    /// Does not allocate. The crate's first page has a longer example.
    ///
    /// ```
    /// # mod plain { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/plain.inc")); }
    /// # use calybris_kernel::*;
    /// # use plain::{POLICY, REQUEST, model};
    /// let snapshot = PolicySnapshot::new(POLICY, [model(1, 300), model(2, 100)])?;
    /// let decision = snapshot.prescribe(&REQUEST);
    /// assert_eq!(decision.action, Action::Substitute); // the other one is cheaper
    /// assert_eq!((decision.selected_model_id, decision.runner_up_model_id), (Some(2), Some(1)));
    ///
    /// let poor = REQUEST
    ///     .with_budget_limit(Microunits::new(99));
    /// assert_eq!(snapshot.prescribe(&poor).reason, Reason::BudgetConstraint);
    /// # Ok::<(), SnapshotError>(())
    /// ```
    #[must_use]
    #[inline(never)] // Inlined, it would copy the decision once more.
    pub fn prescribe(&self, request: &Request) -> Decision {
        if let Err(refusal) = self.admit(request) {
            return self.reject(request, refusal.reason(), 0);
        }
        if !is_plain(request) {
            return self.decide_among_candidates(request);
        }
        if is_small(self.catalog.entries()) {
            return self.decide_among_few(request);
        }
        self.decide(request)
    }

    /// Decides an admitted request of any kind.
    #[inline(never)]
    fn decide_among_candidates(&self, request: &Request) -> Decision {
        let candidates = self.candidates(request);
        let (entries, valuation) = (self.catalog.entries(), self.valuation(request));
        let outcome = search_among(TopTwo::EMPTY, &self.index, entries, valuation, candidates);
        self.conclude(request, outcome, candidates.count())
    }

    #[inline(always)]
    pub(crate) fn admit(&self, request: &Request) -> Result<(), Refusal> {
        admit_request(&self.policy, &self.groups, request)
    }

    pub(crate) fn candidates<'a>(&'a self, request: &'a Request) -> Candidates<'a> {
        Candidates::new(&self.catalog, &self.groups, request)
    }

    /// Decides an admitted request by a scan. It is a separate function so that a small catalog does not
    /// pay for the preparations of the index.
    #[inline(never)]
    fn decide_among_few(&self, request: &Request) -> Decision {
        let outcome = scan(TopTwo::EMPTY, self.valuation(request), self.catalog.entries());
        self.conclude(request, outcome, self.model_count)
    }

    /// Decides an admitted request. It is a separate function so that a request that is not admitted does
    /// not pay for its large stack frame.
    #[inline(never)]
    fn decide(&self, request: &Request) -> Decision {
        let valuation = self.valuation(request);
        let outcome = search(TopTwo::EMPTY, &self.index, self.catalog.entries(), &valuation);
        self.conclude(request, outcome, self.model_count)
    }

    #[inline(always)]
    fn conclude(
        &self,
        request: &Request,
        outcome: Outcome<TopTwo>,
        evaluated_models: u32,
    ) -> Decision {
        match outcome {
            Ok((top, eligible_models)) => {
                self.select(request, &top, [evaluated_models, eligible_models])
            }
            Err(reason) => self.reject(request, reason, evaluated_models),
        }
    }

    /// Fills `best` with the most preferred eligible models, the best first, and returns how many
    /// there are; places beyond are left as they were.
    ///
    /// This is the order in which a gateway falls back when a call fails: the first is what
    /// [`prescribe`](Self::prescribe) selects, the second its runner-up. Does not allocate.
    ///
    /// ```
    /// # mod plain { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/plain.inc")); }
    /// # use calybris_kernel::*;
    /// # use plain::{POLICY, REQUEST, model};
    /// let snapshot = PolicySnapshot::new(POLICY, [model(1, 300), model(2, 100), model(3, 700)])?;
    /// let mut best = [RankedModel::default(); 4];
    /// let found = snapshot.rank(&REQUEST, &mut best);
    /// let ids: Vec<u32> = best[..found].iter().map(|ranked| ranked.model_id).collect();
    /// assert_eq!(ids, [2, 1]); // the third is beyond the budget
    /// # Ok::<(), SnapshotError>(())
    /// ```
    #[must_use = "places beyond this many hold what they held before"]
    pub fn rank(&self, request: &Request, best: &mut [RankedModel]) -> usize {
        if best.is_empty() || self.admit(request).is_err() {
            return 0;
        }
        let valuation = self.valuation(request);
        let (top, entries) = (TopK::new(best), self.catalog.entries());
        let outcome = if is_plain(request) {
            search(top, &self.index, entries, &valuation)
        } else {
            search_among(top, &self.index, entries, valuation, self.candidates(request))
        };
        let taken = match outcome {
            Ok((top, _)) => top.taken(),
            Err(_) => 0,
        };
        if request.ceiling.is_some() {
            for ranked in best.iter_mut().take(taken) {
                ranked.maximum_cost = self.maximum_cost(request, ranked.model_id, ranked.cost);
            }
        }
        taken
    }

    /// Passes the canonical bytes of the policy and the catalog to `sink`, piece by piece.
    ///
    /// Two snapshots with the same bytes decide every request alike, so a digest of the bytes
    /// names a behaviour. The form is laid out byte by byte in `SEMANTICS.md`.
    ///
    /// ```
    /// # mod plain { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/plain.inc")); }
    /// # use calybris_kernel::*;
    /// # use plain::{POLICY};
    /// let snapshot = PolicySnapshot::new(POLICY, [])?;
    /// let mut bytes = Vec::new();
    /// snapshot.write_canonical(|piece| bytes.extend_from_slice(piece));
    /// assert!(bytes.starts_with(b"calybris-kernel snapshot"));
    /// # Ok::<(), SnapshotError>(())
    /// ```
    pub fn write_canonical(&self, sink: impl FnMut(&[u8])) {
        canonical::write_canonical(self, self.model_count, sink);
    }

    /// What an admitted request is worth under the policy, and what it costs at the models.
    #[inline(always)]
    pub(crate) fn valuation<'a>(&'a self, request: &'a Request) -> Valuation<'a> {
        Valuation::new(&self.policy, request, self.catalog.interned(), self.narrow_prices)
    }

    /// The decision for the model that leads the top.
    #[inline(always)]
    fn select(
        &self,
        request: &Request,
        top: &TopTwo,
        [evaluated_models, eligible_models]: [u32; 2],
    ) -> Decision {
        // Eligible models were counted, so one of them won. If none had, a reject is the safe answer.
        let Some(winner) = top.winner() else {
            return self.reject(request, Reason::NoEnabledModel, evaluated_models);
        };
        let estimated_cost = Microunits::new(winner.cost_microunits.0);
        let maximum_cost = self.maximum_cost(request, winner.model_id(), estimated_cost);
        let runner_up = top.runner_up();
        let (action, reason) = if winner.model_id() == request.requested_model_id {
            (Action::ExecuteRequested, Reason::RequestedModelMaximizesUtility)
        } else {
            (Action::Substitute, Reason::AlternativeMaximizesUtility)
        };
        Decision {
            sequence: request.sequence,
            policy_epoch: self.policy.policy_epoch,
            catalog_epoch: self.policy.catalog_epoch,
            action,
            reason,
            requested_model_id: request.requested_model_id,
            selected_model_id: Some(winner.model_id()),
            estimated_cost,
            maximum_cost,
            expected_utility_microunits: winner.utility_microunits,
            runner_up_model_id: runner_up.map(Candidate::model_id),
            runner_up_utility_microunits: runner_up
                .map_or(0, |candidate| candidate.utility_microunits),
            evaluated_models,
            eligible_models,
        }
    }

    /// What an eligible model costs at most; if it were no number, no account could reserve `Microunits::MAX`.
    #[inline(always)]
    fn maximum_cost(&self, request: &Request, model_id: u32, cost: Microunits) -> Microunits {
        match &request.ceiling {
            None => cost,
            Some(ceiling) => self.maximum_cost_within(ceiling, model_id).unwrap_or(Microunits::MAX),
        }
    }

    #[inline(never)]
    fn maximum_cost_within(&self, ceiling: &Ceiling, model_id: u32) -> Option<Microunits> {
        let entry = self.catalog.entry(model_id)?;
        let tariff = self.catalog.interned().tariff(entry, ceiling.prompt_tokens.into());
        maximum_cost_microunits(ceiling, &tariff).map(Microunits::new)
    }

    fn reject(&self, request: &Request, reason: Reason, evaluated_models: u32) -> Decision {
        Decision {
            policy_epoch: self.policy.policy_epoch,
            catalog_epoch: self.policy.catalog_epoch,
            evaluated_models,
            ..Decision::rejected(request.sequence, request.requested_model_id, reason)
        }
    }
}

/// Whether a request has plain tokens, no ceiling, and all models as its candidates.
#[inline(always)]
fn is_plain(request: &Request) -> bool {
    request.usage.is_plain()
        & request.ceiling.is_none()
        & request.group_id.is_none()
        & request.excluded_models.is_empty()
}

impl PartialEq for PolicySnapshot {
    /// The index follows from the catalog.
    fn eq(&self, other: &Self) -> bool {
        self.policy == other.policy
            && self.catalog == other.catalog
            && self.groups() == other.groups()
    }
}

impl Eq for PolicySnapshot {}
