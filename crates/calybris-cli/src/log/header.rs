//! A decision in words: tenant, time, request, policy and answer.

use calybris_core::engine::{Admission, Decided, Snapshot};
use calybris_core::kernel::{Action, Request};

use crate::advice::ON_LACK_OF_MONEY;
use crate::amount::{grouped, money, signed_money};
use crate::log::naming::{allowed_names, model_name, requested_name, set_names};
use crate::log::outcome::{Ending, Followed};
use crate::log::usage::{candidates_words, ceiling_words, usage_words};
use crate::output::Page;
use crate::terminal::{Paint, fitted};
use crate::time::rfc3339;

/// The decision itself, from its record and its snapshot.
pub(crate) fn decision(decided: &Decided<'_>, snapshot: &Snapshot, paint: Paint, page: &mut Page) {
    let names = snapshot.names();
    let (request, decision) = (&decided.request, &decided.decision);
    line(page, "when", &rfc3339(decided.time.get()));
    let mut who = fitted(&decided.tenant, 60);
    if !decided.correlation_id.is_empty() {
        who = format!("{who}, call {}", fitted(&decided.correlation_id, 64));
    }
    line(page, "who", &who);
    if !decided.request_key.is_empty() {
        line(page, "key", &fitted(&decided.request_key, 64));
    }
    let asked_for = fitted(&requested_name(names, request.requested_model_id), 60);
    wrapped(page, "asked", &format!("{asked_for} for {}", usage_words(&request.usage)));
    if let Some(ceiling) = &request.ceiling {
        wrapped(page, "may use", &ceiling_words(ceiling));
    }
    if let Some(candidates) = candidates_words(request, names) {
        wrapped(page, "among", &candidates);
    }
    line(
        page,
        "worth",
        &format!(
            "{}, risk {} bps, confidence {} bps",
            signed_money(request.business_value_microunits),
            grouped(request.risk.get()),
            grouped(request.confidence.get())
        ),
    );
    wrapped(page, "limits", &limits(request));
    if let Some(sets) = sets(request, snapshot) {
        wrapped(page, "", &sets);
    }
    let policy = snapshot.policy_snapshot().policy();
    let digest: String = snapshot.digest().to_string().chars().take(16).collect();
    wrapped(
        page,
        "under",
        &format!(
            "policy epoch {}, catalog epoch {}, record {}, digest {digest}",
            policy.policy_epoch, policy.catalog_epoch, decided.snapshot_sequence
        ),
    );
    let answer = match decision.selected_model_id {
        Some(model_id) => {
            let verb = match decision.action {
                Action::ExecuteRequested => "execute as requested",
                _ => "substitute",
            };
            let model = fitted(&model_name(names, model_id), 50);
            format!("{}: {model}", paint.good(verb))
        }
        None => paint.bad("reject"),
    };
    line(page, "answer", &answer);
    line(page, "because", &decision.reason.to_string());
    if request.ceiling.is_some() && decision.selected_model_id.is_some() {
        let (cost, most) = (decision.estimated_cost.get(), decision.maximum_cost.get());
        line(page, "costs", &format!("{} expected, {} at most", money(cost), money(most)));
    }
}

/// The outcome of the decision, from later records.
pub(crate) fn outcome(followed: &Followed, read_through: u64, paint: Paint, page: &mut Page) {
    for failed in &followed.failed {
        let model = fitted(&failed.model, 30);
        let next = match &failed.next {
            Some((next, _)) => format!("went on with {}", fitted(next, 30)),
            None => "no other was eligible and affordable".to_owned(),
        };
        wrapped(page, "then", &format!("{model} failed, {next} (record {})", failed.sequence));
    }
    let reserved = money(followed.reserved_microunits());
    let ending = match followed.ending {
        Ending::Rejected => return,
        Ending::Unfunded(refusal) => {
            let has_ceiling = followed.decided.request.ceiling.is_some();
            let costs = if has_ceiling { "may cost" } else { "costs" };
            paint.bad(&format!("refused: it {costs} {reserved}, and {}", because(refusal)))
        }
        Ending::Open => {
            paint.notable(&format!("{reserved} reserved, and open as of record {read_through}"))
        }
        Ending::Settled { sequence, cost_microunits, .. } => {
            let cost = money(cost_microunits);
            format!("{reserved} reserved, settled for {cost} (record {sequence})")
        }
        Ending::Abandoned { sequence, .. } => {
            format!("{reserved} reserved, abandoned and given back (record {sequence})")
        }
    };
    line(page, "budget", &ending);
    if matches!(followed.ending, Ending::Unfunded(Admission::Insufficient { .. })) {
        wrapped(page, "", ON_LACK_OF_MONEY);
    }
}

fn line(page: &mut Page, what: &str, text: &str) {
    page.line(format_args!("  {what:9} {text}"));
}

/// A line of words without colours, in as many lines as they need.
fn wrapped(page: &mut Page, what: &str, text: &str) {
    page.wrapped(&format!("  {what:9} "), text);
}

/// Why the budget refused.
fn because(refusal: Admission) -> String {
    match refusal {
        Admission::Insufficient { available } => {
            format!("{} was available", money(available.get()))
        }
        Admission::Frozen => "the tenant, or one above it, was frozen".to_owned(),
        Admission::InDebt { debt } => {
            format!("the tenant, or one above it, owed {}", money(debt.get()))
        }
        Admission::Exposed { reserved, cap } => format!(
            "{} of the {} that may be reserved at once were reserved",
            money(reserved.get()),
            money(cap.get())
        ),
        Admission::NotAsked | Admission::Reserved => "it was not asked".to_owned(),
    }
}

fn limits(request: &Request) -> String {
    let latency = match request.max_p95_latency_ms {
        0 => "any latency".to_owned(),
        limit => format!("p95 latency at most {} ms", grouped(limit)),
    };
    format!(
        "cost at most {}, quality at least {} bps, {latency}",
        money(request.budget_limit.get()),
        grouped(request.minimum_quality.get())
    )
}

/// The capabilities, regions and providers of a request, if it names any.
fn sets(request: &Request, snapshot: &Snapshot) -> Option<String> {
    let names = snapshot.names();
    let mut parts = Vec::new();
    if request.required_capabilities.bits() != 0 {
        parts.push(format!(
            "must have {}",
            set_names(&names.capabilities, request.required_capabilities.bits())
        ));
    }
    if !request.required_regions.is_empty() {
        parts.push(format!(
            "served in {}",
            set_names(&names.regions, request.required_regions.bits())
        ));
    }
    if let Some(allowed) = allowed_names(names, request.allowed_providers) {
        let allowed = if allowed.is_empty() { "nobody".to_owned() } else { allowed.join(" ") };
        parts.push(format!("by {}", fitted(&allowed, 60)));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}
