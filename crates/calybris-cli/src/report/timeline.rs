//! Events over time in buckets of equal length, few enough for a chart however long the log is.

use std::collections::BTreeMap;

use super::axis::DAY_MS;
use crate::amount::counted;

/// One bucket's sums.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bucket {
    pub(crate) spent_microunits: i128,
    /// Calls that were settled.
    pub(crate) calls: u64,
    pub(crate) decisions: u64,
    /// Decisions without a ticket, by the reason's words.
    pub(crate) refusals: BTreeMap<String, u64>,
}

impl Bucket {
    fn absorb(&mut self, other: Self) {
        self.spent_microunits = self.spent_microunits.saturating_add(other.spent_microunits);
        self.calls = self.calls.saturating_add(other.calls);
        self.decisions = self.decisions.saturating_add(other.decisions);
        for (reason, count) in other.refusals {
            let sum = self.refusals.entry(reason).or_default();
            *sum = sum.saturating_add(count);
        }
    }
}

/// Buckets from the first to the last time seen. Each is one second long at first; their length grows with the time that
/// they cover.
#[derive(Debug)]
pub(crate) struct Timeline {
    step_ms: u64,
    /// By the number of the bucket, counted from 1970.
    buckets: BTreeMap<u64, Bucket>,
}

/// The most buckets from the first to the last.
pub(crate) const MOST_BUCKETS: u64 = 96;

/// Lengths up to a week, each a multiple of the one before it; from there on each is twice the one before it.
const STEPS_MS: [u64; 13] = [
    1_000,
    5_000,
    10_000,
    30_000,
    60_000,
    300_000,
    900_000,
    1_800_000,
    3_600_000,
    10_800_000,
    21_600_000,
    DAY_MS,
    7 * DAY_MS,
];

impl Timeline {
    pub(crate) fn new() -> Self {
        let [step_ms, ..] = STEPS_MS;
        Self { step_ms, buckets: BTreeMap::new() }
    }

    /// The bucket of a time.
    pub(crate) fn at(&mut self, unix_ms: u64) -> &mut Bucket {
        loop {
            let number = unix_ms / self.step_ms;
            let ends = self.buckets.first_key_value().zip(self.buckets.last_key_value());
            let (first, last) = ends.map_or((number, number), |((first, _), (last, _))| {
                (number.min(*first), number.max(*last))
            });
            if last - first < MOST_BUCKETS {
                return self.buckets.entry(number).or_default();
            }
            self.lengthen();
        }
    }

    fn lengthen(&mut self) {
        let longer = STEPS_MS.into_iter().find(|step| *step > self.step_ms);
        let longer = longer.unwrap_or_else(|| self.step_ms.saturating_mul(2));
        for (number, bucket) in std::mem::take(&mut self.buckets) {
            let number = number.saturating_mul(self.step_ms) / longer;
            self.buckets.entry(number).or_default().absorb(bucket);
        }
        self.step_ms = longer;
    }

    /// Every bucket from the first to the last, empty ones included, with the time at which it begins.
    pub(crate) fn buckets(&self) -> Vec<(u64, Bucket)> {
        let first = self.buckets.first_key_value().map(|(first, _)| *first);
        let last = self.buckets.last_key_value().map(|(last, _)| *last);
        let (Some(first), Some(last)) = (first, last) else { return Vec::new() };
        let bucket = |number: u64| {
            let bucket = self.buckets.get(&number).cloned().unwrap_or_default();
            (number.saturating_mul(self.step_ms), bucket)
        };
        (first..=last).map(bucket).collect()
    }

    /// How long a bucket is, in milliseconds.
    pub(crate) fn step_ms(&self) -> u64 {
        self.step_ms
    }

    /// How long a bucket is, in words.
    pub(crate) fn step_words(&self) -> String {
        let units = [(DAY_MS, "day"), (3_600_000, "hour"), (60_000, "minute"), (1_000, "second")];
        let unit = units.into_iter().find(|(unit, _)| self.step_ms.is_multiple_of(*unit));
        let (unit, name) = unit.unwrap_or((1, "millisecond"));
        counted(self.step_ms / unit, name)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_few_and_lose_nothing_whatever_the_times() {
        let mut timeline = Timeline::new();
        let times = [
            1_793_610_000_000,
            1_793_610_095_000,
            1_793_610_100_000,
            1_793_700_000_000,
            0,
            u64::MAX,
        ];
        for (count, time) in (1_u64..).zip(times) {
            timeline.at(time).calls += count;
            timeline.at(time).refusals.insert("why".to_owned(), 1);
            let buckets = timeline.buckets();
            assert!(u64::try_from(buckets.len()).unwrap() <= MOST_BUCKETS, "{count}");
            let calls: u64 = buckets.iter().map(|(_, bucket)| bucket.calls).sum();
            assert_eq!(calls, count * (count + 1) / 2);
        }
    }

    #[test]
    fn buckets_begin_at_multiples_of_their_length() {
        let mut timeline = Timeline::new();
        timeline.at(1_793_610_001_000).calls = 1;
        assert_eq!((timeline.step_words().as_str(), timeline.buckets().len()), ("1 second", 1));
        timeline.at(1_793_610_301_000).calls = 1;
        assert_eq!(timeline.step_words(), "5 seconds");
        timeline.at(1_793_610_000_000 + 40 * DAY_MS).calls = 1;
        assert_eq!((timeline.step_words().as_str(), timeline.step_ms()), ("1 day", DAY_MS));
        assert!(timeline.buckets().iter().all(|(from, _)| from % DAY_MS == 0));
        timeline.at(1_793_610_000_000 + 400 * DAY_MS).calls = 1;
        assert_eq!(timeline.step_words(), "7 days");
    }
}
