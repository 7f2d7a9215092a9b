//! What if: recorded decisions beside those that another policy would have made, added up one at a time.

mod delta;
mod largest;
mod models;
mod series;

use std::collections::BTreeMap;
use std::sync::Arc;

use calybris_kernel::{Decision, Reason};

pub use self::delta::{Delta, Side};
pub use self::largest::Change;
use self::largest::Largest;
use self::models::Models;
pub use self::models::{Flow, ModelDelta};
use self::series::Series;
pub use self::series::{MAX_BUCKETS, SeriesBucket};
use crate::error::EngineError;
use crate::record::Decided;
use crate::snapshot::Snapshot;

/// Adds up a comparison, one decision at a time. Its memory depends on the number of tenants and models, not on the number
/// of decisions.
///
/// *It compares answers of the kernel.* The requests are the recorded ones, and a cost is the estimate for the usage that the
/// request expects. Budgets are not replayed. A decision that the tenant's budget refused is counted as unfunded and appears in no
/// other number; every model that the proposed policy selects is assumed to be affordable.
///
/// *A utility is measured by the policy of its side.* A higher penalty lowers it even if no decision changes.
///
/// ```
/// # use std::{borrow::Cow, sync::Arc};
/// # use calybris_engine::{Admission, Comparison, Decided, Names, Snapshot, UnixMillis};
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
/// #     .with_price(Price::per_million_tokens(Microunits::new(2_500_000), Microunits::new(10_000_000)));
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
/// #     time: UnixMillis::EPOCH, tenant: Cow::Borrowed("search"), correlation_id: Cow::Borrowed(""),
/// #     request_key: Cow::Borrowed(""), snapshot_sequence: 1, request, admission: Admission::Reserved,
/// #     decision: recorded.policy_snapshot().prescribe(&request),
/// # };
/// let mut comparison = Comparison::new(10);
/// let decision = proposed.policy_snapshot().prescribe(&decided.request);
/// comparison.add(3, &decided, &recorded, &proposed, &decision);
///
/// let what_if = comparison.finish()?;
/// assert_eq!(what_if.total.newly_rejected, 1);
/// assert_eq!(what_if.total.cost_delta_microunits(), -7_500);
/// assert_eq!(what_if.largest[0].sequence, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Comparison {
    total: Delta,
    unfunded: u64,
    missing_groups: BTreeMap<String, u64>,
    tenants: BTreeMap<String, Delta>,
    models: Models,
    /// By the code of the reason.
    rejections: BTreeMap<u16, RejectionDelta>,
    largest: Largest,
    series: Series,
}

/// A finished comparison.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WhatIf {
    /// All decisions together.
    pub total: Delta,
    /// Decisions that the tenant's budget refused. They are in no other number.
    pub unfunded: u64,
    /// Groups that requests name and the proposed snapshot does not have, and how many requests: the proposed decision rejects
    /// them as invalid. In order of the names.
    pub missing_groups: Vec<(String, u64)>,
    /// By tenant, in order of the names.
    pub tenants: Vec<(String, Delta)>,
    /// Every model that either side chose, in order of the labels.
    pub models: Vec<ModelDelta>,
    /// How many decisions went from which model to which, most frequent first, unchanged choices included.
    pub flows: Vec<Flow>,
    /// By reason, in order of the codes; only reasons that either side gave.
    pub rejections: Vec<RejectionDelta>,
    /// The changes of the largest cost, largest first; equal ones in the order of the log.
    pub largest: Vec<Change>,
    /// Cost over the log: at most [`MAX_BUCKETS`] buckets of equally many decisions (the last may hold fewer).
    pub series: Vec<SeriesBucket>,
}

/// How often one reason was given for a rejection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RejectionDelta {
    /// The reason.
    pub reason: Reason,
    /// Recorded rejections.
    pub recorded: u64,
    /// Proposed rejections.
    pub proposed: u64,
    /// Proposed rejections of decisions that were accepted.
    pub newly_rejected: u64,
    /// Recorded rejections that the proposed policy accepts.
    pub newly_accepted: u64,
}

impl Comparison {
    /// Begins one that keeps that many of the largest changes; 0 keeps none.
    #[must_use]
    pub fn new(largest_count: usize) -> Self {
        Self {
            total: Delta::default(),
            unfunded: 0,
            missing_groups: BTreeMap::new(),
            tenants: BTreeMap::new(),
            models: Models::default(),
            rejections: BTreeMap::new(),
            largest: Largest::new(largest_count),
            series: Series::default(),
        }
    }

    /// Adds the decision of the record at `sequence`: `decided` under the snapshot `recorded`, and the `decision` of the
    /// snapshot `proposed` on the same request ([renumbered](Snapshot::renumber) if it names a group).
    ///
    /// The proposed snapshot must number its models, providers, capabilities and regions as the recorded one does;
    /// otherwise the request means something else to it. Call this in the order of the log: the series follows it.
    pub fn add(
        &mut self,
        sequence: u64,
        decided: &Decided<'_>,
        recorded: &Arc<Snapshot>,
        proposed: &Arc<Snapshot>,
        decision: &Decision,
    ) {
        if decided.admission.is_refusal() {
            self.unfunded += 1;
            return;
        }
        let before = &decided.decision;
        if let Some(group_id) = decided.request.group_id
            && proposed.renumber(&decided.request, recorded).is_none()
        {
            let name = recorded.names().groups.get(&group_id).cloned();
            let name = name.unwrap_or_else(|| format!("group {group_id}"));
            *self.missing_groups.entry(name).or_default() += 1;
        }
        self.total.add(before, decision);
        match self.tenants.get_mut(&*decided.tenant) {
            Some(delta) => delta.add(before, decision),
            None => {
                let mut delta = Delta::default();
                delta.add(before, decision);
                self.tenants.insert(decided.tenant.clone().into_owned(), delta);
            }
        }
        self.models.add([recorded, proposed], before, decision);
        self.add_rejections(before, decision);
        self.largest.offer(sequence, decided, recorded, proposed, decision);
        self.series.add(sequence, decided, decision);
    }

    fn add_rejections(&mut self, before: &Decision, after: &Decision) {
        let was_rejected = before.selected_model_id.is_none();
        let is_rejected = after.selected_model_id.is_none();
        if was_rejected {
            let rejection = self.rejection(before.reason);
            rejection.recorded += 1;
            rejection.newly_accepted += u64::from(!is_rejected);
        }
        if is_rejected {
            let rejection = self.rejection(after.reason);
            rejection.proposed += 1;
            rejection.newly_rejected += u64::from(!was_rejected);
        }
    }

    fn rejection(&mut self, reason: Reason) -> &mut RejectionDelta {
        self.rejections.entry(reason.code()).or_insert(RejectionDelta {
            reason,
            recorded: 0,
            proposed: 0,
            newly_rejected: 0,
            newly_accepted: 0,
        })
    }

    /// Ends the comparison and sorts its parts.
    ///
    /// # Errors
    /// Only [`EngineError::Internal`].
    pub fn finish(self) -> Result<WhatIf, EngineError> {
        let (models, flows) = self.models.finish()?;
        Ok(WhatIf {
            total: self.total,
            unfunded: self.unfunded,
            missing_groups: self.missing_groups.into_iter().collect(),
            tenants: self.tenants.into_iter().collect(),
            models,
            flows,
            rejections: self.rejections.into_values().collect(),
            largest: self.largest.into_sorted(),
            series: self.series.into_buckets(),
        })
    }
}
