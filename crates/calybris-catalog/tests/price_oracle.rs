//! The prices of imported rows against a table of what the price list's own project says that calls cost.
//!
//! `cargo xtask price-oracle LIST` makes the table. With `CALYBRIS_PRICE_TABLE=FILE` another table is compared, for instance that
//! of every model of a list, which `cargo xtask price-oracle LIST --all FILE` makes; `--nocapture` shows the summary.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a table that cannot be read fails the test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use calybris_catalog::{Candidate, CatalogFile, Note};
use calybris_kernel::{TokenClass, Usage};
use serde_json::{Map, Value};

/// Costs are equal if they differ by no more than two microunits: the table is computed from floats, and a cost is rounded
/// up twice.
const TOLERANCE_THOUSANDTHS: u64 = 2_000;

/// The models and the shapes of usage that the table has at the least.
const LEAST_MODELS: usize = 200;
const LEAST_SHAPES: usize = 12;

/// The thresholds of the price list.
const THRESHOLDS: [u64; 7] = [32_000, 100_000, 128_000, 200_000, 256_000, 272_000, 512_000];

/// A difference on purpose: which costs it concerns, and why. Where we differ, we never charge less.
struct Difference {
    why: &'static str,
    concerns: fn(&Cell<'_>) -> bool,
}

const DIFFERENCES: [Difference; 4] = [
    Difference {
        why: "a rate that falls for longer prompts is raised to that of shorter ones: no ceiling could be relied on otherwise",
        concerns: |cell| cell.candidate.notes.contains(&Note::RaisedRate),
    },
    Difference {
        why: "a batch costs half only where the list says so; the function halves an output price that it does not list",
        concerns: |cell| cell.tier == "batch" && cell.lists_no("output_cost_per_token_batches"),
    },
    Difference {
        why: "a search costs as much as the dearest size that is listed; the function takes the middle or the smallest",
        concerns: |cell| {
            cell.usage.searches > 0 && cell.candidate.notes.contains(&Note::DearestSearchSize)
        },
    },
    Difference {
        why: "a price per request is charged; the function passes over it",
        concerns: |cell| !cell.lists_no("input_cost_per_request"),
    },
];

/// Providers whose own function passes over keys of the list: long prompts at Perplexity, service tiers at Fireworks. Their costs
/// are compared with the project's general function.
const PASSED_OVER: [(&str, &str); 2] = [("perplexity", "standard"), ("fireworks_ai", "priority")];

/// One cost of the table.
struct Cell<'a> {
    candidate: &'a Candidate,
    row: &'a Value,
    tier: &'a str,
    shape: &'a str,
    usage: Usage,
    /// What the table says, in thousandths of a microunit.
    theirs_thousandths: u64,
}

impl Cell<'_> {
    fn lists_no(&self, key: &str) -> bool {
        self.row.get(key).is_none_or(Value::is_null)
    }

    /// What the imported price says, in thousandths of a microunit.
    fn ours_thousandths(&self) -> u64 {
        self.candidate.price().cost(&self.usage).get() * 1_000
    }

    fn is_exact(&self) -> bool {
        self.ours_thousandths().abs_diff(self.theirs_thousandths) <= TOLERANCE_THOUSANDTHS
    }

    /// Whether the function behind the table's cost skips some of the listed keys.
    fn is_passed_over(&self) -> bool {
        PASSED_OVER.contains(&(self.candidate.provider.as_str(), self.tier))
    }

    /// Why it differs on purpose: the first of the reasons that concern it.
    fn reason(&self) -> Option<&'static str> {
        let found = DIFFERENCES.iter().find(|difference| (difference.concerns)(self));
        let found = found.map(|difference| difference.why);
        found.or_else(|| self.is_passed_over().then_some("their function passes over listed keys"))
    }
}

/// Which costs of the table are wanted where it has two.
#[derive(Clone, Copy, PartialEq)]
enum Costs {
    /// Those of the project's function for the provider.
    Provider,
    /// Those of its general function.
    General,
}

/// How the headings of the general function's costs end.
const IN_GENERAL: &str = " in general";

struct Table {
    value: Value,
    catalog: CatalogFile,
    shapes: Vec<(String, Usage)>,
}

impl Table {
    fn of_the_tests() -> Self {
        Self::new(include_str!("price_oracle.json"))
    }

    fn new(text: &str) -> Self {
        let value: Value = serde_json::from_str(text).unwrap();
        let models = value["models"].as_object().unwrap();
        let rows: Map<String, Value> =
            models.iter().map(|(name, model)| (name.clone(), model["row"].clone())).collect();
        let list = serde_json::to_string(&rows).unwrap();
        let catalog = CatalogFile::parse("price_oracle.json", list).unwrap();
        let classes = value["classes"].as_array().unwrap();
        let names: Vec<&str> = classes.iter().map(|class| class.as_str().unwrap()).collect();
        let (searches, tokens) = names.split_last().unwrap();
        assert_eq!(*searches, "searches");
        assert_eq!(tokens, TokenClass::ALL.map(TokenClass::name));
        let usage = |counts: &Value| {
            let counts = counts.as_array().unwrap().iter();
            let counts: Vec<u32> =
                counts.map(|count| count.as_u64().unwrap().try_into().unwrap()).collect();
            let usage = Usage::default().with_searches(counts[8]);
            let tokens = TokenClass::ALL.into_iter().zip(counts);
            tokens.fold(usage, |usage, (class, count)| usage.with_tokens(class, count))
        };
        let shapes = value["shapes"].as_array().unwrap().iter();
        let shapes = shapes.map(|shape| (shape[0].as_str().unwrap().to_owned(), usage(&shape[1])));
        let shapes = shapes.collect();
        Self { value, catalog, shapes }
    }

    /// Every cost that an imported price is compared with. The general function's come before those of the function of the
    /// provider, if they are asked for.
    fn for_each_cell(&self, wanted: Costs, mut take: impl FnMut(&Cell<'_>)) {
        for (name, model) in self.value["models"].as_object().unwrap() {
            let row = &model["row"];
            let provider = row["litellm_provider"].as_str().unwrap();
            for (tier, costs) in model["costs"].as_object().unwrap() {
                if tier.ends_with(IN_GENERAL) {
                    continue;
                }
                let name = match tier.as_str() {
                    "standard" => name.clone(),
                    tier => format!("{name}@{tier}"),
                };
                let candidate = self.catalog.candidate(&name).unwrap_or_else(|| panic!("{name}"));
                assert_eq!(candidate.provider, provider);
                let general = &model["costs"][format!("{tier}{IN_GENERAL}")];
                for (position, (shape, usage)) in self.shapes.iter().enumerate() {
                    let general = general[position].as_u64().filter(|_| wanted == Costs::General);
                    let theirs = general.or(costs[position].as_u64());
                    let Some(theirs_thousandths) = theirs else { continue };
                    take(&Cell { candidate, row, tier, shape, usage: *usage, theirs_thousandths });
                }
            }
        }
    }
}

/// The models with all of their costs exact, and those with another by its cause.
#[derive(Default)]
struct Summary {
    models: BTreeSet<String>,
    inexact: BTreeMap<&'static str, BTreeSet<String>>,
}

impl Summary {
    fn of(table: &Table, costs: Costs) -> Self {
        let mut summary = Self::default();
        table.for_each_cell(costs, |cell| {
            let name = cell.candidate.name.split_once('@').filter(|_| cell.tier != "standard");
            let name = name.map_or(cell.candidate.name.as_str(), |_| {
                cell.candidate.name.strip_suffix(&format!("@{}", cell.tier)).unwrap()
            });
            summary.models.insert(name.to_owned());
            if !cell.is_exact() {
                let cause = cell.reason().unwrap_or("unexplained");
                summary.inexact.entry(cause).or_default().insert(name.to_owned());
            }
        });
        summary
    }

    fn exact_models(&self) -> usize {
        let inexact: BTreeSet<&String> = self.inexact.values().flatten().collect();
        self.models.len() - inexact.len()
    }

    fn text(&self) -> String {
        let (exact, models) = (self.exact_models(), self.models.len());
        let share_bps = exact * 10_000 / models;
        let mut text = format!(
            "{exact} of {models} models are exact on every shape ({share_bps} of 10,000)\n"
        );
        for (cause, models) in &self.inexact {
            writeln!(text, "{:5} models: {cause}", models.len()).unwrap();
        }
        text
    }
}

#[test]
fn every_cost_is_that_of_the_lists_own_project_or_differs_on_purpose() {
    let table = match std::env::var_os("CALYBRIS_PRICE_TABLE") {
        Some(file) => Table::new(&std::fs::read_to_string(file).unwrap()),
        None => Table::of_the_tests(),
    };
    let mut wrong = String::new();
    table.for_each_cell(Costs::General, |cell| {
        if cell.is_exact() {
            return;
        }
        let (ours, theirs) = (cell.ours_thousandths(), cell.theirs_thousandths);
        let (name, shape) = (&cell.candidate.name, cell.shape);
        match cell.reason() {
            Some(_) if ours > theirs => {}
            Some(why) => {
                writeln!(wrong, "{name}, {shape}: {ours} is less than {theirs}: {why}").unwrap();
            }
            None => writeln!(wrong, "{name}, {shape}: {ours} is not {theirs}").unwrap(),
        }
    });
    println!("by the functions of the providers, {}", Summary::of(&table, Costs::Provider).text());
    println!(
        "by the general function where it says more, {}",
        Summary::of(&table, Costs::General).text()
    );
    assert_eq!(wrong, "");
}

#[test]
fn the_table_has_every_threshold_of_the_list_and_enough_models_and_shapes() {
    let table = Table::of_the_tests();
    let models = table.value["models"].as_object().unwrap();
    assert!(models.len() >= LEAST_MODELS && table.shapes.len() >= LEAST_SHAPES);
    let prompts: BTreeSet<u64> =
        table.shapes.iter().map(|(_, usage)| usage.prompt_tokens()).collect();
    for threshold in THRESHOLDS {
        assert!(prompts.contains(&threshold) && prompts.contains(&(threshold + 1)), "{threshold}");
        let has_band = |candidate: &Candidate| {
            let bands = candidate
                .price()
                .bands()
                .map(|band| u64::from(band.above_prompt_tokens))
                .collect::<Vec<_>>();
            bands.contains(&threshold) || bands.contains(&(threshold - 1))
        };
        assert!(table.catalog.candidates().iter().any(has_band), "{threshold}");
    }
    for class in TokenClass::ALL {
        assert!(table.shapes.iter().any(|(_, usage)| usage.tokens(class) > 0), "{class}");
    }
}

#[test]
fn every_difference_on_purpose_occurs_and_concerns_something_that_differs() {
    let table = Table::of_the_tests();
    let mut found: BTreeMap<&str, u64> = DIFFERENCES.iter().map(|it| (it.why, 0)).collect();
    table.for_each_cell(Costs::General, |cell| {
        for difference in &DIFFERENCES {
            if (difference.concerns)(cell) && !cell.is_exact() {
                let most = found.get_mut(difference.why).unwrap();
                *most =
                    (*most).max(cell.ours_thousandths().saturating_sub(cell.theirs_thousandths));
            }
        }
    });
    for (why, most) in found {
        assert!(most > TOLERANCE_THOUSANDTHS, "nothing differs any more: {why}");
    }
}

#[test]
fn the_functions_of_two_providers_pass_over_prices_that_the_general_one_charges() {
    let table = Table::of_the_tests();
    for (provider, tier) in PASSED_OVER {
        let (mut dearer, mut cheaper) = (0, 0);
        table.for_each_cell(Costs::Provider, |cell| {
            let is_tier = cell.candidate.provider == provider && cell.tier == tier;
            if is_tier && cell.is_passed_over() && !cell.is_exact() {
                dearer += u32::from(cell.ours_thousandths() > cell.theirs_thousandths);
                cheaper += u32::from(cell.ours_thousandths() < cell.theirs_thousandths);
            }
        });
        assert!(dearer > 0 && cheaper == 0, "{provider}: {dearer} dearer, {cheaper} cheaper");
    }
}
