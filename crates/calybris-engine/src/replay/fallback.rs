//! Checks fallbacks against the rank of the models.

use std::collections::{HashMap, VecDeque};
use std::path::Path;

use calybris_kernel::{PolicySnapshot, Request};
use calybris_units::invariant;
use calybris_wal::{Key, WalError};

use super::replayed::Replayed;
use crate::error::{EngineError, contradiction};
use crate::preference::Preference;
use crate::record::Fallback;
use crate::recorded::RecordedDecision;

/// How many of the last decisions are kept at hand: a ticket falls back soon if at all, and others are looked up.
const RECENT_DECISIONS: usize = 1 << 16;

/// What the log says about tickets that fell back, and about those that may.
pub(super) struct Fallbacks<'a> {
    dir: &'a Path,
    key: Option<&'a Key>,
    recent: VecDeque<Chosen>,
    fallen: HashMap<u64, Fallen>,
    checked: u64,
}

/// What a record says of a ticket that fell back.
pub(super) struct FellBack {
    pub(super) sequence: u64,
    pub(super) decision_sequence: u64,
    pub(super) snapshot_sequence: u64,
    pub(super) failed_model_id: u32,
    pub(super) fallback: Option<Fallback>,
}

/// A decision that chose a model.
#[derive(Clone, Copy)]
struct Chosen {
    sequence: u64,
    request: Request,
    model_id: u32,
    maximum_cost_microunits: u64,
}

/// A ticket that has fallen back.
struct Fallen {
    request: Request,
    tried: Vec<u32>,
    model_id: u32,
    /// What it has reserved at least: an extension is not counted.
    reserved_microunits: u64,
}

impl<'a> Fallbacks<'a> {
    pub(super) fn new(dir: &'a Path, key: Option<&'a Key>) -> Self {
        let (recent, fallen) = (VecDeque::new(), HashMap::new());
        Self { dir, key, recent, fallen, checked: 0 }
    }

    /// How many were found to be right.
    pub(super) fn checked(&self) -> u64 {
        self.checked
    }

    /// Remembers a decision for a while.
    pub(super) fn decided(&mut self, replayed: &Replayed<'_>) {
        if self.recent.len() == RECENT_DECISIONS {
            self.recent.pop_front();
        }
        self.recent.extend(Chosen::of(
            replayed.sequence,
            &replayed.decided.request,
            &replayed.decided.decision,
        ));
    }

    /// Forgets a ticket that was closed.
    pub(super) fn closed(&mut self, decision_sequence: u64) {
        self.fallen.remove(&decision_sequence);
    }

    /// Checks where a ticket went on to, under the snapshot that its record names.
    pub(super) fn check(
        &mut self,
        fell_back: &FellBack,
        snapshot: &PolicySnapshot,
    ) -> Result<(), EngineError> {
        let FellBack { sequence, decision_sequence, failed_model_id, fallback, .. } = *fell_back;
        let refused = |what| Err(contradiction(sequence, what));
        if !self.fallen.contains_key(&decision_sequence) {
            let chosen = match self.chosen(decision_sequence) {
                // The decision is gone with the log's beginning, and what there was to compare with.
                Err(EngineError::Log(WalError::Dropped { .. })) => return Ok(()),
                other => other?,
            };
            let Some(chosen) = chosen else {
                let what = format!("decision {decision_sequence} chose no model");
                return refused(what);
            };
            self.fallen.insert(decision_sequence, chosen.into());
        }
        let ticket = self.fallen.get_mut(&decision_sequence);
        let ticket = invariant!(ticket, "a ticket that falls back is remembered")?;
        if ticket.model_id != failed_model_id {
            let current = ticket.model_id;
            return refused(format!(
                "model {failed_model_id} failed, but the ticket of decision {decision_sequence} was at model {current}"
            ));
        }
        if !ticket.tried.contains(&failed_model_id) {
            ticket.tried.push(failed_model_id);
        }
        if let Err(what) = ticket.check(snapshot, fallback) {
            return refused(what);
        }
        if let Some(fallback) = fallback {
            ticket.model_id = fallback.model_id;
            ticket.reserved_microunits = fallback.maximum_cost.get();
        }
        self.checked += 1;
        Ok(())
    }

    fn chosen(&self, sequence: u64) -> Result<Option<Chosen>, EngineError> {
        let place = self.recent.binary_search_by_key(&sequence, |chosen| chosen.sequence);
        if let Ok(place) = place {
            return Ok(Some(*invariant!(self.recent.get(place), "what was found is there")?));
        }
        let decided = RecordedDecision::find(self.dir, self.key, sequence)?.decided;
        Ok(Chosen::of(sequence, &decided.request, &decided.decision))
    }
}

impl Chosen {
    fn of(sequence: u64, request: &Request, decision: &calybris_kernel::Decision) -> Option<Self> {
        decision.selected_model_id.map(|model_id| Self {
            sequence,
            request: *request,
            model_id,
            maximum_cost_microunits: decision.maximum_cost.get(),
        })
    }
}

impl From<Chosen> for Fallen {
    fn from(chosen: Chosen) -> Self {
        Self {
            request: chosen.request,
            tried: Vec::new(),
            model_id: chosen.model_id,
            reserved_microunits: chosen.maximum_cost_microunits,
        }
    }
}

impl Fallen {
    /// Whether the ticket could go on so: the model is where the rank has it, and what it passed over was tried or
    /// may cost more than the ticket had reserved.
    fn check(&self, snapshot: &PolicySnapshot, fallback: Option<Fallback>) -> Result<(), String> {
        for ranked in Preference::new(snapshot, &self.request) {
            let (model_id, maximum_cost) = (ranked.model_id, ranked.maximum_cost.get());
            if self.tried.contains(&model_id) {
                continue;
            }
            match fallback {
                Some(fallback) if fallback.model_id == model_id => {
                    let expected = Fallback::on(ranked);
                    if fallback == expected {
                        return Ok(());
                    }
                    return Err(format!("it went on to {fallback:?}, the rank has {expected:?}"));
                }
                _ if maximum_cost <= self.reserved_microunits => {
                    let reserved = self.reserved_microunits;
                    return Err(format!(
                        "model {model_id} is the next in the rank and costs at most {maximum_cost} of the {reserved} that the ticket had reserved"
                    ));
                }
                _ => {}
            }
        }
        match fallback {
            None => Ok(()),
            Some(Fallback { model_id, .. }) => {
                Err(format!("it went on to model {model_id}, which was tried or is not eligible"))
            }
        }
    }
}
