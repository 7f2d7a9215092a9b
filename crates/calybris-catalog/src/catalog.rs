//! The catalog file, ours or a price list, and how it becomes what the engine installs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use calybris_core::engine::Snapshot;
use calybris_core::kernel::{CapabilitySet, Model, PolicySnapshot, RegionSet};

use super::error::InputError;
use super::numbering::Numbering;
use super::own_catalog;
use super::place::Place;
use super::policy::{Microunits, Name, PolicyFile, Traits};
use super::price::is_plausible;
use super::price_list;
use super::source::read;
use crate::terminal::program_name;

/// What a catalog file holds, whichever its form.
#[derive(Clone, Debug, Default)]
pub(crate) struct CatalogFile {
    pub(crate) candidates: Vec<Candidate>,
    /// Prices that were not a whole number of microunits per million tokens and were rounded up.
    pub(crate) rounded_prices: u64,
    pub(crate) skipped: Vec<Skipped>,
}

/// One model as its catalog lists it.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) name: String,
    /// Where its file names it.
    pub(crate) place: Place,
    pub(crate) provider: String,
    pub(crate) input_price_microunits_per_million_tokens: u64,
    pub(crate) output_price_microunits_per_million_tokens: u64,
    pub(crate) capabilities: Vec<String>,
    /// What the catalog itself says of quality, latency and so on; the policy file says the rest.
    pub(crate) traits: Traits,
}

/// Why an entry of a price list is not a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Skipped {
    NotChat,
    NoPrice,
}

/// Something that keeps a catalog from being installed.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) place: Option<Place>,
    pub(crate) what: String,
}

/// A catalog joined with its policy, ready to be installed.
#[derive(Debug)]
pub(crate) struct Catalog {
    pub(crate) snapshot: Snapshot,
    pub(crate) rounded_prices: u64,
    skipped: Vec<Skipped>,
    /// Enabled models that cost nothing: in a price list that mostly means that nobody knows.
    pub(crate) free_models: usize,
    /// Enabled models with a price that is none, most likely: per token instead of per million, or the other way round.
    pub(crate) oddly_priced_models: usize,
    /// Patterns of the policy file that no model matches: most likely typing errors.
    pub(crate) unmatched_rules: Vec<String>,
}

impl CatalogFile {
    /// Reads a catalog: a JSON object is a price list, anything else is our TOML.
    pub(crate) fn read(file: &Path) -> Result<Self, InputError> {
        Self::parse(file, &read(file)?)
    }

    /// Parses the text of a catalog; `file` is what messages call it.
    pub(crate) fn parse(file: &Path, text: &str) -> Result<Self, InputError> {
        if text.trim_start().starts_with('{') {
            return price_list::parse(file, text);
        }
        own_catalog::parse(file, text)
    }

    /// Adds what the rules of the policy say of each model and its catalog does not, and sorts by name. Answers, for each
    /// rule, whether it matched a model.
    pub(crate) fn dress(&mut self, policy: &PolicyFile) -> Vec<bool> {
        self.candidates.sort_by(|a, b| a.name.cmp(&b.name));
        let mut matched = vec![false; policy.rules.len()];
        for candidate in &mut self.candidates {
            let mut traits = Traits::default();
            for (rule, matched) in policy.rules.iter().zip(&mut matched) {
                if rule.matches(&candidate.name, &candidate.provider) {
                    *matched = true;
                    traits.overlay(&rule.set);
                }
            }
            traits.overlay(&candidate.traits);
            candidate.traits = traits;
        }
        matched
    }

    /// Everything that keeps the catalog from being installed. What the rules of a policy file may still say is no problem
    /// before they have been asked (`policy_file` is `None`).
    pub(crate) fn problems(&self, file: &Path, policy_file: Option<&Path>) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.candidates.is_empty() {
            let skipped = self.skipped.len();
            let what = format!(
                "holds no model ({skipped} entries were skipped: no chat, or no price per token)"
            );
            problems.push(Problem { place: None, what });
        }
        let mut seen: BTreeMap<&str, Vec<Place>> = BTreeMap::new();
        for candidate in &self.candidates {
            seen.entry(candidate.name.as_str()).or_default().push(candidate.place);
        }
        for (name, places) in seen {
            let [first, second, more @ ..] = places.as_slice() else { continue };
            let times = match more.len() {
                0 => "twice".to_owned(),
                more => format!("{} times", more + 2),
            };
            let what =
                format!("model `{name}` is listed {times}, first at {first}; a name is unique");
            problems.push(Problem { place: Some(*second), what });
        }
        problems.extend(too_many("providers", 256, self.providers().len()));
        problems.extend(too_many("capabilities", 64, self.capabilities().len()));
        problems.extend(too_many("regions", 64, self.regions().len()));
        if let Some(policy_file) = policy_file {
            for (field, is_said) in REQUIRED_TRAITS {
                let silent = self.candidates.iter().filter(|candidate| !is_said(&candidate.traits));
                let silent: Vec<&Candidate> = silent.collect();
                if let Some(first) = silent.first() {
                    let what = lacking(&first.name, silent.len(), field, file, policy_file);
                    problems.push(Problem { place: Some(first.place), what });
                }
            }
        }
        problems
    }

    /// The models that may be chosen.
    pub(crate) fn enabled(&self) -> impl Iterator<Item = &Candidate> {
        self.candidates.iter().filter(|candidate| candidate.traits.enabled.unwrap_or(true))
    }

    pub(crate) fn providers(&self) -> BTreeSet<&String> {
        self.candidates.iter().map(|candidate| &candidate.provider).collect()
    }

    pub(crate) fn capabilities(&self) -> BTreeSet<&String> {
        self.candidates.iter().flat_map(|candidate| &candidate.capabilities).collect()
    }

    pub(crate) fn regions(&self) -> BTreeSet<&String> {
        let regions =
            self.candidates.iter().filter_map(|candidate| candidate.traits.regions.as_ref());
        regions.flatten().map(|Name(region)| region).collect()
    }

    /// How many entries were skipped for that reason.
    pub(crate) fn skipped(&self, why: Skipped) -> usize {
        self.skipped.iter().filter(|skipped| **skipped == why).count()
    }

    /// Joins the catalog with its policy. `file` and `policy_file` are what messages call them.
    ///
    /// Ids are given in order of the names, so the order of the file changes nothing.
    pub(crate) fn join(
        self,
        file: &Path,
        policy: &PolicyFile,
        policy_file: &Path,
    ) -> Result<Catalog, InputError> {
        self.join_numbered(file, policy, policy_file, &Numbering::default())
    }

    /// The same, but whatever has a number in `numbering` keeps it.
    pub(crate) fn join_numbered(
        mut self,
        file: &Path,
        policy: &PolicyFile,
        policy_file: &Path,
        numbering: &Numbering,
    ) -> Result<Catalog, InputError> {
        let matched = self.dress(policy);
        if let [problem, more @ ..] = self.problems(file, Some(policy_file)).as_slice() {
            let more = match more.len() {
                0 => String::new(),
                more => format!("; `{} catalog check` lists {more} more", program_name()),
            };
            return Err(problem.in_file(file, &more));
        }
        let providers =
            numbering.providers.number(file, "providers", 256, self.providers().into_iter())?;
        let capabilities = numbering.capabilities.number(
            file,
            "capabilities",
            64,
            self.capabilities().into_iter(),
        )?;
        let regions = numbering.regions.number(file, "regions", 64, self.regions().into_iter())?;
        let model_ids =
            numbering.model_ids(self.candidates.iter().map(|model| (&model.name, &model.provider)));
        let mut models = Vec::with_capacity(self.candidates.len());
        let mut model_names = BTreeMap::new();
        for (model_id, candidate) in model_ids.into_iter().zip(&self.candidates) {
            let missing = |field: &str| {
                let what = lacking(&candidate.name, 1, field, file, policy_file);
                InputError::at(file, candidate.place, what)
            };
            let traits = &candidate.traits;
            models.push(Model {
                model_id,
                provider_id: number_of(&providers, &candidate.provider),
                quality_bps: traits.quality_bps.ok_or_else(|| missing("quality_bps"))?.0,
                risk_ceiling_bps: traits
                    .risk_ceiling_bps
                    .ok_or_else(|| missing("risk_ceiling_bps"))?
                    .0,
                enabled: traits.enabled.unwrap_or(true),
                p95_latency_ms: traits.p95_latency_ms.ok_or_else(|| missing("p95_latency_ms"))?,
                capabilities: CapabilitySet(named_bits(
                    &capabilities,
                    candidate.capabilities.iter(),
                )),
                regions: RegionSet(named_bits(
                    &regions,
                    traits.regions.iter().flatten().map(|Name(region)| region),
                )),
                input_price_microunits_per_million_tokens: candidate
                    .input_price_microunits_per_million_tokens,
                output_price_microunits_per_million_tokens: candidate
                    .output_price_microunits_per_million_tokens,
                fixed_price_microunits: traits
                    .fixed_price_microunits
                    .map_or(0, |Microunits(price)| price),
            });
            model_names.insert(model_id, candidate.name.clone());
        }
        let names = numbering.names(model_names, [providers, capabilities, regions]);
        let free_models = self.enabled().filter(|candidate| candidate.is_free()).count();
        let oddly_priced_models =
            self.enabled().filter(|candidate| candidate.is_oddly_priced()).count();
        let policy_snapshot = PolicySnapshot::new(policy.policy(), models)
            .map_err(|error| InputError::in_file(file, error))?;
        let rules = policy.rules.iter().zip(matched);
        Ok(Catalog {
            snapshot: Snapshot::new(policy_snapshot, names),
            rounded_prices: self.rounded_prices,
            skipped: self.skipped,
            free_models,
            oddly_priced_models,
            unmatched_rules: rules
                .filter(|(_, matched)| !matched)
                .map(|(rule, _)| rule.name.as_str().to_owned())
                .collect(),
        })
    }
}

impl Catalog {
    /// How many entries were skipped for that reason.
    pub(crate) fn skipped(&self, why: Skipped) -> usize {
        self.skipped.iter().filter(|skipped| **skipped == why).count()
    }
}

impl Problem {
    /// The problem as a refusal of its file, and what else there is to say.
    pub(crate) fn in_file(&self, file: &Path, more: &str) -> InputError {
        let what = format!("{}{more}", self.what);
        match self.place {
            Some(place) => InputError::at(file, place, what),
            None => InputError::in_file(file, what),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some(place) => write!(f, "{place}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

impl Candidate {
    /// Whether it costs nothing.
    pub(crate) fn is_free(&self) -> bool {
        self.prices() == [0, 0]
            && self.traits.fixed_price_microunits.is_none_or(|Microunits(price)| price == 0)
    }

    /// Whether one of its prices per token is far outside of what prices are.
    pub(crate) fn is_oddly_priced(&self) -> bool {
        !self.prices().into_iter().all(is_plausible)
    }

    const fn prices(&self) -> [u64; 2] {
        [
            self.input_price_microunits_per_million_tokens,
            self.output_price_microunits_per_million_tokens,
        ]
    }
}

type IsSaid = fn(&Traits) -> bool;

/// What every model must have from its catalog or from a rule, and whether it has it.
pub(crate) const REQUIRED_TRAITS: [(&str, IsSaid); 3] = [
    ("quality_bps", |traits| traits.quality_bps.is_some()),
    ("risk_ceiling_bps", |traits| traits.risk_ceiling_bps.is_some()),
    ("p95_latency_ms", |traits| traits.p95_latency_ms.is_some()),
];

fn lacking(first: &str, count: usize, field: &str, file: &Path, policy_file: &Path) -> String {
    let (file, policy_file) = (file.display(), policy_file.display());
    let who = match count.saturating_sub(1) {
        0 => format!("model `{first}` has"),
        more => format!("model `{first}` and {more} more have"),
    };
    format!("{who} no `{field}`: say it in {file} or in a `[[model]]` rule of {policy_file}")
}

fn too_many(what: &str, limit: usize, found: usize) -> Option<Problem> {
    let what = || format!("{found} {what}; at most {limit} are allowed");
    (found > limit).then(|| Problem { place: None, what: what() })
}

fn number_of(numbers: &BTreeMap<String, u8>, name: &str) -> u8 {
    numbers.get(name).copied().unwrap_or_default()
}

/// A set as its bits.
pub(crate) fn bits(numbers: &[u8]) -> u64 {
    numbers.iter().fold(0, |bits, number| bits | 1_u64 << (number % 64))
}

fn named_bits<'a>(numbers: &BTreeMap<String, u8>, names: impl Iterator<Item = &'a String>) -> u64 {
    bits(&names.map(|name| number_of(numbers, name)).collect::<Vec<u8>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::policy::policy_with;

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
        let (c, p) = (Path::new("c.toml"), Path::new("p.toml"));
        CatalogFile::parse(c, catalog)?.join(c, &policy_with(rules), p)
    }

    #[test]
    fn the_catalog_overrides_rules_and_later_rules_override_earlier_ones() {
        let catalog = join(CATALOG, RULES).unwrap();
        let [a, b] = catalog.snapshot.policy_snapshot().models() else { panic!("two models") };
        assert_eq!((a.quality_bps, b.quality_bps), (9_000, 6_000));
        assert_eq!((a.enabled, b.enabled), (true, false));
        assert_eq!((a.regions, b.regions), (RegionSet(0b01), RegionSet(0b10)));
        assert_eq!((a.capabilities, b.capabilities), (CapabilitySet(0b10), CapabilitySet(0b11)));
        assert_eq!((a.provider_id, b.provider_id), (0, 1));
        assert_eq!(b.input_price_microunits_per_million_tokens, 7);
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
        assert_eq!(join(CATALOG, RULES).unwrap().free_models, 1);
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
