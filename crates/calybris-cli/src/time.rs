//! Times as people write and read them, always UTC.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Milliseconds since 1970 of a written time; without an offset it is UTC. On refusal, says what is allowed.
pub(crate) fn parse_unix_ms(text: &str) -> Result<u64, &'static str> {
    let timestamp = text.parse::<Timestamp>().ok().or_else(|| {
        let civil = text.parse::<DateTime>().ok()?;
        Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
    });
    let milliseconds = timestamp.and_then(|time| u64::try_from(time.as_millisecond()).ok());
    milliseconds
        .ok_or("a time since 1970 such as `2026-11-02T09:00:01.206Z` or `2026-11-02 09:00:01`")
}

/// `2026-11-02T09:00:01.206Z`; a number that no calendar has is left a number.
pub(crate) fn rfc3339(unix_ms: u64) -> String {
    timestamp(unix_ms).map_or_else(|| unix_ms.to_string(), |time| format!("{time:.3}"))
}

/// `2026-11-02 09:00:01`: a column of 19.
pub(crate) fn to_the_second(unix_ms: u64) -> String {
    written(unix_ms, "%Y-%m-%d %H:%M:%S")
}

/// `2026-11-02`: the day in UTC; a number that no calendar has is left a number.
pub(crate) fn day(unix_ms: u64) -> String {
    written(unix_ms, "%Y-%m-%d")
}

/// `2026-11`: the month in UTC.
pub(crate) fn month(unix_ms: u64) -> String {
    written(unix_ms, "%Y-%m")
}

fn written(unix_ms: u64, form: &str) -> String {
    timestamp(unix_ms).map_or_else(|| unix_ms.to_string(), |time| time.strftime(form).to_string())
}

fn timestamp(unix_ms: u64) -> Option<Timestamp> {
    Timestamp::from_millisecond(i64::try_from(unix_ms).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_and_shown_in_utc() {
        let unix_ms = parse_unix_ms("2026-11-02T10:00:01.206+01:00").unwrap();
        assert_eq!(rfc3339(unix_ms), "2026-11-02T09:00:01.206Z");
        assert_eq!(to_the_second(unix_ms), "2026-11-02 09:00:01");
        assert_eq!(parse_unix_ms("2026-11-02").map(rfc3339), Ok("2026-11-02T00:00:00.000Z".into()));
        assert!(parse_unix_ms("yesterday").is_err() && parse_unix_ms("1969-01-01").is_err());
        assert_eq!(rfc3339(u64::MAX), u64::MAX.to_string());
    }
}
