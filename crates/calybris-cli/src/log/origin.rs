//! Where an open ticket comes from: when it was opened, and the name of its model.

use std::collections::BTreeMap;
use std::path::Path;

use calybris_core::engine::{OpenTicket, Record};
use calybris_core::units::invariant;
use calybris_core::wal::Key;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::log::journal::Journal;
use crate::log::naming::model_name;

/// When a ticket was opened, and the name of its model.
pub(crate) struct Origin {
    pub(crate) time_unix_ms: u64,
    pub(crate) model: String,
}

impl Origin {
    /// Reads the log once more for the times and model names of the open tickets.
    pub(crate) fn of_tickets(
        dir: &Path,
        key: Option<&Key>,
        tickets: &[OpenTicket],
    ) -> Result<BTreeMap<u64, Self>, Failure> {
        let mut origins: BTreeMap<u64, Self> = BTreeMap::new();
        let Some(last) = tickets.last() else { return Ok(origins) };
        let is_open = |sequence: &u64| {
            tickets.binary_search_by_key(sequence, |ticket| ticket.decision_sequence).is_ok()
        };
        let any_fell_back = tickets.iter().any(|ticket| !ticket.failed_model_ids.is_empty());
        let mut journal = Journal::open(dir, key)?;
        while let Some(entry) = journal.next()? {
            match &entry.record {
                Record::Decided(decided) if is_open(&entry.sequence) => {
                    let selected = decided.decision.selected_model_id;
                    let model_id =
                        invariant!(selected, "a decision with a ticket selected a model")?;
                    let model = model_name(journal.names(decided.snapshot_sequence), model_id);
                    let time_unix_ms = decided.time.get();
                    origins.insert(entry.sequence, Self { time_unix_ms, model });
                }
                Record::FellBack { decision_sequence, snapshot_sequence, fallback, .. } => {
                    if let Some(origin) = origins.get_mut(decision_sequence)
                        && let Some(fallback) = fallback
                    {
                        origin.model =
                            model_name(journal.names(*snapshot_sequence), fallback.model_id);
                    }
                }
                _ => {}
            }
            if entry.sequence >= last.decision_sequence && !any_fell_back {
                break;
            }
        }
        Ok(origins)
    }

    /// A ticket as JSON, with its origin.
    pub(crate) fn object(origins: &BTreeMap<u64, Self>, ticket: &OpenTicket) -> Value {
        let origin = origins.get(&ticket.decision_sequence);
        json!({
            "decision_sequence": ticket.decision_sequence,
            "time_unix_ms": origin.map(|origin| origin.time_unix_ms),
            "tenant": ticket.tenant,
            "model_id": ticket.model_id,
            "model": origin.map(|origin| &origin.model),
            "reserved_microunits": ticket.reserved.get(),
        })
    }
}
