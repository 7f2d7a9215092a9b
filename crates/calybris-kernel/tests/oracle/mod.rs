//! The oracle: the law of `SEMANTICS.md` as a person would work it out with a pencil.
//!
//! It shares the data types with the crate and no code: it multiplies in 128 bits, judges every
//! model, sorts the eligible, and counts.
#![allow(clippy::manual_div_ceil, reason = "the oracle spells rounding out")]
#![allow(dead_code, reason = "each test uses a part of the oracle")]

use calybris_kernel::{Action, Decision, Microunits, Model, Policy, Reason, Request};

/// One eligible model, with what decides between two of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Eligible {
    pub(crate) model_id: u32,
    pub(crate) utility: i64,
    pub(crate) cost: u64,
    pub(crate) quality: u16,
}

fn ceil_div(numerator: u128, denominator: u128) -> u128 {
    (numerator + denominator - 1) / denominator
}

pub(crate) fn cost(request: &Request, model: &Model) -> u64 {
    let million = 1_000_000_u128;
    let input =
        request.usage.input_tokens as u128 * model.input_price_per_million_tokens.get() as u128;
    let output =
        request.usage.output_tokens as u128 * model.output_price_per_million_tokens.get() as u128;
    let exact =
        model.fixed_price.get() as u128 + ceil_div(input, million) + ceil_div(output, million);
    exact.min(u64::MAX as u128) as u64
}

pub(crate) fn utility(policy: &Policy, request: &Request, model: &Model) -> i64 {
    let value = request.business_value_microunits.max(0) as i128;
    let worth =
        value * request.confidence.get() as i128 * model.quality.get() as i128 / 100_000_000;
    let risk = value * request.risk.get() as i128 * policy.risk_penalty_multiplier.get() as i128
        / 100_000_000;
    let latency = model.p95_latency_ms as i128 * policy.latency_penalty_per_ms.get() as i128;
    let exact = worth - risk - cost(request, model) as i128 - latency;
    exact.clamp(i64::MIN as i128, i64::MAX as i128) as i64
}

/// The reason a model is turned away for, or nothing if it is eligible.
pub(crate) fn turned_away(policy: &Policy, request: &Request, model: &Model) -> Option<Reason> {
    let provider_bit = 1_u64 << (model.provider_id % 64);
    let provider_word = request.allowed_providers.words()[model.provider_id as usize / 64];
    let needs = request.required_capabilities.bits();
    let regions = request.required_regions.bits();
    let gates = [
        (!model.enabled, Reason::NoEnabledModel),
        (model.quality.get() < request.minimum_quality.get(), Reason::QualityConstraint),
        (
            request.max_p95_latency_ms > 0 && model.p95_latency_ms > request.max_p95_latency_ms,
            Reason::LatencyConstraint,
        ),
        (model.capabilities.bits() & needs != needs, Reason::CapabilityConstraint),
        (provider_word & provider_bit == 0, Reason::ProviderConstraint),
        (regions != 0 && model.regions.bits() & regions == 0, Reason::RegionConstraint),
        (request.risk.get() > model.risk_ceiling.get(), Reason::RiskCeilingConstraint),
        (cost(request, model) > request.budget_limit.get(), Reason::BudgetConstraint),
        (utility(policy, request, model) <= 0, Reason::NonPositiveUtility),
    ];
    gates.iter().find(|gate| gate.0).map(|gate| gate.1)
}

/// Every eligible model, best first.
pub(crate) fn ranking(policy: &Policy, models: &[Model], request: &Request) -> Vec<Eligible> {
    let mut eligible: Vec<Eligible> = models
        .iter()
        .filter(|model| turned_away(policy, request, model).is_none())
        .map(|model| Eligible {
            model_id: model.model_id,
            utility: utility(policy, request, model),
            cost: cost(request, model),
            quality: model.quality.get(),
        })
        .collect();
    eligible.sort_by(|a, b| {
        b.utility
            .cmp(&a.utility)
            .then(a.cost.cmp(&b.cost))
            .then(b.quality.cmp(&a.quality))
            .then(a.model_id.cmp(&b.model_id))
    });
    eligible
}

fn reject_reason(policy: &Policy, models: &[Model], request: &Request) -> Reason {
    let precedence = [
        Reason::NonPositiveUtility,
        Reason::BudgetConstraint,
        Reason::LatencyConstraint,
        Reason::RiskCeilingConstraint,
        Reason::QualityConstraint,
        Reason::ProviderConstraint,
        Reason::RegionConstraint,
        Reason::CapabilityConstraint,
    ];
    let mut blamed = Reason::NoEnabledModel;
    let mut most = 0;
    for reason in precedence {
        let count = models
            .iter()
            .filter(|model| turned_away(policy, request, model) == Some(reason))
            .count();
        if count > most {
            most = count;
            blamed = reason;
        }
    }
    blamed
}

/// The decision that the law prescribes, for models in any order.
pub(crate) fn decide(policy: &Policy, models: &[Model], request: &Request) -> Decision {
    let mut decision =
        Decision::rejected(request.sequence, request.requested_model_id, Reason::InvalidRequest);
    decision.policy_epoch = policy.policy_epoch;
    decision.catalog_epoch = policy.catalog_epoch;
    if request.risk.get() > 10_000
        || request.confidence.get() > 10_000
        || request.minimum_quality.get() > 10_000
    {
        return decision;
    }
    if request.risk.get() >= policy.hard_risk_limit.get() {
        decision.reason = Reason::RiskHardLimit;
        return decision;
    }
    if request.confidence.get() < policy.minimum_confidence.get() {
        decision.reason = Reason::ConfidenceHardLimit;
        return decision;
    }
    let ranking = ranking(policy, models, request);
    decision.evaluated_models = models.len() as u32;
    let Some(winner) = ranking.first() else {
        decision.reason = reject_reason(policy, models, request);
        return decision;
    };
    (decision.action, decision.reason) = if winner.model_id == request.requested_model_id {
        (Action::ExecuteRequested, Reason::RequestedModelMaximizesUtility)
    } else {
        (Action::Substitute, Reason::AlternativeMaximizesUtility)
    };
    decision.selected_model_id = Some(winner.model_id);
    decision.estimated_cost = Microunits::new(winner.cost);
    decision.expected_utility_microunits = winner.utility;
    decision.runner_up_model_id = ranking.get(1).map(|second| second.model_id);
    decision.runner_up_utility_microunits = ranking.get(1).map_or(0, |second| second.utility);
    decision.eligible_models = ranking.len() as u32;
    decision
}
