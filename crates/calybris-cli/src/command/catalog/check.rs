//! `calybris catalog check`: the contents of a catalog, and all of its problems.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use calybris_catalog::{
    Candidate, Catalog, CatalogFile, Date, NotADate, Note, PLAUSIBLE_PRICES, SilentRate, Skipped,
};
use calybris_core::kernel::TokenClass;
use calybris_core::units::Microunits;
use serde_json::json;

use super::counts::{tiers, windows, with_bands, with_class, with_search_fee, without_window};
use crate::amount::{counted, grouped, money};
use crate::bill;
use crate::command::notes;
use crate::failure::Failure;
use crate::input::source::{read_catalog, read_policy};
use crate::log::naming::group_name;
use crate::output::Page;
use crate::terminal::fitted;

/// List the contents of a catalog and everything that is wrong with it.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  calybris catalog check prices.json
  calybris catalog check prices.json --policy policy.toml --at 2026-12-01

With --policy the rules of the policy file are applied, as in `route`, and a
model that still lacks a required field is a problem. Without --policy it is
only a note.

Notes say how rows of a price list were read, and what providers charge for
that no rate covers. No clock is read: --at says for which day models are
retired.

Exit codes:
  0  `route` would accept it
  2  `route` would refuse it; the message lists every problem
  3  done, but the output could not be written to its end")]
pub(crate) struct Arguments {
    /// The catalog (TOML, or a LiteLLM price list)
    file: PathBuf,
    /// The policy whose rules fill in what the catalog leaves out
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Name the models that are retired on that day
    #[arg(long, value_name = "DATE", value_parser = date)]
    at: Option<Date>,
    /// Print one JSON object, prices in microunits per million tokens
    #[arg(long)]
    pub(crate) json: bool,
}

fn date(text: &str) -> Result<Date, NotADate> {
    text.parse()
}

/// The most letters of names in a line.
const LETTERS_SHOWN: usize = 56;

pub(crate) fn run(arguments: &Arguments) -> Result<Page, Failure> {
    let file = arguments.file.as_path();
    let mut catalog = read_catalog(file)?;
    let policy = arguments.policy.as_deref().map(read_policy).transpose()?;
    let unmatched = policy.as_ref().map_or_else(Vec::new, |policy| catalog.apply_rules(policy));
    let problems = catalog.problems();
    match problems.as_slice() {
        [] => {}
        [problem] => return Err(problem.clone().in_file(file).into()),
        many => {
            let lines: Vec<String> = many.iter().map(ToString::to_string).collect();
            let what = format!("{} problems\n  {}", many.len(), lines.join("\n  "));
            return Err(Failure::at(file, what));
        }
    }
    let groups = match &policy {
        Some(policy) => groups(catalog.clone().join(policy)?),
        None => BTreeMap::new(),
    };
    let found =
        Found { groups, at: arguments.at, ..Found::of(&catalog, unmatched, policy.is_some()) };
    let mut page = Page::default();
    if arguments.json {
        page.line(format_args!("{:#}", found.json(&catalog)));
    } else {
        page.line(format_args!("{}: {}", file.display(), found.verdict()));
        found.words(&catalog, &mut page);
    }
    Ok(page)
}

/// How many models each group of the policy file has.
fn groups(joined: Catalog) -> BTreeMap<String, usize> {
    let groups = joined.snapshot.policy_snapshot().groups().iter();
    let names = joined.snapshot.names();
    groups.map(|group| (group_name(names, group.group_id), group.model_ids.len())).collect()
}

/// The contents of a catalog without a problem.
struct Found<'a> {
    groups: BTreeMap<String, usize>,
    /// The day for which models are retired.
    at: Option<Date>,
    silent: Vec<SilentRate<'a>>,
    implausible: Vec<(&'a Candidate, TokenClass)>,
    notes: BTreeMap<Note, Vec<&'a str>>,
    disabled: Vec<&'a str>,
    /// Enabled models whose prices are all 0.
    free: Vec<&'a str>,
    /// Enabled models with a price that is most likely one per token instead of per million, or the other way round.
    oddly_priced: Vec<&'a str>,
    unmatched: Vec<String>,
    /// The required fields that models lack, with the number of those models, if no policy was applied.
    lacking: Vec<(&'static str, usize)>,
    with_policy: bool,
}

impl<'a> Found<'a> {
    fn of(catalog: &'a CatalogFile, unmatched: Vec<String>, with_policy: bool) -> Self {
        let name = |candidate: &'a Candidate| candidate.name.as_str();
        let disabled = catalog.candidates().iter().filter(|candidate| !candidate.is_enabled());
        Self {
            groups: BTreeMap::new(),
            at: None,
            silent: catalog.silent_rates(),
            implausible: catalog.implausible_rates(),
            notes: notes::of(catalog.candidates().iter()),
            disabled: disabled.map(name).collect(),
            free: catalog.enabled().filter(|candidate| candidate.is_free()).map(name).collect(),
            oddly_priced: catalog
                .enabled()
                .filter(|candidate| candidate.is_oddly_priced())
                .map(name)
                .collect(),
            unmatched,
            lacking: catalog.lacking(),
            with_policy,
        }
    }

    /// The models that are retired on that day.
    fn retired(&self, catalog: &'a CatalogFile, day: Date) -> Vec<&'a str> {
        let retired = catalog.candidates().iter().filter(|model| model.is_retired(day));
        retired.map(|model| model.name.as_str()).collect()
    }

    /// The classes of the implausible rates, in words, by model.
    fn implausible_by_model(&self) -> BTreeMap<&'a str, Vec<String>> {
        let mut implausible: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (model, class) in &self.implausible {
            implausible.entry(model.name.as_str()).or_default().push(bill::words(*class));
        }
        implausible
    }

    /// The models with a silent rate, by class.
    fn silent_by_class(&self) -> BTreeMap<TokenClass, Vec<&'a str>> {
        let mut silent: BTreeMap<TokenClass, Vec<&str>> = BTreeMap::new();
        for rate in &self.silent {
            silent.entry(rate.class).or_default().push(rate.model);
        }
        silent
    }

    fn verdict(&self) -> &'static str {
        if self.lacking.is_empty() {
            "would be installed"
        } else {
            "would be installed with a policy file that sets the rest"
        }
    }

    fn json(&self, catalog: &CatalogFile) -> serde_json::Value {
        let lacking = self.lacking.iter().map(|&(field, count)| (field.to_owned(), count.into()));
        json!({
            "models": catalog.candidates().len(),
            "providers": catalog.providers(),
            "capabilities": catalog.capabilities(),
            "regions": catalog.regions(),
            "skipped_not_chat": catalog.skipped(Skipped::NotChat),
            "skipped_no_price": catalog.skipped(Skipped::NoPrice),
            "rounded_prices": catalog.rounded_prices(),
            "service_tier_rows": tiers(catalog),
            "models_with_bands": with_bands(catalog).count(),
            "models_with_class": TokenClass::ALL
                .into_iter()
                .map(|class| (class.name().to_owned(), with_class(catalog, class).into()))
                .collect::<serde_json::Map<_, _>>(),
            "models_with_search_fee": with_search_fee(catalog).count(),
            "models_with_window": windows(catalog)
                .into_iter()
                .map(|(part, count)| (part.to_owned(), count.into()))
                .collect::<serde_json::Map<_, _>>(),
            "models_without_window": without_window(catalog),
            "retiring_models": catalog
                .candidates()
                .iter()
                .filter_map(|model| Some((model.name.clone(), model.retirement?.to_string().into())))
                .collect::<serde_json::Map<_, _>>(),
            "retired_models": self.at.map(|day| self.retired(catalog, day)),
            "silent_rates": self.silent.iter().map(|silent| json!({
                "model": silent.model,
                "class": silent.class,
                "rate_microunits_per_million_tokens": silent.rate,
                "dearest_microunits_per_million_tokens": silent.dearest,
                "stated_by": silent.stated_by,
            })).collect::<Vec<_>>(),
            "implausible_rates": self.implausible.iter().map(|(model, class)| json!({
                "model": model.name, "class": class,
            })).collect::<Vec<_>>(),
            "notes": notes::json(&self.notes),
            "groups": self.groups,
            "disabled_models": self.disabled,
            "free_models": self.free,
            "oddly_priced_models": self.oddly_priced,
            "unmatched_rules": self.unmatched,
            "models_lacking": lacking.collect::<serde_json::Map<_, _>>(),
            "policy_applied": self.with_policy,
        })
    }

    fn words(&self, catalog: &CatalogFile, page: &mut Page) {
        let mut line = |what: &str, text: String| page.wrapped(&format!("  {what:13} "), &text);
        line("models", grouped(catalog.candidates().len()));
        let set = |names: BTreeSet<&str>| listed(&names.into_iter().collect::<Vec<_>>());
        line("providers", set(catalog.providers()));
        line("capabilities", set(catalog.capabilities()));
        line("regions", set(catalog.regions()));
        let prices = |price: fn(&Candidate) -> Microunits| {
            let least = catalog.candidates().iter().map(price).min().unwrap_or_default();
            let dearest = catalog.candidates().iter().max_by_key(|model| price(model));
            let most = dearest.map(price).unwrap_or_default();
            let name = dearest.map_or_else(String::new, |model| fitted(&model.name, 28));
            format!("{} to {} ({name}) per million tokens", money(least.get()), money(most.get()))
        };
        line("input price", prices(|model| model.price().band(0).rates.input));
        line("output price", prices(|model| model.price().band(0).rates.output));
        let classes = TokenClass::ALL.into_iter().filter_map(|class| {
            let is_plain = matches!(class, TokenClass::Input | TokenClass::Output);
            let count = with_class(catalog, class);
            (!is_plain && count > 0).then(|| format!("{} {}", bill::words(class), grouped(count)))
        });
        let classes: Vec<String> = classes.collect();
        if !classes.is_empty() {
            line("other rates", classes.join(", "));
        }
        let bands = with_bands(catalog).count();
        if bands > 0 {
            line("bands", format!("{} with other rates for long prompts", counted(bands, "model")));
        }
        let searches = with_search_fee(catalog).count();
        if searches > 0 {
            line("search fees", counted(searches, "model"));
        }
        let tiers: Vec<String> = tiers(catalog)
            .into_iter()
            .map(|(tier, count)| format!("{tier} {}", grouped(count)))
            .collect();
        if !tiers.is_empty() {
            let what = format!("{}: disabled unless a rule names the tier", tiers.join(", "));
            line("service tiers", what);
        }
        let windows: Vec<String> = windows(catalog)
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(part, count)| format!("{part} {}", grouped(count)))
            .collect();
        if !windows.is_empty() {
            let unknown = grouped(without_window(catalog));
            line("windows", format!("{}; unknown {unknown}", windows.join(", ")));
        }
        if !self.groups.is_empty() {
            let groups =
                self.groups.iter().map(|(name, count)| format!("{name} {}", grouped(count)));
            line("groups", groups.collect::<Vec<_>>().join(", "));
        }
        let skipped = (catalog.skipped(Skipped::NotChat), catalog.skipped(Skipped::NoPrice));
        if skipped != (0, 0) {
            let (not_chat, no_price) = (grouped(skipped.0), grouped(skipped.1));
            let what = format!("{not_chat} that do not chat, {no_price} without both prices");
            line("skipped", what);
        }
        if catalog.rounded_prices() > 0 {
            let prices = counted(catalog.rounded_prices(), "price");
            line("rounded", format!("{prices} up to a whole microunit per million tokens"));
        }
        if !self.disabled.is_empty() {
            line("disabled", listed(&self.disabled));
        }
        if !self.free.is_empty() {
            line("cost nothing", format!("{}: is that right?", listed(&self.free)));
        }
        if !self.oddly_priced.is_empty() {
            let what = format!(
                "{}: a price is not {PLAUSIBLE_PRICES}: is that right?",
                listed(&self.oddly_priced)
            );
            line("odd prices", what);
        }
        for (model, classes) in self.implausible_by_model().into_iter().take(MOST_IMPLAUSIBLE) {
            let what = format!(
                "{}: above a thousand times the median for {}: is that right?",
                fitted(model, 40),
                classes.join(", ")
            );
            line("odd rate", what);
        }
        for (class, names) in self.silent_by_class() {
            let what = format!(
                "{} of {}; a row of the same name has one",
                bill::words(class),
                listed(&names)
            );
            line("no rate for", what);
        }
        let dated = catalog.candidates().iter().filter(|model| model.retirement.is_some());
        match (self.at, dated.count()) {
            (_, 0) => {}
            (Some(day), _) => {
                line("retired", format!("on {day}: {}", listed(&self.retired(catalog, day))));
            }
            (None, count) => line("retirement", {
                format!(
                    "{} with a date; --at DATE names those retired then",
                    counted(count, "model")
                )
            }),
        }
        for (note, models) in &self.notes {
            line("note", notes::sentence(*note, models));
        }
        if !self.unmatched.is_empty() {
            let rules: Vec<&str> = self.unmatched.iter().map(String::as_str).collect();
            line("rules without", format!("a model: {}", listed(&rules)));
        }
        for (field, count) in &self.lacking {
            line("not said", format!("`{field}` of {}", counted(count, "model")));
        }
    }
}

/// The most models with implausible rates that are listed in words.
const MOST_IMPLAUSIBLE: usize = 5;

/// The number of names, and as many of them as fit a line.
fn listed(names: &[&str]) -> String {
    let mut shown = Vec::new();
    let mut letters = 0;
    for name in names {
        let name = fitted(name, 40);
        letters += name.len() + 2;
        if letters > LETTERS_SHOWN && !shown.is_empty() {
            break;
        }
        shown.push(name);
    }
    let first = shown.join(", ");
    match (names.len(), names.len().saturating_sub(shown.len())) {
        (0, _) => "none".to_owned(),
        (count, 0) => format!("{}: {first}", grouped(count)),
        (count, more) => {
            format!("{}: {first} and {} more, which --json lists", grouped(count), grouped(more))
        }
    }
}
