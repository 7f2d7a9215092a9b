//! The oracle: the law of `SEMANTICS.md` as a person would work it out with a pencil.
//!
//! It shares the data types with the crate and no code: it multiplies in 128 bits, judges every
//! candidate, sorts the eligible, and counts.
#![allow(clippy::manual_div_ceil, reason = "the oracle spells rounding out")]
#![allow(dead_code, reason = "each test uses a part of the oracle")]

use calybris_kernel::{
    Action, BasisPoints, Ceiling, Decision, Group, InvalidRequest, Microunits, Model, Policy,
    Price, Rates, Reason, Request, TokenClass, Usage, WindowPart,
};

/// One eligible model, with what decides between two of them, and what it costs at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Eligible {
    pub(crate) model_id: u32,
    pub(crate) utility: i64,
    pub(crate) cost: u64,
    pub(crate) quality: u16,
    pub(crate) maximum_cost: u64,
}

/// Counts of tokens, each with what a million of them cost.
type Side = Vec<(u64, u64)>;

/// Tokens that go in, by class.
fn prompt(usage: &Usage, rates: &Rates) -> Side {
    vec![
        (usage.input_tokens as u64, rates.input.get()),
        (usage.cache_read_tokens as u64, rates.cache_read.get()),
        (usage.cache_write_tokens as u64, rates.cache_write.get()),
        (usage.cache_write_long_tokens as u64, rates.cache_write_long.get()),
        (usage.audio_input_tokens as u64, rates.audio_input.get()),
    ]
}

/// Tokens that come out, by class.
fn completion(usage: &Usage, rates: &Rates) -> Side {
    vec![
        (usage.output_tokens as u64, rates.output.get()),
        (usage.reasoning_tokens as u64, rates.reasoning.get()),
        (usage.audio_output_tokens as u64, rates.audio_output.get()),
    ]
}

fn tokens(side: &Side) -> u64 {
    side.iter().map(|(tokens, _)| tokens).sum()
}

fn prompt_tokens(usage: &Usage) -> u64 {
    tokens(&prompt(usage, &Rates::default()))
}

fn completion_tokens(usage: &Usage) -> u64 {
    tokens(&completion(usage, &Rates::default()))
}

fn ceil_div(numerator: u128, denominator: u128) -> u128 {
    (numerator + denominator - 1) / denominator
}

/// One side is rounded up once.
fn side_cost(side: &Side) -> u128 {
    let exact: u128 = side.iter().map(|&(tokens, rate)| tokens as u128 * rate as u128).sum();
    ceil_div(exact, 1_000_000)
}

/// The rates of the last band whose threshold the prompt exceeds; a prompt of no tokens exceeds none, and has those of the
/// first.
fn rates(price: &Price, prompt_tokens: u64) -> Rates {
    let bands: Vec<_> = price.bands().collect();
    let mut rates = bands[0].rates;
    for band in bands {
        if prompt_tokens > band.above_prompt_tokens as u64 {
            rates = band.rates;
        }
    }
    rates
}

/// What is paid whatever the tokens.
fn fees(price: &Price, searches: u32) -> u128 {
    let fee = price.search_fee();
    let charged = if fee.is_per_request() { searches.min(1) } else { searches };
    price.fixed_price().get() as u128 + charged as u128 * fee.amount().get() as u128
}

/// What a usage costs, however much that is.
pub(crate) fn exact_cost(usage: &Usage, price: &Price) -> u128 {
    let rates = rates(price, prompt_tokens(usage));
    fees(price, usage.searches)
        + side_cost(&prompt(usage, &rates))
        + side_cost(&completion(usage, &rates))
}

pub(crate) fn cost(request: &Request, model: &Model) -> u64 {
    exact_cost(&request.usage, &model.price).min(u64::MAX as u128) as u64
}

/// What the dearest usage within a ceiling costs, however much that is: of all usages that fill each side with tokens of
/// one class.
pub(crate) fn exact_maximum_cost(ceiling: &Ceiling, price: &Price) -> u128 {
    let rates = rates(price, ceiling.prompt_tokens as u64);
    let dearest = |tokens: u32, side: Side, first_bit: usize| {
        let allowed = side
            .iter()
            .enumerate()
            .filter(|(place, _)| ceiling.classes.bits() & (1 << (first_bit + place)) != 0);
        allowed.map(|(_, &(_, rate))| side_cost(&vec![(tokens as u64, rate)])).max().unwrap_or(0)
    };
    fees(price, ceiling.searches)
        + dearest(ceiling.prompt_tokens, prompt(&Usage::default(), &rates), 0)
        + dearest(ceiling.completion_tokens, completion(&Usage::default(), &rates), 5)
}

/// What the budget limit is compared with; nothing if it exceeds every limit.
pub(crate) fn maximum_cost(request: &Request, model: &Model) -> Option<u64> {
    match &request.ceiling {
        None => Some(cost(request, model)),
        Some(ceiling) => u64::try_from(exact_maximum_cost(ceiling, &model.price)).ok(),
    }
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

/// The first maximum of the window that is exceeded: which, by how many tokens, and the maximum.
pub(crate) fn beyond_window(request: &Request, model: &Model) -> Option<(WindowPart, u64, u32)> {
    let (prompt, completion) = match &request.ceiling {
        Some(ceiling) => (ceiling.prompt_tokens as u64, ceiling.completion_tokens as u64),
        None => (prompt_tokens(&request.usage), completion_tokens(&request.usage)),
    };
    let parts = [
        (WindowPart::Prompt, prompt, model.window.max_prompt_tokens),
        (WindowPart::Completion, completion, model.window.max_completion_tokens),
        (WindowPart::Total, prompt + completion, model.window.max_total_tokens),
    ];
    for (part, tokens, maximum) in parts {
        if let Some(maximum) = maximum
            && tokens > maximum as u64
        {
            return Some((part, tokens, maximum));
        }
    }
    None
}

/// The reason a model is turned away for, or nothing if it is eligible.
pub(crate) fn turned_away(policy: &Policy, request: &Request, model: &Model) -> Option<Reason> {
    let provider_bit = 1_u64 << (model.provider_id % 64);
    let provider_word = request.allowed_providers.words()[model.provider_id as usize / 64];
    let needs = request.required_capabilities.bits();
    let regions = request.required_regions.bits();
    let limit = request.budget_limit.get();
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
        (beyond_window(request, model).is_some(), Reason::WindowConstraint),
        (maximum_cost(request, model).is_none_or(|most| most > limit), Reason::BudgetConstraint),
        (utility(policy, request, model) <= 0, Reason::NonPositiveUtility),
    ];
    gates.iter().find(|gate| gate.0).map(|gate| gate.1)
}

/// The models that a request may be given.
pub(crate) fn candidates(models: &[Model], groups: &[Group], request: &Request) -> Vec<Model> {
    let in_group = |id: u32| match request.group_id {
        None => true,
        Some(wanted) => {
            groups.iter().any(|group| group.group_id == wanted && group.model_ids.contains(&id))
        }
    };
    let excluded = request.excluded_models.model_ids();
    models
        .iter()
        .filter(|model| in_group(model.model_id) && !excluded.contains(&model.model_id))
        .copied()
        .collect()
}

/// Every eligible one of some candidates, best first.
pub(crate) fn ranking(policy: &Policy, candidates: &[Model], request: &Request) -> Vec<Eligible> {
    let mut eligible: Vec<Eligible> = candidates
        .iter()
        .filter(|model| turned_away(policy, request, model).is_none())
        .map(|model| Eligible {
            model_id: model.model_id,
            utility: utility(policy, request, model),
            cost: cost(request, model),
            quality: model.quality.get(),
            maximum_cost: maximum_cost(request, model).unwrap(),
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

fn reject_reason(policy: &Policy, candidates: &[Model], request: &Request) -> Reason {
    let precedence = [
        Reason::NonPositiveUtility,
        Reason::BudgetConstraint,
        Reason::WindowConstraint,
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
        let count = candidates
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

/// What is wrong with a request, the first of all that is.
pub(crate) fn invalid(groups: &[Group], request: &Request) -> Option<InvalidRequest> {
    let limit = BasisPoints::new(10_000);
    for (field, found) in [
        ("risk_bps", request.risk),
        ("confidence_bps", request.confidence),
        ("minimum_quality_bps", request.minimum_quality),
    ] {
        if found.get() > 10_000 {
            return Some(InvalidRequest::OutOfRange { field, found, limit });
        }
    }
    if let Some(ceiling) = &request.ceiling {
        let bits = ceiling.classes.bits();
        if ceiling.prompt_tokens > 0 && bits % 32 == 0 {
            let limit = ceiling.prompt_tokens;
            return Some(InvalidRequest::NoClassAllowed { field: "prompt_tokens", limit });
        }
        if ceiling.completion_tokens > 0 && bits / 32 == 0 {
            let limit = ceiling.completion_tokens;
            return Some(InvalidRequest::NoClassAllowed { field: "completion_tokens", limit });
        }
        let usage = &request.usage;
        let counts = [
            (usage.input_tokens, TokenClass::Input),
            (usage.cache_read_tokens, TokenClass::CacheRead),
            (usage.cache_write_tokens, TokenClass::CacheWrite),
            (usage.cache_write_long_tokens, TokenClass::CacheWriteLong),
            (usage.audio_input_tokens, TokenClass::AudioInput),
            (usage.output_tokens, TokenClass::Output),
            (usage.reasoning_tokens, TokenClass::Reasoning),
            (usage.audio_output_tokens, TokenClass::AudioOutput),
        ];
        for (place, (tokens, class)) in counts.into_iter().enumerate() {
            if tokens > 0 && bits & (1 << place) == 0 {
                return Some(InvalidRequest::ClassNotAllowed { class, tokens });
            }
        }
        for (field, found, limit) in [
            ("prompt_tokens", prompt_tokens(usage), ceiling.prompt_tokens),
            ("completion_tokens", completion_tokens(usage), ceiling.completion_tokens),
            ("searches", usage.searches as u64, ceiling.searches),
        ] {
            if found > limit as u64 {
                return Some(InvalidRequest::AboveCeiling { field, found, limit });
            }
        }
    }
    match request.group_id {
        Some(wanted) if groups.iter().all(|group| group.group_id != wanted) => {
            Some(InvalidRequest::UnknownGroup { group_id: wanted })
        }
        _ => None,
    }
}

/// The decision that the law prescribes, for models in any order and no groups.
pub(crate) fn decide(policy: &Policy, models: &[Model], request: &Request) -> Decision {
    decide_with_groups(policy, models, &[], request)
}

/// The decision that the law prescribes, for models and groups in any order.
pub(crate) fn decide_with_groups(
    policy: &Policy,
    models: &[Model],
    groups: &[Group],
    request: &Request,
) -> Decision {
    let mut decision =
        Decision::rejected(request.sequence, request.requested_model_id, Reason::InvalidRequest);
    decision.policy_epoch = policy.policy_epoch;
    decision.catalog_epoch = policy.catalog_epoch;
    if invalid(groups, request).is_some() {
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
    let candidates = candidates(models, groups, request);
    let ranking = ranking(policy, &candidates, request);
    decision.evaluated_models = candidates.len() as u32;
    let Some(winner) = ranking.first() else {
        decision.reason = reject_reason(policy, &candidates, request);
        return decision;
    };
    (decision.action, decision.reason) = if winner.model_id == request.requested_model_id {
        (Action::ExecuteRequested, Reason::RequestedModelMaximizesUtility)
    } else {
        (Action::Substitute, Reason::AlternativeMaximizesUtility)
    };
    decision.selected_model_id = Some(winner.model_id);
    decision.estimated_cost = Microunits::new(winner.cost);
    decision.maximum_cost = Microunits::new(winner.maximum_cost);
    decision.expected_utility_microunits = winner.utility;
    decision.runner_up_model_id = ranking.get(1).map(|second| second.model_id);
    decision.runner_up_utility_microunits = ranking.get(1).map_or(0, |second| second.utility);
    decision.eligible_models = ranking.len() as u32;
    decision
}
