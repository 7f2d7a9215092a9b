//! Times as people write and read them. A time without a time zone is UTC.

use jiff::civil::DateTime;
use jiff::fmt::temporal::DateTimeParser;
use jiff::tz::{Disambiguation, OffsetConflict, TimeZone};
use jiff::{SignedDuration, Timestamp};

/// Milliseconds since 1970 of a written time. On refusal, says what is allowed.
///
/// A time is a date and a clock time, with an offset (`Z`, `+01:00`), with a zone (`[Europe/Berlin]`), or in UTC; or Unix time, a
/// number whose size tells its unit.
pub(crate) fn parse_unix_ms(text: &str) -> Result<u64, &'static str> {
    if text.starts_with(['-', '+']) {
        return Err(ALLOWED);
    }
    if is_number(text) {
        return unix_time(text);
    }
    let (main, zone) = text.find('[').map_or((text, None), |at| {
        let (main, zone) = text.split_at_checked(at).unwrap_or((text, ""));
        (main, Some(zone))
    });
    check_form(main)?;
    let milliseconds = match zone {
        Some(zone) if zone.starts_with("[u-") => return Err("a time with the name of its zone"),
        Some(_) => zoned(text)?,
        None if has_offset(main) => {
            main.parse::<Timestamp>().map_err(|_| ALLOWED)?.as_millisecond()
        }
        None => {
            let civil: DateTime = main.parse().map_err(|_| ALLOWED)?;
            civil.to_zoned(TimeZone::UTC).map_err(|_| ALLOWED)?.timestamp().as_millisecond()
        }
    };
    u64::try_from(milliseconds).map_err(|_| "a time since 1970")
}

const ALLOWED: &str = "a time since 1970 such as `2026-11-02T09:00:01.206Z`, `2026-11-02 09:00:01` (UTC), \
     `2026-11-02T10:00:01[Europe/Berlin]` or Unix time in seconds or milliseconds";

/// A time that names its zone; the rules of zones are part of the program. A time that clocks there skipped or showed twice
/// is refused, and so is an offset that contradicts the zone.
fn zoned(text: &str) -> Result<i64, &'static str> {
    static PARSER: DateTimeParser = DateTimeParser::new()
        .disambiguation(Disambiguation::Reject)
        .offset_conflict(OffsetConflict::Reject);
    match PARSER.parse_zoned(text) {
        Ok(zoned) => Ok(zoned.timestamp().as_millisecond()),
        Err(_) => {
            Err("a time that clocks in its zone show once, and a zone that is known, such as \
             `2026-11-02T10:00:01[Europe/Berlin]`; an offset decides between two (`+01:00[Europe/Berlin]`)")
        }
    }
}

/// Refuses forms that the library reads leniently: a leap second, which has no Unix time, and an offset with seconds.
fn check_form(main: &str) -> Result<(), &'static str> {
    let clock = main.split_once(['T', 't', ' ']).map_or("", |(_, clock)| clock);
    let hours_end = clock.find(['+', '-', 'Z', 'z']).unwrap_or(clock.len());
    let (hours, offset) = clock.split_at_checked(hours_end).unwrap_or((clock, ""));
    let digits: String =
        hours.chars().take_while(|letter| *letter != '.' && *letter != ',').collect();
    let seconds = digits.replace(':', "");
    if seconds.len() == 6 && seconds.ends_with("60") {
        return Err("a time without a leap second, which Unix time does not have");
    }
    let digits = offset.bytes().filter(u8::is_ascii_digit).count();
    let hours = offset.get(1..3).and_then(|hours| hours.parse::<u8>().ok());
    if digits > 4 || hours.is_some_and(|hours| hours > 23) {
        return Err("an offset of hours and minutes, less than a day, such as `+05:30`");
    }
    Ok(())
}

/// Whether a time that [`parse_unix_ms`] accepts has no time zone, so that it is read as UTC.
pub(crate) fn lacks_zone(text: &str) -> bool {
    !is_number(text) && !text.contains('[') && !has_offset(text)
}

/// Whether the text is Unix time, or meant to be.
fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

/// Whether a time says its offset from UTC: a sign, or `Z`, behind the hours.
fn has_offset(main: &str) -> bool {
    main.split_once(['T', 't', ' ']).is_some_and(|(_, clock)| clock.contains(['+', '-', 'Z', 'z']))
}

/// Unix time in seconds, milliseconds, microseconds or nanoseconds. The size of the number tells the unit: each range begins
/// on 3 March 1973, so no number is in two ranges.
fn unix_time(digits: &str) -> Result<u64, &'static str> {
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = |digits: &str| !digits.is_empty() && !digits.contains('.');
    let number: u64 = match whole.parse() {
        Ok(number) if is_number(whole) && is_number(part) => number,
        _ => return Err(ALLOWED),
    };
    let has_part = digits.contains('.');
    match number {
        SECONDS_FROM..MILLISECONDS_FROM => {
            let thousandths: String = part.chars().chain("00".chars()).take(3).collect();
            Ok(number * 1_000 + thousandths.parse::<u64>().map_err(|_| ALLOWED)?)
        }
        _ if has_part => Err("Unix time with a point in seconds only"),
        MILLISECONDS_FROM..MICROSECONDS_FROM => Ok(number),
        MICROSECONDS_FROM..NANOSECONDS_FROM => Ok(number / 1_000),
        NANOSECONDS_FROM..UNKNOWN_FROM => Ok(number / 1_000_000),
        _ => Err(
            "Unix time from 1973 on, in seconds (9 to 11 digits) or milliseconds (12 to 14), or a date such as \
             `2026-11-02`; for times since the beginning of a trace say when it began, with --start",
        ),
    }
}

const SECONDS_FROM: u64 = 100_000_000;
const MILLISECONDS_FROM: u64 = SECONDS_FROM * 1_000;
const MICROSECONDS_FROM: u64 = MILLISECONDS_FROM * 1_000;
const NANOSECONDS_FROM: u64 = MICROSECONDS_FROM * 1_000;
const UNKNOWN_FROM: u64 = 10_000_000_000_000_000_000;

/// `2026-11-02T09:00:01.206Z`; a time beyond the calendar is shown as its number.
pub(crate) fn rfc3339(unix_ms: u64) -> String {
    in_utc(unix_ms).map_or_else(|| unix_ms.to_string(), |time| format!("{time:.3}Z"))
}

/// `2026-11-02 09:00:01`: a column of 19.
pub(crate) fn to_the_second(unix_ms: u64) -> String {
    written(unix_ms, "%Y-%m-%d %H:%M:%S")
}

/// `2026-11-02`: the day in UTC; a time beyond the calendar is shown as its number.
pub(crate) fn day(unix_ms: u64) -> String {
    written(unix_ms, "%Y-%m-%d")
}

/// `2026-11`: the month in UTC.
pub(crate) fn month(unix_ms: u64) -> String {
    written(unix_ms, "%Y-%m")
}

/// An age in its two largest units: `3d 4h`, `5m 0s`, `12s`.
pub(crate) fn age(milliseconds: u64) -> String {
    let seconds = milliseconds / 1_000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, _, _) => format!("{hours}h {}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

fn written(unix_ms: u64, form: &str) -> String {
    in_utc(unix_ms).map_or_else(|| unix_ms.to_string(), |time| time.strftime(form).to_string())
}

/// Up to the end of the year 9999. A `Timestamp` ends a day before, so that it has a date in every zone.
fn in_utc(unix_ms: u64) -> Option<DateTime> {
    let since = SignedDuration::from_millis(i64::try_from(unix_ms).ok()?);
    DateTime::constant(1970, 1, 1, 0, 0, 0, 0).checked_add(since).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_calendar_s_time_lacks_a_zone() {
        for (text, lacks) in [
            ("2026-11-02", true),
            ("2026-11-02 09:00:01", true),
            ("2026-11-02T09:00:01.5", true),
            ("2026-11-02T09:00:01Z", false),
            ("2026-11-02T09:00:01+01:00", false),
            ("2026-11-02T09:00:01[Europe/Berlin]", false),
            ("1793610005", false),
            ("1793610005.5", false),
        ] {
            assert!(parse_unix_ms(text).is_ok(), "{text}");
            assert_eq!(lacks_zone(text), lacks, "{text}");
        }
    }

    #[test]
    fn a_time_is_read_and_shown_in_utc() {
        let unix_ms = parse_unix_ms("2026-11-02T10:00:01.206+01:00").unwrap();
        assert_eq!(rfc3339(unix_ms), "2026-11-02T09:00:01.206Z");
        assert_eq!(to_the_second(unix_ms), "2026-11-02 09:00:01");
        assert_eq!(parse_unix_ms("2026-11-02").map(rfc3339), Ok("2026-11-02T00:00:00.000Z".into()));
        assert!(parse_unix_ms("yesterday").is_err() && parse_unix_ms("1969-01-01").is_err());
        assert_eq!(rfc3339(u64::MAX), u64::MAX.to_string());
    }

    fn read(text: &str) -> String {
        parse_unix_ms(text).map_or_else(str::to_owned, rfc3339)
    }

    #[test]
    fn an_age_has_its_two_largest_units() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m 0s"),
            (3_599, "59m 59s"),
            (3_600, "1h 0m"),
            (86_399, "23h 59m"),
            (86_400, "1d 0h"),
            (1_000_000, "11d 13h"),
        ] {
            assert_eq!(age(seconds * 1_000 + 999), text);
        }
    }

    #[test]
    fn an_offset_and_a_zone_are_converted() {
        for text in [
            "2026-07-02T11:00:00+02:00",
            "2026-07-02 11:00:00+0200",
            "2026-07-02t11:00:00+02",
            "2026-07-02T11:00[Europe/Berlin]",
            "2026-07-02 11:00:00[Europe/Berlin]",
            "2026-07-02T11:00:00+02:00[Europe/Berlin]",
            "2026-07-02 05:00:00[America/New_York]",
            "2026-07-02T09:00:00Z[UTC]",
            "2026-07-02T09:00:00",
        ] {
            assert_eq!(read(text), "2026-07-02T09:00:00.000Z", "{text}");
        }
    }

    #[test]
    fn a_time_that_is_none_or_two_is_refused() {
        for text in [
            // The clock was put forward, and back.
            "2026-03-29T02:30:00[Europe/Berlin]",
            "2026-10-25T02:30:00[Europe/Berlin]",
            "2026-07-02T11:00:00+01:00[Europe/Berlin]",
            "2026-07-02T11:00:00[Mars/Olympus]",
            "2026-07-02T11:00:00[u-ca=gregory]",
            "2026-07-02T11:00:00[",
            "2026-07-02T11:00:00[]",
            "2026-07-02T11:00:00+02:00:00.5",
            "2026-07-02T11:00:00+02:00:30",
            "2026-07-02T11:00:00+24:00",
            "2026-07-02T11:00:00-25:00",
            "2026-12-31T23:59:60Z",
            "2026-12-31T23:59:60",
            "20261231T235960Z",
            "2026-12-31 24:00:00",
            "2026-07-02Z",
            "2026-07-02+02:00",
            "2026-07-02T11:00:00 UTC",
            "2026-07-02T11:00:00 +02:00",
            "2026-07-02T11:00:00+02:00Z",
            "02/07/2026",
            "2026-183",
            "2026-W27-4",
            "",
            "T11:00",
            "11:00",
        ] {
            assert!(parse_unix_ms(text).is_err(), "{text}: {}", read(text));
        }
        // An offset says which of the two.
        assert_eq!(read("2026-10-25T02:30:00+01:00[Europe/Berlin]"), "2026-10-25T01:30:00.000Z");
    }

    #[test]
    fn the_size_of_a_number_tells_its_unit() {
        for text in [
            "1793610001",
            "1793610001.0",
            "1793610001000",
            "1793610001000000",
            "1793610001000000000",
        ] {
            assert_eq!(read(text), "2026-11-02T09:00:01.000Z", "{text}");
        }
        assert_eq!(read("1793610001.2069"), "2026-11-02T09:00:01.206Z");
        assert_eq!(read("1793610001.2"), "2026-11-02T09:00:01.200Z");
        assert_eq!(read("100000000"), "1973-03-03T09:46:40.000Z");
        assert_eq!(read("99999999999999"), "5138-11-16T09:46:39.999Z");
        for text in [
            "0",
            "5",
            "20261102",
            "99999999",
            "1793610001000.5",
            "1793610001.",
            ".5",
            "1.2.3",
            "1e9",
            "-1793610001",
            "+1793610001",
            "10000000000000000000",
            "99999999999999999999999",
            "1793610001Z",
        ] {
            assert!(parse_unix_ms(text).is_err(), "{text}: {}", read(text));
        }
    }
}
