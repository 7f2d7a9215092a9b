//! Records as JSON objects: every field of the record, the sets of a request as names, and in addition the time as text and
//! the names of models.

use calybris_core::engine::{Entry, Names, Record};
use calybris_core::wal::Hash;
use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::log::journal::Journal;
use crate::log::naming::{allowed_names, group_name, member_names, model_name};
use crate::log::outcome::{Ending, Followed};
use crate::time::rfc3339;

/// A record with its place.
pub(crate) fn object(entry: &Entry, journal: &Journal) -> Result<Map<String, Value>, Failure> {
    let mut object = fields(&entry.record)?;
    object.insert("kind".to_owned(), kind(&entry.record).into());
    match &entry.record {
        Record::Decided(decided) => {
            add_names(&mut object, journal.names(decided.snapshot_sequence), decided);
        }
        Record::FellBack { fallback: Some(fallback), .. } => {
            let model = model_name(journal.names_of(&entry.record), fallback.model_id);
            object.insert("fallback_model".to_owned(), model.into());
        }
        _ => {}
    }
    place(&mut object, entry.sequence, entry.hash);
    Ok(object)
}

/// A decision with its outcome.
pub(crate) fn followed(followed: &Followed, names: &Names) -> Result<Map<String, Value>, Failure> {
    let decided = &followed.decided;
    let mut object = fields(&Record::Decided(decided.clone()))?;
    object.insert("kind".to_owned(), "decision".into());
    add_names(&mut object, names, decided);
    object.insert("outcome".to_owned(), ending(&followed.ending));
    let failed = followed.failed.iter().map(|failed| {
        json!({
            "sequence": failed.sequence,
            "failed_model": failed.model,
            "fallback_model": failed.next.as_ref().map(|(model, _)| model),
        })
    });
    object.insert("fallbacks".to_owned(), failed.collect());
    object.insert("extended_microunits".to_owned(), followed.extended_microunits.into());
    place(&mut object, followed.sequence, followed.hash);
    Ok(object)
}

/// The outcome of a decision in one word: `rejected`, `unfunded`, `open`, `settled`, `abandoned`.
pub(crate) const fn ending_word(ending: &Ending) -> &'static str {
    match ending {
        Ending::Rejected => "rejected",
        Ending::Unfunded(_) => "unfunded",
        Ending::Open => "open",
        Ending::Settled { .. } => "settled",
        Ending::Abandoned { .. } => "abandoned",
    }
}

/// The outcome of a decision with its record, time and cost.
pub(crate) fn ending(ending: &Ending) -> Value {
    let mut object = json!({ "is": ending_word(ending) });
    let Some(map) = object.as_object_mut() else { return object };
    match *ending {
        Ending::Rejected | Ending::Open => {}
        Ending::Unfunded(refusal) => {
            map.insert("admission".to_owned(), json!(refusal));
        }
        Ending::Settled { sequence, time_unix_ms, cost_microunits } => {
            map.insert("sequence".to_owned(), sequence.into());
            map.insert("time_unix_ms".to_owned(), time_unix_ms.into());
            map.insert("actual_cost_microunits".to_owned(), cost_microunits.into());
        }
        Ending::Abandoned { sequence, time_unix_ms } => {
            map.insert("sequence".to_owned(), sequence.into());
            map.insert("time_unix_ms".to_owned(), time_unix_ms.into());
        }
    }
    object
}

/// The kind of a record in one word.
pub(crate) const fn kind(record: &Record<'_>) -> &'static str {
    match record {
        Record::SnapshotInstalled { .. } => "snapshot",
        Record::BudgetChanged { .. } => "budget",
        Record::Decided(_) => "decision",
        Record::Settled { .. } => "settled",
        Record::Abandoned { .. } => "abandoned",
        Record::FellBack { .. } => "fellback",
        Record::Checkpoint(_) => "checkpoint",
        _ => "other",
    }
}

fn place(object: &mut Map<String, Value>, sequence: u64, hash: Hash) {
    object.insert("sequence".to_owned(), sequence.into());
    object.insert("hash".to_owned(), hash.to_string().into());
    if let Some(time) = object.get("time_unix_ms").and_then(Value::as_u64) {
        object.insert("time".to_owned(), rfc3339(time).into());
    }
}

/// The record's own fields.
fn fields(record: &Record<'_>) -> Result<Map<String, Value>, Failure> {
    let value = serde_json::to_value(record).map_err(Failure::refused)?;
    let variant = match value {
        Value::Object(variants) => variants.into_iter().next().map(|(_, fields)| fields),
        _ => None,
    };
    match variant {
        Some(Value::Object(fields)) => Ok(fields),
        _ => Err(Failure::refused("a record without fields")),
    }
}

fn add_names(
    object: &mut Map<String, Value>,
    names: &Names,
    decided: &calybris_core::engine::Decided<'_>,
) {
    let (decision, request) = (&decided.decision, &decided.request);
    if let Some(asked) = object.get_mut("request").and_then(Value::as_object_mut) {
        // As names: masks of 64 bits are more than many readers of JSON can hold.
        let allowed = allowed_names(names, request.allowed_providers);
        let capabilities = member_names(&names.capabilities, request.required_capabilities.bits());
        let regions = member_names(&names.regions, request.required_regions.bits());
        asked.insert("allowed_providers".to_owned(), allowed.map_or("all".into(), Value::from));
        asked.insert("required_capabilities".to_owned(), capabilities.into());
        asked.insert("required_regions".to_owned(), regions.into());
    }
    let name = |model_id: Option<u32>| json!(model_id.map(|id| model_name(names, id)));
    object.insert("requested_model".to_owned(), name(Some(decision.requested_model_id)));
    object.insert("selected_model".to_owned(), name(decision.selected_model_id));
    object.insert("runner_up_model".to_owned(), name(decision.runner_up_model_id));
    let excluded = request.excluded_models.model_ids().iter().map(|id| model_name(names, *id));
    if !request.excluded_models.is_empty() {
        object.insert("excluded_models".to_owned(), excluded.collect());
    }
    if let Some(group_id) = request.group_id {
        object.insert("group".to_owned(), group_name(names, group_id).into());
    }
}
