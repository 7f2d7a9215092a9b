//! Joining a catalog and a policy into the snapshot that the engine installs.

use std::collections::{BTreeMap, BTreeSet};

use calybris_engine::{Names, Snapshot};
use calybris_kernel::{CapabilitySet, Group, Model, PolicySnapshot, RegionSet};
use calybris_units::{BrokenInvariant, invariant};

use crate::catalog::{
    CatalogFile, MOST_CAPABILITIES, MOST_GROUPS, MOST_PROVIDERS, MOST_REGIONS, is_in,
};
use crate::error::InputError;
use crate::numbering::Numbering;
use crate::policy::PolicyFile;

/// A catalog joined with its policy, ready to be installed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Catalog {
    /// Policy and models with their names: what [`Engine::install`](calybris_engine::Engine::install) takes.
    pub snapshot: Snapshot,
    /// The catalog file with the rules of the policy applied.
    pub listed: CatalogFile,
    /// Patterns of the policy file's rules and groups that match no model: most likely typing errors.
    pub unmatched_rules: Vec<String>,
}

impl CatalogFile {
    /// Joins the catalog with its policy. Models, providers, capabilities and regions are numbered in order of their names,
    /// so the order of the file changes nothing.
    ///
    /// # Errors
    /// [`InputError::Refused`] with the first of the [`problems`](Self::problems) that the catalog has under the rules of this
    /// policy, or because the kernel refuses a number.
    pub fn join(self, policy: &PolicyFile) -> Result<Catalog, InputError> {
        self.join_numbered(policy, &Numbering::default())
    }

    /// Joins the catalog with its policy; everything that has a number in `numbering` keeps it.
    ///
    /// # Errors
    /// As [`join`](Self::join), and [`InputError::Refused`] if there is no number left for a provider, capability or region.
    pub fn join_numbered(
        mut self,
        policy: &PolicyFile,
        numbering: &Numbering,
    ) -> Result<Catalog, InputError> {
        let unmatched_rules = self.apply_rules(policy);
        let mut problems = self.problems().into_iter();
        if let Some(problem) = problems.next() {
            let file = self.file().to_path_buf();
            return Err(InputError::Refused { file, problem, more_problems: problems.len() });
        }
        let file = self.file();
        let providers =
            numbering.providers.number(file, "providers", MOST_PROVIDERS, &self.providers())?;
        let capabilities = numbering.capabilities.number(
            file,
            "capabilities",
            MOST_CAPABILITIES,
            &self.capabilities(),
        )?;
        let regions = numbering.regions.number(file, "regions", MOST_REGIONS, &self.regions())?;
        let model_ids = numbering.model_ids(self.candidates())?;
        let mut models = Vec::with_capacity(self.candidates().len());
        let mut model_names = BTreeMap::new();
        for (model_id, candidate) in model_ids.into_iter().zip(self.candidates()) {
            let traits = &candidate.traits;
            let quality = invariant!(traits.quality, "a catalog without a problem says quality")?;
            let risk_ceiling =
                invariant!(traits.risk_ceiling, "a catalog without a problem says risk ceilings")?;
            models.push(
                Model::new(model_id, number_of(&providers, &candidate.provider)?, quality)
                    .with_risk_ceiling(risk_ceiling)
                    .with_enabled(candidate.is_enabled())
                    .with_p95_latency_ms(invariant!(
                        traits.p95_latency_ms,
                        "a catalog without a problem says latencies"
                    )?)
                    .with_capabilities(CapabilitySet::from_bits(bits(
                        &capabilities,
                        &candidate.capabilities,
                    )?))
                    .with_regions(RegionSet::from_bits(bits(
                        &regions,
                        traits.regions.iter().flatten(),
                    )?))
                    .with_price(candidate.price())
                    .with_window(candidate.window()),
            );
            model_names.insert(model_id, candidate.name.clone());
        }
        let group_names: BTreeSet<&str> = policy.groups().collect();
        let group_ids =
            numbering.groups.number(policy.file(), "groups", MOST_GROUPS, &group_names)?;
        let groups = policy.groups.iter().map(|(name, patterns)| {
            let members = models
                .iter()
                .zip(self.candidates())
                .filter(|(_, candidate)| patterns.iter().any(|pattern| is_in(candidate, pattern)));
            let model_ids: Vec<u32> = members.map(|(model, _)| model.model_id).collect();
            Ok(Group::new(number_of(&group_ids, name)?, model_ids))
        });
        let groups = groups.collect::<Result<Vec<_>, BrokenInvariant>>()?;
        let policy_snapshot = PolicySnapshot::with_groups(policy.policy(), models, groups)
            .map_err(|error| InputError::in_file(file, error))?;
        let names = numbering.names(model_names, [providers, capabilities, regions, group_ids]);
        let snapshot = Snapshot::new(policy_snapshot, names);
        Ok(Catalog { snapshot, listed: self, unmatched_rules })
    }
}

impl Catalog {
    /// The names of the models, providers, capabilities, regions and groups that the catalog and its policy have themselves,
    /// without those that only a recorded catalog had: what requests may name.
    #[must_use]
    pub fn own_names(&self) -> Names {
        let kernel = self.snapshot.policy_snapshot();
        let mut names = self.snapshot.names().clone();
        names.models.retain(|model_id, _| kernel.model(*model_id).is_some());
        let provider_ids: BTreeSet<u8> = kernel.models().map(|model| model.provider_id).collect();
        names.providers.retain(|provider_id, _| provider_ids.contains(provider_id));
        let has = |set: u64, bit: u8| set.checked_shr(bit.into()).is_some_and(|set| set & 1 == 1);
        let capabilities = kernel.models().fold(0, |set, model| set | model.capabilities.bits());
        names.capabilities.retain(|bit, _| has(capabilities, *bit));
        let regions = kernel.models().fold(0, |set, model| set | model.regions.bits());
        names.regions.retain(|bit, _| has(regions, *bit));
        let group_ids: BTreeSet<u8> = kernel.groups().iter().map(|group| group.group_id).collect();
        names.groups.retain(|group_id, _| group_ids.contains(group_id));
        names
    }

    /// The number of a group of the policy file: what a request that is restricted to it carries. `None` for a group that only a
    /// recorded catalog had.
    #[must_use]
    pub fn group_id(&self, name: &str) -> Option<u8> {
        let names = &self.snapshot.names().groups;
        let ids = self.snapshot.policy_snapshot().groups().iter().map(|group| group.group_id);
        ids.into_iter().find(|id| names.get(id).is_some_and(|known| known == name))
    }
}

fn number_of(numbers: &BTreeMap<String, u8>, name: &str) -> Result<u8, BrokenInvariant> {
    invariant!(numbers.get(name).copied(), "every name of a catalog is numbered")
}

/// A set of names as bits; their numbers are below 64.
fn bits<'a>(
    numbers: &BTreeMap<String, u8>,
    names: impl IntoIterator<Item = &'a String>,
) -> Result<u64, BrokenInvariant> {
    names.into_iter().try_fold(0, |bits, name| {
        let bit = 1_u64.checked_shl(number_of(numbers, name)?.into());
        Ok(bits | invariant!(bit, "capabilities and regions have numbers below 64")?)
    })
}

#[cfg(test)]
mod tests {
    use calybris_kernel::{CapabilitySet, RegionSet};

    use super::*;
    use crate::policy::policy_with;

    const RULES: &str = "\
[tenants]
t = 1
[[model]]
name = \"*\"
set = { quality_bps = 5_000, risk_ceiling_bps = 9_000, p95_latency_ms = 500, regions = [\"us\"] }
[[model]]
name = \"b*\"
provider = \"q\"
set = { quality_bps = 6_000, enabled = false }
[[model]]
name = \"zzz\"
set = { quality_bps = 1 }
";

    const CATALOG: &str = "\
[[model]]
name = \"b\"
provider = \"q\"
input_price_microunits_per_million_tokens = 7
output_price_microunits_per_million_tokens = 0
capabilities = [\"vision\", \"tools\"]
[[model]]
name = \"a\"
provider = \"p\"
input_price_microunits_per_million_tokens = 0
output_price_microunits_per_million_tokens = 0
quality_bps = 9_000
regions = [\"eu\"]
capabilities = [\"vision\"]
";

    /// The two prices that every model must state.
    const FREE: &str = "input_price_microunits_per_million_tokens = 0
output_price_microunits_per_million_tokens = 0
";

    fn join(catalog: &str, rules: &str) -> Result<Catalog, InputError> {
        CatalogFile::parse("c.toml", catalog)?.join(&policy_with(rules))
    }

    #[test]
    fn the_catalog_overrides_rules_and_later_rules_override_earlier_ones() {
        let catalog = join(CATALOG, RULES).unwrap();
        let models: Vec<_> = catalog.snapshot.policy_snapshot().models().collect();
        let [a, b] = &*models else { panic!("two models") };
        assert_eq!((a.quality.get(), b.quality.get()), (9_000, 6_000));
        assert_eq!((a.enabled, b.enabled), (true, false));
        assert_eq!(
            (a.regions, b.regions),
            (RegionSet::from_bits(0b01), RegionSet::from_bits(0b10))
        );
        assert_eq!(
            (a.capabilities, b.capabilities),
            (CapabilitySet::from_bits(0b10), CapabilitySet::from_bits(0b11))
        );
        assert_eq!((a.provider_id, b.provider_id), (0, 1));
        assert_eq!(b.price.band(0).rates.input.get(), 7);
        assert_eq!(catalog.snapshot.names().models[&0], "a");
        assert_eq!(catalog.snapshot.names().regions[&1], "us");
        assert_eq!(catalog.unmatched_rules, ["zzz"]);
    }

    #[test]
    fn what_nobody_says_is_missing_and_named() {
        let rule = RULES.replace("p95_latency_ms = 500, ", "");
        let text = join(CATALOG, &rule).unwrap_err().to_string();
        assert!(text.contains("model `a` and 1 more have no `p95_latency_ms`"), "{text}");
    }

    #[test]
    fn a_price_is_stated_even_if_it_is_nothing() {
        let text =
            join(&CATALOG.replace("input_price_microunits_per_million_tokens = 7\n", ""), RULES);
        let text = text.unwrap_err().to_string();
        assert!(text.starts_with("c.toml:1:") && text.contains("input_price"), "{text}");
        assert_eq!(
            join(CATALOG, RULES).unwrap().listed.enabled().filter(|model| model.is_free()).count(),
            1
        );
    }

    #[test]
    fn a_catalog_holds_at_least_one_model_and_is_no_array() {
        for empty in ["", "{\"name\": \"x\"}", "{}"] {
            let text = join(empty, RULES).unwrap_err().to_string();
            assert!(text.starts_with("c.toml: holds no model"), "{text}");
        }
        assert!(join("[{\"a\": 1}]", RULES).unwrap_err().to_string().contains("array"));
    }

    #[test]
    fn a_name_is_unique() {
        let twice = CATALOG.replace("name = \"b\"", "name = \"a\"");
        assert!(join(&twice, RULES).unwrap_err().to_string().contains("listed twice"));
    }

    #[test]
    fn there_are_at_most_256_providers_and_64_capabilities() {
        let models = |count: u32| -> String {
            (0..count)
                .map(|n| format!("[[model]]\nname = \"m{n}\"\nprovider = \"p{n}\"\n{FREE}"))
                .collect()
        };
        assert!(join(&models(256), RULES).is_ok());
        let text = join(&models(257), RULES).unwrap_err().to_string();
        assert_eq!(text, "c.toml: 257 providers; at most 256 are allowed");
        let capabilities = |count: u32| {
            let names: Vec<String> = (0..count).map(|n| format!("\"c{n}\"")).collect();
            let names = names.join(",");
            format!("[[model]]\nname = \"a\"\nprovider = \"p\"\ncapabilities = [{names}]\n{FREE}")
        };
        assert!(join(&capabilities(64), RULES).is_ok());
        assert!(join(&capabilities(65), RULES).is_err());
    }

    #[test]
    fn a_misspelled_key_of_a_catalog_is_named_with_its_line() {
        let text =
            join("[[model]]\nname = \"a\"\nproviderr = \"p\"\n", RULES).unwrap_err().to_string();
        assert!(text.starts_with("c.toml:3:") && text.contains("providerr"), "{text}");
    }
}
