//! The report of a log as one JSON object: amounts are whole microunits.

use calybris_core::engine::LedgerAccount;
use serde_json::{Map, Value, json};

use super::axis::DAY_MS;
use super::overview::{Overview, Part, Place};
use crate::time::{day, rfc3339};

pub(crate) fn object(overview: &Overview) -> Value {
    let found = &overview.found;
    let bound = |time: u64, open: u64| (time != open).then(|| rfc3339(time));
    let place =
        |place: Place| json!({ "sequence": place.sequence, "time": rfc3339(place.unix_ms) });
    json!({
        "kind": "report",
        "log": overview.log.display().to_string(),
        "log_id": overview.head.log_id,
        "head": overview.head.to_string(),
        "keyed": overview.keyed,
        "intact": true,
        "adds_up": true,
        "first_sequence": overview.first_sequence(),
        "records": overview.books.ledger.records,
        "first_record": place(overview.first),
        "last_record": place(overview.last),
        "since": bound(found.period.start, 0),
        "until": bound(found.period.end, u64::MAX),
        "first_decision_time": found.decided_unix_ms.map(|(from, _)| rfc3339(from)),
        "last_decision_time": found.decided_unix_ms.map(|(_, to)| rfc3339(to)),
        "total": part(&found.total),
        "left_out_brought_forward_microunits": found.left_out_microunits,
        "ledger_committed_microunits": overview.books.total.committed_microunits,
        "tenants": overview.books.ledger.accounts.iter().map(|account| {
            let own = found.tenants.get(&account.tenant).copied().unwrap_or_default();
            tenant(account, &own)
        }).collect::<Vec<_>>(),
        "models": found.models_by_spend().into_iter().map(|(served, sums)| {
            let mut object = sums.object();
            object.insert("model".to_owned(), json!(served.as_ref().map(|served| &served.model)));
            let provider = served.as_ref().map(|served| &served.provider);
            object.insert("provider".to_owned(), json!(provider));
            Value::Object(object)
        }).collect::<Vec<_>>(),
        "days": found.days.iter().map(|(number, of)| {
            let mut object = part(of);
            let day = number.map(|number| day(number.saturating_mul(DAY_MS)));
            object.insert("day".to_owned(), json!(day));
            Value::Object(object)
        }).collect::<Vec<_>>(),
        "ran_dry": found.dry_by_time().into_iter().map(|(tenant, dry)| json!({
            "tenant": tenant,
            "first_sequence": dry.first_sequence,
            "first_time": rfc3339(dry.first_unix_ms),
            "last_time": rfc3339(dry.last_unix_ms),
            "available_microunits": dry.available_microunits,
            "needed_microunits": dry.needed_microunits,
            "decisions": dry.decisions,
            "missed_microunits": dry.missed_microunits,
        })).collect::<Vec<_>>(),
        "refusals": found.refusals_by_count().into_iter().map(|(refusal, count)| json!({
            "code": refusal.code,
            "meaning": refusal.words,
            "decisions": count,
        })).collect::<Vec<_>>(),
        "requested_unlisted": found.unlisted_by_count().into_iter().map(|(model, count)| json!({
            "model": model,
            "decisions": count,
        })).collect::<Vec<_>>(),
        "largest": found.largest.iter().map(|large| json!({
            "decision_sequence": large.decision_sequence,
            "settled_time": rfc3339(large.settled_unix_ms),
            "tenant": large.tenant,
            "model": large.served.as_ref().map(|served| &served.model),
            "provider": large.served.as_ref().map(|served| &served.provider),
            "prompt_tokens": large.tokens.map(|(prompt, _)| prompt),
            "completion_tokens": large.tokens.map(|(_, completion)| completion),
            "charged_microunits": large.charged_microunits,
        })).collect::<Vec<_>>(),
        "bucket_ms": found.timeline.step_ms(),
        "series": found.timeline.buckets().into_iter().map(|(from, bucket)| json!({
            "from": rfc3339(from),
            "spent_microunits": bucket.spent_microunits,
            "calls": bucket.calls,
            "decisions": bucket.decisions,
            "refusals": bucket.refusals,
        })).collect::<Vec<_>>(),
    })
}

fn part(part: &Part) -> Map<String, Value> {
    let mut object = part.sums.object();
    for (name, count) in [
        ("decisions", part.decisions),
        ("rejected", part.rejected),
        ("unfunded", part.unfunded),
        ("abandoned", part.abandoned),
    ] {
        object.insert(name.to_owned(), count.into());
    }
    object
}

fn tenant(account: &LedgerAccount, own: &Part) -> Value {
    let mut object = part(own);
    let balance = &account.balance;
    for (name, value) in [
        ("tenant", json!(account.tenant)),
        ("parent", json!(account.parent)),
        ("frozen", json!(account.frozen)),
        ("granted_microunits", json!(balance.granted.get())),
        ("available_microunits", json!(balance.available.get())),
        ("debt_microunits", json!(balance.debt.get())),
    ] {
        object.insert(name.to_owned(), value);
    }
    Value::Object(object)
}
