//! How a command fails, and what the program exits with: 1 the log is not intact, 2 nothing was done, 3 begun only.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use calybris_core::budget::AuditError;
use calybris_core::engine::{EngineError, SettleRefused};
use calybris_core::kernel::Decision;
use calybris_core::wal::{Reader, WalError};
use serde_json::{Value, json};

use crate::input::error::InputError;

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    message: String,
    /// Where a log is damaged, as JSON; `null` if that is not known.
    place: Value,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// A log is damaged, was tampered with, or contradicts its anchor.
    NotIntact,
    /// Bad usage, bad files, a missing key: nothing was done.
    Refused,
    /// The log has new records, but the job was not finished or its result not shown.
    Begun,
}

impl Failure {
    /// A refusal: nothing was done.
    pub(crate) fn refused(what: impl fmt::Display) -> Self {
        Self { kind: Kind::Refused, message: what.to_string(), place: Value::Null }
    }

    /// A refusal that concerns a path.
    pub(crate) fn at(path: &Path, what: impl fmt::Display) -> Self {
        Self::refused(format_args!("{}: {what}", path.display()))
    }

    /// A failure of the log in `dir`.
    pub(crate) fn of_log(dir: &Path, error: &WalError) -> Self {
        let text = error.to_string();
        // Many of the log's messages name the directory themselves.
        let path = dir.display().to_string();
        let text = if text.contains(&path) { text } else { format!("{path}: {text}") };
        if !error.is_tampering() {
            if dir.is_file() {
                return Self::at(dir, "is a file, and a log is a directory: name that");
            }
            let inside = dir.join("log");
            return match error {
                WalError::Missing { .. } if Reader::segments(&inside).is_ok() => {
                    Self::refused(format_args!("{text}; there is one in `{}`", inside.display()))
                }
                _ => Self::refused(text),
            };
        }
        let place = match error {
            WalError::Corrupt { segment, offset, sequence, what } => json!({
                "segment": segment, "offset": offset, "sequence": sequence, "what": what.to_string(),
            }),
            _ => Value::Null,
        };
        let message = format!("not intact: {text}");
        Self { kind: Kind::NotIntact, place, message }
    }

    /// The money of the log in `dir` does not add up.
    pub(crate) fn of_conservation(dir: &Path, error: &AuditError) -> Self {
        let message = format!("not intact: {}: the budgets do not add up: {error}", dir.display());
        Self { kind: Kind::NotIntact, place: Value::Null, message }
    }

    /// A failure of the engine whose log is in `dir`.
    pub(crate) fn of_engine(dir: &Path, error: &EngineError) -> Self {
        match error {
            EngineError::Log(error) => Self::of_log(dir, error),
            EngineError::ReplayDiffers { sequence, recorded, replayed } => {
                let what = difference(recorded, replayed);
                let place = json!({ "sequence": sequence, "what": what });
                let dir = dir.display();
                let message = format!(
                    "not intact: {dir}: decision {sequence} does not come out as recorded: {what}"
                );
                Self { kind: Kind::NotIntact, place, message }
            }
            EngineError::Contradiction { .. } | EngineError::InvalidSnapshot { .. } => {
                let message = format!("not intact: {}: {error}", dir.display());
                Self { kind: Kind::NotIntact, place: Value::Null, message }
            }
            _ => Self::at(dir, error),
        }
    }

    /// The proof in `file` does not hold.
    pub(crate) fn of_proof(file: &Path, error: &EngineError) -> Self {
        let message = format!("not proven: {}: {error}", file.display());
        Self { kind: Kind::NotIntact, place: Value::Null, message }
    }

    /// A settlement that the engine refused.
    pub(crate) fn of_settlement(dir: &Path, refused: &SettleRefused) -> Self {
        Self::of_engine(dir, &refused.error)
    }

    /// The same failure with what it means for the command.
    pub(crate) fn noting(self, note: &str) -> Self {
        Self { message: format!("{}\n  {note}", self.message), ..self }
    }

    /// The same failure, met when that many of the requests had been decided.
    pub(crate) fn after(self, decided: u64, request_count: u64) -> Self {
        let kind = match self.kind {
            Kind::NotIntact => Kind::NotIntact,
            Kind::Refused | Kind::Begun => Kind::Begun,
        };
        let message = format!(
            "{}\n  {decided} of {request_count} requests were decided before; what the log holds of them stays, \
             and --append continues it",
            self.message
        );
        Self { kind, message, ..self }
    }

    /// A failure to show what was done.
    pub(crate) fn unshown(error: &std::io::Error) -> Self {
        let message = format!("done, but standard output cannot be written: {error}");
        Self { kind: Kind::Begun, message, place: Value::Null }
    }

    /// A failure to write what a command makes to where it goes: what is there is a part of it.
    pub(crate) fn unwritten(name: &str, error: &std::io::Error) -> Self {
        let message = format!("{name}: cannot be written: {error}");
        Self { kind: Kind::Begun, message, place: Value::Null }
    }

    /// The failure for machines. `intact` is `null` where it was not found out.
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

/// What a decision says otherwise than it should, the most telling first.
fn difference(recorded: &Decision, replayed: &Decision) -> String {
    let answer = |decision: &Decision| match decision.selected_model_id {
        Some(model_id) => format!(
            "model {model_id} for {} microunits at a utility of {}",
            decision.estimated_cost_microunits, decision.expected_utility_microunits
        ),
        None => format!("rejected, {}", decision.reason),
    };
    let (was, is) = (answer(recorded), answer(replayed));
    if was != is {
        return format!("recorded is {was}, replayed is {is}");
    }
    format!("both have {was}, but recorded is {recorded:?}, replayed is {replayed:?}")
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<InputError> for Failure {
    fn from(error: InputError) -> Self {
        Self::refused(error)
    }
}
