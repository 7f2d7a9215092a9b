//! What stands in the log's directory before a run: may a log begin there, or does one go on?

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::Path;

use calybris_catalog::text::quoted;
use calybris_core::wal::{Reader, VerifyOptions, WalError, verify};

use super::job::Job;
use crate::failure::Failure;
use crate::system::in_words;

/// One file of each kind that a directory holds.
#[derive(Default)]
struct Contents {
    segment: Option<String>,
    /// What was set aside of a log: a trace that one was here.
    torn: Option<String>,
    /// The lock file of a log that was begun.
    begun: bool,
    /// Anything else but the lock, which a run that ended in its first moment leaves.
    other: Option<String>,
}

impl Job<'_> {
    /// A log begins where nothing is. One that is there goes on, if that was asked for, if it has a record, and if it
    /// reaches the anchor.
    pub(super) fn check_directory(&self) -> Result<(), Failure> {
        let refused = |what: String| Err(Failure::at(self.log, what));
        if let Some(anchor) = self.anchor {
            let key = self.key.clone();
            let options = VerifyOptions { key, anchor: Some(anchor), ..VerifyOptions::default() };
            verify(self.log, &options).map_err(|error| Failure::of_log(self.log, &error))?;
        }
        let Contents { segment, torn, begun, other } = Contents::of(self.log)?;
        if segment.is_some() {
            return match (self.append, self.has_record()) {
                (_, Ok(false)) => refused(WITHOUT_RECORD.to_owned()),
                (true, Err(failure)) => Err(failure),
                (true, Ok(true)) => Ok(()),
                (false, _) => refused(LOG_THERE.to_owned()),
            };
        }
        // These answers are the same with and without `--append`, which would not help.
        if let Some(torn) = torn {
            return refused(format!(
                "holds {torn}, which was cut off a log, and nothing else of that log: it is not begun anew here. \
                 Restore it from a copy, or name another directory"
            ));
        }
        if begun {
            return refused(EMPTIED.to_owned());
        }
        if let Some(other) = other {
            return refused(format!("holds {other} and no log: name another directory"));
        }
        if self.append {
            let what = "there is no log to append to; leave out --append to begin one";
            return refused(what.to_owned());
        }
        Ok(())
    }

    /// Whether the log has a record. One without may have been emptied, and would begin anew with full budgets.
    fn has_record(&self) -> Result<bool, Failure> {
        let failed = |error| Failure::of_log(self.log, &error);
        match Reader::open(self.log, self.key.as_ref()) {
            Err(WalError::Empty { .. }) => Ok(false),
            opened => {
                let first = opened.map_err(failed)?.next().transpose().map_err(failed)?;
                Ok(first.is_some())
            }
        }
    }
}

/// Whether a directory holds a segment of a log.
pub(super) fn has_segment(directory: &Path) -> bool {
    Contents::of(directory).is_ok_and(|contents| contents.segment.is_some())
}

impl Contents {
    fn of(directory: &Path) -> Result<Self, Failure> {
        let failed = |error| Failure::at(directory, in_words(&error));
        let mut contents = Self::default();
        let entries = match directory.read_dir() {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(contents),
            Err(error) => return Err(failed(error)),
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let kind = match Path::new(&name).extension().and_then(OsStr::to_str) {
                Some("cwal") => &mut contents.segment,
                Some("torn") => &mut contents.torn,
                // It is empty until a log has begun.
                _ if name == "LOCK" => {
                    contents.begun = entry.metadata().map_err(failed)?.len() > 0;
                    continue;
                }
                _ => &mut contents.other,
            };
            let name = quoted(&name.to_string_lossy());
            // The same one each time, whatever the order of the directory.
            if kind.as_ref().is_none_or(|known| name < *known) {
                *kind = Some(name);
            }
        }
        Ok(contents)
    }
}

const LOG_THERE: &str = "holds a log, and a log is never overwritten: \
     name another directory, or continue the log in it with --append";

const EMPTIED: &str = "a log was begun here, as its file LOCK says, and its segments are gone: it is not begun anew. \
     Restore them from a copy, or name another directory";

const WITHOUT_RECORD: &str = "the log holds no record: a run that ended in its first moment leaves that, and so does whoever \
     empties a log, which must not begin anew with full budgets. If there was never a record, remove the directory and \
     begin again, without --append";
