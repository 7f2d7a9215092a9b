//! The models of all snapshots, known by name, and how many decisions went from one to another.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use calybris_kernel::Decision;
use calybris_units::{BrokenInvariant, invariant};

use super::delta::Side;
use crate::snapshot::Snapshot;

/// What one model was chosen for on either side. A model is identified by its name and its provider's name, so it is the
/// same model in every snapshot of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModelDelta {
    /// Its name, with the provider's in parentheses if several models have that name; `model 7` if it has none.
    pub label: String,
    /// Its provider's name, or `provider 7`.
    pub provider: String,
    /// As recorded.
    pub recorded: Side,
    /// As proposed.
    pub proposed: Side,
}

/// How many decisions went from one choice to another. `None` is a rejection, a number a place in
/// [`WhatIf::models`](super::WhatIf::models).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Flow {
    /// The recorded choice.
    pub from: Option<usize>,
    /// The proposed choice.
    pub to: Option<usize>,
    /// How many.
    pub decisions: u64,
}

/// Name and provider of a model.
type Name = (String, String);

/// The recorded and the proposed choice of a decision; `None` is a rejection.
type Choices<T> = (Option<T>, Option<T>);

/// Everything that was chosen so far.
#[derive(Debug, Default)]
pub(crate) struct Models {
    by_name: BTreeMap<Arc<Name>, Sides>,
    flows: HashMap<Choices<Arc<Name>>, u64>,
    /// The snapshots of the decisions that were added last. Their models are counted by id in `cells`, and by name once
    /// other snapshots follow. So a log of many snapshots takes no more memory.
    pair: Option<[Arc<Snapshot>; 2]>,
    cells: HashMap<Choices<u32>, Cell>,
}

#[derive(Debug, Default)]
struct Sides {
    recorded: Side,
    proposed: Side,
}

/// Decisions of one pair of snapshots with the same choices.
#[derive(Debug, Default)]
struct Cell {
    decisions: u64,
    sides: Sides,
}

impl Models {
    /// Adds a decision as it was recorded under the first snapshot and as it is proposed under the second.
    pub(crate) fn add(
        &mut self,
        pair: [&Arc<Snapshot>; 2],
        recorded: &Decision,
        proposed: &Decision,
    ) {
        let is_last = |last: &[Arc<Snapshot>; 2]| {
            last.iter().zip(pair).all(|(last, snapshot)| Arc::ptr_eq(last, snapshot))
        };
        if !self.pair.as_ref().is_some_and(is_last) {
            self.flush();
            self.pair = Some(pair.map(Arc::clone));
        }
        let choices = (recorded.selected_model_id, proposed.selected_model_id);
        let cell = self.cells.entry(choices).or_default();
        cell.decisions += 1;
        cell.sides.recorded.add(recorded);
        cell.sides.proposed.add(proposed);
    }

    /// Moves the counts by id to the counts by name.
    fn flush(&mut self) {
        let Some([recorded, proposed]) = &self.pair else { return };
        for ((from, to), Cell { decisions, sides }) in self.cells.drain() {
            let from = from.map(|model_id| Arc::new(name_of(recorded, model_id)));
            let to = to.map(|model_id| Arc::new(name_of(proposed, model_id)));
            if let Some(name) = &from {
                self.by_name.entry(Arc::clone(name)).or_default().recorded.absorb(&sides.recorded);
            }
            if let Some(name) = &to {
                self.by_name.entry(Arc::clone(name)).or_default().proposed.absorb(&sides.proposed);
            }
            *self.flows.entry((from, to)).or_default() += decisions;
        }
    }

    /// The models in order of their labels, and the flows between them.
    pub(crate) fn finish(mut self) -> Result<(Vec<ModelDelta>, Vec<Flow>), BrokenInvariant> {
        self.flush();
        let mut models_of_name: HashMap<&str, u32> = HashMap::new();
        for name in self.by_name.keys() {
            *models_of_name.entry(&name.0).or_default() += 1;
        }
        let mut models: Vec<(Arc<Name>, ModelDelta)> = Vec::new();
        for (key, Sides { recorded, proposed }) in &self.by_name {
            let (name, provider) = (&key.0, &key.1);
            let is_shared = models_of_name.get(name.as_str()).is_some_and(|count| *count > 1);
            let label = if is_shared { format!("{name} ({provider})") } else { name.clone() };
            let (provider, recorded, proposed) = (provider.clone(), *recorded, *proposed);
            models.push((Arc::clone(key), ModelDelta { label, provider, recorded, proposed }));
        }
        models.sort_by(|(_, a), (_, b)| (&a.label, &a.provider).cmp(&(&b.label, &b.provider)));
        let places: HashMap<&Name, usize> =
            models.iter().enumerate().map(|(place, (key, _))| (&**key, place)).collect();
        let place = |choice: Option<Arc<Name>>| match choice {
            None => Ok(None),
            Some(name) => {
                invariant!(places.get(&*name).copied(), "every model of a flow was counted")
                    .map(Some)
            }
        };
        let flow =
            |((from, to), decisions)| Ok(Flow { from: place(from)?, to: place(to)?, decisions });
        let mut flows = self.flows.into_iter().map(flow).collect::<Result<Vec<Flow>, _>>()?;
        flows.sort_by_key(|flow| (Reverse(flow.decisions), flow.from, flow.to));
        Ok((models.into_iter().map(|(_, delta)| delta).collect(), flows))
    }
}

fn name_of(snapshot: &Snapshot, model_id: u32) -> Name {
    let names = snapshot.names();
    let name = names.models.get(&model_id).cloned();
    let provider_id = snapshot.policy_snapshot().model(model_id).map(|model| model.provider_id);
    let provider = provider_id.map_or_else(String::new, |id| {
        names.providers.get(&id).cloned().unwrap_or_else(|| format!("provider {id}"))
    });
    (name.unwrap_or_else(|| format!("model {model_id}")), provider)
}
