//! `calybris catalog diff`: the changes from one catalog to the next, the largest first.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use calybris_catalog::{Candidate, CatalogDiff, CatalogFile, Change, PolicyFile, Values};
use calybris_core::units::Microunits;
use serde_json::{Value, json};

use crate::amount::{counted, grouped, money, nearest};
use crate::command::notes::such_as;
use crate::failure::Failure;
use crate::input::source::{read_catalog, read_policy};
use crate::input::whole::whole;
use crate::log::naming::{group_name, model_name};
use crate::output::Page;
use crate::table::table;
use crate::terminal::fitted;

/// Compare two catalogs: models added and removed, prices and capabilities changed.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  calybris catalog diff prices-october.json prices-november.json
  calybris catalog diff old.toml new.toml --policy policy.toml --top 50

Models are compared by name. The largest price change comes first, by its
factor: a doubled price and a halved one are equally large changes. Prices are
in currency units per million tokens. Percentages are rounded to two places.
With --policy the rules of the policy file are applied to both, and its
groups are compared as well.

Exit codes:
  0  compared, whether or not they differ
  2  could not be compared
  3  done, but the output could not be written to its end")]
pub(crate) struct Arguments {
    /// The catalog before (TOML, or a LiteLLM price list)
    old: PathBuf,
    /// The catalog after
    new: PathBuf,
    /// The policy whose rules fill in what the catalogs leave out
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
    let policy = arguments.policy.as_deref().map(read_policy).transpose()?;
    let (old, old_groups) = read(&arguments.old, policy.as_ref())?;
    let (new, new_groups) = read(&arguments.new, policy.as_ref())?;
    let diff = CatalogDiff::between(&old, &new);
    let groups = group_changes(&old_groups, &new_groups);
    let compared = Compared { old: &old, new: &new, diff: &diff, groups: &groups };
    let mut page = Page::default();
    if arguments.json {
        page.line(format_args!("{:#}", compared.json()));
    } else {
        let top = if arguments.top == 0 { usize::MAX } else { arguments.top };
        compared.words(top, &mut page);
    }
    Ok(page)
}

/// The models of each group.
type Groups = BTreeMap<String, BTreeSet<String>>;

/// A catalog without a problem, with the rules applied if there are any, and the groups of the policy.
fn read(file: &Path, policy: Option<&PolicyFile>) -> Result<(CatalogFile, Groups), Failure> {
    let catalog = read_catalog(file)?;
    let Some(policy) = policy else {
        return match catalog.problems().into_iter().next() {
            Some(problem) => Err(problem.in_file(file).into()),
            None => Ok((catalog, Groups::new())),
        };
    };
    let joined = catalog.join(policy)?;
    let names = joined.snapshot.names();
    let groups = joined.snapshot.policy_snapshot().groups().iter().map(|group| {
        let models = group.model_ids.iter().map(|id| model_name(names, *id)).collect();
        (group_name(names, group.group_id), models)
    });
    let groups = groups.collect();
    Ok((joined.listed, groups))
}

/// A group whose models are not the same in both catalogs.
struct GroupChange<'a> {
    group: &'a str,
    added: Vec<&'a str>,
    removed: Vec<&'a str>,
}

/// The changes of the groups. Both catalogs have the groups of one policy.
fn group_changes<'a>(old: &'a Groups, new: &'a Groups) -> Vec<GroupChange<'a>> {
    let changes = old.iter().filter_map(|(group, before)| {
        let after = new.get(group)?;
        let only = |these: &'a BTreeSet<String>, those: &'a BTreeSet<String>| {
            these.difference(those).map(String::as_str).collect::<Vec<_>>()
        };
        let (added, removed) = (only(after, before), only(before, after));
        let is_changed = !added.is_empty() || !removed.is_empty();
        is_changed.then_some(GroupChange { group, added, removed })
    });
    changes.collect()
}

/// Two catalogs and their differences.
struct Compared<'a> {
    old: &'a CatalogFile,
    new: &'a CatalogFile,
    diff: &'a CatalogDiff<'a>,
    groups: &'a [GroupChange<'a>],
}

impl Compared<'_> {
    fn json(&self) -> Value {
        let model = |model: &&Candidate| {
            json!({
                "model": model.name,
                "provider": model.provider,
                "input_price_microunits_per_million_tokens":
                    model.price().band(0).rates.input,
                "output_price_microunits_per_million_tokens":
                    model.price().band(0).rates.output,
            })
        };
        json!({
            "models_before": self.old.candidates().len(),
            "models_after": self.new.candidates().len(),
            "models_changed": self.diff.changed_models,
            "added": self.diff.added.iter().map(model).collect::<Vec<_>>(),
            "removed": self.diff.removed.iter().map(model).collect::<Vec<_>>(),
            "changed": self.diff.changes.iter().map(json_of).collect::<Vec<_>>(),
            "changed_groups": self.groups.iter().map(|change| json!({
                "group": change.group, "added": change.added, "removed": change.removed,
            })).collect::<Vec<_>>(),
        })
    }

    fn words(&self, top: usize, page: &mut Page) {
        page.line(format_args!(
            "{} before, {} after: {} added, {} removed, {} changed",
            counted(self.old.candidates().len(), "model"),
            grouped(self.new.candidates().len()),
            grouped(self.diff.added.len()),
            grouped(self.diff.removed.len()),
            grouped(self.diff.changed_models)
        ));
        if !self.diff.changes.is_empty() {
            let rows = self.diff.changes.iter().take(top).map(row);
            page.line("");
            page.line(table(&["changed", "field", "before", "after", "change"], &[2, 3, 4], rows));
            rest(self.diff.changes.len(), top, "change", page);
        }
        if !self.groups.is_empty() {
            let rows = self.groups.iter().map(|change| {
                let models = |models: &[&str]| match models {
                    [] => String::new(),
                    models => format!("{}: {}", grouped(models.len()), such_as(models)),
                };
                let (added, removed) = (models(&change.added), models(&change.removed));
                vec![change.group.to_owned(), added, removed]
            });
            page.line("");
            page.line(table(&["group", "added", "removed"], &[], rows));
        }
        for (what, models) in [("added", &self.diff.added), ("removed", &self.diff.removed)] {
            if models.is_empty() {
                continue;
            }
            let rows = models.iter().take(top).map(|model| {
                vec![
                    model.name.clone(),
                    model.provider.clone(),
                    money(model.price().band(0).rates.input.get()),
                    money(model.price().band(0).rates.output.get()),
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

/// The change in words; empty if the two values say all.
fn change(values: &Values) -> String {
    match values {
        Values::Price(old, new) => percent(*old, *new).map_or_else(
            || "was free".to_owned(),
            |(sign, hundredths)| {
                format!("{sign}{}.{:02}%", grouped(hundredths / 100), hundredths % 100)
            },
        ),
        Values::Number(Some(old), Some(new)) if new > old => format!("+{}", grouped(new - old)),
        Values::Number(Some(old), Some(new)) => format!("-{}", grouped(old - new)),
        _ => String::new(),
    }
}

/// The change of a number in hundredths of a percent, rounded; `None` if it was 0.
fn percent(old: Microunits, new: Microunits) -> Option<(char, u128)> {
    let (old, new) = (old.get(), new.get());
    let hundredths = nearest(u128::from(old.abs_diff(new)) * 10_000, u128::from(old));
    (old > 0).then_some((if new < old { '-' } else { '+' }, hundredths))
}

fn row(of: &Change<'_>) -> Vec<String> {
    let number = |value: &Option<u64>| value.map_or_else(|| "none".to_owned(), grouped);
    let signed = |sign: &str, names: &[String]| {
        let names = names.iter().map(|name| format!("{sign}{name}"));
        fitted(&names.collect::<Vec<_>>().join(" "), 28)
    };
    let (old, new) = match &of.values {
        Values::Price(old, new) => (money(old.get()), money(new.get())),
        Values::Number(old, new) => (number(old), number(new)),
        Values::Text(old, new) => (fitted(old, 14), fitted(new, 14)),
        Values::Set(added, removed) => (signed("-", removed), signed("+", added)),
    };
    vec![of.model.to_owned(), of.field.to_string(), old, new, change(&of.values)]
}

fn json_of(of: &Change<'_>) -> Value {
    let (old, new) = match &of.values {
        Values::Price(old, new) => (json!(old), json!(new)),
        Values::Number(old, new) => (json!(old), json!(new)),
        Values::Text(old, new) => (json!(old), json!(new)),
        Values::Set(added, removed) => {
            return json!({
                "model": of.model, "field": of.field, "added": added, "removed": removed,
            });
        }
    };
    let mut object = json!({ "model": of.model, "field": of.field, "before": old, "after": new });
    if let (Values::Price(old, new), Some(map)) = (&of.values, object.as_object_mut()) {
        let change = percent(*old, *new).map(|(sign, hundredths)| {
            let hundredths = i128::try_from(hundredths).unwrap_or(i128::MAX);
            if sign == '-' { -hundredths } else { hundredths }
        });
        map.insert("change_bps".to_owned(), json!(change));
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percent_is_rounded_to_the_hundredth_part() {
        let change = |old, new| change(&Values::Price(Microunits::new(old), Microunits::new(new)));
        assert_eq!(change(100, 150), "+50.00%");
        assert_eq!(change(3, 4), "+33.33%");
        assert_eq!(change(3, 2), "-33.33%");
        assert_eq!(change(3, 1), "-66.67%");
        assert_eq!(change(5, 0), "-100.00%");
        assert_eq!(change(0, 5), "was free");
        assert_eq!(change(1, 11), "+1,000.00%");
    }
}
