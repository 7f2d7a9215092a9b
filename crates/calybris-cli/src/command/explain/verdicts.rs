//! The verdict on each model: the utility of those that passed, and the gate that refused each of the others.

use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use calybris_core::engine::Names;
use calybris_core::kernel::{Gate, InvalidRequest, Refusal, UtilityTerms, Verdict};

use super::explained::Explained;
use crate::amount::{counted, grouped, money, signed_money};
use crate::log::naming::{group_name, provider_name, set_names};
use crate::output::Page;
use crate::table::table;
use crate::terminal::{Paint, fitted};

/// The most eligible models that are listed, unless all are asked for.
const LISTED: usize = 10;

pub(super) fn words(explained: &Explained<'_>, all: bool, paint: Paint, page: &mut Page) {
    if let Some(refusal) = &explained.explanation.request_refusal {
        page.line("No model was looked at: the request itself was turned away.");
        let (measured, limit) = evidence(refusal, explained);
        page.wrapped("  ", &format!("{}: {measured}, {limit}", gate_words(refusal.gate())));
        page.line("");
        return;
    }
    eligible(explained, all, paint, page);
    refused(explained, all, paint, page);
}

/// The verdict on one model.
pub(super) fn one(explained: &Explained<'_>, model_id: u32, paint: Paint, page: &mut Page) {
    let Some(verdict) = explained.explanation.model(model_id) else { return };
    page.line(paint.strong(&explained.name(model_id)));
    match &verdict.verdict {
        Verdict::Refused(refusal) => {
            let (measured, limit) = evidence(refusal, explained);
            let gate = gate_words(refusal.gate());
            page.wrapped("  ", &format!("turned away: {gate} {measured}, {limit}"));
        }
        Verdict::Eligible { utility_microunits, terms } => {
            let rank = explained.rank.iter().position(|ranked| ranked.model_id == model_id);
            let place = rank.map_or(0, |rank| rank + 1);
            let passed = format!(
                "passed every gate, place {place} of {}: {} = {}",
                explained.rank.len(),
                signed_money(*utility_microunits),
                sum(terms)
            );
            page.wrapped("  ", &passed);
        }
    }
    page.line("");
}

fn sum(terms: &UtilityTerms) -> String {
    format!(
        "{} - {} - {} - {}",
        money(terms.adjusted_value.get()),
        money(terms.risk_penalty_microunits),
        money(terms.cost.get()),
        money(terms.latency_penalty_microunits)
    )
}

fn eligible(explained: &Explained<'_>, all: bool, paint: Paint, page: &mut Page) {
    let decision = &explained.explanation.decision;
    page.line(paint.strong(&format!(
        "{} of {} passed every gate",
        grouped(decision.eligible_models),
        counted(decision.evaluated_models, "model")
    )));
    if explained.rank.is_empty() {
        page.line("");
        return;
    }
    let lines = Line::of(explained, all);
    let shown = if all { usize::MAX } else { LISTED };
    let any_folded = lines.iter().take(shown).any(|line| line.resellers > 0);
    let rows = lines.iter().take(shown).filter_map(|line| {
        let ranked = explained.rank.get(line.place.checked_sub(1)?)?;
        let Verdict::Eligible { utility_microunits, terms } =
            &explained.explanation.model(ranked.model_id)?.verdict
        else {
            return None;
        };
        let requested = ranked.model_id == decision.requested_model_id;
        let mark = if requested { " (asked for)" } else { "" };
        let resellers = match line.resellers {
            0 => String::new(),
            more => format!("+{}", grouped(more)),
        };
        let mut row = vec![
            format!("{}", line.place),
            format!("{}{mark}", explained.name(ranked.model_id)),
            money(terms.adjusted_value.get()),
            money(terms.risk_penalty_microunits),
            money(terms.cost.get()),
            money(terms.latency_penalty_microunits),
            signed_money(*utility_microunits),
        ];
        row.extend(any_folded.then_some(resellers));
        Some(row)
    });
    let mut header = vec!["#", "model", "value", "- risk", "- cost", "- latency", "= utility"];
    header.extend(any_folded.then_some("more"));
    page.line(table(&header, &[0, 2, 3, 4, 5, 6, 7], rows));
    let listed: usize = lines.iter().take(shown).map(|line| 1 + line.resellers).sum();
    let others = explained.rank.len().saturating_sub(listed);
    if any_folded {
        let note = "`more` counts other resellers of the same model, whose places (#) are skipped; --all lists them";
        page.wrapped("", note);
    }
    if others > 0 {
        page.line(format_args!("and {} more; --all lists them", grouped(others)));
    }
    page.line("");
}

/// A line of the table of eligible models.
struct Line {
    /// The place of the best model in this line.
    place: usize,
    /// How many more models this line represents: the same model from other resellers, at a lower utility.
    resellers: usize,
}

impl Line {
    /// The ranking, best first. Unless all are asked for, models with the same base name share a line; the winner, the runner-up
    /// and the requested model have lines of their own.
    fn of(explained: &Explained<'_>, all: bool) -> Vec<Self> {
        let requested = explained.explanation.decision.requested_model_id;
        let names = explained.rank.iter().map(|ranked| {
            let name = explained.name(ranked.model_id);
            (name, all || ranked.model_id == requested)
        });
        Self::folded(names)
    }

    /// The same for names, best first. The flag says whether a name always has a line of its own.
    fn folded(names: impl Iterator<Item = (String, bool)>) -> Vec<Self> {
        let mut lines: Vec<Self> = Vec::new();
        let mut line_of: HashMap<String, usize> = HashMap::new();
        for (place, (name, alone)) in (1..).zip(names) {
            if !alone && place > ALONE {
                match line_of.entry(base_name(&name).to_owned()) {
                    Entry::Occupied(line) => {
                        if let Some(line) = lines.get_mut(*line.get()) {
                            line.resellers += 1;
                        }
                        continue;
                    }
                    Entry::Vacant(line) => {
                        line.insert(lines.len());
                    }
                }
            }
            lines.push(Self { place, resellers: 0 });
        }
        lines
    }
}

/// The first places that always have a line of their own: the winner and the runner-up.
const ALONE: usize = 2;

/// The part of a name that resellers of a model have in common: `gpt-4o` in `openrouter/openai/gpt-4o` and in
/// `us.openai.gpt-4o`. A word before a dot is a region or a vendor, unless it has a digit: then it is part of a version.
pub(super) fn base_name(name: &str) -> &str {
    let mut base = name.rsplit('/').next().unwrap_or(name);
    while let Some((before, rest)) = base.split_once('.') {
        let is_word = before.bytes().all(|byte| byte.is_ascii_lowercase());
        if !is_word || rest.is_empty() {
            break;
        }
        base = rest;
    }
    base
}

fn refused(explained: &Explained<'_>, all: bool, paint: Paint, page: &mut Page) {
    let models = &explained.explanation.models;
    let refusals = models.iter().filter_map(|verdict| match &verdict.verdict {
        Verdict::Refused(refusal) => Some((verdict.model_id, refusal)),
        Verdict::Eligible { .. } => None,
    });
    let mut by_gate: BTreeMap<Option<Gate>, Vec<(u32, &Refusal)>> = BTreeMap::new();
    for (model_id, refusal) in refusals {
        by_gate.entry(refusal.gate()).or_default().push((model_id, refusal));
    }
    if by_gate.is_empty() {
        return;
    }
    let count: usize = by_gate.values().map(Vec::len).sum();
    let verb = if count == 1 { "was" } else { "were" };
    page.line(
        paint.strong(&format!("{} {verb} turned away, each at its first gate", grouped(count))),
    );
    for group in by_gate.values_mut() {
        group.sort_by_key(|(model_id, refusal)| (shortfall(refusal), *model_id));
    }
    if all {
        let rows = by_gate.values().flatten().map(|(model_id, refusal)| {
            let (measured, limit) = evidence(refusal, explained);
            vec![gate_words(refusal.gate()).to_owned(), explained.name(*model_id), measured, limit]
        });
        page.line(table(&["gate", "model", "measured", "limit"], &[], rows));
    } else {
        let rows = by_gate.values().filter_map(|group| {
            let (model_id, refusal) = group.first()?;
            let (measured, limit) = evidence(refusal, explained);
            let such_as = if is_measured(refusal) { "" } else { "such as " };
            let model = explained.name(*model_id);
            let nearest = format!("{such_as}{model}: {measured}");
            let gate = gate_words(refusal.gate()).to_owned();
            Some(vec![gate, grouped(group.len()), limit, nearest])
        });
        page.line(table(&["gate", "models", "limit", "the nearest"], &[1], rows));
        requested(explained, paint, page);
        page.line("--all lists each of them");
    }
    page.line("");
}

/// The requested model, if it was refused.
fn requested(explained: &Explained<'_>, paint: Paint, page: &mut Page) {
    let model_id = explained.explanation.decision.requested_model_id;
    if let Some(Verdict::Refused(refusal)) =
        explained.explanation.model(model_id).map(|found| &found.verdict)
    {
        let (measured, limit) = evidence(refusal, explained);
        let gate = gate_words(refusal.gate());
        let model = fitted(&explained.name(model_id), 34);
        page.line(paint.notable(&format!("{model} was asked for: {gate} {measured}, {limit}")));
    }
}

/// For each gate the model that came nearest to passing it; the gate that refused the most models comes first.
pub(super) fn nearest(explained: &Explained<'_>) -> Vec<u32> {
    let mut by_gate: BTreeMap<Option<Gate>, (usize, u128, u32)> = BTreeMap::new();
    for verdict in &explained.explanation.models {
        let Verdict::Refused(refusal) = &verdict.verdict else { continue };
        let missing = shortfall(refusal);
        let group = by_gate.entry(refusal.gate()).or_insert((0, missing, verdict.model_id));
        group.0 += 1;
        if missing < group.1 {
            (group.1, group.2) = (missing, verdict.model_id);
        }
    }
    let mut groups: Vec<_> = by_gate.into_values().collect();
    groups.sort_by_key(|&(count, _, model_id)| (Reverse(count), model_id));
    groups.into_iter().map(|(_, _, model_id)| model_id).collect()
}

/// Whether a refusal has a measured distance to its limit.
const fn is_measured(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::Quality { .. }
            | Refusal::Latency { .. }
            | Refusal::RiskCeiling { .. }
            | Refusal::Window { .. }
            | Refusal::Budget { .. }
            | Refusal::Utility { .. }
    )
}

/// By how much a model failed its gate; 0 if that is not measured.
fn shortfall(refusal: &Refusal) -> u128 {
    match *refusal {
        Refusal::Quality { quality, minimum } => minimum.get().abs_diff(quality.get()).into(),
        Refusal::Latency { p95_latency_ms, limit_ms } => p95_latency_ms.abs_diff(limit_ms).into(),
        Refusal::RiskCeiling { risk, ceiling } => risk.get().abs_diff(ceiling.get()).into(),
        Refusal::Budget { maximum_cost, limit } => maximum_cost.get().abs_diff(limit.get()).into(),
        Refusal::Window { tokens, maximum, .. } => tokens.abs_diff(maximum.into()).into(),
        Refusal::Utility { utility_microunits, .. } => utility_microunits.unsigned_abs().into(),
        _ => 0,
    }
}

/// The name of a gate.
pub(super) const fn gate_words(gate: Option<Gate>) -> &'static str {
    match gate {
        None => "valid request",
        Some(Gate::RiskHardLimit) => "hard risk limit",
        Some(Gate::ConfidenceHardLimit) => "confidence",
        Some(Gate::Enabled) => "enabled",
        Some(Gate::Quality) => "quality",
        Some(Gate::Latency) => "p95 latency",
        Some(Gate::Capability) => "capability",
        Some(Gate::Provider) => "provider",
        Some(Gate::Region) => "region",
        Some(Gate::RiskCeiling) => "risk ceiling",
        Some(Gate::Window) => "window",
        Some(Gate::Budget) => "cost",
        Some(Gate::Utility) => "utility",
    }
}

/// The measured value, and the limit that it failed.
fn evidence(refusal: &Refusal, explained: &Explained<'_>) -> (String, String) {
    let names = explained.names();
    let bps = |number: u16| format!("{} bps", grouped(number));
    match *refusal {
        Refusal::InvalidRequest(invalid) => invalid_evidence(invalid, names),
        Refusal::RiskHardLimit { risk, limit } => {
            (format!("risk {}", bps(risk.get())), format!("below {}", bps(limit.get())))
        }
        Refusal::ConfidenceHardLimit { confidence, minimum } => {
            (bps(confidence.get()), format!("at least {}", bps(minimum.get())))
        }
        Refusal::Disabled => ("disabled".to_owned(), "enabled".to_owned()),
        Refusal::Quality { quality, minimum } => {
            (bps(quality.get()), format!("at least {}", bps(minimum.get())))
        }
        Refusal::Latency { p95_latency_ms, limit_ms } => {
            (format!("{} ms", grouped(p95_latency_ms)), format!("at most {} ms", grouped(limit_ms)))
        }
        Refusal::Capability { missing } => {
            let required = explained.request.required_capabilities.bits();
            let lacks = format!("lacks {}", set_names(&names.capabilities, missing.bits()));
            (lacks, format!("all of {}", set_names(&names.capabilities, required)))
        }
        Refusal::Provider { provider_id } => {
            (provider_name(names, provider_id), "an allowed provider".to_owned())
        }
        Refusal::Region { served, required } => (
            set_names(&names.regions, served.bits()),
            format!("one of {}", set_names(&names.regions, required.bits())),
        ),
        Refusal::RiskCeiling { risk, ceiling } => {
            (bps(ceiling.get()), format!("at least the risk, {}", bps(risk.get())))
        }
        Refusal::Window { part, tokens, maximum } => (
            format!("{} {part} tokens", grouped(maximum)),
            format!("at least the request's {}", grouped(tokens)),
        ),
        Refusal::Budget { maximum_cost, limit } => {
            let cost = money(maximum_cost.get());
            let has_ceiling = explained.request.ceiling.is_some();
            let cost = if has_ceiling { format!("up to {cost}") } else { cost };
            (cost, format!("at most {}", money(limit.get())))
        }
        Refusal::Utility { utility_microunits, .. } => {
            (signed_money(utility_microunits), "above 0".to_owned())
        }
    }
}

/// What a request contradicts, and what would have been right.
fn invalid_evidence(invalid: InvalidRequest, names: &Names) -> (String, String) {
    match invalid {
        InvalidRequest::OutOfRange { field, found, limit } => (
            format!("{field} {} bps", grouped(found.get())),
            format!("at most {} bps", grouped(limit.get())),
        ),
        InvalidRequest::NoClassAllowed { field, limit } => (
            format!("a ceiling of {} {field}", grouped(limit)),
            "a class that it allows them to be of".to_owned(),
        ),
        InvalidRequest::ClassNotAllowed { class, tokens } => (
            format!("{} {class} tokens", grouped(tokens)),
            "only classes that the ceiling allows".to_owned(),
        ),
        InvalidRequest::AboveCeiling { field, found, limit } => (
            format!("{} {field}", grouped(found)),
            format!("at most the ceiling, {}", grouped(limit)),
        ),
        InvalidRequest::UnknownGroup { group_id } => {
            (group_name(names, group_id), "a group of the catalog".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_name_has_no_seller_and_keeps_its_version() {
        for (name, base) in [
            ("gpt-4o", "gpt-4o"),
            ("openrouter/openai/gpt-4o", "gpt-4o"),
            ("bedrock/us-east-1/us.anthropic.claude-3.5", "claude-3.5"),
            ("grok-4.20-reasoning", "grok-4.20-reasoning"),
            ("jamba.", "jamba."),
            ("", ""),
        ] {
            assert_eq!(base_name(name), base);
        }
    }

    #[test]
    fn resellers_of_one_model_are_one_line_and_every_model_is_counted_once() {
        let ranking = [
            ("a/best", false),
            ("b/best", false),
            ("c/best", false),
            ("d/best", true),
            ("x/y/other", false),
            ("e/best", false),
            ("other", false),
            ("alone", false),
        ];
        let folded = |all: bool| {
            let names = ranking.iter().map(|(name, alone)| ((*name).to_owned(), all || *alone));
            let lines = Line::folded(names);
            lines.iter().map(|line| (line.place, line.resellers)).collect::<Vec<_>>()
        };
        assert_eq!(folded(false), [(1, 0), (2, 0), (3, 1), (4, 0), (5, 1), (8, 0)]);
        assert_eq!(folded(true), (1..=8).map(|place| (place, 0)).collect::<Vec<_>>());
    }
}
