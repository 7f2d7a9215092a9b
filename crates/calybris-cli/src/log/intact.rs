//! A log that was read to its end and found intact: what it leads to, and its door for a change by hand.

use std::path::Path;

use calybris_core::budget::Totals;
use calybris_core::engine::{Engine, EngineError, EngineOptions, Ledger, MAX_REQUEST_KEYS};
use calybris_core::wal::{Key, WalError};

use crate::failure::Failure;
use crate::log::arguments::LogArguments;
use crate::log::beginning::check_records;
use crate::terminal::{program_name, shell_word};

/// A log whose records verify, agree with each other, and whose money adds up.
pub(crate) struct Intact {
    pub(crate) key: Option<Key>,
    pub(crate) ledger: Ledger,
    /// The sum over all tenants without a parent.
    pub(crate) total: Totals,
}

impl Intact {
    /// Reads the whole log, beside a writer if there is one.
    pub(crate) fn read(log: &LogArguments) -> Result<Self, Failure> {
        Self::read_with(log.dir(), log.key()?)
    }

    fn read_with(dir: &Path, key: Option<Key>) -> Result<Self, Failure> {
        let ledger =
            Ledger::read(dir, key.as_ref()).map_err(|error| Failure::of_engine(dir, &error))?;
        check_records(dir, ledger.records)?;
        match &ledger.conservation {
            Ok(total) => Ok(Self { total: *total, key, ledger }),
            Err(error) => Err(Failure::of_conservation(dir, error)),
        }
    }

    /// Opens the log for writing, which takes its lock. What was written since it was read is read as well.
    pub(crate) fn open(&mut self, dir: &Path) -> Result<Engine, Failure> {
        // The engine that goes on with the log may remember this many keys, and none may be lost to it.
        let mut options =
            EngineOptions::default().request_keys(MAX_REQUEST_KEYS).checkpoint_every_records(0);
        if let Some(key) = &self.key {
            options = options.key(key.clone());
        }
        let engine =
            Engine::open(dir, &options).map_err(|error| Failure::of_engine(dir, &error))?;
        if engine.head().sequence != self.ledger.last_sequence {
            *self = Self::read_with(dir, self.key.take())?;
        }
        Ok(engine)
    }
}

/// What opening the log set aside after a crash, in words; `None` if the log ended cleanly.
pub(crate) fn torn_tail(engine: &Engine) -> Option<String> {
    engine.recovery().log.quarantined.as_ref().map(|torn| {
        let (bytes, path) = (torn.bytes, torn.path.display());
        format!("{bytes} bytes at the end were not a whole record and are now in {path}")
    })
}

/// A failure of an engine that was asked to change its log: if a write failed, some of it may be there.
pub(crate) fn change_failed(log: &LogArguments, error: &EngineError) -> Failure {
    let (dir, program) = (log.dir(), program_name());
    let failure = Failure::of_engine(dir, error);
    match error {
        EngineError::Log(WalError::Io { .. } | WalError::Poisoned { .. }) => {
            let (typed, key) = (shell_word(dir), log.key.typed_again());
            failure.begun(&format!(
                "`{program} show {typed}{key} --kind all --tail 1` shows the last record, and so whether it is there"
            ))
        }
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use calybris_core::units::{Microunits, UnixMillis};

    use super::*;

    #[test]
    fn what_was_written_after_the_reading_is_read_under_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let granted = |granted| (Microunits::new(granted), UnixMillis::new(1));
        let write = |tenant, amount| {
            let engine = Engine::open(dir.path(), &EngineOptions::default()).unwrap();
            let (granted, time) = granted(amount);
            engine.ensure_tenant(tenant, granted, time).unwrap();
            engine.close().unwrap();
        };
        write("a", 1);
        let mut intact = Intact::read_with(dir.path(), None).unwrap();
        write("b", 2);
        let engine = intact.open(dir.path()).unwrap();
        assert_eq!(intact.ledger.accounts.len(), 2);
        assert_eq!(intact.total.granted_microunits, 3);
        // From here on nobody else writes.
        let locked = Engine::open(dir.path(), &EngineOptions::default()).unwrap_err();
        assert!(matches!(locked, EngineError::Log(WalError::Locked { .. })), "{locked}");
        drop(engine);
    }
}
