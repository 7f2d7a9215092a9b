//! `calybris catalog price`: what calls cost by a catalog.

use std::path::{Path, PathBuf};

use calybris_catalog::text::quoted;
use calybris_catalog::{Candidate, CatalogFile};
use calybris_core::kernel::{Microunits, Usage};
use serde_json::{Value, json};

use crate::bill::Bill;
use crate::failure::Failure;
use crate::input::source::read_catalog;
use crate::input::usage_argument::{Count, total};
use crate::input::usage_lines::{UsageLine, UsageLines};
use crate::output::Page;
use crate::stream::Stream;

/// Say what a call costs, class by class, or what each line of a file costs.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  calybris catalog price prices.json gpt-4o \\
      --usage input=1000,cache_read=80000,output=500
  calybris catalog price prices.json gpt-4o@batch --usage input=1000 --json
  calls | calybris catalog price prices.json --usage-file - --json > costs.jsonl

The counts of --usage do not overlap: input, cache_read, cache_write,
cache_write_long and audio_input together are the prompt, output, reasoning and
audio_output the completion; searches are counted apart. Those left out are 0.
Prices are those of the catalog; no policy is needed, and models that a policy
would disable have their prices too.

Each line of --usage-file is an object:
  {\"model\": \"gpt-4o\", \"usage\": {\"input\": 1000, \"output\": 500}}
Each line has one line of output, in order: {\"model\", \"cost_microunits\"}, or
{\"model\", \"error\"} for a model that the catalog does not have or price, or
{\"line\", \"error\"} for a line that cannot be read. An empty line cannot be read
either.

Exit codes:
  0  answered; of --usage-file every line, whether or not it has a price
  2  nothing was done: usage, no such model, a file that cannot be read
  3  some line could not be read, or the output not be written to its end")]
pub(crate) struct Arguments {
    /// The catalog (TOML, or a LiteLLM price list)
    catalog: PathBuf,
    /// The model, by its name in the catalog
    #[arg(required_unless_present = "usage_file", conflicts_with = "usage_file")]
    model: Option<String>,
    /// What the call uses, as in input=1000,cache_read=80000,output=500
    #[arg(long, value_name = "NAME=COUNT", value_delimiter = ',', value_parser = Count::parse)]
    #[arg(required_unless_present = "usage_file", conflicts_with = "usage_file")]
    usage: Vec<Count>,
    /// Price every line of FILE (JSON lines), and print JSON lines
    #[arg(long, value_name = "FILE")]
    usage_file: Option<PathBuf>,
    /// Print one JSON object, amounts in microunits; with --usage-file each line is one
    #[arg(long)]
    pub(crate) json: bool,
}

impl Arguments {
    /// Whether the answer is JSON lines.
    pub(crate) const fn is_many(&self) -> bool {
        self.usage_file.is_some()
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<Page, Failure> {
    let file = arguments.catalog.as_path();
    let usage = total(&arguments.usage).map_err(Failure::refused)?;
    let catalog = read_catalog(file)?;
    if let Some(problem) = catalog.problems().into_iter().next() {
        return Err(problem.in_file(file).into());
    }
    if let Some(lines) = &arguments.usage_file {
        return many(&catalog, lines);
    }
    let name = arguments.model.as_deref().unwrap_or_default();
    let Some(candidate) = catalog.priced(name) else {
        return Err(Failure::at(file, unknown(&catalog, name)));
    };
    let bill = Bill::of(&candidate.price(), &usage);
    if bill.total == Microunits::MAX {
        return Err(Failure::at(file, format!("model {}: {TOO_DEAR}", quoted(name))));
    }
    let mut page = Page::default();
    if arguments.json {
        page.line(format_args!("{:#}", object(candidate, &bill)));
    } else {
        words(candidate, &bill, &mut page);
    }
    Ok(page)
}

fn words(candidate: &Candidate, bill: &Bill, page: &mut Page) {
    page.wrapped("", &format!("{} of {}", candidate.name, candidate.provider));
    page.line("");
    page.line(bill.table());
    page.line("amounts in currency units, rates per million tokens");
    if let Some(band) = bill.band_words() {
        page.line(band);
    }
    for note in &candidate.notes {
        page.wrapped("note: ", &format!("it {note}"));
    }
}

fn object(candidate: &Candidate, bill: &Bill) -> Value {
    let mut object = bill.json();
    if let Some(fields) = object.as_object_mut() {
        fields.insert("model".to_owned(), json!(candidate.name));
        fields.insert("provider".to_owned(), json!(candidate.provider));
        let notes = candidate.notes.iter().map(|note| note.name());
        fields.insert("notes".to_owned(), notes.collect());
    }
    object
}

/// The most names that a message lists.
const MOST_NAMES: usize = 5;

/// The message about a model that the catalog does not have: names that end like it or contain it.
fn unknown(catalog: &CatalogFile, name: &str) -> String {
    let has = |part: &str| part.to_lowercase().contains(&name.to_lowercase());
    let names = catalog.candidates().iter().map(|model| model.name.as_str());
    let mut alike: Vec<&str> = names.filter(|part| has(part)).collect();
    alike.sort_by_key(|name| (name.len(), *name));
    let alike: Vec<String> = alike.into_iter().take(MOST_NAMES).map(quoted).collect();
    let hint = match alike.is_empty() {
        true => String::new(),
        false => format!("; it has {}", alike.join(", ")),
    };
    format!("{}{hint}", no_price(name))
}

fn no_price(name: &str) -> String {
    format!("has no model {} with prices", quoted(name))
}

const TOO_DEAR: &str = "costs more than 18,446,744,073,709.551614 currency units";

/// Prices each line of a file.
fn many(catalog: &CatalogFile, file: &Path) -> Result<Page, Failure> {
    let mut lines = UsageLines::open(file)?;
    let mut out = Stream::stdout();
    let mut first_unread = None;
    while let Some(line) = lines.next()? {
        match &line {
            Ok(UsageLine { model, usage }) => out.line(answer(catalog, model, usage))?,
            Err(fault) => {
                first_unread = first_unread.or(Some(fault.line));
                out.line(json!({ "line": fault.line, "error": fault.what }))?;
            }
        }
        if out.is_closed() {
            break;
        }
    }
    out.finish()?;
    match first_unread {
        None => Ok(Page::default()),
        Some(line) => {
            let what = format!(
                "some lines cannot be read, the first is line {line}; each has its `error`"
            );
            // Each line has its one line of output already.
            Err(Failure::at(file, what).done_in_part().showing(Page::default()))
        }
    }
}

/// The line for one call.
fn answer(catalog: &CatalogFile, model: &str, usage: &Usage) -> Value {
    let cost = catalog.priced(model).map(|row| row.price().cost(usage));
    match cost {
        Some(Microunits::MAX) => json!({ "model": model, "error": TOO_DEAR }),
        Some(cost) => json!({ "model": model, "cost_microunits": cost }),
        None => json!({ "model": model, "error": format!("the catalog {}", no_price(model)) }),
    }
}
