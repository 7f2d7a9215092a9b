//! The catalog file, ours or a price list: its contents, and its problems.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use calybris_kernel::TokenClass;
use calybris_units::Microunits;

use crate::candidate::{Candidate, Listed, Skipped};
use crate::error::{InputError, Problem};
use crate::note::Note;
use crate::own_catalog;
use crate::pattern::ModelPattern;
use crate::place::Place;
use crate::policy::PolicyFile;
use crate::price_list;
use crate::silent::{self, SilentRate};
use crate::text::decode;
use crate::traits::{REQUIRED, Traits};

/// The most providers, capabilities and regions of a catalog.
pub(crate) const MOST_PROVIDERS: u16 = 256;
pub(crate) const MOST_CAPABILITIES: u16 = 64;
pub(crate) const MOST_REGIONS: u16 = 64;
/// The most groups of a policy file.
pub(crate) const MOST_GROUPS: u16 = 256;

/// A rate above this many times the median is implausible.
const IMPLAUSIBLE_TIMES_MEDIAN: u64 = 1_000;

/// The contents of a catalog file in either form.
///
/// It says what the file says until [`apply_rules`](Self::apply_rules) changes it. A JSON object is read as a LiteLLM price list, everything else as TOML with a table `[[model]]` for each model.
///
/// ```
/// use calybris_catalog::{CatalogFile, Skipped};
///
/// let catalog = CatalogFile::parse(
///     "prices.json",
///     r#"{
///         "small": {"mode": "chat", "litellm_provider": "p", "input_cost_per_token": 1.5e-07,
///                   "output_cost_per_token": 6e-07, "supports_vision": true},
///         "embed": {"mode": "embedding"}
///     }"#,
/// )?;
/// let small = &catalog.candidates()[0];
/// assert_eq!(small.price().band(0).rates.input.to_string(), "0.15");
/// assert_eq!(small.capabilities, ["vision"]);
/// assert_eq!(catalog.skipped(Skipped::NotChat), 1);
/// # Ok::<(), calybris_catalog::InputError>(())
/// ```
#[derive(Clone, Debug)]
pub struct CatalogFile {
    file: PathBuf,
    listed: Listed,
    /// The policy file whose rules were applied.
    policy_file: Option<PathBuf>,
}

impl CatalogFile {
    /// Parses a catalog or a price list. `file` is its name in messages; nothing is opened.
    ///
    /// # Errors
    /// [`InputError::Refused`] with the place: neither JSON nor TOML, a duplicate key, an unknown or missing key in our TOML, a
    /// price that is not a number, a name with blanks around it.
    pub fn parse(file: impl AsRef<Path>, contents: impl Into<Vec<u8>>) -> Result<Self, InputError> {
        let file = file.as_ref();
        let text = decode(file, contents)?;
        let mut listed = if text.trim_start().starts_with('{') {
            price_list::parse(file, &text)?
        } else {
            own_catalog::parse(file, &text)?
        };
        // Of models with one name, the first in the file stays the first.
        listed.candidates.sort_by(|a, b| a.name.cmp(&b.name));
        listed.others.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self { file: file.to_path_buf(), listed, policy_file: None })
    }

    /// The name of the file in messages.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The models by name.
    #[must_use]
    pub fn candidates(&self) -> &[Candidate] {
        &self.listed.candidates
    }

    /// The model of that name: what it charges needs no policy.
    ///
    /// ```
    /// use calybris_catalog::CatalogFile;
    /// use calybris_kernel::Usage;
    ///
    /// let list = CatalogFile::parse("prices.json", r#"{"small": {"mode": "chat", "litellm_provider": "p",
    ///     "input_cost_per_token": 1.5e-07, "output_cost_per_token": 6e-07, "cache_read_input_token_cost": 7.5e-08,
    ///     "input_cost_per_token_batches": 7.5e-08, "output_cost_per_token_batches": 3e-07}}"#)?;
    /// let usage = Usage::new(10_000, 500).with_cache_read_tokens(90_000);
    /// assert_eq!(list.candidate("small").unwrap().price().cost(&usage).get(), 1_500 + 6_750 + 300);
    /// assert_eq!(list.candidate("small@batch").unwrap().price().cost(&usage).get(), 750 + 6_750 + 150);
    /// assert!(list.candidate("large").is_none());
    /// # Ok::<(), calybris_catalog::InputError>(())
    /// ```
    #[must_use]
    pub fn candidate(&self, name: &str) -> Option<&Candidate> {
        named(self.candidates(), name)
    }

    /// The entry of that name, if it has prices per token: a candidate, or an entry of a price list that does not chat, such as
    /// an embedding or a real-time model. The latter are never chosen.
    ///
    /// ```
    /// use calybris_catalog::CatalogFile;
    ///
    /// let list = CatalogFile::parse("prices.json", r#"{"embed": {"mode": "embedding", "litellm_provider": "p",
    ///     "input_cost_per_token": 1e-07, "output_cost_per_token": 0}}"#)?;
    /// assert!(list.candidate("embed").is_none());
    /// assert_eq!(list.priced("embed").unwrap().price().band(0).rates.input.get(), 100_000);
    /// # Ok::<(), calybris_catalog::InputError>(())
    /// ```
    #[must_use]
    pub fn priced(&self, name: &str) -> Option<&Candidate> {
        self.candidate(name).or_else(|| named(&self.listed.others, name))
    }

    /// The models that may be chosen.
    pub fn enabled(&self) -> impl Iterator<Item = &Candidate> {
        self.candidates().iter().filter(|candidate| candidate.is_enabled())
    }

    /// How many prices were between two whole microunits per million tokens, and were rounded up.
    #[must_use]
    pub const fn rounded_prices(&self) -> u64 {
        self.listed.rounded_prices
    }

    /// How many entries of a price list were skipped for that reason.
    #[must_use]
    pub fn skipped(&self, why: Skipped) -> usize {
        self.listed.skipped.iter().filter(|skipped| **skipped == why).count()
    }

    /// The names of all providers.
    #[must_use]
    pub fn providers(&self) -> BTreeSet<&str> {
        self.candidates().iter().map(|candidate| candidate.provider.as_str()).collect()
    }

    /// The names of all capabilities.
    #[must_use]
    pub fn capabilities(&self) -> BTreeSet<&str> {
        let capabilities = self.candidates().iter().flat_map(|candidate| &candidate.capabilities);
        capabilities.map(String::as_str).collect()
    }

    /// The names of all regions.
    #[must_use]
    pub fn regions(&self) -> BTreeSet<&str> {
        let regions = self.candidates().iter().filter_map(|model| model.traits.regions.as_ref());
        regions.flatten().map(String::as_str).collect()
    }

    /// The models with that note.
    pub fn noted(&self, note: Note) -> impl Iterator<Item = &Candidate> {
        self.candidates().iter().filter(move |candidate| candidate.notes.contains(&note))
    }

    /// Cache rates that a row leaves out and another row of the same model name states, by model and class. A row that is
    /// silent about the price of cache writes looks cheaper than it is.
    #[must_use]
    pub fn silent_rates(&self) -> Vec<SilentRate<'_>> {
        silent::silent_rates(self.candidates())
    }

    /// The models with a rate above a thousand times the median of its class, with the class: most likely a typing error. Rates
    /// of 0 are left out of the median.
    #[must_use]
    pub fn implausible_rates(&self) -> Vec<(&Candidate, TokenClass)> {
        let mut implausible = Vec::new();
        for class in TokenClass::ALL {
            let rates = |candidate: &Candidate| -> Vec<Microunits> {
                let rates = candidate.rates().filter(|(of, rate)| *of == class && !rate.is_zero());
                rates.map(|(_, rate)| rate).collect()
            };
            let mut all: Vec<_> = self.candidates().iter().flat_map(rates).collect();
            all.sort_unstable();
            let Some(median) = all.get(all.len() / 2) else { continue };
            let most = median.get().saturating_mul(IMPLAUSIBLE_TIMES_MEDIAN);
            let is_above =
                |candidate: &&Candidate| rates(candidate).iter().any(|rate| rate.get() > most);
            implausible
                .extend(self.candidates().iter().filter(is_above).map(|model| (model, class)));
        }
        implausible.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
        implausible
    }

    /// Fills in what the catalog leaves out from the rules of the policy, and does to it what the policy's `[catalog]` says.
    /// Returns the patterns of rules and groups that match no model: most likely typing errors.
    ///
    /// A rule for all models is not meant for the service tiers of a price list: it enables the row `gpt-4o@batch` only if its
    /// pattern names the tier, as `*@batch` and `gpt-4*@*` do.
    pub fn apply_rules(&mut self, policy: &PolicyFile) -> Vec<String> {
        self.policy_file = Some(policy.file().to_path_buf());
        if policy.catalog.fill_silent_rates {
            silent::fill(&mut self.listed.candidates);
        }
        let mut matched = vec![false; policy.rules.len()];
        for candidate in &mut self.listed.candidates {
            let tier = candidate.service_tier.as_deref();
            let mut rules = Traits::default();
            for (rule, matched) in policy.rules.iter().zip(&mut matched) {
                if rule.matches(&candidate.name, &candidate.provider) {
                    *matched = true;
                    let enabled = rules.enabled;
                    rules.overlay(&rule.set);
                    if rule.set.enabled == Some(true) && !rule.name.names_tier(tier) {
                        rules.enabled = enabled;
                    }
                }
            }
            candidate.traits = candidate.traits.over_rules(rules);
            let is_free = policy.catalog.disable_free_models && candidate.is_free();
            candidate.is_enabled_by_default = tier.is_none() && !is_free;
        }
        let rules = policy.rules.iter().zip(matched).filter(|(_, matched)| !matched);
        let groups = policy.groups.values().flatten();
        let groups =
            groups.filter(|pattern| !self.candidates().iter().any(|model| is_in(model, pattern)));
        rules
            .map(|(rule, _)| &rule.name)
            .chain(groups)
            .map(|pattern| pattern.as_str().to_owned())
            .collect()
    }

    /// The required fields that models lack, with the number of those models; empty if every model has all of them.
    #[must_use]
    pub fn lacking(&self) -> Vec<(&'static str, usize)> {
        let counts = REQUIRED.iter().map(|(field, is_said)| {
            let silent = self.candidates().iter().filter(|candidate| !is_said(&candidate.traits));
            (*field, silent.count())
        });
        counts.filter(|(_, count)| *count > 0).collect()
    }

    /// All problems that prevent the catalog from being installed. A missing field is a problem only after the rules of a policy
    /// were applied, because a rule may still set it.
    ///
    /// ```
    /// use calybris_catalog::CatalogFile;
    ///
    /// let model = |name: &str| format!(
    ///     "[[model]]\nname = \"{name}\"\nprovider = \"p\"\n\
    ///      input_price_microunits_per_million_tokens = 1_000_000\n\
    ///      output_price_microunits_per_million_tokens = 2_000_000\n"
    /// );
    /// let catalog = CatalogFile::parse("c.toml", model("a") + &model("a"))?;
    /// assert_eq!(
    ///     catalog.problems()[0].to_string(),
    ///     "7:8: model `a` is listed twice, first at 2:8; a name is unique"
    /// );
    /// # Ok::<(), calybris_catalog::InputError>(())
    /// ```
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.candidates().is_empty() {
            let skipped = self.listed.skipped.len();
            let what = format!(
                "holds no model ({skipped} entries were skipped: no chat, or no price per token)"
            );
            problems.push(Problem::new(None, what));
        }
        let mut seen: BTreeMap<&str, Vec<Place>> = BTreeMap::new();
        for candidate in self.candidates() {
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
            problems.push(Problem::new(Some(*second), what));
        }
        for (what, most, found) in [
            ("providers", MOST_PROVIDERS, self.providers().len()),
            ("capabilities", MOST_CAPABILITIES, self.capabilities().len()),
            ("regions", MOST_REGIONS, self.regions().len()),
        ] {
            if found > usize::from(most) {
                let what = format!("{found} {what}; at most {most} are allowed");
                problems.push(Problem::new(None, what));
            }
        }
        if let Some(policy_file) = &self.policy_file {
            for (field, is_said) in REQUIRED {
                let mut silent =
                    self.candidates().iter().filter(|candidate| !is_said(&candidate.traits));
                if let Some(first) = silent.next() {
                    let what = self.lacks(&first.name, silent.count(), field, policy_file);
                    problems.push(Problem::new(Some(first.place), what));
                }
            }
        }
        problems
    }

    /// The message about models that lack a field: the first of them, and how many more.
    fn lacks(&self, first: &str, more: usize, field: &str, policy_file: &Path) -> String {
        let (file, policy_file) = (self.file.display(), policy_file.display());
        let who = match more {
            0 => format!("model `{first}` has"),
            more => format!("model `{first}` and {more} more have"),
        };
        format!("{who} no `{field}`: set it in {file} or in a `[[model]]` rule of {policy_file}")
    }
}

/// Whether a group with that pattern has the model. A service tier is in it only if the pattern names the tier.
pub(crate) fn is_in(candidate: &Candidate, pattern: &ModelPattern) -> bool {
    pattern.matches(&candidate.name) && pattern.names_tier(candidate.service_tier.as_deref())
}

/// The row of that name, of rows in the order of their names.
fn named<'a>(rows: &'a [Candidate], name: &str) -> Option<&'a Candidate> {
    let at = rows.partition_point(|row| row.name.as_str() < name);
    rows.get(at).filter(|row| row.name == name)
}
