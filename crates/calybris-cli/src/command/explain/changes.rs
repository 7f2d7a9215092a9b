//! The margin of the winner, and the single changes that would have made another model win.

use std::collections::HashSet;

use calybris_core::kernel::{
    Band, BasisPoints, Ceiling, Margin, Microunits, Model, Rates, Request, TokenClass, Window,
    WinningChanges,
};

use super::explained::Explained;
use super::verdicts::{base_name, nearest};
use crate::amount::{grouped, money, signed_money};
use crate::bill;
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
    let numbers = limits(&model, margin, explained.request);
    write(&numbers, page);
    if numbers.iter().any(|number| number.change.ends_with(NEXT_BAND_MARK)) {
        page.line("    * as high as in the next band, which no rate exceeds");
    }
    page.line("");
}

/// Marks a rate that could go no higher because no rate falls from band to band.
const NEXT_BAND_MARK: &str = " *";

/// A number of a model: what it is, how it may or must change, and what it is now.
struct Number {
    what: String,
    change: String,
    now: String,
}

impl Number {
    fn new(what: impl Into<String>, change: String, now: String) -> Self {
        Self { what: what.into(), change, now }
    }
}

/// The numbers under each other, in columns as wide as they need.
fn write(numbers: &[Number], page: &mut Page) {
    let widest = |of: fn(&Number) -> &str| {
        numbers.iter().map(|number| of(number).chars().count()).max().unwrap_or_default()
    };
    let (what, change) = (widest(|number| &number.what), widest(|number| &number.change));
    for number in numbers {
        page.line(format_args!(
            "    {:what$}  {:change$}  (now {})",
            number.what, number.change, number.now
        ));
    }
}

fn bps(number: u16) -> String {
    format!("{} bps", grouped(number))
}

fn rate(class: TokenClass) -> String {
    format!("{} rate", bill::words(class))
}

/// The parts of a window, each with what it is.
const fn parts(window: &Window) -> [(&'static str, Option<u32>); 3] {
    [
        ("prompt window", window.max_prompt_tokens),
        ("completion window", window.max_completion_tokens),
        ("total window", window.max_total_tokens),
    ]
}

/// How far each number of the winner may move, and where it is now: the classes, fees and maxima that matter to the request.
fn limits(model: &Model, margin: &Margin, request: &Request) -> Vec<Number> {
    let any_or = |limit: u64, text: String| if limit == u64::MAX { "any".to_owned() } else { text };
    let latency = u64::from(margin.highest_p95_latency_ms);
    let latency = if latency == u64::from(u32::MAX) { u64::MAX } else { latency };
    let down_to = |limit: BasisPoints| format!("down to {}", bps(limit.get()));
    let mut numbers = vec![
        Number::new("quality", down_to(margin.lowest_quality), bps(model.quality.get())),
        Number::new(
            "risk ceiling",
            down_to(margin.lowest_risk_ceiling),
            bps(model.risk_ceiling.get()),
        ),
        Number::new(
            "p95 latency",
            any_or(latency, format!("up to {} ms", grouped(latency))),
            format!("{} ms", grouped(model.p95_latency_ms)),
        ),
    ];
    let prompt_tokens = request.usage.prompt_tokens();
    let band = model.price.band(prompt_tokens);
    let is_above = |other: &&Band| other.above_prompt_tokens > band.above_prompt_tokens;
    let next_band = model.price.bands().find(is_above);
    for class in TokenClass::ALL.into_iter().filter(|class| matters(*class, &band.rates, request)) {
        let limit = margin.highest_rates.of(class);
        let is_of_next = next_band.is_some_and(|next| next.rates.of(class) == limit);
        let mark = if is_of_next { NEXT_BAND_MARK } else { "" };
        let limit_words = format!("up to {} per million tokens{mark}", money(limit.get()));
        numbers.push(Number::new(
            rate(class),
            any_or(limit.get(), limit_words),
            money(band.rates.of(class).get()),
        ));
    }
    let fee = |what: &str, limit: Microunits, now: Microunits| {
        let text = any_or(limit.get(), format!("up to {}", money(limit.get())));
        Number::new(what, text, money(now.get()))
    };
    if request.usage.searches > 0 || request.ceiling.is_some_and(|ceiling| ceiling.searches > 0) {
        let now = model.price.search_fee().amount();
        numbers.push(fee("search fee", margin.highest_search_fee, now));
    }
    numbers.push(fee("fixed price", margin.highest_fixed_price, model.price.fixed_price()));
    for ((what, now), (_, limit)) in
        parts(&model.window).into_iter().zip(parts(&margin.lowest_window))
    {
        // A maximum that is unknown is no limit.
        if let (Some(now), Some(limit)) = (now, limit) {
            numbers.push(Number::new(
                what,
                format!("down to {} tokens", grouped(limit)),
                grouped(now),
            ));
        }
    }
    numbers
}

/// Whether the rate of a class matters to a request: it uses such tokens, or its ceiling allows them and they are the dearest
/// of their side.
fn matters(class: TokenClass, rates: &Rates, request: &Request) -> bool {
    let is_dearest = |ceiling: Ceiling| {
        let side = ceiling.classes.iter().filter(|other| other.is_prompt() == class.is_prompt());
        let dearest = side.map(|other| rates.of(other)).max();
        ceiling.classes.contains(class)
            && Some(rates.of(class)) == dearest
            && rates.of(class) > rates.plain_of(class)
    };
    request.usage.tokens(class) > 0 || request.ceiling.is_some_and(is_dearest)
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
    let numbers = winning(&model, &changes, explained.request);
    if numbers.is_empty() {
        page.line(format_args!("  {name}: no single number would be enough"));
        return;
    }
    page.line(format_args!("  {name}"));
    write(&numbers, page);
}

/// The changes, each of which would be enough by itself.
fn winning(model: &Model, changes: &WinningChanges, request: &Request) -> Vec<Number> {
    let mut numbers = Vec::new();
    for (what, needed, now) in [
        ("quality", changes.quality, model.quality),
        ("risk ceiling", changes.risk_ceiling, model.risk_ceiling),
    ] {
        let needed = needed.filter(|needed| *needed != now);
        numbers.extend(needed.map(|needed| {
            Number::new(what, format!("at least {}", bps(needed.get())), bps(now.get()))
        }));
    }
    let latency = changes.p95_latency_ms.filter(|needed| *needed != model.p95_latency_ms);
    numbers.extend(latency.map(|needed| {
        let needed = format!("at most {} ms", grouped(needed));
        Number::new("p95 latency", needed, format!("{} ms", grouped(model.p95_latency_ms)))
    }));
    let rates = model.price.band(request.usage.prompt_tokens()).rates;
    for class in TokenClass::ALL {
        let now = rates.of(class);
        let needed = changes.rates.of(class).filter(|needed| *needed != now);
        numbers.extend(needed.map(|needed| {
            let needed = format!("at most {} per million tokens", money(needed.get()));
            Number::new(rate(class), needed, money(now.get()))
        }));
    }
    for (what, needed, now) in [
        ("search fee", changes.search_fee, model.price.search_fee().amount()),
        ("fixed price", changes.fixed_price, model.price.fixed_price()),
    ] {
        let needed = needed.filter(|needed| *needed != now);
        numbers.extend(needed.map(|needed| {
            Number::new(what, format!("at most {}", money(needed.get())), money(now.get()))
        }));
    }
    for ((what, now), (_, needed)) in parts(&model.window).into_iter().zip(parts(&changes.window)) {
        if let (Some(now), Some(needed)) = (now, needed)
            && needed != now
        {
            let needed = format!("at least {} tokens", grouped(needed));
            numbers.push(Number::new(what, needed, grouped(now)));
        }
    }
    numbers
}
