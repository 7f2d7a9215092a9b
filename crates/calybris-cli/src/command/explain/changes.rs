//! The margin of the winner, and the single changes that would have made another model win.

use std::collections::HashSet;

use calybris_core::kernel::{
    BasisPoints, Margin, Microunits, Model, Request, TokenClass, WinningChanges,
};

use super::explained::Explained;
use super::verdicts::{base_name, nearest};
use crate::amount::{grouped, money, signed_money};
use crate::output::Page;
use crate::terminal::{Paint, fitted};

/// The most models for which winning changes are shown.
const CANDIDATES: usize = 3;

pub(super) fn words(
    explained: &Explained<'_>,
    asked_model: Option<u32>,
    paint: Paint,
    page: &mut Page,
) {
    if explained.explanation.request_refusal.is_some() {
        page.line("No change of a model would have helped.");
        return;
    }
    if let Some(margin) = explained.snapshot.policy_snapshot().margin(explained.request) {
        winner(explained, &margin, paint, page);
    }
    let candidates = candidates(explained, asked_model);
    if candidates.is_empty() {
        return;
    }
    page.line(paint.strong("What would have made another model win, each change by itself"));
    for model_id in candidates {
        one(explained, model_id, page);
    }
}

/// The models for which winning changes are shown: the one that the user names, the requested one, and the best others.
pub(super) fn candidates(explained: &Explained<'_>, asked_model: Option<u32>) -> Vec<u32> {
    let decision = &explained.explanation.decision;
    if explained.explanation.request_refusal.is_some() {
        return Vec::new();
    }
    let requested =
        explained.explanation.model(decision.requested_model_id).map(|found| found.model_id);
    let ranked = explained.rank.iter().skip(1).map(|ranked| ranked.model_id);
    // Of several resellers of one model, only the best is shown.
    let mut base_names = HashSet::new();
    let others = ranked
        .chain(nearest(explained))
        .filter(|id| base_names.insert(base_name(&explained.name(*id)).to_owned()))
        .take(CANDIDATES);
    let mut candidates: Vec<u32> = Vec::new();
    for model_id in asked_model.into_iter().chain(requested).chain(others) {
        if Some(model_id) != decision.selected_model_id && !candidates.contains(&model_id) {
            candidates.push(model_id);
        }
    }
    candidates
}

fn winner(explained: &Explained<'_>, margin: &Margin, paint: Paint, page: &mut Page) {
    let decision = &explained.explanation.decision;
    let name = fitted(&explained.name(margin.model_id), 40);
    let ahead = match decision.runner_up_model_id {
        Some(runner_up) => {
            let ahead = i128::from(decision.expected_utility_microunits)
                - i128::from(decision.runner_up_utility_microunits);
            let runner_up = fitted(&explained.name(runner_up), 40);
            if ahead > 0 {
                format!("{name} is ahead of {runner_up} by {}", signed_money(ahead))
            } else {
                format!("{name} is as good as {runner_up}:\ncost, then quality, then id decide")
            }
        }
        None => format!("{name} is the only one that passed"),
    };
    page.line(paint.strong(&ahead));
    let Some(model) = explained.snapshot.policy_snapshot().model(margin.model_id) else { return };
    page.line("  and stays ahead, each number by itself, with");
    for (what, limit, now) in limits(model, margin, explained.request) {
        page.line(format_args!("    {what:16} {limit:>24}   (now {now})"));
    }
    page.line("");
}

/// How far each number of the winner may move, and where it is now.
fn limits(
    model: &Model,
    margin: &Margin,
    request: &Request,
) -> [(&'static str, String, String); 6] {
    let rates = model.price.band(request.usage.prompt_tokens()).rates;
    let bps = |number: u16| format!("{} bps", grouped(number));
    let down_to = |limit| format!("down to {}", bps(limit));
    let price = |what, limit: u64, now: u64| {
        let any = || "any".to_owned();
        let limit = if limit == u64::MAX { any() } else { format!("up to {}", money(limit)) };
        (what, limit, money(now))
    };
    let latency = match margin.highest_p95_latency_ms {
        u32::MAX => "any".to_owned(),
        limit => format!("up to {} ms", grouped(limit)),
    };
    [
        ("quality", down_to(margin.lowest_quality.get()), bps(model.quality.get())),
        ("risk ceiling", down_to(margin.lowest_risk_ceiling.get()), bps(model.risk_ceiling.get())),
        ("p95 latency", latency, format!("{} ms", grouped(model.p95_latency_ms))),
        price("input price", margin.highest_rates.input.get(), rates.input.get()),
        price("output price", margin.highest_rates.output.get(), rates.output.get()),
        price("fixed price", margin.highest_fixed_price.get(), model.price.fixed_price().get()),
    ]
}

fn one(explained: &Explained<'_>, model_id: u32, page: &mut Page) {
    let policy_snapshot = explained.snapshot.policy_snapshot();
    let (Some(model), Some(changes)) = (
        policy_snapshot.model(model_id),
        policy_snapshot.what_would_win(explained.request, model_id),
    ) else {
        return;
    };
    let mut name = fitted(&explained.name(model_id), 34);
    if model_id == explained.explanation.decision.requested_model_id {
        name.push_str(" (asked for)");
    }
    let lines = lines(model, &changes, explained.request);
    if lines.is_empty() {
        page.line(format_args!("  {name}: no single number would be enough"));
        return;
    }
    page.line(format_args!("  {name}"));
    for (what, needed, now) in lines {
        page.line(format_args!("    {what:16} {needed:>24}   (now {now})"));
    }
}

/// The change: a number, its new value, its present value.
fn lines(
    model: &Model,
    changes: &WinningChanges,
    request: &Request,
) -> Vec<(&'static str, String, String)> {
    let rates = model.price.band(request.usage.prompt_tokens()).rates;
    let bps = |what, needed: Option<u16>, now: u16| {
        let needed = needed.filter(|needed| *needed != now)?;
        Some((what, format!("at least {} bps", grouped(needed)), grouped(now)))
    };
    let price = |what, needed: Option<u64>, now: u64| {
        let needed = needed.filter(|needed| *needed != now)?;
        Some((what, format!("at most {}", money(needed)), money(now)))
    };
    let latency = changes.p95_latency_ms.filter(|needed| *needed != model.p95_latency_ms);
    let found = [
        bps("quality", changes.quality.map(BasisPoints::get), model.quality.get()),
        bps("risk ceiling", changes.risk_ceiling.map(BasisPoints::get), model.risk_ceiling.get()),
        latency.map(|needed| {
            let needed = format!("at most {} ms", grouped(needed));
            ("p95 latency", needed, grouped(model.p95_latency_ms))
        }),
        price(
            "input price",
            changes.rates.of(TokenClass::Input).map(Microunits::get),
            rates.input.get(),
        ),
        price(
            "output price",
            changes.rates.of(TokenClass::Output).map(Microunits::get),
            rates.output.get(),
        ),
        price(
            "fixed price",
            changes.fixed_price.map(Microunits::get),
            model.price.fixed_price().get(),
        ),
    ];
    found.into_iter().flatten().collect()
}
