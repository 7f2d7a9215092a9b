//! Recorded times, as a person reads them: always UTC.

use jiff::Timestamp;

/// `2026-11-02 09:00:01 UTC`; a number that no calendar has is left a number.
pub(crate) fn when(unix_ms: u64) -> String {
    let time = i64::try_from(unix_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    time.map_or_else(
        || format!("{unix_ms} ms"),
        |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::when;

    #[test]
    fn every_number_is_some_time() {
        assert_eq!(when(1_700_000_000_999), "2023-11-14 22:13:20 UTC");
        assert_eq!(when(u64::MAX), "18446744073709551615 ms");
    }
}
