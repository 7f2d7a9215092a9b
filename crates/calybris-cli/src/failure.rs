//! How a command fails, and what the program exits with: 1 the log is not intact, 2 nothing was done, 3 begun, or done and
//! not written.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use calybris_catalog::InputError;
use calybris_core::budget::AuditError;
use calybris_core::engine::{EngineError, SettleRefused};
use calybris_core::kernel::Decision;
use calybris_core::units::BrokenInvariant;
use calybris_core::wal::WalError;
use serde_json::{Map, Value, json};

use crate::advice;
use crate::output::Page;
use crate::system::{self, in_words};
use crate::terminal::program_name;
use crate::visible::visible_within_a_line;

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    message: String,
    /// Where a log is damaged, as JSON; `null` if that is not known.
    place: Value,
    /// Output that the command prints although it failed.
    shown: Option<Page>,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// A log is damaged, was tampered with, or contradicts its anchor.
    NotIntact,
    /// Bad usage, bad files, a missing key: nothing was done.
    Refused,
    /// The job was begun and not finished, or was finished and its result could not be written.
    Begun,
}

impl Failure {
    /// A refusal: nothing was done.
    pub(crate) fn refused(what: impl fmt::Display) -> Self {
        Self::new(Kind::Refused, what)
    }

    fn new(kind: Kind, what: impl fmt::Display) -> Self {
        Self { kind, message: what.to_string(), place: Value::Null, shown: None }
    }

    /// The log was changed or damaged at that place.
    fn not_intact(what: impl fmt::Display, place: Value) -> Self {
        Self { place, ..Self::new(Kind::NotIntact, format_args!("not intact: {what}")) }
    }

    /// A refusal that concerns a path.
    pub(crate) fn at(path: &Path, what: impl fmt::Display) -> Self {
        Self::refused(format_args!("{}: {what}", path.display()))
    }

    /// A failure of the log in `dir`, with what to do about it.
    pub(crate) fn of_log(dir: &Path, error: &WalError) -> Self {
        let failure = Self::of_log_alone(dir, error);
        match advice::on_log(dir, error) {
            // The advice is for directories.
            Some(_) if dir.is_file() && !error.is_tampering() => failure,
            Some(advice) => failure.noting(&advice),
            None => failure,
        }
    }

    /// A failure of the log in `dir`, without advice.
    pub(crate) fn of_log_alone(dir: &Path, error: &WalError) -> Self {
        let mut text = error.to_string();
        if let WalError::Io { source, .. } = error {
            text = text.replace(&source.to_string(), &system::what(source));
        }
        let text = visible_within_a_line(&text);
        // Many of the log's messages name the directory themselves.
        let path = dir.display().to_string();
        let named = text.contains(&format!("`{path}"));
        let text = if named { text } else { format!("{path}: {text}") };
        if error.is_tampering() {
            return Self::not_intact(text, place_of(error));
        }
        if dir.is_file() {
            return Self::at(dir, "is a file, and a log is a directory: name the directory");
        }
        Self::refused(text)
    }

    /// The budgets of the log in `dir` do not add up.
    pub(crate) fn of_conservation(dir: &Path, error: &AuditError) -> Self {
        let what = format!("the budgets do not add up: {error}");
        let text = format!("{}: {what}", dir.display());
        Self::not_intact(text, place(None, None, None, what))
    }

    /// A failure of the engine whose log is in `dir`.
    pub(crate) fn of_engine(dir: &Path, error: &EngineError) -> Self {
        let at_record = |sequence: u64, what: String| {
            let text = format!("{}: {what}", dir.display());
            Self::not_intact(text, place(None, None, Some(sequence), what))
        };
        let failure = match error {
            EngineError::Log(error) => return Self::of_log(dir, error),
            EngineError::ReplayDiffers { sequence, recorded, replayed } => {
                let what = difference(recorded, replayed);
                let what = format!("decision {sequence} does not come out as recorded: {what}");
                at_record(*sequence, what)
            }
            EngineError::Contradiction { sequence, .. }
            | EngineError::InvalidRecord { sequence, .. }
            | EngineError::InvalidSnapshot { sequence, .. } => {
                at_record(*sequence, visible_within_a_line(&error.to_string()))
            }
            _ => Self::at(dir, visible_within_a_line(&error.to_string())),
        };
        match advice::on_engine(error) {
            Some(advice) => failure.noting(advice),
            None => failure,
        }
    }

    /// The proof in `file` does not hold.
    pub(crate) fn of_proof(file: &Path, error: &EngineError) -> Self {
        Self::new(Kind::NotIntact, format_args!("not proven: {}: {error}", file.display()))
    }

    /// A settlement that the engine refused.
    pub(crate) fn of_settlement(dir: &Path, refused: &SettleRefused) -> Self {
        Self::of_engine(dir, &refused.error)
    }

    /// The same failure with a note.
    pub(crate) fn noting(self, note: &str) -> Self {
        Self { message: format!("{}\n  {note}", self.message), ..self }
    }

    /// The same failure after the job was begun. `came_to` says how far it got.
    pub(crate) fn begun(self, came_to: &str) -> Self {
        let kind = match self.kind {
            Kind::NotIntact => Kind::NotIntact,
            Kind::Refused | Kind::Begun => Kind::Begun,
        };
        Self { kind, ..self }.noting(came_to)
    }

    /// The same failure of a command that changed nothing.
    pub(crate) fn without_effect(self) -> Self {
        Self { kind: Kind::Refused, ..self }
    }

    /// The same failure of a command that did the rest of its job.
    pub(crate) fn done_in_part(self) -> Self {
        Self { kind: Kind::Begun, ..self }
    }

    /// The same failure with output to print all the same.
    pub(crate) fn showing(self, shown: Page) -> Self {
        Self { shown: Some(shown), ..self }
    }

    /// The page of a command that also writes a file: if that fails, the failure carries the page.
    pub(crate) fn page_despite(page: Page, written: Result<(), Self>) -> Result<Page, Self> {
        match written {
            Ok(()) => Ok(page),
            Err(failure) => Err(failure.showing(page)),
        }
    }

    /// Output that the command prints although it failed.
    pub(crate) fn shown(&self) -> Option<&Page> {
        self.shown.as_ref()
    }

    /// Whether a log or a proof was checked and found wrong.
    pub(crate) fn is_verdict(&self) -> bool {
        matches!(self.kind, Kind::NotIntact)
    }

    /// Standard output could not be written after the work was done.
    pub(crate) fn unshown(error: &std::io::Error) -> Self {
        let what = in_words(error);
        Self::new(Kind::Begun, format_args!("done, but standard output cannot be written: {what}"))
    }

    /// The output `name` could not be written.
    pub(crate) fn unwritten(name: &str, error: &std::io::Error) -> Self {
        Self::new(Kind::Begun, format_args!("{name}: cannot be written: {}", in_words(error)))
    }

    /// The failure as JSON. `intact` is `null` if that was not determined.
    pub(crate) fn json(&self) -> Value {
        let intact = match self.kind {
            Kind::NotIntact => json!(false),
            Kind::Refused | Kind::Begun => Value::Null,
        };
        json!({ "error": self.message, "intact": intact, "place": self.place })
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        match self.kind {
            Kind::NotIntact => ExitCode::from(1),
            Kind::Refused => ExitCode::from(2),
            Kind::Begun => ExitCode::from(3),
        }
    }
}

/// A report as JSON, with a failure that happened after it was made.
pub(crate) fn noting_failure(mut report: Value, failure: Option<&Failure>) -> Value {
    if let (Some(failure), Some(fields)) = (failure, report.as_object_mut()) {
        fields.insert("error".to_owned(), json!(failure.message));
    }
    report
}

/// The place of damage as JSON, with `null` for unknown parts.
fn place(segment: Option<u64>, offset: Option<u64>, sequence: Option<u64>, what: String) -> Value {
    json!({ "segment": segment, "offset": offset, "sequence": sequence, "what": what })
}

/// The place of a verdict about the log; if records are gone, the first of them.
fn place_of(error: &WalError) -> Value {
    match error {
        WalError::Corrupt { segment, offset, sequence, what } => {
            place(Some(*segment), Some(*offset), Some(*sequence), what.to_string())
        }
        WalError::MissingSegment { segment } => {
            place(Some(*segment), Some(0), Some(*segment), "the segment is missing".to_owned())
        }
        WalError::AnchorAhead { head, .. } => {
            let what = "the log ends before the anchor".to_owned();
            place(None, None, Some(head.saturating_add(1)), what)
        }
        WalError::AnchoredLogMissing { .. } => {
            place(None, None, Some(1), "there is no log".to_owned())
        }
        WalError::AnchorContradicted { anchor, .. } => {
            let what = "the record is not the one that the anchor names".to_owned();
            place(None, None, Some(anchor.sequence), what)
        }
        _ => place(None, None, None, error.to_string()),
    }
}

/// How a replayed decision differs from the recorded one, the most important difference first.
fn difference(recorded: &Decision, replayed: &Decision) -> String {
    let answer = |decision: &Decision| match decision.selected_model_id {
        Some(model_id) => format!(
            "model {model_id} for {} microunits at a utility of {}",
            decision.estimated_cost.get(),
            decision.expected_utility_microunits
        ),
        None => format!("rejected, {}", decision.reason),
    };
    let (was, is) = (answer(recorded), answer(replayed));
    if was != is {
        return format!("recorded is {was}, replayed is {is}");
    }
    let fields = |decision: &Decision| match json!(decision) {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    let replayed = fields(replayed);
    let differs = |(name, was): (String, Value)| match replayed.get(&name) {
        Some(is) if *is != was => Some(format!("`{name}` is {was} and is {is} when replayed")),
        _ => None,
    };
    let differing: Vec<String> = fields(recorded).into_iter().filter_map(differs).collect();
    format!("both have {was}, but {}", differing.join(", "))
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<BrokenInvariant> for Failure {
    /// A defect of the program, which stops the command.
    fn from(error: BrokenInvariant) -> Self {
        Self::refused(format_args!("internal error: {error}"))
    }
}

impl From<InputError> for Failure {
    fn from(error: InputError) -> Self {
        match error {
            InputError::Refused { file, problem, more_problems: more @ 1.., .. } => {
                let first = problem.in_file(file);
                let program = program_name();
                Self::refused(format_args!("{first}; `{program} catalog check` lists {more} more"))
            }
            error => Self::refused(error),
        }
    }
}
