//! `calybris catalog diff`: what changed from one catalog to the next, the largest change first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::amount::{counted, grouped, money, nearest};
use crate::failure::Failure;
use crate::input::catalog::{Candidate, CatalogFile};
use crate::input::policy::{Bps, Microunits, Name, PolicyFile, Traits};
use crate::input::whole::whole;
use crate::page::Page;
use crate::table::table;
use crate::terminal::fitted;

/// Compare two catalogs: models added and removed, prices and capabilities changed.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  calybris catalog diff prices-october.json prices-november.json
  calybris catalog diff old.toml new.toml --policy policy.toml --top 50

Models are compared by name. The largest change of a price comes first, by its
factor: twice the price is as large a change as half of it. Prices are in
currency units per million tokens. Percents are rounded to the hundredth
part. With --policy the rules of the policy file are applied to both.

Exit codes:
  0  compared, whether or not they differ
  2  could not be compared
  3  done, but the output could not be written to its end")]
pub(crate) struct Arguments {
    /// The catalog before (TOML, or a LiteLLM price list)
    old: PathBuf,
    /// The catalog after
    new: PathBuf,
    /// The policy whose rules say what the catalogs leave out
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Rows of each table; 0 is all
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = whole::<usize>)]
    top: usize,
    /// Print one JSON object with everything, prices in microunits per million tokens
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Page, Failure> {
    let policy = arguments.policy.as_deref().map(PolicyFile::read).transpose()?;
    let policy = policy.as_ref().zip(arguments.policy.as_deref());
    let (old, new) = (read(&arguments.old, policy)?, read(&arguments.new, policy)?);
    let difference = Difference::between(&old, &new);
    let mut page = Page::default();
    if arguments.json {
        page.line(format_args!("{:#}", difference.json()));
    } else {
        let top = if arguments.top == 0 { usize::MAX } else { arguments.top };
        difference.words(top, &mut page);
    }
    Ok(page)
}

/// A catalog without a problem, with the rules applied if there are any.
fn read(file: &Path, policy: Option<(&PolicyFile, &Path)>) -> Result<CatalogFile, Failure> {
    let mut catalog = CatalogFile::read(file)?;
    if let Some((policy, _)) = policy {
        catalog.dress(policy);
    }
    match catalog.problems(file, policy.map(|(_, file)| file)).first() {
        Some(problem) => Err(problem.in_file(file, "").into()),
        None => Ok(catalog),
    }
}

/// What changed.
struct Difference<'a> {
    models_before: usize,
    models_after: usize,
    added: Vec<&'a Candidate>,
    removed: Vec<&'a Candidate>,
    changed: Vec<Change<'a>>,
    changed_models: usize,
}

/// One field of one model.
struct Change<'a> {
    model: &'a str,
    field: &'static str,
    values: Values,
}

enum Values {
    /// Microunits per million tokens, or per request.
    Price(u64, u64),
    /// Any other number, or nothing.
    Number(Option<u64>, Option<u64>),
    Text(String, String),
    /// Members added, members removed.
    Set(Vec<String>, Vec<String>),
}

impl<'a> Difference<'a> {
    fn between(old: &'a CatalogFile, new: &'a CatalogFile) -> Self {
        let by_name = |catalog: &'a CatalogFile| -> BTreeMap<&'a str, &'a Candidate> {
            catalog.candidates.iter().map(|model| (model.name.as_str(), model)).collect()
        };
        let (before, after) = (by_name(old), by_name(new));
        let missing_in = |models: &BTreeMap<&'a str, &'a Candidate>,
                          other: &BTreeMap<&'a str, &'a Candidate>| {
            let only = models.iter().filter(|(name, _)| !other.contains_key(*name));
            only.map(|(_, model)| *model).collect::<Vec<_>>()
        };
        let mut changed = Vec::new();
        let mut changed_models = 0;
        for (name, old) in &before {
            let Some(new) = after.get(name) else { continue };
            let known = changed.len();
            compare(old, new, &mut changed);
            changed_models += usize::from(changed.len() > known);
        }
        changed.sort_by_key(|change| (Reverse(change.values.size()), change.model, change.field));
        Self {
            models_before: before.len(),
            models_after: after.len(),
            added: missing_in(&after, &before),
            removed: missing_in(&before, &after),
            changed,
            changed_models,
        }
    }

    fn json(&self) -> Value {
        let model = |model: &&Candidate| {
            json!({
                "model": model.name,
                "provider": model.provider,
                "input_price_microunits_per_million_tokens":
                    model.input_price_microunits_per_million_tokens,
                "output_price_microunits_per_million_tokens":
                    model.output_price_microunits_per_million_tokens,
            })
        };
        json!({
            "models_before": self.models_before,
            "models_after": self.models_after,
            "models_changed": self.changed_models,
            "added": self.added.iter().map(model).collect::<Vec<_>>(),
            "removed": self.removed.iter().map(model).collect::<Vec<_>>(),
            "changed": self.changed.iter().map(Change::json).collect::<Vec<_>>(),
        })
    }

    fn words(&self, top: usize, page: &mut Page) {
        page.line(format_args!(
            "{} before, {} after: {} added, {} removed, {} changed",
            counted(self.models_before, "model"),
            grouped(self.models_after),
            grouped(self.added.len()),
            grouped(self.removed.len()),
            grouped(self.changed_models)
        ));
        if !self.changed.is_empty() {
            let rows = self.changed.iter().take(top).map(Change::row);
            page.line("");
            page.line(table(&["changed", "field", "before", "after", "change"], &[2, 3, 4], rows));
            rest(self.changed.len(), top, "change", page);
        }
        for (what, models) in [("added", &self.added), ("removed", &self.removed)] {
            if models.is_empty() {
                continue;
            }
            let rows = models.iter().take(top).map(|model| {
                vec![
                    model.name.clone(),
                    model.provider.clone(),
                    money(model.input_price_microunits_per_million_tokens),
                    money(model.output_price_microunits_per_million_tokens),
                ]
            });
            page.line("");
            page.line(table(&[what, "provider", "input", "output"], &[2, 3], rows));
            rest(models.len(), top, "model", page);
        }
    }
}

fn rest(rows: usize, top: usize, what: &str, page: &mut Page) {
    let more = rows.saturating_sub(top);
    if more > 0 {
        page.line(format_args!("and {} more; --top 0 shows all", counted(more, what)));
    }
}

fn compare<'a>(old: &'a Candidate, new: &'a Candidate, changed: &mut Vec<Change<'a>>) {
    let bps = |value: Option<Bps>| value.map(|Bps(bps)| u64::from(bps));
    let fixed = |value: Option<Microunits>| value.map_or(0, |Microunits(price)| price);
    let flag = |value: Option<bool>| value.unwrap_or(true).to_string();
    let (of_old, of_new) = (&old.traits, &new.traits);
    let values = [
        (
            "input price",
            Values::Price(
                old.input_price_microunits_per_million_tokens,
                new.input_price_microunits_per_million_tokens,
            ),
        ),
        (
            "output price",
            Values::Price(
                old.output_price_microunits_per_million_tokens,
                new.output_price_microunits_per_million_tokens,
            ),
        ),
        (
            "fixed price",
            Values::Price(
                fixed(of_old.fixed_price_microunits),
                fixed(of_new.fixed_price_microunits),
            ),
        ),
        ("quality bps", Values::Number(bps(of_old.quality_bps), bps(of_new.quality_bps))),
        (
            "risk ceiling bps",
            Values::Number(bps(of_old.risk_ceiling_bps), bps(of_new.risk_ceiling_bps)),
        ),
        (
            "p95 latency ms",
            Values::Number(
                of_old.p95_latency_ms.map(u64::from),
                of_new.p95_latency_ms.map(u64::from),
            ),
        ),
        ("enabled", Values::Text(flag(of_old.enabled), flag(of_new.enabled))),
        ("provider", Values::Text(old.provider.clone(), new.provider.clone())),
        ("capabilities", Values::set(&old.capabilities, &new.capabilities)),
        ("regions", Values::set(&regions(of_old), &regions(of_new))),
    ];
    let differing = values.into_iter().filter(|(_, values)| values.differ());
    changed.extend(differing.map(|(field, values)| Change { model: &old.name, field, values }));
}

fn regions(traits: &Traits) -> Vec<String> {
    traits.regions.iter().flatten().map(|Name(region)| region.clone()).collect()
}

impl Values {
    fn set(old: &[String], new: &[String]) -> Self {
        let (old, new): (BTreeSet<_>, BTreeSet<_>) = (old.iter().collect(), new.iter().collect());
        let only = |these: &BTreeSet<&String>, those: &BTreeSet<&String>| {
            these.difference(those).map(|name| (*name).clone()).collect()
        };
        Self::Set(only(&new, &old), only(&old, &new))
    }

    fn differ(&self) -> bool {
        match self {
            Self::Price(old, new) => old != new,
            Self::Number(old, new) => old != new,
            Self::Text(old, new) => old != new,
            Self::Set(added, removed) => !added.is_empty() || !removed.is_empty(),
        }
    }

    /// What is sorted by: prices before all else, the largest relative change first, a price from or to nothing before
    /// all others.
    fn size(&self) -> (u8, u128) {
        match self {
            Self::Price(0, _) => (2, u128::MAX),
            Self::Price(_, 0) => (2, u128::MAX - 1),
            Self::Price(old, new) => {
                // The ratio of the larger to the smaller: so twice and half the price are as large a change.
                let (less, more) = (u128::from(*old.min(new)), u128::from(*old.max(new)));
                (2, (more << 60) / less)
            }
            Self::Number(..) | Self::Text(..) => (1, 0),
            Self::Set(added, removed) => {
                (0, u128::try_from(added.len() + removed.len()).unwrap_or(u128::MAX))
            }
        }
    }

    fn change(&self) -> String {
        match self {
            Self::Price(old, new) => percent(*old, *new).map_or_else(
                || "was free".to_owned(),
                |(sign, hundredths)| {
                    format!("{sign}{}.{:02}%", grouped(hundredths / 100), hundredths % 100)
                },
            ),
            Self::Number(Some(old), Some(new)) if new > old => format!("+{}", grouped(new - old)),
            Self::Number(Some(old), Some(new)) => format!("-{}", grouped(old - new)),
            _ => String::new(),
        }
    }
}

/// By how many hundredths of a percent, rounded, a number changed; `None` from 0.
fn percent(old: u64, new: u64) -> Option<(char, u128)> {
    let hundredths = nearest(u128::from(old.abs_diff(new)) * 10_000, u128::from(old));
    (old > 0).then_some((if new < old { '-' } else { '+' }, hundredths))
}

impl Change<'_> {
    fn row(&self) -> Vec<String> {
        let number = |value: &Option<u64>| value.map_or_else(|| "none".to_owned(), grouped);
        let signed = |sign: &str, names: &[String]| {
            let names = names.iter().map(|name| format!("{sign}{name}"));
            fitted(&names.collect::<Vec<_>>().join(" "), 28)
        };
        let (old, new) = match &self.values {
            Values::Price(old, new) => (money(*old), money(*new)),
            Values::Number(old, new) => (number(old), number(new)),
            Values::Text(old, new) => (fitted(old, 14), fitted(new, 14)),
            Values::Set(added, removed) => (signed("-", removed), signed("+", added)),
        };
        vec![self.model.to_owned(), self.field.to_owned(), old, new, self.values.change()]
    }

    fn json(&self) -> Value {
        let (old, new) = match &self.values {
            Values::Price(old, new) => (json!(old), json!(new)),
            Values::Number(old, new) => (json!(old), json!(new)),
            Values::Text(old, new) => (json!(old), json!(new)),
            Values::Set(added, removed) => {
                return json!({
                    "model": self.model, "field": self.field, "added": added, "removed": removed,
                });
            }
        };
        let mut object =
            json!({ "model": self.model, "field": self.field, "before": old, "after": new });
        if let (Values::Price(old, new), Some(map)) = (&self.values, object.as_object_mut()) {
            let change = percent(*old, *new).map(|(sign, hundredths)| {
                let hundredths = i128::try_from(hundredths).unwrap_or(i128::MAX);
                if sign == '-' { -hundredths } else { hundredths }
            });
            map.insert("change_bps".to_owned(), json!(change));
        }
        object
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percent_is_rounded_to_the_hundredth_part() {
        let change = |old, new| Values::Price(old, new).change();
        assert_eq!(change(100, 150), "+50.00%");
        assert_eq!(change(3, 4), "+33.33%");
        assert_eq!(change(3, 2), "-33.33%");
        assert_eq!(change(3, 1), "-66.67%");
        assert_eq!(change(5, 0), "-100.00%");
        assert_eq!(change(0, 5), "was free");
        assert_eq!(change(1, 11), "+1,000.00%");
    }

    #[test]
    fn twice_and_half_the_price_are_as_large_a_change() {
        let size = |old, new| Values::Price(old, new).size();
        assert_eq!(size(10, 20), size(20, 10));
        assert!(size(10, 21) > size(20, 10));
        assert!(size(0, 1) > size(1, u64::MAX));
        assert!(size(1, u64::MAX) > size(1, u64::MAX - 1));
    }
}
