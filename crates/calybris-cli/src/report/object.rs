//! A comparison as one JSON object: amounts are whole microunits.

use calybris_core::engine::{Change, Delta, Side, WhatIf};
use serde_json::{Map, Value, json};

use super::flow::choice;
use super::proposal::Proposal;
use super::tables::from_other_reasons;
use super::words::Reasons;
use super::{METHOD, NOT_A_FORECAST, Report};
use crate::log::beginning::first_of;

pub(crate) fn object(report: &Report<'_>) -> Value {
    let what_if = report.what_if;
    let name = |place| choice(what_if, place).to_owned();
    json!({
        "kind": "replay",
        "note": format!("{NOT_A_FORECAST} {METHOD}"),
        "log": report.log.display().to_string(),
        "log_id": report.replayed.head.log_id,
        "head": report.replayed.head.to_string(),
        "first_sequence": first_of(report.replayed.records, report.replayed.head.sequence),
        "records": report.replayed.records,
        "unfunded_left_out": what_if.unfunded,
        "missing_groups": what_if.missing_groups.iter()
            .map(|(group, decisions)| (group.clone(), json!(decisions)))
            .collect::<Map<String, Value>>(),
        "without_snapshot_left_out": report.replayed.without_snapshot,
        "proposal": proposal(report.proposal),
        "total": shift(&what_if.total),
        "tenants": what_if.tenants.iter().map(|(tenant, of)| (tenant.clone(), shift(of)))
            .collect::<Map<String, Value>>(),
        "models": what_if.models.iter().map(|model| json!({
            "model": model.label,
            "provider": model.provider,
            "recorded": side(&model.recorded),
            "proposed": side(&model.proposed),
        })).collect::<Vec<_>>(),
        "flows": what_if.flows.iter().map(|flow| json!({
            "from": flow.from.map(|place| name(Some(place))),
            "to": flow.to.map(|place| name(Some(place))),
            "decisions": flow.decisions,
        })).collect::<Vec<_>>(),
        "rejections": what_if.rejections.iter().map(|rejection| json!({
            "code": rejection.reason.code(),
            "reason": format!("{:?}", rejection.reason),
            "meaning": rejection.reason.to_string(),
            "recorded": rejection.recorded,
            "proposed": rejection.proposed,
            "newly_rejected": rejection.newly_rejected,
            "newly_accepted": rejection.newly_accepted,
            "net_from_other_reasons": from_other_reasons(rejection),
        })).collect::<Vec<_>>(),
        "largest": what_if.largest.iter().map(change).collect::<Vec<_>>(),
        "series": series(what_if),
    })
}

fn proposal(proposal: &Proposal) -> Value {
    let policy = proposal.policy();
    let numbers: Map<String, Value> = proposal
        .recorded
        .numbers()
        .map(|(number, values)| {
            let value = json!({ "recorded": values, "proposed": (number.of)(&policy) });
            (number.key.to_owned(), value)
        })
        .collect();
    let found = &proposal.differences;
    json!({
        "policy_file": proposal.policy_file().display().to_string(),
        "catalog_file": proposal.catalog_file().map(|file| file.display().to_string()),
        "numbers": numbers,
        "recorded_snapshots": proposal.recorded.digests,
        "kept_models": found.kept_models.len(),
        "gone_models": found.gone_models,
        "new_models": found.new_models,
        "gone_names": found.gone_names,
        "new_providers": found.new_providers,
    })
}

pub(crate) fn shift(shift: &Delta) -> Value {
    json!({
        "decisions": shift.decisions,
        "changed": shift.changed(),
        "unchanged": shift.unchanged(),
        "repriced": shift.repriced,
        "moved": shift.moved,
        "newly_rejected": shift.newly_rejected,
        "newly_accepted": shift.newly_accepted,
        "recorded": side(&shift.recorded),
        "proposed": side(&shift.proposed),
        "cost_delta_microunits": shift.cost_delta_microunits(),
        "utility_delta_microunits": shift.utility_delta_microunits(),
    })
}

fn side(side: &Side) -> Value {
    json!({
        "accepted": side.accepted,
        "estimated_cost_microunits": side.estimated_cost_microunits,
        "expected_utility_microunits": side.expected_utility_microunits,
    })
}

fn change(change: &Change) -> Value {
    let reasons = Reasons::of(change);
    let winner = |outcome: &super::words::Outcome| {
        outcome.winner.as_ref().map(|(name, terms)| {
            json!({
                "model": name,
                "adjusted_value_microunits": terms.adjusted_value.get(),
                "risk_penalty_microunits": terms.risk_penalty_microunits,
                "cost_microunits": terms.cost.get(),
                "latency_penalty_microunits": terms.latency_penalty_microunits,
                "utility_microunits": terms.utility_microunits(),
            })
        })
    };
    json!({
        "sequence": change.sequence,
        "time_unix_ms": change.time.get(),
        "tenant": change.tenant,
        "correlation_id": change.correlation_id,
        "cost_delta_microunits": change.cost_delta_microunits(),
        "recorded": winner(&reasons.before),
        "proposed": winner(&reasons.after),
        "recorded_reason": format!("{:?}", change.recorded.reason),
        "proposed_reason": format!("{:?}", change.proposed.reason),
        "why": reasons.why,
    })
}

fn series(what_if: &WhatIf) -> Vec<Value> {
    let bucket = |bucket: &calybris_core::engine::SeriesBucket| {
        json!({
            "first_sequence": bucket.first_sequence,
            "first_time_unix_ms": bucket.first_time.get(),
            "decisions": bucket.decisions,
            "recorded_cost_microunits": bucket.recorded_cost_microunits,
            "proposed_cost_microunits": bucket.proposed_cost_microunits,
        })
    };
    what_if.series.iter().map(bucket).collect()
}
