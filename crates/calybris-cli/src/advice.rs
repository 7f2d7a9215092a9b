//! What to type next after a failure of the log.

use std::io::ErrorKind;
use std::path::Path;

use calybris_core::engine::EngineError;
use calybris_core::wal::{Reader, WalError};

use crate::terminal::shell_word;

/// What to do about a failure of the log in `dir`; `None` where its message says all there is to say.
pub(crate) fn on_log(dir: &Path, error: &WalError) -> Option<String> {
    let log = shell_word(dir);
    let inside = dir.join("log");
    Some(match error {
        WalError::Missing { .. } | WalError::AnchoredLogMissing { .. }
            if Reader::segments(&inside).is_ok() =>
        {
            format!("there is one in `{}`: name that", inside.display())
        }
        WalError::Missing { .. } => format!(
            "check the path; `calybris demo` makes a log to look at, and \
             `calybris route --policy POLICY --catalog CATALOG --requests REQUESTS --log {log}` begins one"
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
        WalError::KeyRequired { .. } => {
            "add `--key-file FILE`, the file that `calybris keygen FILE` made for this log"
                .to_owned()
        }
        WalError::NotKeyed { .. } => {
            "leave out `--key-file`; without a key nothing shows who wrote the log".to_owned()
        }
        WalError::WrongKey { expected, .. } => format!(
            "name with `--key-file FILE` the file whose key has the id {expected:016x}: `keygen` printed the id when it \
             made the file"
        ),
        WalError::KeyReplaced { current, .. } => format!(
            "name with `--key-file FILE` the file that `calybris keygen FILE --replaces OLD` made: its first key has the \
             id {current:016x}"
        ),
        WalError::Corrupt { .. } => format!(
            "keep the files as they are and look for a copy that `calybris verify COPY` finds intact; without one, \
             `calybris repair {log}` keeps what stands before the damage"
        ),
        WalError::MissingSegment { .. } => {
            "look for that file in your copies of the log and put it back".to_owned()
        }
        WalError::AnchorAhead { .. } => format!(
            "look for a copy of the log that reaches the anchor; `calybris anchor {log}` prints where this one ends"
        ),
        WalError::AnchorContradicted { .. } => {
            "look for a copy of the log that `calybris verify COPY --anchor ANCHOR` finds intact"
                .to_owned()
        }
        WalError::AnchorOfAnotherLog { .. } => format!(
            "check the path and the anchor; `calybris anchor {log}` prints the anchor of the log that is there"
        ),
        WalError::NoSuchRecord { .. } => {
            format!("`calybris show {log} --tail 10` lists the last decisions")
        }
        WalError::Dropped { first, .. } => format!(
            "`calybris show {log} --from-sequence {first}` lists what is there; what was dropped can only be in a copy \
             or an archive"
        ),
        WalError::SequencesUsedUp => "begin another log: name another directory".to_owned(),
        WalError::Poisoned { .. } => {
            "mend the cause, then continue the log with `--append`".to_owned()
        }
        WalError::Io { source, .. } => match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                "make room on the disk, then continue the log with `--append`".to_owned()
            }
            ErrorKind::PermissionDenied => {
                "run calybris as a user who may use the log's directory".to_owned()
            }
            ErrorKind::ReadOnlyFilesystem => "name a directory on another disk".to_owned(),
            _ => return None,
        },
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
        EngineError::Contradiction { .. } | EngineError::InvalidSnapshot { .. } => {
            "another program wrote this record, or somebody forged it: look for a copy of the log"
        }
        EngineError::ReplayDiffers { .. } => {
            "another version of calybris made the decision, or somebody changed it: replay it with the version that wrote it"
        }
        _ => return None,
    })
}

/// What to do about a tenant that ran out of money.
pub(crate) const ON_LACK_OF_MONEY: &str = "a log's grants stay as they are; for more, raise the tenant's line under [tenants] in the policy file and route \
     into a new log";

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use calybris_core::wal::Anchor;
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
            WalError::KeyRequired { path: path() },
            WalError::NotKeyed { path: path() },
            WalError::WrongKey { path: path(), expected: 1, found: 2 },
            WalError::KeyReplaced { path: path(), replaced: 1, current: 2 },
            WalError::MissingSegment { segment: 1 },
            WalError::AnchorAhead { anchor: anchor(), head: 0 },
            WalError::AnchorContradicted { anchor: anchor(), found: [0; 32] },
            WalError::AnchorOfAnotherLog { path: path(), anchor: anchor(), found: [0; 16] },
            WalError::NoSuchRecord { sequence: 9, head: 1 },
            WalError::Dropped { sequence: 1, first: 5 },
            WalError::SequencesUsedUp,
            WalError::Poisoned { cause: "full".to_owned() },
            io(ErrorKind::StorageFull),
            io(ErrorKind::PermissionDenied),
        ]
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
                    Some(("calybris", _)) => typed.to_owned(),
                    Some(("--key-file", _)) => format!("calybris verify log {typed}"),
                    _ if typed == "--append" => {
                        format!(
                            "calybris route --policy p --catalog c --requests r --log l {typed}"
                        )
                    }
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
