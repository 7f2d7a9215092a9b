//! Axes: round numbers for amounts and counts, round times for time, each at its place on a scale.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::amount::{grouped, signed_money};
use crate::time::{day, month};

/// The length of every axis, in which places are given.
pub(crate) const LENGTH: i128 = 10_000;

/// A labelled place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tick {
    /// From 0 to [`LENGTH`].
    pub(crate) at: i128,
    pub(crate) label: String,
}

/// What the numbers of an axis are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    /// Microunits, written in currency units.
    Money,
    Count,
}

impl Measure {
    /// A value in full.
    pub(crate) fn written(self, value: i128) -> String {
        match self {
            Self::Money => signed_money(value),
            Self::Count => count(value),
        }
    }

    /// A multiple of a round step, without the decimals that no such multiple has.
    fn short(self, value: i128, step: i128) -> String {
        let Self::Money = self else { return count(value) };
        let mut text = signed_money(value);
        let mut whole = step;
        let mut decimals = 6;
        while decimals > 0 && whole % 10 == 0 {
            whole /= 10;
            decimals -= 1;
            text.pop();
        }
        if decimals == 0 {
            text.pop();
        }
        text
    }
}

fn count(value: i128) -> String {
    let sign = if value < 0 { "-" } else { "" };
    format!("{sign}{}", grouped(value.unsigned_abs()))
}

/// A scale from one round number to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scale {
    pub(crate) low: i128,
    pub(crate) high: i128,
    pub(crate) ticks: Vec<Tick>,
}

impl Scale {
    /// The scale that holds both values and ends at round numbers.
    pub(crate) fn around(low: i128, high: i128, measure: Measure) -> Self {
        let step = round_step(high.saturating_sub(low).max(1), 4);
        let low = low.div_euclid(step).saturating_mul(step);
        let high = high.saturating_sub(1).div_euclid(step).saturating_add(1).saturating_mul(step);
        let high = high.max(low.saturating_add(step));
        let mut scale = Self { low, high, ticks: Vec::new() };
        scale.ticks = scale.at_multiples(step, |value| measure.short(value, step));
        scale
    }

    /// The scale from one value to the other, with ticks at the round numbers between them.
    pub(crate) fn between(low: i128, high: i128) -> Self {
        let mut scale = Self { low, high, ticks: Vec::new() };
        scale.ticks = scale.at_multiples(round_step(high.saturating_sub(low).max(1), 6), count);
        scale
    }

    /// The place of a value.
    pub(crate) fn place(&self, value: i128) -> i128 {
        let range = self.high.saturating_sub(self.low).max(1);
        let up = value.saturating_sub(self.low).clamp(0, range);
        // Values near the ends of an i128 are placed coarsely instead of not at all.
        up.checked_mul(LENGTH).map_or_else(|| up / (range / LENGTH).max(1), |up| up / range)
    }

    fn at_multiples(&self, step: i128, label: impl Fn(i128) -> String) -> Vec<Tick> {
        let mut ticks = Vec::new();
        let mut value = self.low.saturating_add(step - 1).div_euclid(step).saturating_mul(step);
        while value <= self.high && ticks.len() < MOST_TICKS {
            ticks.push(Tick { at: self.place(value), label: label(value) });
            value = value.saturating_add(step);
        }
        ticks
    }
}

/// The most ticks of an axis.
const MOST_TICKS: usize = 16;

/// The smallest step of the form 1, 2 or 5 times a power of ten that divides a range into at most so many parts.
fn round_step(range: i128, parts: i128) -> i128 {
    let least = range / parts + i128::from(range % parts != 0);
    let mut power: i128 = 1;
    loop {
        for factor in [1, 2, 5] {
            match power.checked_mul(factor) {
                Some(step) if step >= least => return step.max(1),
                Some(_) => {}
                None => return least.max(1),
            }
        }
        match power.checked_mul(10) {
            Some(more) => power = more,
            None => return least.max(1),
        }
    }
}

const SECOND_MS: u64 = 1_000;
const MINUTE_MS: u64 = 60 * SECOND_MS;
const HOUR_MS: u64 = 60 * MINUTE_MS;
pub(crate) const DAY_MS: u64 = 24 * HOUR_MS;

/// Steps between ticks of time that are shorter than a month.
const TIME_STEPS_MS: [u64; 18] = [
    SECOND_MS,
    2 * SECOND_MS,
    5 * SECOND_MS,
    15 * SECOND_MS,
    30 * SECOND_MS,
    MINUTE_MS,
    2 * MINUTE_MS,
    5 * MINUTE_MS,
    15 * MINUTE_MS,
    30 * MINUTE_MS,
    HOUR_MS,
    2 * HOUR_MS,
    3 * HOUR_MS,
    6 * HOUR_MS,
    12 * HOUR_MS,
    DAY_MS,
    2 * DAY_MS,
    7 * DAY_MS,
];

/// The most steps of an axis of time.
const MOST_STEPS: u64 = 8;

/// Months between ticks.
const MONTH_STEPS: [i32; 8] = [1, 3, 6, 12, 60, 120, 600, 2_400];

/// An axis of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TimeAxis {
    /// Its title, with the date if all of it lies within one day.
    pub(crate) title: String,
    pub(crate) ticks: Vec<Tick>,
}

impl TimeAxis {
    /// From one time to another, in milliseconds since 1970.
    pub(crate) fn between(from_unix_ms: u64, to_unix_ms: u64) -> Self {
        let scale = Scale { low: from_unix_ms.into(), high: to_unix_ms.into(), ticks: Vec::new() };
        let range = to_unix_ms.saturating_sub(from_unix_ms);
        let tick = |time: u64, label: String| Tick { at: scale.place(time.into()), label };
        let one_day = day(from_unix_ms) == day(to_unix_ms.saturating_sub(1).max(from_unix_ms));
        let title = match one_day {
            true => format!("time (UTC) on {}", day(from_unix_ms)),
            false => "time (UTC)".to_owned(),
        };
        let Some(step) = TIME_STEPS_MS.into_iter().find(|step| range / step <= MOST_STEPS) else {
            let ticks = months(from_unix_ms, to_unix_ms);
            let label = |time| month(time);
            return Self {
                title,
                ticks: ticks.into_iter().map(|at| tick(at, label(at))).collect(),
            };
        };
        let mut ticks = Vec::new();
        // Weeks begin on Mondays, and 1970 began on a Thursday.
        let monday = if step == 7 * DAY_MS { 4 * DAY_MS } else { 0 };
        let steps = from_unix_ms.saturating_sub(monday).div_ceil(step);
        let mut time = steps.saturating_mul(step).saturating_add(monday);
        while time <= to_unix_ms && ticks.len() < MOST_TICKS {
            ticks.push(tick(time, time_label(time, step, one_day)));
            time = time.saturating_add(step);
        }
        Self { title, ticks }
    }
}

fn time_label(unix_ms: u64, step_ms: u64, one_day: bool) -> String {
    if step_ms >= DAY_MS {
        return day(unix_ms);
    }
    let seconds = unix_ms % DAY_MS / SECOND_MS;
    let (hours, minutes, rest) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let clock = match step_ms < MINUTE_MS {
        true => format!("{hours:02}:{minutes:02}:{rest:02}"),
        false => format!("{hours:02}:{minutes:02}"),
    };
    if one_day {
        return clock;
    }
    // `2026-11-02` without its year.
    let day = day(unix_ms);
    let short = day.split_once('-').map_or(day.as_str(), |(_, short)| short);
    format!("{short} {clock}")
}

/// The first moments of months from one time to another, at most some six of them.
fn months(from_unix_ms: u64, to_unix_ms: u64) -> Vec<u64> {
    let number = |unix_ms: u64| {
        let time = Timestamp::from_millisecond(i64::try_from(unix_ms).ok()?).ok()?;
        let date = time.to_zoned(TimeZone::UTC).date();
        Some(i32::from(date.year()) * 12 + i32::from(date.month()) - 1)
    };
    let (Some(from), Some(to)) = (number(from_unix_ms), number(to_unix_ms)) else {
        return Vec::new();
    };
    let step = MONTH_STEPS.into_iter().find(|step| (to - from) / step <= 6).unwrap_or(6_000);
    let moment = |number: i32| {
        let year = i16::try_from(number / 12).ok()?;
        let month = i8::try_from(number % 12 + 1).ok()?;
        let date = Date::new(year, month, 1).ok()?;
        let time = date.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond();
        u64::try_from(time).ok().filter(|time| (from_unix_ms..=to_unix_ms).contains(time))
    };
    let first = from.div_euclid(step) * step;
    (0..).map(|count| first + count * step).take_while(|at| *at <= to).filter_map(moment).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(ticks: &[Tick]) -> Vec<&str> {
        ticks.iter().map(|tick| tick.label.as_str()).collect()
    }

    #[test]
    fn an_axis_ends_at_round_numbers_and_holds_every_value() {
        let scale = Scale::around(123_456, 987_654, Measure::Money);
        assert_eq!((scale.low, scale.high), (0, 1_000_000));
        assert_eq!(labels(&scale.ticks), ["0.0", "0.5", "1.0"]);
        let scale = Scale::around(49, 196, Measure::Count);
        assert_eq!(labels(&scale.ticks), ["0", "50", "100", "150", "200"]);
        assert_eq!((scale.place(0), scale.place(50), scale.place(200)), (0, 2_500, LENGTH));
        let same = Scale::around(7, 7, Measure::Count);
        assert!(same.low <= 7 && same.high > 7, "{same:?}");
        let below = Scale::around(-30_000, 5_000, Measure::Money);
        assert_eq!(labels(&below.ticks), ["-0.03", "-0.02", "-0.01", "0.00", "0.01"]);
        let whole = Scale::around(0, 8_000_000, Measure::Money);
        assert_eq!(labels(&whole.ticks), ["0", "2", "4", "6", "8"]);
    }

    #[test]
    fn no_value_is_too_large_for_an_axis() {
        for (low, high) in [(i128::MIN, i128::MAX), (0, i128::MAX), (i128::MAX, i128::MAX)] {
            let scale = Scale::around(low, high, Measure::Money);
            assert!(scale.ticks.len() <= MOST_TICKS);
            for value in [low, 0, high] {
                assert!((0..=LENGTH).contains(&scale.place(value)), "{low} {high} {value}");
            }
        }
        let widest = Scale::between(0, u64::MAX.into());
        assert!((2..=7).contains(&widest.ticks.len()), "{widest:?}");
    }

    #[test]
    fn ticks_of_time_are_round_times() {
        let at = |text: &str| crate::time::parse_unix_ms(text).unwrap();
        let axis = |from: &str, to: &str| TimeAxis::between(at(from), at(to));
        let minutes = axis("2026-11-02T09:00:01Z", "2026-11-02T09:05:09Z");
        assert_eq!(minutes.title, "time (UTC) on 2026-11-02");
        assert_eq!(labels(&minutes.ticks), ["09:01", "09:02", "09:03", "09:04", "09:05"]);
        let night = axis("2026-11-02T20:00:00Z", "2026-11-03T08:00:00Z");
        assert_eq!(night.title, "time (UTC)");
        assert_eq!(labels(&night.ticks)[..2], ["11-02 20:00", "11-02 22:00"]);
        assert_eq!(night.ticks.len(), 7);
        let weeks = axis("2026-11-02", "2026-11-12");
        assert_eq!(labels(&weeks.ticks)[..2], ["2026-11-03", "2026-11-05"]);
        let months = axis("2026-09-21", "2026-10-31");
        assert_eq!(labels(&months.ticks)[..2], ["2026-09-21", "2026-09-28"]);
        let year = axis("2025-11-20", "2026-10-20");
        assert_eq!(labels(&year.ticks), ["2026-01", "2026-04", "2026-07", "2026-10"]);
        let ages = TimeAxis::between(0, at("2026-11-02"));
        assert_eq!(
            labels(&ages.ticks),
            ["1970-01", "1980-01", "1990-01", "2000-01", "2010-01", "2020-01"]
        );
        assert_eq!(TimeAxis::between(0, u64::MAX).ticks, []);
    }
}
