//! What to type next after a failure of the log.

use std::path::Path;

use calybris_core::engine::EngineError;
use calybris_core::wal::{Reader, WalError};

use crate::system;
use crate::terminal::{program_name, shell_word};

/// What to do about a failure of the log in `dir`; `None` if its message needs no advice.
pub(crate) fn on_log(dir: &Path, error: &WalError) -> Option<String> {
    let (log, program) = (shell_word(dir), program_name());
    let inside = dir.join("log");
    Some(match error {
        WalError::Missing { .. } | WalError::AnchoredLogMissing { .. }
            if Reader::segments(&inside).is_ok() =>
        {
            format!("there is a log in `{}`: name that directory", inside.display())
        }
        WalError::Missing { .. } => format!(
            "check the path; `{program} demo` makes a log to look at, and \
             `{program} route --policy POLICY --catalog CATALOG --requests REQUESTS --log {log}` begins one"
        ),
        WalError::AnchoredLogMissing { .. } => {
            "if the path is right, the log was removed: restore it from a copy".to_owned()
        }
        WalError::Empty { .. } => {
            "if it had records, restore it from a copy; if not, there is nothing to read yet"
                .to_owned()
        }
        WalError::Locked { .. } => format!(
            "wait until the other process (`route`, `repair` or your gateway) has ended, or stop it; \
             on Linux `fuser {}` says which it is",
            shell_word(&dir.join("LOCK"))
        ),
        WalError::Unsupported { .. } => {
            "a newer calybris wrote the log: use that version or a later one".to_owned()
        }
        WalError::SchemaMismatch { .. } => {
            "another version of calybris wrote the log, or another program: read it with that one"
                .to_owned()
        }
        WalError::KeyRequired { .. } => format!(
            "add `--key-file FILE`, the file that `{program} keygen FILE` made for this log"
        ),
        WalError::NotKeyed { .. } => {
            "leave out `--key-file`; without a key nothing shows who wrote the log".to_owned()
        }
        WalError::WrongKey { expected, .. } => format!(
            "name with `--key-file FILE` the file that has the key with the id {expected:016x}: `keygen` printed the id \
             when it made the key\n  a log that changed its key needs all of its keys in one file, newest first, as \
             `{program} keygen NEW --replaces OLD` writes it"
        ),
        WalError::KeyReplaced { current, .. } => format!(
            "name with `--key-file FILE` the file whose first key has the id {current:016x}, with the keys that it \
             replaced below it, as `{program} keygen NEW --replaces OLD` writes it"
        ),
        WalError::Corrupt { .. } => format!(
            "keep the files as they are and look for a copy that `{program} verify COPY` finds intact; without one, \
             `{program} repair {log}` keeps the records before the damage"
        ),
        WalError::MissingSegment { .. } => {
            "look for that file in your copies of the log and put it back".to_owned()
        }
        WalError::AnchorAhead { .. } => format!(
            "look for a copy of the log that reaches the anchor; `{program} anchor {log}` prints where this one ends"
        ),
        WalError::AnchorContradicted { .. } => format!(
            "look for a copy of the log that `{program} verify COPY --anchor ANCHOR` finds intact"
        ),
        WalError::AnchorOfAnotherLog { .. } => format!(
            "check the path and the anchor; `{program} anchor {log}` prints the anchor of the log that is there"
        ),
        WalError::NoSuchRecord { .. } => {
            format!("`{program} show {log} --tail 10` lists the last decisions")
        }
        WalError::Dropped { first, .. } => format!(
            "`{program} show {log} --from-sequence {first}` lists what is there; what was dropped can only be in a copy \
             or an archive"
        ),
        WalError::SequencesUsedUp => "begin another log: name another directory".to_owned(),
        WalError::Poisoned { .. } => "fix the cause first".to_owned(),
        WalError::Io { source, .. } => system::remedy(source)?.to_owned(),
        _ => return None,
    })
}

/// What to do about a failure of the engine.
pub(crate) fn on_engine(error: &EngineError) -> Option<&'static str> {
    Some(match error {
        EngineError::UnknownTenant { .. } => {
            "give the tenant a line under [tenants] in the policy file"
        }
        EngineError::CorrelationIdTooLong { .. } | EngineError::RequestKeyTooLong { .. } => {
            "shorten it in the requests"
        }
        EngineError::Contradiction { .. }
        | EngineError::InvalidRecord { .. }
        | EngineError::InvalidSnapshot { .. } => {
            "another program wrote this record, or somebody forged it: look for a copy of the log"
        }
        EngineError::ReplayDiffers { .. } => {
            "another version of calybris made the decision, or somebody changed it: replay it with the version that wrote it"
        }
        _ => return None,
    })
}

/// What to do about a tenant that ran out of money.
pub(crate) const ON_LACK_OF_MONEY: &str = "`calybris tenant top-up` adds to a grant; if you route into the log again, write the new grant under [tenants] \
     in the policy file too";

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::path::PathBuf;

    use calybris_core::wal::{Anchor, Hash, LogId};
    use clap::Parser as _;

    use super::*;
    use crate::Arguments;

    fn errors() -> Vec<WalError> {
        let path = || PathBuf::from("a log");
        let anchor = || -> Anchor {
            format!("cwal1:{}:1:{}", "0".repeat(32), "0".repeat(64)).parse().unwrap()
        };
        let io =
            |kind: ErrorKind| WalError::Io { action: "write", path: path(), source: kind.into() };
        vec![
            WalError::Missing { path: path() },
            WalError::AnchoredLogMissing { path: path(), anchor: anchor() },
            WalError::Empty { path: path() },
            WalError::Locked { path: path() },
            WalError::Unsupported { path: path(), feature: "format", found: 9 },
            WalError::SchemaMismatch { path: path(), expected: 1, found: 2 },
            WalError::KeyRequired { path: path() },
            WalError::NotKeyed { path: path() },
            WalError::WrongKey { path: path(), expected: 1, found: 2 },
            WalError::KeyReplaced { path: path(), replaced: 1, current: 2 },
            WalError::MissingSegment { segment: 1 },
            WalError::AnchorAhead { anchor: anchor(), head: 0 },
            WalError::AnchorContradicted { anchor: anchor(), found: Hash::from_bytes([0; 32]) },
            WalError::AnchorOfAnotherLog {
                path: path(),
                anchor: anchor(),
                found: LogId::from_bytes([0; 16]),
            },
            WalError::NoSuchRecord { sequence: 9, head: 1 },
            WalError::Dropped { sequence: 1, first: 5 },
            WalError::SequencesUsedUp,
            WalError::Poisoned { cause: "full".to_owned() },
            io(ErrorKind::StorageFull),
            io(ErrorKind::PermissionDenied),
        ]
    }

    #[test]
    fn a_log_that_changed_its_key_is_said_to_need_all_of_them_whichever_is_missing() {
        let path = || PathBuf::from("a log");
        for error in [
            WalError::WrongKey { path: path(), expected: 1, found: 2 },
            WalError::KeyReplaced { path: path(), replaced: 1, current: 2 },
        ] {
            let advice = on_log(Path::new("a log"), &error).unwrap();
            assert!(advice.contains(" keygen NEW --replaces OLD` writes it"), "{advice}");
        }
    }

    /// The words of a line as a shell takes them.
    fn words(line: &str) -> Vec<String> {
        let quoted = line.split('\'').enumerate();
        let words = quoted.flat_map(|(index, part)| match index % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        });
        words.collect()
    }

    #[test]
    fn every_command_that_is_advised_is_one_that_the_program_takes() {
        let mut tried = 0;
        for error in errors() {
            let advice = on_log(Path::new("a log"), &error).unwrap_or_else(|| panic!("{error}"));
            for typed in advice.split('`').skip(1).step_by(2) {
                let line = match typed.split_once(' ') {
                    Some((program, _)) if program == program_name() => typed.to_owned(),
                    Some(("--key-file", _)) => format!("calybris verify log {typed}"),
                    _ => continue,
                };
                let parsed = Arguments::try_parse_from(words(&line));
                assert!(parsed.is_ok(), "{line}: {}", parsed.err().unwrap());
                tried += 1;
            }
        }
        assert!(tried >= 12, "{tried}");
    }
}
