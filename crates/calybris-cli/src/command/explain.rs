//! `calybris explain`: the reasons for one decision, model by model.

mod changes;
mod costs;
mod explained;
mod verdicts;

use calybris_core::engine::EngineError;
use calybris_core::kernel::Verdict;
use serde_json::{Value, json};

use self::explained::Explained;
use crate::failure::Failure;
use crate::input::whole::whole;
use crate::log::arguments::LogArguments;
use crate::log::beginning::{first_sequence, not_there};
use crate::log::find::{Found, find};
use crate::log::{header, json};
use crate::output::Page;
use crate::terminal::{Paint, program_name};

/// Explain one decision: the gate or the utility of each model, the margin, what would have won.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  calybris explain ./log 12
  calybris explain ./log 12 --all
  calybris explain ./log 12 --model gpt-4o

In the list of models that passed, resellers of one model (azure/gpt-4o,
us.openai.gpt-4o) share a line: the best of them, and how many more there are.
The winner, the runner-up and the requested model have lines of their own.

The decision is made again from the log alone, under its own policy and catalog,
and must come out the same. Earlier records are not read: `verify` checks the
whole log.

Exit codes:
  0  explained
  1  the log is not intact, or the decision comes out differently
  2  nothing to explain: usage, a missing key, no decision at this sequence
  3  done, but the output could not be written to its end")]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) log: LogArguments,
    /// The sequence of the decision, as `calybris show` prints it
    #[arg(value_parser = whole::<u64>)]
    sequence: u64,
    /// List every model on a line of its own, however many there are
    #[arg(long)]
    all: bool,
    /// Also explain this model
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Read to the end of the log for the outcome, not only the next 65,536 records
    #[arg(long)]
    to_end: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Page, Failure> {
    let key = arguments.log.key()?;
    let dir = arguments.log.dir();
    let found = find(dir, key.as_ref(), arguments.sequence, arguments.to_end)?;
    let explained = Explained::new(&found).ok_or_else(|| {
        let contradiction =
            "the decision does not come out the same under the snapshot that it names".to_owned();
        let sequence = arguments.sequence;
        Failure::of_engine(dir, &EngineError::Contradiction { sequence, contradiction })
    })?;
    let asked_model = arguments.model.as_deref().map(|name| explained.model_id(name)).transpose();
    let asked_model = asked_model.map_err(|what| Failure::at(dir, what))?;
    let mut page = Page::default();
    if arguments.log.json {
        page.line(format_args!(
            "{:#}",
            object(&explained, &found, asked_model, first_sequence(dir)?)?
        ));
        return Ok(page);
    }
    let paint = Paint::of_stdout();
    page.line(paint.strong(&format!("decision {} of {}", arguments.sequence, dir.display())));
    if let Some(not_there) = not_there(first_sequence(dir)?) {
        page.line(not_there);
    }
    header::decision(&found.followed.decided, &found.snapshot, paint, &mut page);
    header::outcome(&found.followed, found.read_through, paint, &mut page);
    page.line("");
    if let Some(model_id) = explained.explanation.decision.selected_model_id {
        costs::words(&explained, model_id, paint, &mut page);
    }
    verdicts::words(&explained, arguments.all, paint, &mut page);
    if let Some(model_id) = asked_model {
        verdicts::one(&explained, model_id, paint, &mut page);
        if explained.explanation.decision.selected_model_id != Some(model_id) {
            costs::words(&explained, model_id, paint, &mut page);
        }
    }
    changes::words(&explained, asked_model, paint, &mut page);
    page.line("");
    let verified = format!(
        "verified: records {} and {}, each against the record before it; not the whole log, see `{} verify`",
        found.followed.decided.snapshot_sequence,
        arguments.sequence,
        program_name()
    );
    page.wrapped("", &verified);
    Ok(page)
}

/// The explanation for machines.
fn object(
    explained: &Explained<'_>,
    found: &Found,
    asked_model: Option<u32>,
    first_sequence: u64,
) -> Result<Value, Failure> {
    let policy_snapshot = explained.snapshot.policy_snapshot();
    let models = explained.explanation.models.iter().map(|verdict| {
        let mut object = json!({
            "model_id": verdict.model_id,
            "model": explained.name(verdict.model_id),
            "verdict": verdict.verdict,
        });
        if let (Verdict::Refused(refusal), Some(map)) = (&verdict.verdict, object.as_object_mut()) {
            map.insert("gate".to_owned(), json!(refusal.gate()));
        }
        object
    });
    let rank = explained.rank.iter().map(|ranked| explained.name(ranked.model_id));
    let wanted = changes::candidates(explained, asked_model);
    let changes = wanted.iter().map(|&id| {
        json!({ "model": explained.name(id), "changes": policy_snapshot.what_would_win(explained.request, id) })
    });
    let costs = costs::models(explained, asked_model);
    Ok(json!({
        "record": json::followed(&found.followed, explained.names())?,
        "first_sequence": first_sequence,
        "verified_sequences": [found.followed.decided.snapshot_sequence, found.followed.sequence],
        "read_through_sequence": found.read_through,
        "snapshot": {
            "sequence": found.followed.decided.snapshot_sequence,
            "digest": explained.snapshot.digest().to_string(),
            "policy": policy_snapshot.policy(),
        },
        "request_refusal": explained.explanation.request_refusal,
        "costs": costs.into_iter().map(|id| costs::object(explained, id)).collect::<Vec<_>>(),
        "models": models.collect::<Vec<_>>(),
        "rank": rank.collect::<Vec<_>>(),
        "margin": policy_snapshot.margin(explained.request),
        "what_would_win": changes.collect::<Vec<_>>(),
    }))
}
