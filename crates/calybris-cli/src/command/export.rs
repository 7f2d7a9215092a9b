//! `calybris export`: the log as a stream for other tools.

use std::path::PathBuf;

use calybris_core::engine::{Admission, Entry, Names, Record};
use calybris_core::kernel::{Ceiling, TokenClass};
use clap::ValueEnum;
use serde_json::Value;

use crate::failure::Failure;
use crate::log::arguments::LogArguments;
use crate::log::journal::Journal;
use crate::log::json;
use crate::log::naming::{group_name, model_name};
use crate::log::outcome::{Ending, Followed, Waiting, decision_of};
use crate::new_file::new_file;
use crate::output::Page;
use crate::spreadsheet::row;
use crate::stream::Stream;
use crate::time::rfc3339;

/// Export a log as JSON lines (every record) or CSV (every decision).
#[derive(clap::Args)]
#[command(mut_arg("json", |json| json.help("Report a failure as one JSON object, too")), after_help = "\
Examples:
  calybris export ./log --format jsonl | jq 'select(.kind == \"decision\")'
  calybris export ./log --format csv --output decisions.csv

JSON lines: one object per record with all of its fields, its sequence and hash,
its time as text and models by name. CSV: one row per decision, with its outcome
in `outcome` (settled, abandoned, open, rejected, unfunded) and
`actual_cost_microunits`. A decision waits for its outcome while at most 65,536
later ones are read, so that memory is bounded. If the outcome comes later than
that, the row says `open`, and a row with `row` = `outcome` follows, with the
same `sequence` and only the columns of the outcome. Amounts are in microunits.

JSON lines are exact. CSV is safe for spreadsheets: a text that would be a
formula (it begins with = + - @, a tab or a carriage return) gets a ' in front,
and control characters are escaped as in \\u001b.

Every record is verified before it is exported. A file gets its name when all of
it is on disk.

Exit codes:
  0  exported
  1  the log is not intact; the records before the damage were exported
  2  nothing was done: usage, a missing key, a missing log, a file that exists
  3  begun, and the output could not be written to its end; no file is left")]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) log: LogArguments,
    /// The form
    #[arg(long, value_enum)]
    format: Format,
    /// The file to make; the default, and `-`, is standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Jsonl,
    Csv,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Page, Failure> {
    let mut journal = arguments.log.journal()?;
    let file = new_file(arguments.output.as_deref())?;
    let mut out = match &file {
        Some(file) => Stream::file(file)?,
        None => Stream::stdout(),
    };
    let exported = match arguments.format {
        Format::Jsonl => json_lines(&mut journal, &mut out),
        Format::Csv => decisions(&mut journal, &mut out),
    };
    match exported {
        Err(failure) if !failure.is_verdict() => Err(failure),
        // The records before the damage are kept, and the damage is reported as the error.
        exported => {
            let finished = out.finish();
            exported.and(finished).map(|()| Page::default())
        }
    }
}

fn json_lines(journal: &mut Journal, out: &mut Stream) -> Result<(), Failure> {
    while let Some(entry) = journal.next()? {
        out.line(Value::Object(json::object(&entry, journal)?))?;
        if out.is_closed() {
            break;
        }
    }
    Ok(())
}

fn decisions(journal: &mut Journal, out: &mut Stream) -> Result<(), Failure> {
    out.write(format_args!("{}", row(COLUMNS.map(|(name, _)| name.to_owned()))?))?;
    let mut waiting = Waiting::default();
    let read = read_decisions(journal, &mut waiting, out);
    while let Some(followed) = waiting.pop() {
        decision(&followed, journal, out)?;
    }
    read
}

fn read_decisions(
    journal: &mut Journal,
    waiting: &mut Waiting,
    out: &mut Stream,
) -> Result<(), Failure> {
    while let Some(Entry { sequence, hash, record, .. }) = journal.next()? {
        if let Record::Decided(decided) = record {
            let names = journal.names(decided.snapshot_sequence);
            waiting.push(Followed::new(sequence, hash, decided, names));
        } else if let Some(decision_sequence) = decision_of(&record)
            && !waiting.take(sequence, &record, journal.names_of(&record))
        {
            late(decision_sequence, sequence, &record, journal, out)?;
        }
        while let Some(followed) = waiting.pop_ready() {
            decision(&followed, journal, out)?;
        }
        if out.is_closed() {
            break;
        }
    }
    Ok(())
}

fn decision(followed: &Followed, journal: &Journal, out: &mut Stream) -> Result<(), Failure> {
    let names = journal.names(followed.decided.snapshot_sequence);
    let cells = COLUMNS.map(|(_, cell)| cell(followed, names));
    out.write(format_args!("{}", row(cells)?))
}

/// The row for a later record whose decision was written already.
fn late(
    decision_sequence: u64,
    sequence: u64,
    record: &Record<'_>,
    journal: &Journal,
    out: &mut Stream,
) -> Result<(), Failure> {
    let cells = COLUMNS.map(|(name, _)| match (name, record) {
        ("row", _) => "outcome".to_owned(),
        ("sequence", _) => decision_sequence.to_string(),
        ("outcome_sequence", _) => sequence.to_string(),
        ("outcome", Record::Settled { .. }) => "settled".to_owned(),
        ("outcome", Record::Abandoned { .. }) => "abandoned".to_owned(),
        ("outcome", Record::FellBack { .. }) => "open".to_owned(),
        ("actual_cost_microunits", Record::Settled { actual_cost, .. }) => {
            actual_cost.get().to_string()
        }
        ("final_model", Record::FellBack { fallback: Some(fallback), .. }) => {
            model_name(journal.names_of(record), fallback.model_id)
        }
        _ => String::new(),
    });
    out.write(format_args!("{}", row(cells)?))
}

type Cell = fn(&Followed, &Names) -> String;

/// The columns, in their order; a new one goes to the end.
const COLUMNS: [(&str, Cell); 50] = [
    ("row", |_, _| "decision".to_owned()),
    ("sequence", |of, _| of.sequence.to_string()),
    ("time", |of, _| rfc3339(of.decided.time.get())),
    ("tenant", |of, _| of.decided.tenant.to_string()),
    ("correlation_id", |of, _| of.decided.correlation_id.to_string()),
    ("request_key", |of, _| of.decided.request_key.to_string()),
    ("action", |of, _| format!("{:?}", of.decided.decision.action)),
    ("reason", |of, _| format!("{:?}", of.decided.decision.reason)),
    ("requested_model", |of, names| model_name(names, of.decided.decision.requested_model_id)),
    ("selected_model", |of, names| {
        optional(of.decided.decision.selected_model_id.map(|id| model_name(names, id)))
    }),
    ("estimated_cost_microunits", |of, _| of.decided.decision.estimated_cost.get().to_string()),
    ("expected_utility_microunits", |of, _| {
        of.decided.decision.expected_utility_microunits.to_string()
    }),
    ("runner_up_model", |of, names| {
        optional(of.decided.decision.runner_up_model_id.map(|id| model_name(names, id)))
    }),
    ("runner_up_utility_microunits", |of, _| {
        of.decided.decision.runner_up_utility_microunits.to_string()
    }),
    ("evaluated_models", |of, _| of.decided.decision.evaluated_models.to_string()),
    ("eligible_models", |of, _| of.decided.decision.eligible_models.to_string()),
    ("outcome", |of, _| json::ending_word(&of.ending).to_owned()),
    ("outcome_sequence", |of, _| match of.ending {
        Ending::Settled { sequence, .. } | Ending::Abandoned { sequence, .. } => {
            sequence.to_string()
        }
        _ => String::new(),
    }),
    ("actual_cost_microunits", |of, _| match of.ending {
        Ending::Settled { cost_microunits, .. } => cost_microunits.to_string(),
        _ => String::new(),
    }),
    ("fallbacks", |of, _| of.failed.len().to_string()),
    ("final_model", |of, _| optional(of.model().map(str::to_owned))),
    ("admission", |of, _| admission_word(of.decided.admission).to_owned()),
    ("available_when_refused_microunits", |of, _| match of.decided.admission {
        Admission::Insufficient { available } => available.get().to_string(),
        _ => String::new(),
    }),
    ("input_tokens", |of, _| of.decided.request.usage.input_tokens.to_string()),
    ("output_tokens", |of, _| of.decided.request.usage.output_tokens.to_string()),
    ("business_value_microunits", |of, _| of.decided.request.business_value_microunits.to_string()),
    ("budget_limit_microunits", |of, _| of.decided.request.budget_limit.get().to_string()),
    ("risk_bps", |of, _| of.decided.request.risk.get().to_string()),
    ("confidence_bps", |of, _| of.decided.request.confidence.get().to_string()),
    ("minimum_quality_bps", |of, _| of.decided.request.minimum_quality.get().to_string()),
    ("max_p95_latency_ms", |of, _| of.decided.request.max_p95_latency_ms.to_string()),
    ("request_sequence", |of, _| of.decided.request.sequence.to_string()),
    ("snapshot_sequence", |of, _| of.decided.snapshot_sequence.to_string()),
    ("policy_epoch", |of, _| of.decided.decision.policy_epoch.to_string()),
    ("catalog_epoch", |of, _| of.decided.decision.catalog_epoch.to_string()),
    ("hash", |of, _| of.hash.to_string()),
    ("maximum_cost_microunits", |of, _| of.decided.decision.maximum_cost.get().to_string()),
    ("cache_read_tokens", |of, _| of.decided.request.usage.cache_read_tokens.to_string()),
    ("cache_write_tokens", |of, _| of.decided.request.usage.cache_write_tokens.to_string()),
    ("cache_write_long_tokens", |of, _| {
        of.decided.request.usage.cache_write_long_tokens.to_string()
    }),
    ("audio_input_tokens", |of, _| of.decided.request.usage.audio_input_tokens.to_string()),
    ("reasoning_tokens", |of, _| of.decided.request.usage.reasoning_tokens.to_string()),
    ("audio_output_tokens", |of, _| of.decided.request.usage.audio_output_tokens.to_string()),
    ("searches", |of, _| of.decided.request.usage.searches.to_string()),
    ("max_prompt_tokens", |of, _| of_ceiling(of, |ceiling| ceiling.prompt_tokens.to_string())),
    ("max_completion_tokens", |of, _| {
        of_ceiling(of, |ceiling| ceiling.completion_tokens.to_string())
    }),
    ("max_searches", |of, _| of_ceiling(of, |ceiling| ceiling.searches.to_string())),
    ("allowed_classes", |of, _| {
        of_ceiling(of, |ceiling| {
            let classes: Vec<&str> = ceiling.classes.iter().map(TokenClass::name).collect();
            classes.join(" ")
        })
    }),
    ("group", |of, names| optional(of.decided.request.group_id.map(|id| group_name(names, id)))),
    ("excluded_models", |of, names| {
        let ids = of.decided.request.excluded_models.model_ids().iter();
        ids.map(|id| model_name(names, *id)).collect::<Vec<_>>().join(" ")
    }),
];

/// A part of the ceiling; empty if the request has none.
fn of_ceiling(of: &Followed, part: fn(&Ceiling) -> String) -> String {
    optional(of.decided.request.ceiling.as_ref().map(part))
}

const fn admission_word(admission: Admission) -> &'static str {
    match admission {
        Admission::NotAsked => "not_asked",
        Admission::Reserved => "reserved",
        Admission::Insufficient { .. } => "insufficient",
        Admission::Frozen => "frozen",
        Admission::InDebt { .. } => "in_debt",
        Admission::Exposed { .. } => "exposed",
    }
}

fn optional(text: Option<String>) -> String {
    text.unwrap_or_default()
}
