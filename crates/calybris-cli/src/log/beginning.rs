//! Where a log begins: at record 1, unless the records before a checkpoint were dropped.

use std::path::Path;

use calybris_core::wal::{Reader, WalError};

use crate::failure::Failure;

/// The sequence of the first record that the log in `dir` still holds.
pub(crate) fn first_sequence(dir: &Path) -> Result<u64, Failure> {
    let segments = Reader::segments(dir).map_err(|error| Failure::of_log(dir, &error))?;
    Ok(segments.first().copied().unwrap_or(1))
}

/// The same for a log that was read to its end, from the number of its records and the sequence of the last.
pub(crate) fn first_of(records: u64, last_sequence: u64) -> u64 {
    last_sequence.saturating_sub(records).saturating_add(1)
}

/// Refuses a log without records: there is nothing to check, and the log may have been emptied.
pub(crate) fn check_records(dir: &Path, records: u64) -> Result<(), Failure> {
    if records > 0 {
        return Ok(());
    }
    Err(Failure::of_log(dir, &WalError::Empty { path: dir.to_path_buf() }))
}

/// A note for a log that was read and whose beginning was dropped; `None` if it was not.
pub(crate) fn dropped(first_sequence: u64) -> Option<String> {
    let gone = before(first_sequence, "was dropped", "were dropped")?;
    Some(format!("begins at record {first_sequence}; {gone}"))
}

/// The same for a log that was not read: its beginning may have been dropped by its owner or removed by somebody else.
pub(crate) fn not_there(first_sequence: u64) -> Option<String> {
    let gone = before(first_sequence, "is not there", "are not there")?;
    Some(format!("the log begins at record {first_sequence}; {gone} (`verify` tells why)"))
}

/// A note about the records before that sequence, if there were any.
fn before(first_sequence: u64, of_one: &str, of_many: &str) -> Option<String> {
    match first_sequence.saturating_sub(1) {
        0 => None,
        1 => Some(format!("1 {of_one}")),
        last => Some(format!("1 to {last} {of_many}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_log_without_its_beginning_says_so() {
        assert_eq!(dropped(first_of(540, 540)), None);
        assert_eq!(dropped(first_of(0, 0)), None);
        let text = |records, last| dropped(first_of(records, last)).unwrap();
        assert_eq!(text(3, 4), "begins at record 2; 1 was dropped");
        assert_eq!(text(10, 18), "begins at record 9; 1 to 8 were dropped");
    }

    #[test]
    fn what_was_not_read_is_not_called_dropped() {
        assert_eq!(not_there(1), None);
        let text = |first| not_there(first).unwrap();
        assert_eq!(text(2), "the log begins at record 2; 1 is not there (`verify` tells why)");
        assert_eq!(
            text(9),
            "the log begins at record 9; 1 to 8 are not there (`verify` tells why)"
        );
    }
}
