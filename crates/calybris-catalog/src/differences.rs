//! How a proposed catalog differs from the recorded one, so that a replay can report what it could not match.

use std::collections::BTreeSet;

use calybris_engine::Snapshot;

/// How a new catalog differs from a recorded one, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Differences {
    /// Models in both.
    pub kept_models: BTreeSet<String>,
    /// Recorded models that no model of the new catalog matches: they are never chosen.
    pub gone_models: BTreeSet<String>,
    /// Models that the recorded catalog does not have.
    pub new_models: BTreeSet<String>,
    /// Recorded providers, capabilities and regions that no new model has, and recorded groups that the new policy lacks:
    /// requests that need one are rejected.
    pub gone_names: BTreeSet<String>,
    /// New providers: only recorded requests that allow every provider allow them.
    pub new_providers: BTreeSet<String>,
}

impl Differences {
    /// Adds the differences between a recorded snapshot and one that keeps its numbers.
    pub fn add(&mut self, recorded: &Snapshot, proposed: &Snapshot) {
        let (old, new) = (recorded.policy_snapshot(), proposed.policy_snapshot());
        let label = |snapshot: &Snapshot, model_id: u32| {
            let name = snapshot.names().models.get(&model_id).cloned();
            name.unwrap_or_else(|| format!("model {model_id}"))
        };
        for model in old.models() {
            let name = label(recorded, model.model_id);
            match new.model(model.model_id) {
                Some(_) => self.kept_models.insert(name),
                None => self.gone_models.insert(name),
            };
        }
        let added = new.models().filter(|model| old.model(model.model_id).is_none());
        self.new_models.extend(added.map(|model| label(proposed, model.model_id)));
        let capabilities = new.models().fold(0, |set, model| set | model.capabilities.bits());
        let regions = new.models().fold(0, |set, model| set | model.regions.bits());
        let providers: BTreeSet<u8> = new.models().map(|model| model.provider_id).collect();
        let groups: BTreeSet<u8> = new.groups().iter().map(|group| group.group_id).collect();
        let names = recorded.names();
        for (what, names, has) in [
            ("provider", &names.providers, &(|id| providers.contains(&id)) as &dyn Fn(u8) -> bool),
            ("capability", &names.capabilities, &|bit| capabilities >> (bit % 64) & 1 == 1),
            ("region", &names.regions, &|bit| regions >> (bit % 64) & 1 == 1),
            ("group", &names.groups, &|id| groups.contains(&id)),
        ] {
            let gone = names.iter().filter(|(number, _)| !has(**number));
            self.gone_names.extend(gone.map(|(_, name)| format!("{what} {name}")));
        }
        let known = &recorded.names().providers;
        let unknown = proposed.names().providers.iter().filter(|(id, _)| !known.contains_key(id));
        self.new_providers.extend(unknown.map(|(_, name)| name.clone()));
    }
}
