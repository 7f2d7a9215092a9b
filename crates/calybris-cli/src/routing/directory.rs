//! The contents of the log's directory before a run: whether a log may begin there, or an existing one may be continued.

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
    /// A file set aside from a log: evidence that there was one.
    torn: Option<String>,
    /// Whether the lock file says that a log was begun.
    begun: bool,
    /// Any other file. An empty lock file does not count: a run that was killed in its first moment leaves one.
    other: Option<String>,
}

impl Job<'_> {
    /// A log may begin in an empty directory. An existing log is continued only with `--append`, if it has a record and reaches
    /// the anchor.
    pub(super) fn check_directory(&self) -> Result<(), Failure> {
        let refused = |what: String| Err(Failure::at(self.log, what));
        if let Some(anchor) = self.anchor {
            let key = self.key.clone();
            let options = VerifyOptions::default().with_key(key).with_anchor(anchor);
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
        // These refusals are the same with and without `--append`.
        if let Some(torn) = torn {
            return refused(format!(
                "holds {torn}, which was set aside from a log, and nothing else of that log: no new log is begun here. \
                 Restore the log from a copy, or name another directory"
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

    /// Whether the log has a record. A log without records may have been emptied, and would begin anew with full budgets.
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
                // The lock file is empty until a log has begun.
                _ if name == "LOCK" => {
                    contents.begun = entry.metadata().map_err(failed)?.len() > 0;
                    continue;
                }
                _ => &mut contents.other,
            };
            let name = quoted(&name.to_string_lossy());
            // The first by name, whatever the order of the directory.
            if kind.as_ref().is_none_or(|known| name < *known) {
                *kind = Some(name);
            }
        }
        Ok(contents)
    }
}

const LOG_THERE: &str = "holds a log, and a log is never overwritten: \
     name another directory, or continue the log in it with --append";

const EMPTIED: &str = "a log was begun here, as the file LOCK says, but its segments are gone: no new log is begun here. \
     Restore them from a copy, or name another directory";

const WITHOUT_RECORD: &str = "the log holds no record: either a run ended in its first moment, or somebody emptied the log, which \
     must not start over with full budgets. If there never was a record, remove the directory and begin again, without --append";
