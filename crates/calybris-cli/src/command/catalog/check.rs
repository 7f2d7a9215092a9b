//! `calybris catalog check`: the contents of a catalog, and all of its problems.

use std::collections::BTreeSet;
use std::path::PathBuf;

use calybris_catalog::{Candidate, CatalogFile, PLAUSIBLE_PRICES, Skipped};
use calybris_core::units::Microunits;
use serde_json::json;

use crate::amount::{counted, grouped, money};
use crate::failure::Failure;
use crate::input::source::{read_catalog, read_policy};
use crate::output::Page;
use crate::terminal::fitted;

/// List the contents of a catalog and everything that is wrong with it.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  calybris catalog check prices.json
  calybris catalog check prices.json --policy policy.toml

With --policy the rules of the policy file are applied, as in `route`, and a
model that still lacks a required field is a problem. Without --policy it is
only a note.

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
    /// Print one JSON object, prices in microunits per million tokens
    #[arg(long)]
    pub(crate) json: bool,
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
    let found = Found::of(&catalog, unmatched, policy.is_some());
    let mut page = Page::default();
    if arguments.json {
        page.line(format_args!("{:#}", found.json(&catalog)));
    } else {
        page.line(format_args!("{}: {}", file.display(), found.verdict()));
        found.words(&catalog, &mut page);
    }
    Ok(page)
}

/// The contents of a catalog without a problem.
struct Found<'a> {
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
        if !self.unmatched.is_empty() {
            let rules: Vec<&str> = self.unmatched.iter().map(String::as_str).collect();
            line("rules without", format!("a model: {}", listed(&rules)));
        }
        for (field, count) in &self.lacking {
            line("not said", format!("`{field}` of {}", counted(count, "model")));
        }
    }
}

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
