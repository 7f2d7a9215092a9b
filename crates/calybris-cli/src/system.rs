//! What the operating system refuses, in words: what is wrong, and what to do about it.

use std::io::{Error, ErrorKind};

/// What is wrong and what to do, of the refusals that a user can mend.
fn known(kind: ErrorKind) -> Option<(&'static str, &'static str)> {
    Some(match kind {
        ErrorKind::NotFound => ("there is no such file or directory", "check the path"),
        ErrorKind::IsADirectory => ("is a directory", "name a file"),
        ErrorKind::NotADirectory => {
            ("a file stands in the path where a directory is expected", "check the path")
        }
        ErrorKind::AlreadyExists => ("exists already", "name another path"),
        ErrorKind::PermissionDenied => {
            ("permission denied", "run calybris as a user who may use that path")
        }
        ErrorKind::StorageFull => ("the disk is full", "make room on the disk"),
        ErrorKind::QuotaExceeded => {
            ("this user's share of the disk is used up", "make room on the disk")
        }
        ErrorKind::FileTooLarge => {
            ("the file would be longer than is allowed here", "raise the limit (`ulimit -f`)")
        }
        ErrorKind::ReadOnlyFilesystem => {
            ("the disk can only be read", "name a path on another disk")
        }
        ErrorKind::InvalidFilename => ("no file can have that name", "name another"),
        _ => return None,
    })
}

/// What is wrong; of a refusal that is not known here the words of the system, without its number.
pub(crate) fn what(error: &Error) -> String {
    if let Some((what, _)) = known(error.kind()) {
        return what.to_owned();
    }
    let text = error.to_string();
    text.split_once(" (os error ").map_or(text.as_str(), |(words, _)| words).to_owned()
}

/// What to do about it, if that is known.
pub(crate) fn remedy(error: &Error) -> Option<&'static str> {
    known(error.kind()).map(|(_, remedy)| remedy)
}

/// What is wrong and what to do, in one sentence.
pub(crate) fn in_words(error: &Error) -> String {
    match remedy(error) {
        Some(remedy) => format!("{}: {remedy}", what(error)),
        None => what(error),
    }
}

// The numbers are those of Linux.
#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn no_refusal_shows_the_number_of_the_system() {
        for number in 1..=133 {
            let text = in_words(&Error::from_raw_os_error(number));
            assert!(!text.contains("os error") && !text.is_empty(), "{number}: {text}");
        }
        // No such file, file exists, not a directory, is a directory, no space left.
        for number in [2, 17, 20, 21, 28] {
            let error = Error::from_raw_os_error(number);
            assert!(remedy(&error).is_some(), "{number}: {error}");
        }
    }
}
