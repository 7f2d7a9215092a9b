//! Why a decision changed, in words: the gate that refused a model, or the terms of its utility that made it lose.

use calybris_core::engine::{Change, Names, Snapshot};
use calybris_core::kernel::{Explanation, InvalidRequest, Refusal, UtilityTerms, Verdict};

use crate::amount::{grouped, money, signed_money};
use crate::log::naming::{group_name, model_name, provider_name, set_names};

/// Both sides of a changed decision, explained.
pub(crate) struct Reasons {
    pub(crate) before: Outcome,
    pub(crate) after: Outcome,
    /// Sentences.
    pub(crate) why: Vec<String>,
}

/// The decision of one side.
pub(crate) struct Outcome {
    /// The model, or nothing for a rejection.
    pub(crate) winner: Option<(String, UtilityTerms)>,
    /// Why no model was chosen; `None` if one was, or if the request itself was refused.
    pub(crate) rejection: Option<String>,
}

impl Reasons {
    pub(crate) fn of(change: &Change) -> Self {
        let (old, new) = (&*change.recorded_snapshot, &*change.proposed_snapshot);
        let before = old.policy_snapshot().explain(&change.request);
        let Some(request) = new.renumber(&change.request, old) else {
            let why =
                vec!["Now: the request names a group that is not in the proposal.".to_owned()];
            let rejection = Some(change.proposed.reason.to_string());
            let after = Outcome { winner: None, rejection };
            return Self { why, before: outcome(old, &before), after };
        };
        let after = new.policy_snapshot().explain(&request);
        Self {
            why: why(old, &before, new, &after),
            before: outcome(old, &before),
            after: outcome(new, &after),
        }
    }
}

fn outcome(snapshot: &Snapshot, explanation: &Explanation) -> Outcome {
    let chosen = explanation.decision.selected_model_id;
    let winner = chosen.and_then(|model_id| {
        let (_, terms) = eligible(explanation, model_id)?;
        Some((model_name(snapshot.names(), model_id), terms))
    });
    // A refusal of the request itself is explained with its numbers in `why`.
    let over_the_models = chosen.is_none() && explanation.request_refusal.is_none();
    let rejection = over_the_models.then(|| explanation.decision.reason.to_string());
    Outcome { winner, rejection }
}

fn why(old: &Snapshot, before: &Explanation, new: &Snapshot, after: &Explanation) -> Vec<String> {
    let mut sentences = Vec::new();
    match (before.decision.selected_model_id, after.decision.selected_model_id) {
        (Some(lost), won) if won != Some(lost) => {
            sentences.push(format!("Now: {}", why_not(lost, old, new, after, won)));
            sentences.extend(terms_moved(lost, old, before, after));
            if let Some(won) = won {
                let then = why_not(won, new, old, before, Some(lost));
                sentences.push(format!("Before: {then}"));
            }
        }
        (None, Some(won)) => {
            let name = model_name(new.names(), won);
            let refusal = before.request_refusal.as_ref();
            sentences.push(match refusal {
                Some(refusal) => format!(
                    "Before, the request was rejected before any model was looked at: {}.",
                    refused_because(refusal, old.names())
                ),
                None => format!("Before: {}", why_not(won, new, old, before, None)),
            });
            sentences.push(format!("Now {name} passes every gate and is worth its cost."));
        }
        (Some(same), _) => {
            let name = model_name(new.names(), same);
            sentences.push(format!("{name} is still the best choice, at another price."));
            sentences.extend(terms_moved(same, old, before, after));
        }
        (None, None) => {}
    }
    sentences
}

/// Why a model was not chosen under the snapshot `judge`. `known` has its name; `won` is the model that was chosen.
fn why_not(
    model_id: u32,
    known: &Snapshot,
    judge: &Snapshot,
    explanation: &Explanation,
    won: Option<u32>,
) -> String {
    let name = model_name(known.names(), model_id);
    if let Some(refusal) = &explanation.request_refusal {
        let because = refused_because(refusal, judge.names());
        return format!("the request is rejected before any model is looked at: {because}.");
    }
    match explanation.model(model_id).map(|found| found.verdict) {
        None => format!("{name} is not in the catalog."),
        Some(Verdict::Refused(refusal)) => {
            format!("{name} is turned away: {}.", refused_because(&refusal, judge.names()))
        }
        Some(Verdict::Eligible { utility_microunits, .. }) => {
            let own = signed_money(utility_microunits);
            let winner = won.and_then(|won| Some((won, eligible(explanation, won)?.0)));
            match winner {
                Some((won, best)) if best > utility_microunits => format!(
                    "{name} passes every gate with a utility of {own}, but {} has {}: {} more.",
                    model_name(judge.names(), won),
                    signed_money(best),
                    signed_money(i128::from(best) - i128::from(utility_microunits)),
                ),
                Some((won, _)) => format!(
                    "{name} passes every gate with a utility of {own}, and so does {}: the tie goes to {}.",
                    model_name(judge.names(), won),
                    model_name(judge.names(), won),
                ),
                None => format!("{name} passes every gate with a utility of {own}."),
            }
        }
    }
}

/// The terms of a model's utility that changed.
fn terms_moved(
    model_id: u32,
    old: &Snapshot,
    before: &Explanation,
    after: &Explanation,
) -> Option<String> {
    let (_, then) = eligible(before, model_id)?;
    let (_, now) = terms_of(after, model_id)?;
    let terms = |terms: &UtilityTerms| {
        [
            i128::from(terms.adjusted_value.get()),
            wide(terms.risk_penalty_microunits),
            i128::from(terms.cost.get()),
            wide(terms.latency_penalty_microunits),
        ]
    };
    let moved: Vec<String> = TERMS
        .iter()
        .zip(terms(&then).into_iter().zip(terms(&now)))
        .filter(|(_, (then, now))| then != now)
        .map(|(term, (then, now))| {
            let verb = if now > then { "rises" } else { "falls" };
            format!("its {term} {verb} from {} to {}", signed_money(then), signed_money(now))
        })
        .collect();
    if moved.is_empty() {
        return None;
    }
    Some(format!("Of {}, {}.", model_name(old.names(), model_id), moved.join(", ")))
}

/// The names of the terms of a utility, in the order of [`UtilityTerms`]. All but the first are deducted.
pub(crate) const TERMS: [&str; 4] = ["value", "risk penalty", "cost", "latency penalty"];

/// Utility and terms of a model that passed every gate.
fn eligible(explanation: &Explanation, model_id: u32) -> Option<(i64, UtilityTerms)> {
    match explanation.model(model_id).map(|found| found.verdict)? {
        Verdict::Eligible { utility_microunits, terms } => Some((utility_microunits, terms)),
        Verdict::Refused(_) => None,
    }
}

/// The same, and also for a model that was refused because of its utility.
fn terms_of(explanation: &Explanation, model_id: u32) -> Option<(i64, UtilityTerms)> {
    match explanation.model(model_id).map(|found| found.verdict)? {
        Verdict::Eligible { utility_microunits, terms }
        | Verdict::Refused(Refusal::Utility { utility_microunits, terms }) => {
            Some((utility_microunits, terms))
        }
        Verdict::Refused(_) => None,
    }
}

/// A term as an `i128`, which no catalog exceeds.
pub(crate) fn wide(term_microunits: u128) -> i128 {
    i128::try_from(term_microunits).unwrap_or(i128::MAX)
}

/// The measured value and the limit that it failed.
fn refused_because(refusal: &Refusal, names: &Names) -> String {
    let bps = |bps: u16| format!("{} bps", grouped(bps));
    match *refusal {
        Refusal::InvalidRequest(InvalidRequest::OutOfRange { field, found, limit }) => {
            format!("its {field} is {}, above {}", grouped(found.get()), grouped(limit.get()))
        }
        Refusal::InvalidRequest(InvalidRequest::UnknownGroup { group_id }) => {
            format!("the catalog has no {}", group_name(names, group_id))
        }
        Refusal::InvalidRequest(invalid) => invalid.to_string(),
        Refusal::RiskHardLimit { risk, limit } => {
            format!(
                "its risk of {} reaches the hard limit of {}",
                bps(risk.get()),
                bps(limit.get())
            )
        }
        Refusal::ConfidenceHardLimit { confidence, minimum } => {
            format!(
                "its confidence of {} is below the minimum of {}",
                bps(confidence.get()),
                bps(minimum.get())
            )
        }
        Refusal::Disabled => "it is disabled".to_owned(),
        Refusal::Quality { quality, minimum } => format!(
            "its quality of {} is below the {} that the request demands",
            bps(quality.get()),
            bps(minimum.get())
        ),
        Refusal::Latency { p95_latency_ms, limit_ms } => format!(
            "its latency of {} ms is above the {} ms that the request allows",
            grouped(p95_latency_ms),
            grouped(limit_ms)
        ),
        Refusal::Capability { missing } => {
            format!(
                "it lacks what the request needs ({})",
                set_names(&names.capabilities, missing.bits())
            )
        }
        Refusal::Provider { provider_id } => {
            let name = provider_name(names, provider_id);
            format!("the request does not allow its provider ({name})")
        }
        Refusal::Region { served, required } => format!(
            "it is served in {}, the request demands {}",
            set_names(&names.regions, served.bits()),
            set_names(&names.regions, required.bits())
        ),
        Refusal::RiskCeiling { risk, ceiling } => format!(
            "the request's risk of {} is above its ceiling of {}",
            bps(risk.get()),
            bps(ceiling.get())
        ),
        Refusal::Window { part, tokens, maximum } => format!(
            "its window holds {} {part} tokens, the request needs {}",
            grouped(maximum),
            grouped(tokens)
        ),
        Refusal::Budget { maximum_cost, limit } => format!(
            "its cost of up to {} is above the request's limit of {}",
            money(maximum_cost.get()),
            money(limit.get())
        ),
        Refusal::Utility { utility_microunits, .. } => {
            format!("its utility of {} is not above 0", signed_money(utility_microunits))
        }
    }
}
