//! What if: recorded decisions beside those that another policy would have made, added up one at a time.

mod largest;
mod series;
mod shift;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use calybris_kernel::{Decision, Reason};

pub use self::largest::Change;
use self::largest::Largest;
use self::series::Series;
pub use self::series::{MAX_BUCKETS, SeriesBucket};
pub use self::shift::{Shift, Side};
use crate::record::Decided;
use crate::snapshot::Snapshot;

/// Adds up a comparison, one decision at a time. Its memory depends on how many tenants and models there are, not on how
/// many decisions.
///
/// *It compares answers of the kernel.* Requests are as they were, and a cost is the estimate for the tokens of the
/// request. Budgets are not replayed: a decision that the tenant's budget refused is counted as unfunded and stays out of
/// everything else, and what the proposed policy chooses is taken to be affordable.
///
/// *A utility is measured by the policy that was decided under.* A higher penalty lowers it without a changed decision.
///
/// ```
/// # use std::{borrow::Cow, sync::Arc};
/// # use calybris_engine::{Admission, Comparison, Decided, Names, Snapshot};
/// # use calybris_kernel::*;
/// # let policy = Policy::new()
/// #     .with_policy_epoch(1)
/// #     .with_catalog_epoch(1)
/// #     .with_hard_risk_limit(BasisPoints::percent(90))
/// #     .with_minimum_confidence(BasisPoints::percent(50))
/// #     .with_risk_penalty_multiplier(BasisPoints::percent(25))
/// #     .with_latency_penalty_per_ms(Microunits::new(1));
/// # let model = Model::new(7, 0, BasisPoints::percent(80))
/// #     .with_risk_ceiling(BasisPoints::percent(90))
/// #     .with_p95_latency_ms(400)
/// #     .with_regions(RegionSet::EMPTY)
/// #     .with_input_price_per_million_tokens(Microunits::new(2_500_000))
/// #     .with_output_price_per_million_tokens(Microunits::new(10_000_000));
/// # let request = Request::new(1, 7, 1_000, 500)
/// #     .with_business_value_microunits(50_000)
/// #     .with_budget_limit(Microunits::new(20_000))
/// #     .with_risk(BasisPoints::percent(5))
/// #     .with_confidence(BasisPoints::percent(90))
/// #     .with_minimum_quality(BasisPoints::percent(70));
/// # let under = |policy| {
/// #     Ok::<_, SnapshotError>(Arc::new(Snapshot::new(PolicySnapshot::new(policy, [model])?, Names::default())))
/// # };
/// let recorded = under(policy)?;
/// let proposed = under(policy.with_minimum_confidence(BasisPoints::percent(95)))?;
/// # let decided = Decided {
/// #     time_unix_ms: 0, tenant: Cow::Borrowed("search"), correlation_id: Cow::Borrowed(""),
/// #     request_key: Cow::Borrowed(""), snapshot_sequence: 1, request, admission: Admission::Reserved,
/// #     decision: recorded.policy_snapshot().prescribe(&request),
/// # };
/// let mut comparison = Comparison::new(10);
/// let decision = proposed.policy_snapshot().prescribe(&decided.request);
/// comparison.add(3, &decided, &recorded, &proposed, &decision);
///
/// let what_if = comparison.finish();
/// assert_eq!(what_if.total.newly_rejected, 1);
/// assert_eq!(what_if.total.cost_delta_microunits(), -7_500);
/// assert_eq!(what_if.largest[0].sequence, 3);
/// # Ok::<(), SnapshotError>(())
/// ```
#[derive(Debug)]
pub struct Comparison {
    total: Shift,
    unfunded: u64,
    tenants: HashMap<String, Shift>,
    models: Models,
    cells: Cells,
    flows: HashMap<(Option<usize>, Option<usize>), u64>,
    /// By the code of the reason.
    rejections: BTreeMap<u16, RejectionShift>,
    largest: Largest,
    series: Series,
}

/// A finished comparison.
#[derive(Clone, Debug)]
pub struct WhatIf {
    /// All decisions together.
    pub total: Shift,
    /// Decisions that the tenant's budget refused. They are in no other number.
    pub unfunded: u64,
    /// By tenant, in order of the names.
    pub tenants: Vec<(String, Shift)>,
    /// Every model that either side chose, in order of the labels.
    pub models: Vec<ModelShift>,
    /// From which model to which, most frequent first; those that stayed are here, too.
    pub flows: Vec<Flow>,
    /// By reason, in order of the codes; only reasons that either side gave.
    pub rejections: Vec<RejectionShift>,
    /// The changes of the largest cost, largest first; of equal ones the earlier first.
    pub largest: Vec<Change>,
    /// Cost over the log: at most [`MAX_BUCKETS`] buckets of equally many decisions (the last may hold fewer).
    pub series: Vec<SeriesBucket>,
}

/// One model's part. A model is known by its name and its provider's, so it is the same in every snapshot of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelShift {
    /// The name, with the provider's in parentheses if several models have it; `model 7` if it has none.
    pub label: String,
    /// Its provider's name, or `provider 7`.
    pub provider: String,
    /// As recorded.
    pub recorded: Side,
    /// As proposed.
    pub proposed: Side,
}

/// How many decisions went from one choice to another. `None` is a rejection, a number a place in [`WhatIf::models`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// The recorded choice.
    pub from: Option<usize>,
    /// The proposed choice.
    pub to: Option<usize>,
    /// How many.
    pub decisions: u64,
}

/// How often one reason was given for a rejection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RejectionShift {
    /// The reason.
    pub reason: Reason,
    /// Recorded rejections.
    pub recorded: u64,
    /// Proposed rejections.
    pub proposed: u64,
    /// Among the proposed: what was accepted before.
    pub newly_rejected: u64,
    /// Among the recorded: what would be accepted now.
    pub newly_accepted: u64,
}

/// The matrix of one pair of snapshots, by the ids of their models: of the last pair only, so that a log of many snapshots
/// takes no more memory. What came before is in the flows already.
#[derive(Debug, Default)]
struct Cells {
    pair: Option<[Arc<Snapshot>; 2]>,
    by_ids: HashMap<(Option<u32>, Option<u32>), Flow>,
}

impl Comparison {
    /// Begins one that keeps that many of the largest changes; 0 keeps none.
    #[must_use]
    pub fn new(largest_count: usize) -> Self {
        Self {
            total: Shift::default(),
            unfunded: 0,
            tenants: HashMap::new(),
            models: Models::default(),
            cells: Cells::default(),
            flows: HashMap::new(),
            rejections: BTreeMap::new(),
            largest: Largest::new(largest_count),
            series: Series::default(),
        }
    }

    /// Adds the decision of the record at `sequence`: `decided` under the snapshot `recorded`, and the `decision` that the
    /// snapshot `proposed` comes to for the same request.
    ///
    /// The proposed snapshot has to number its models, providers, capabilities and regions as the recorded one does, or
    /// the request means something else to it. Call this in the order of the log: the series follows it.
    pub fn add(
        &mut self,
        sequence: u64,
        decided: &Decided<'_>,
        recorded: &Arc<Snapshot>,
        proposed: &Arc<Snapshot>,
        decision: &Decision,
    ) {
        if decided.admission.is_refusal() {
            self.unfunded = self.unfunded.saturating_add(1);
            return;
        }
        let before = &decided.decision;
        self.total.add(before, decision);
        match self.tenants.get_mut(&*decided.tenant) {
            Some(shift) => shift.add(before, decision),
            None => {
                let mut shift = Shift::default();
                shift.add(before, decision);
                self.tenants.insert(decided.tenant.clone().into_owned(), shift);
            }
        }
        if !self.cells.are_of(recorded, proposed) {
            self.cells.flush(&mut self.flows);
            self.cells.pair = Some([Arc::clone(recorded), Arc::clone(proposed)]);
        }
        let ids = (before.selected_model_id, decision.selected_model_id);
        let cell = self.cells.by_ids.entry(ids).or_insert_with(|| Flow {
            from: ids.0.map(|model_id| self.models.place(recorded, model_id)),
            to: ids.1.map(|model_id| self.models.place(proposed, model_id)),
            decisions: 0,
        });
        cell.decisions = cell.decisions.saturating_add(1);
        if let Some(model) = cell.from.and_then(|place| self.models.shifts.get_mut(place)) {
            model.recorded.add(before);
        }
        if let Some(model) = cell.to.and_then(|place| self.models.shifts.get_mut(place)) {
            model.proposed.add(decision);
        }
        self.add_rejections(before, decision);
        self.largest.offer(sequence, decided, recorded, proposed, decision);
        self.series.add(sequence, decided, decision);
    }

    fn add_rejections(&mut self, before: &Decision, after: &Decision) {
        let was_rejected = before.selected_model_id.is_none();
        let is_rejected = after.selected_model_id.is_none();
        if was_rejected {
            let rejection = self.rejection(before.reason);
            rejection.recorded = rejection.recorded.saturating_add(1);
            rejection.newly_accepted =
                rejection.newly_accepted.saturating_add(u64::from(!is_rejected));
        }
        if is_rejected {
            let rejection = self.rejection(after.reason);
            rejection.proposed = rejection.proposed.saturating_add(1);
            rejection.newly_rejected =
                rejection.newly_rejected.saturating_add(u64::from(!was_rejected));
        }
    }

    fn rejection(&mut self, reason: Reason) -> &mut RejectionShift {
        self.rejections.entry(reason.code()).or_insert(RejectionShift {
            reason,
            recorded: 0,
            proposed: 0,
            newly_rejected: 0,
            newly_accepted: 0,
        })
    }

    /// Ends the comparison: puts everything in order.
    #[must_use]
    pub fn finish(mut self) -> WhatIf {
        self.cells.flush(&mut self.flows);
        let mut tenants: Vec<(String, Shift)> = self.tenants.into_iter().collect();
        tenants.sort_by(|a, b| a.0.cmp(&b.0));
        let (models, moved_to) = self.models.finish();
        let new_place = |place: Option<usize>| place.and_then(|old| moved_to.get(old)).copied();
        let mut flows: Vec<Flow> = self
            .flows
            .into_iter()
            .map(|((from, to), decisions)| Flow {
                from: new_place(from),
                to: new_place(to),
                decisions,
            })
            .collect();
        flows.sort_by_key(|flow| (std::cmp::Reverse(flow.decisions), flow.from, flow.to));
        WhatIf {
            total: self.total,
            unfunded: self.unfunded,
            tenants,
            models,
            flows,
            rejections: self.rejections.into_values().collect(),
            largest: self.largest.into_sorted(),
            series: self.series.into_buckets(),
        }
    }
}

impl Cells {
    fn are_of(&self, recorded: &Arc<Snapshot>, proposed: &Arc<Snapshot>) -> bool {
        self.pair.as_ref().is_some_and(|[known_recorded, known_proposed]| {
            Arc::ptr_eq(known_recorded, recorded) && Arc::ptr_eq(known_proposed, proposed)
        })
    }

    /// Moves what was counted to where models are known by name.
    fn flush(&mut self, flows: &mut HashMap<(Option<usize>, Option<usize>), u64>) {
        for (_, cell) in self.by_ids.drain() {
            let flow = flows.entry((cell.from, cell.to)).or_default();
            *flow = flow.saturating_add(cell.decisions);
        }
    }
}

/// The models of all snapshots.
#[derive(Debug, Default)]
struct Models {
    shifts: Vec<ModelShift>,
    /// Name and provider to the place in `shifts`.
    places: HashMap<(String, String), usize>,
}

impl Models {
    fn place(&mut self, snapshot: &Snapshot, model_id: u32) -> usize {
        let names = snapshot.names();
        let name = names.models.get(&model_id).cloned();
        let name = name.unwrap_or_else(|| format!("model {model_id}"));
        let provider_id = snapshot.policy_snapshot().model(model_id).map(|model| model.provider_id);
        let provider = provider_id.map_or_else(String::new, |id| {
            names.providers.get(&id).cloned().unwrap_or_else(|| format!("provider {id}"))
        });
        *self.places.entry((name, provider)).or_insert_with_key(|(name, provider)| {
            self.shifts.push(ModelShift {
                label: name.clone(),
                provider: provider.clone(),
                recorded: Side::default(),
                proposed: Side::default(),
            });
            self.shifts.len().saturating_sub(1)
        })
    }

    /// The models in order of their labels, and where each of the old places is now.
    fn finish(self) -> (Vec<ModelShift>, Vec<usize>) {
        let mut count_of_name: HashMap<&str, u32> = HashMap::new();
        for (name, _) in self.places.keys() {
            *count_of_name.entry(name).or_default() += 1;
        }
        let mut placed: Vec<(usize, ModelShift)> = self.shifts.into_iter().enumerate().collect();
        for (_, shift) in &mut placed {
            if count_of_name.get(&*shift.label).is_some_and(|&count| count > 1) {
                shift.label = format!("{} ({})", shift.label, shift.provider);
            }
        }
        placed.sort_by(|(_, a), (_, b)| (&a.label, &a.provider).cmp(&(&b.label, &b.provider)));
        let mut moved_to = vec![0; placed.len()];
        for (new, (old, _)) in placed.iter().enumerate() {
            if let Some(place) = moved_to.get_mut(*old) {
                *place = new;
            }
        }
        (placed.into_iter().map(|(_, shift)| shift).collect(), moved_to)
    }
}
