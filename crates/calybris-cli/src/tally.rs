//! The counts of a run, made while routing and shown as tables or as JSON.

use std::collections::BTreeMap;

use calybris_catalog::is_unlisted;
use calybris_core::engine::{Admission, Names, Outcome, Settlement};
use calybris_core::kernel::{Action, Reason, Request};
use serde::Serialize;

use crate::log::naming::model_name;

/// The counts of a run.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Tally {
    pub(crate) decisions: u64,
    pub(crate) executed_as_requested: u64,
    pub(crate) substituted: u64,
    /// Rejected by the kernel.
    pub(crate) rejected: u64,
    /// Decided, but more than was available.
    pub(crate) insufficient_budget: u64,
    /// Decided, but the tenant, or one above it, is frozen.
    pub(crate) frozen: u64,
    /// Decided, but the tenant, or one above it, owes money.
    pub(crate) in_debt: u64,
    /// Decided, but the tenant, or one above it, would have more reserved than its cap allows.
    pub(crate) over_cap: u64,
    /// Requests that were answered with an earlier decision under their request key. Those that an earlier run had left
    /// unsettled are settled now and counted as decisions too; the others change nothing and are counted nowhere else.
    pub(crate) repeated: u64,
    /// Requests for a model that the catalog does not list.
    pub(crate) requested_unlisted_model: u64,
    /// Requests that may use more than they are expected to, or say that they may not.
    pub(crate) with_ceiling: u64,
    /// Choices that would have been others without ceilings.
    pub(crate) changed_by_ceilings: Changed,
    /// Requests that windows were compared with.
    pub(crate) with_windows: u64,
    /// Choices that would have been others without windows: the other model is too small for the request.
    pub(crate) changed_by_windows: Changed,
    /// Requests for which a model was chosen that its provider no longer served on their day, by model.
    pub(crate) retired: BTreeMap<String, u64>,
    pub(crate) reserved_microunits: u128,
    pub(crate) committed_microunits: u128,
    pub(crate) tenants: BTreeMap<String, TenantTally>,
    pub(crate) models: BTreeMap<String, ModelTally>,
    /// From the requested model to the one chosen instead.
    pub(crate) substitutions: Vec<Substitution>,
    /// Why requests were rejected, in the order of the reasons' codes.
    pub(crate) rejections: Vec<Rejection>,
    #[serde(skip)]
    moves: BTreeMap<(u32, u32), u64>,
}

/// How many choices something changed.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Changed {
    pub(crate) to_another_model: u64,
    pub(crate) to_none: u64,
}

impl Changed {
    pub(crate) const fn count(self) -> u64 {
        self.to_another_model.saturating_add(self.to_none)
    }
}

/// One tenant's part.
#[derive(Debug, Default, Serialize)]
pub(crate) struct TenantTally {
    pub(crate) decisions: u64,
    pub(crate) carried_out: u64,
    pub(crate) rejected: u64,
    pub(crate) refused_by_budget: u64,
    pub(crate) committed_microunits: u128,
}

/// One chosen model's part.
#[derive(Debug, Default, Serialize)]
pub(crate) struct ModelTally {
    pub(crate) carried_out: u64,
    pub(crate) committed_microunits: u128,
}

/// How often the kernel gave one reason.
#[derive(Debug, Serialize)]
pub(crate) struct Rejection {
    pub(crate) code: u16,
    pub(crate) reason: String,
    pub(crate) meaning: String,
    pub(crate) count: u64,
}

/// How often one model was taken instead of another.
#[derive(Debug, Serialize)]
pub(crate) struct Substitution {
    pub(crate) requested: String,
    pub(crate) chosen: String,
    pub(crate) count: u64,
}

impl Tally {
    /// Counts one request.
    pub(crate) fn count(
        &mut self,
        tenant: &str,
        request: &Request,
        outcome: &Outcome,
        settlement: Option<&Settlement>,
        names: &Names,
    ) {
        let decision = &outcome.decision;
        self.repeated += u64::from(outcome.repeated);
        if outcome.repeated && settlement.is_none() {
            return;
        }
        self.decisions += 1;
        self.requested_unlisted_model += u64::from(is_unlisted(request.requested_model_id));
        let of_tenant = self.tenants.entry(tenant.to_owned()).or_default();
        of_tenant.decisions += 1;
        let Some(chosen) = decision.selected_model_id else {
            self.rejected += 1;
            of_tenant.rejected += 1;
            count_rejection(&mut self.rejections, decision.reason);
            return;
        };
        let refused = match outcome.admission {
            Admission::NotAsked | Admission::Reserved => None,
            Admission::Insufficient { .. } => Some(&mut self.insufficient_budget),
            Admission::Frozen => Some(&mut self.frozen),
            Admission::InDebt { .. } => Some(&mut self.in_debt),
            Admission::Exposed { .. } => Some(&mut self.over_cap),
        };
        if let Some(count) = refused {
            *count += 1;
            of_tenant.refused_by_budget += 1;
            return;
        }
        if decision.action == Action::Substitute {
            self.substituted += 1;
            *self.moves.entry((request.requested_model_id, chosen)).or_default() += 1;
        } else {
            self.executed_as_requested += 1;
        }
        let committed = settlement.map_or(0, |settlement| u128::from(settlement.committed.get()));
        self.reserved_microunits += u128::from(decision.maximum_cost.get());
        self.committed_microunits += committed;
        of_tenant.carried_out += 1;
        of_tenant.committed_microunits += committed;
        let of_model = self.models.entry(model_name(names, chosen)).or_default();
        of_model.carried_out += 1;
        of_model.committed_microunits += committed;
    }

    /// Ends the counting: names the substitutions, most frequent first.
    pub(crate) fn finish(&mut self, names: &Names) {
        let mut moves: Vec<((u32, u32), u64)> =
            self.moves.iter().map(|(&ids, &count)| (ids, count)).collect();
        moves.sort_by_key(|&(ids, count)| (std::cmp::Reverse(count), ids));
        let named = moves.into_iter().map(|((requested, chosen), count)| Substitution {
            requested: model_name(names, requested),
            chosen: model_name(names, chosen),
            count,
        });
        self.substitutions = named.collect();
    }
}

/// Counts one more rejection; they stay in order of their codes.
fn count_rejection(rejections: &mut Vec<Rejection>, reason: Reason) {
    let code = reason.code();
    if let Some(known) = rejections.iter_mut().find(|rejection| rejection.code == code) {
        known.count += 1;
        return;
    }
    let (name, meaning) = (format!("{reason:?}"), reason.to_string());
    rejections.push(Rejection { code, reason: name, meaning, count: 1 });
    rejections.sort_by_key(|rejection| rejection.code);
}
