//! How far a failed run got, counted from the log.

use calybris_core::engine::{EngineError, Record};
use calybris_core::wal::Reader;

use super::job::Job;
use crate::failure::Failure;
use crate::terminal::shell_word;

/// The records that a run has written.
pub(super) struct Written {
    pub(super) last_sequence: u64,
    pub(super) decisions: u64,
}

impl Job<'_> {
    /// Advice for a log that was begun and holds no record: `--append` would refuse it.
    pub(super) fn without_record(&self, requests: u64) -> String {
        format!(
            "0 of {requests} requests are decided, and the log holds no record: remove the directory {} and type the \
             same command again, without --append",
            shell_word(self.log)
        )
    }

    /// How far the run got, counted from the records after the one that the log ended with before: a decision may be in the log
    /// although its call failed.
    pub(super) fn came_to(
        &self,
        written: Result<Written, EngineError>,
        repeated: u64,
        requests: u64,
        damaged: bool,
    ) -> String {
        let of_all = format!("of {requests} requests");
        match written {
            Err(error) => {
                let failure = Failure::of_engine(self.log, &error);
                format!("how many {of_all} were decided cannot be read: {failure}")
            }
            Ok(Written { decisions, .. }) if damaged => {
                let decided = decisions.saturating_add(repeated);
                format!("{decided} {of_all} were decided before that was found")
            }
            Ok(Written { decisions, .. }) => format!(
                "{} {of_all} are decided in the log {}, and stay decided; continue it with --append: with the whole file if \
                 its requests have a `request_key`, otherwise with the rest of it",
                decisions.saturating_add(repeated),
                self.log.display()
            ),
        }
    }

    /// The records after that one.
    pub(super) fn written_after(&self, sequence: u64) -> Result<Written, EngineError> {
        let reader = Reader::open_at(self.log, self.key.as_ref(), sequence.saturating_add(1))?;
        let mut written = Written { last_sequence: sequence, decisions: 0 };
        for entry in reader {
            let entry = entry?;
            written.last_sequence = entry.sequence();
            let record = Record::decode(entry.sequence(), entry.payload())?;
            written.decisions += u64::from(matches!(record, Record::Decided(_)));
        }
        Ok(written)
    }
}
