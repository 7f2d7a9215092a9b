//! The numbers of a recorded catalog, kept in a new one by name, so that recorded requests keep their meaning.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use calybris_engine::{Names, Snapshot};
use calybris_units::{BrokenInvariant, invariant};

use crate::candidate::Candidate;
use crate::error::InputError;

/// The first id for models that a catalog does not list: from here on, ids are made of their names. Listed models get lower
/// ids.
pub(crate) const FIRST_UNLISTED_ID: u32 = 1 << 31;

/// Numbers that are taken; the default takes none.
#[derive(Clone, Debug, Default)]
pub struct Numbering {
    /// Name and provider to the id.
    models: BTreeMap<(String, String), u32>,
    /// Models that were requested and not listed: name to the id.
    unlisted: BTreeMap<String, u32>,
    model_ids: BTreeSet<u32>,
    pub(crate) providers: Taken,
    pub(crate) capabilities: Taken,
    pub(crate) regions: Taken,
    pub(crate) groups: Taken,
    /// The names as they were recorded.
    names: Names,
}

/// Numbers of one kind: those with a name, and all that are in use.
#[derive(Clone, Debug, Default)]
pub(crate) struct Taken {
    by_name: BTreeMap<String, u8>,
    numbers: BTreeSet<u8>,
}

impl Numbering {
    /// The numbers of a recorded snapshot. A model without a name cannot be matched; its number stays taken.
    #[must_use]
    pub fn of(recorded: &Snapshot) -> Self {
        let names = recorded.names();
        let catalog = || recorded.policy_snapshot().models();
        let mut models = BTreeMap::new();
        for model in catalog() {
            if let Some(name) = names.models.get(&model.model_id) {
                let provider = names.providers.get(&model.provider_id).cloned();
                let key = (name.clone(), provider.unwrap_or_default());
                models.entry(key).or_insert(model.model_id);
            }
        }
        let is_listed = |id: u32| recorded.policy_snapshot().model(id).is_some();
        let unlisted =
            names.models.iter().filter(|(id, _)| **id >= FIRST_UNLISTED_ID && !is_listed(**id));
        let unlisted = unlisted.map(|(id, name)| (name.clone(), *id)).collect();
        let bits_of = |set: u64| (0..64_u8).filter(move |bit| set >> bit & 1 == 1);
        let capabilities = catalog().flat_map(|model| bits_of(model.capabilities.bits()));
        let regions = catalog().flat_map(|model| bits_of(model.regions.bits()));
        Self {
            models,
            unlisted,
            model_ids: names.models.keys().copied().chain(catalog().map(|m| m.model_id)).collect(),
            providers: Taken::new(&names.providers, catalog().map(|model| model.provider_id)),
            capabilities: Taken::new(&names.capabilities, capabilities),
            regions: Taken::new(&names.regions, regions),
            groups: Taken::new(
                &names.groups,
                recorded.policy_snapshot().groups().iter().map(|group| group.group_id),
            ),
            names: names.clone(),
        }
    }

    /// An id for each model: the recorded one with that name and provider, or else the one under which it was requested when no
    /// catalog listed it, or else the next free one above all recorded.
    pub(crate) fn model_ids(&self, models: &[Candidate]) -> Result<Vec<u32>, BrokenInvariant> {
        let highest = self.model_ids.range(..FIRST_UNLISTED_ID).next_back();
        let above = highest.map_or(0, |highest| highest.saturating_add(1));
        let free = |id: &u32| !self.model_ids.contains(id);
        let mut fresh = (above..FIRST_UNLISTED_ID).chain(0..above).filter(free);
        let known = |model: &Candidate| {
            let listed = self.models.get(&(model.name.clone(), model.provider.clone()));
            listed.or_else(|| self.unlisted.get(&model.name)).copied()
        };
        let id = |model| {
            let id = known(model).or_else(|| fresh.next());
            invariant!(id, "no catalog in memory has as many models as there are ids")
        };
        models.iter().map(id).collect()
    }

    /// The recorded names, and those of the new catalog with their numbers.
    pub(crate) fn names(
        &self,
        models: BTreeMap<u32, String>,
        [providers, capabilities, regions, groups]: [BTreeMap<String, u8>; 4],
    ) -> Names {
        let mut names = self.names.clone();
        names.models.extend(models);
        for (known, new) in [
            (&mut names.providers, providers),
            (&mut names.capabilities, capabilities),
            (&mut names.regions, regions),
            (&mut names.groups, groups),
        ] {
            known.extend(new.into_iter().map(|(name, number)| (number, name)));
        }
        names
    }
}

impl Taken {
    fn new(names: &BTreeMap<u8, String>, used: impl Iterator<Item = u8>) -> Self {
        let mut by_name = BTreeMap::new();
        for (&number, name) in names {
            by_name.entry(name.clone()).or_insert(number);
        }
        Self { by_name, numbers: names.keys().copied().chain(used).collect() }
    }

    /// A number below `limit` for each name: the recorded one, or else the lowest free one, in alphabetical order.
    pub(crate) fn number(
        &self,
        file: &Path,
        what: &str,
        limit: u16,
        names: &BTreeSet<&str>,
    ) -> Result<BTreeMap<String, u8>, InputError> {
        let new = names.iter().filter(|name| !self.by_name.contains_key(**name)).count();
        let found = self.numbers.len().saturating_add(new);
        if found > usize::from(limit) {
            let with = if self.numbers.is_empty() { "" } else { " with those of the log" };
            let what = format!("{found} {what}{with}; at most {limit} are allowed");
            return Err(InputError::in_file(file, what));
        }
        let mut free = (0..=u8::MAX).filter(|number| !self.numbers.contains(number));
        let mut number = |name: &str| {
            let number = self.by_name.get(name).copied().or_else(|| free.next());
            Ok((name.to_owned(), invariant!(number, "the numbers in use and the new are counted")?))
        };
        names.iter().map(|name| number(name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use calybris_kernel::{
        BasisPoints, CapabilitySet, Microunits, Model, Policy, PolicySnapshot, Price, RegionSet,
    };

    use super::*;
    use crate::catalog::CatalogFile;
    use crate::differences::Differences;
    use crate::policy::policy_with;

    fn recorded(models: &[(u32, u8, u64)], names: Names) -> Snapshot {
        let policy = Policy::new()
            .with_policy_epoch(1)
            .with_catalog_epoch(1)
            .with_hard_risk_limit(BasisPoints::new(1))
            .with_minimum_confidence(BasisPoints::new(1))
            .with_risk_penalty_multiplier(BasisPoints::new(1))
            .with_latency_penalty_per_ms(Microunits::new(1));
        let model = |&(model_id, provider_id, capabilities): &(u32, u8, u64)| {
            Model::new(model_id, provider_id, BasisPoints::new(1))
                .with_risk_ceiling(BasisPoints::new(1))
                .with_p95_latency_ms(1)
                .with_capabilities(CapabilitySet::from_bits(capabilities))
                .with_regions(RegionSet::EMPTY)
                .with_price(Price::per_million_tokens(Microunits::new(1), Microunits::new(1)))
        };
        let models: Vec<Model> = models.iter().map(model).collect();
        Snapshot::new(PolicySnapshot::new(policy, models).unwrap(), names)
    }

    fn named<N: Ord + Copy>(names: &[(N, &str)]) -> BTreeMap<N, String> {
        names.iter().map(|(number, name)| (*number, (*name).to_owned())).collect()
    }

    fn ids(numbering: &Numbering, models: &[(&str, &str)]) -> Vec<u32> {
        let candidate = |(name, provider): &(&str, &str)| {
            let text = format!(
                "[[model]]\nname = \"{name}\"\nprovider = \"p\"\n\
                 input_price_microunits_per_million_tokens = 0\n\
                 output_price_microunits_per_million_tokens = 0\n"
            );
            let mut candidate = CatalogFile::parse("c", text).unwrap().candidates()[0].clone();
            (*provider).clone_into(&mut candidate.provider);
            candidate
        };
        numbering.model_ids(&models.iter().map(candidate).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn a_model_keeps_its_id_by_name_and_provider_and_a_new_one_takes_nobodys() {
        let names = Names {
            models: named(&[(7, "b"), (9, "a")]),
            providers: named(&[(0, "p"), (1, "q")]),
            ..Names::default()
        };
        // The model 8 has no name: nothing matches it, and nothing takes its number.
        let numbering = Numbering::of(&recorded(&[(7, 0, 0), (8, 0, 0), (9, 1, 0)], names));
        let models = [("a", "p"), ("a", "q"), ("b", "p"), ("c", "p")];
        assert_eq!(ids(&numbering, &models), [10, 9, 7, 11]);
    }

    #[test]
    fn the_numbers_for_models_outside_of_a_catalog_are_given_to_none() {
        let last = FIRST_UNLISTED_ID - 1;
        let numbering = Numbering::of(&recorded(&[(last, 0, 0), (0, 0, 0)], Names::default()));
        assert_eq!(ids(&numbering, &[("a", "p"), ("b", "p")]), [1, 2]);
        let numbering = Numbering::of(&recorded(&[(u32::MAX, 0, 0)], Names::default()));
        assert_eq!(ids(&numbering, &[("a", "p")]), [0]);
    }

    #[test]
    fn a_model_that_was_asked_for_before_it_was_listed_gets_the_id_it_was_asked_for_by() {
        let names = Names { models: named(&[(7, "a"), (u32::MAX, "b")]), ..Names::default() };
        let numbering = Numbering::of(&recorded(&[(7, 0, 0)], names));
        assert_eq!(ids(&numbering, &[("a", ""), ("b", "p"), ("c", "p")]), [7, u32::MAX, 8]);
    }

    #[test]
    fn a_bit_in_use_stays_taken_even_without_a_name() {
        let names = Names { capabilities: named(&[(2, "tools")]), ..Names::default() };
        let numbering = Numbering::of(&recorded(&[(1, 0, 0b1)], names));
        let wanted = BTreeSet::from(["audio", "tools", "vision"]);
        let file = Path::new("c.toml");
        let numbers = numbering.capabilities.number(file, "capabilities", 64, &wanted);
        let expected = [("audio", 1), ("tools", 2), ("vision", 3)];
        assert_eq!(numbers.unwrap(), expected.map(|(name, bit)| (name.to_owned(), bit)).into());
    }

    #[test]
    fn a_group_keeps_its_number_by_name_and_a_new_one_takes_nobodys() {
        let file = |name: &str| {
            format!(
                "[[model]]\nname = \"{name}\"\nprovider = \"p\"\n\
             input_price_microunits_per_million_tokens = 0\noutput_price_microunits_per_million_tokens = 0\n"
            )
        };
        let policy = |groups: &str| {
            policy_with(&format!(
                "[tenants]\nt = 1\n[groups]\n{groups}[[model]]\nname = \"*\"\n\
                 set = {{ quality_bps = 1, risk_ceiling_bps = 1, p95_latency_ms = 1 }}\n"
            ))
        };
        let parse = || CatalogFile::parse("c", file("a")).unwrap();
        let recorded = parse().join(&policy("b = [\"a\"]\nc = []\n")).unwrap();
        assert_eq!(["b", "c"].map(|name| recorded.group_id(name)), [Some(0), Some(1)]);
        let numbering = Numbering::of(&recorded.snapshot);
        let renewed = parse().join_numbered(&policy("a = []\nc = [\"a\"]\n"), &numbering).unwrap();
        assert_eq!(["a", "c"].map(|name| renewed.group_id(name)), [Some(2), Some(1)]);
        // The name of a group that is gone stays with its number, and no request can be restricted to it.
        assert_eq!(renewed.snapshot.names().groups[&0], "b");
        assert_eq!(renewed.group_id("b"), None);
        let own: Vec<_> = renewed.own_names().groups.into_iter().collect();
        assert_eq!(own, [(1, "c".to_owned()), (2, "a".to_owned())]);
        let mut differences = Differences::default();
        differences.add(&recorded.snapshot, &renewed.snapshot);
        assert_eq!(differences.gone_names.iter().collect::<Vec<_>>(), ["group b"]);
    }

    #[test]
    fn what_the_log_has_counts_against_the_limit() {
        let numbering = Numbering::of(&recorded(&[(1, 0, u64::MAX >> 1)], Names::default()));
        let file = Path::new("c.toml");
        let number = |names: &[&str]| {
            let names = names.iter().copied().collect();
            numbering.capabilities.number(file, "capabilities", 64, &names)
        };
        assert_eq!(number(&["one"]).unwrap()["one"], 63);
        let text = number(&["one", "two"]).unwrap_err().to_string();
        assert_eq!(text, "c.toml: 65 capabilities with those of the log; at most 64 are allowed");
    }
}
