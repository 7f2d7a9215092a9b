//! The bands of a row: from keys with thresholds, or from a list of ranges.

use std::collections::{BTreeMap, BTreeSet};

use calybris_kernel::{Price, Rates, TokenClass, TokenClassSet};

use crate::error::InputError;
use crate::json::{Node, Value};
use crate::note::Note;
use crate::number::Number;
use crate::rates::{ListedRates, price_of, raise_falling};

use super::entry::Entry;
use super::tiers::{BATCH, STANDARD, Tier};

/// The most bands of a price.
const MOST_BANDS: usize = 4;

/// The key with a list of ranges. Ranges win over plain keys.
pub(super) const RANGES: &str = "tiered_pricing";

/// The provider whose thresholds belong to the band that begins there; everyone else's belong to the band below.
const INCLUSIVE_PROVIDER: &str = "xai";

/// The provider that reads its cache for half the input rate unless the list says something else.
const HALF_RATE_CACHE_PROVIDER: &str = "fireworks_ai";

/// The classes and the beginnings of their keys. Of two keys for one class the first counts.
const KEYS: [(TokenClass, &str); 9] = [
    (TokenClass::Input, "input_cost_per_token"),
    (TokenClass::CacheRead, "cache_read_input_token_cost"),
    (TokenClass::CacheWrite, "cache_creation_input_token_cost"),
    (TokenClass::CacheWriteLong, "cache_creation_input_token_cost_above_1hr"),
    (TokenClass::CacheWriteLong, "cache_creation_input_token_cost_above_12hr"),
    (TokenClass::AudioInput, "input_cost_per_audio_token"),
    (TokenClass::Output, "output_cost_per_token"),
    (TokenClass::Reasoning, "output_cost_per_reasoning_token"),
    (TokenClass::AudioOutput, "output_cost_per_audio_token"),
];

/// The token prices of a row.
pub(super) struct Row {
    pub(super) price: Price,
    /// The classes whose rates the list states.
    pub(super) listed_classes: TokenClassSet,
    pub(super) rounded_rates: u64,
    pub(super) notes: BTreeSet<Note>,
}

/// Reads the rates of one tier of an entry.
struct Reader<'a> {
    entry: Entry<'a>,
    provider: &'a str,
    tier: &'a Tier<'a>,
    rounded_rates: u64,
    assumes_cache_rate: bool,
}

/// Stated rates of prompts above a length.
type ListedAbove = (u32, ListedRates);

/// The token prices of one tier of an entry.
pub(super) fn row(entry: Entry<'_>, provider: &str, tier: &Tier<'_>) -> Result<Row, InputError> {
    let mut reader = Reader { entry, provider, tier, rounded_rates: 0, assumes_cache_rate: false };
    // The project's function for batches does not look at ranges.
    let ranges = ranges_of(entry).filter(|_| tier.suffix != BATCH);
    let listed = match ranges {
        Some(ranges) => reader.ranges(ranges)?,
        None => reader.thresholds()?,
    };
    let listed_classes =
        listed.iter().flat_map(|(_, rates)| rates.classes().iter().collect::<Vec<_>>()).collect();
    let mut bands: Vec<(u32, Rates)> =
        listed.iter().map(|(above, rates)| (*above, rates.complete())).collect();
    let mut notes = BTreeSet::new();
    if reader.rounded_rates > 0 {
        notes.insert(Note::RoundedRate);
    }
    if reader.assumes_cache_rate {
        notes.insert(Note::AssumedCacheRate);
    }
    if raise_falling(&mut bands) {
        notes.insert(Note::RaisedRate);
    }
    while bands.len() > MOST_BANDS {
        notes.insert(Note::MergedBands);
        let longest = bands.pop();
        if let (Some(last), Some((_, rates))) = (bands.last_mut(), longest) {
            last.1 = rates;
        }
    }
    let price = price_of(bands).map_err(|error| entry.refuse(entry.offset, "prices", error))?;
    Ok(Row { price, listed_classes, rounded_rates: reader.rounded_rates, notes })
}

/// The ranges of an entry, if it has any.
pub(super) fn ranges_of(entry: Entry<'_>) -> Option<&[Node<'_>]> {
    match &entry.field(RANGES)?.value {
        Value::List(ranges) if !ranges.is_empty() => Some(ranges),
        _ => None,
    }
}

/// Whether a key has the rate of a class for the tier whose keys end in `suffix`, for all prompts or above a threshold.
pub(super) fn is_rate(key: &str, suffix: &str) -> bool {
    let key = key.strip_suffix(suffix).unwrap_or_default();
    let mut rests = KEYS.iter().filter_map(|(_, prefix)| key.strip_prefix(prefix));
    rests.any(|rest| rest.is_empty() || threshold_of(rest).is_some())
}

/// The threshold in `_above_200k_tokens`, which may be the whole text or its end. `None` if there is no such end, or the threshold
/// does not fit 32 bits.
pub(super) fn threshold_of(text: &str) -> Option<u32> {
    let (_, above) = text.strip_suffix("_tokens")?.rsplit_once("_above_")?;
    let (digits, thousands) = match above.strip_suffix('k') {
        Some(digits) => (digits, 1_000),
        None => (above, 1),
    };
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse::<u32>().ok().filter(|_| is_number)?.checked_mul(thousands)
}

impl<'a> Reader<'a> {
    /// Bands from keys such as `input_cost_per_token_above_200k_tokens`. A key that is missing keeps the rate of the band below.
    ///
    /// A tier has its own keys, which end in its name, and takes the standard row's where one is missing. With its own rate for
    /// output, reasoning costs as much as output unless it has a rate as well. Batches take only the standard rates for plain
    /// tokens and cache reads.
    fn thresholds(&mut self) -> Result<Vec<ListedAbove>, InputError> {
        let own = self.own("")?;
        let is_standard = self.tier.suffix == STANDARD.suffix;
        let mut standard = if is_standard { own.clone() } else { self.standard("")? };
        if self.provider == HALF_RATE_CACHE_PROVIDER
            && standard.get(TokenClass::CacheRead).is_none()
        {
            let half = self.entry.rate("input_cost_per_token", self.halved())?;
            if let Some(half) = half {
                standard.set(TokenClass::CacheRead, half.amount);
                self.assumes_cache_rate = own.get(TokenClass::CacheRead).is_none();
            }
        }
        let inherited = self.inherited(&own);
        let mut rates = standard.of(inherited);
        rates.overlay(&own);
        let mut bands = vec![(0, rates)];
        for (threshold, infixes) in self.thresholds_of_keys() {
            let mut rates = bands.last().map(|(_, rates)| rates.clone()).unwrap_or_default();
            for infix in infixes {
                // A tier's long write rate does not change with the standard one's.
                let long = if self.tier.suffix.is_empty() {
                    inherited
                } else {
                    inherited.without(TokenClass::CacheWriteLong)
                };
                rates.overlay(&self.standard(&infix)?.of(long));
                rates.overlay(&self.own(&infix)?);
            }
            let above = threshold.saturating_sub(u32::from(self.provider == INCLUSIVE_PROVIDER));
            match bands.last_mut() {
                Some((last, same)) if above == *last => *same = rates,
                Some((_, same)) if rates == *same => {}
                _ => bands.push((above, rates)),
            }
        }
        Ok(bands)
    }

    /// Half the factor on every rate.
    fn halved(&self) -> Option<Number> {
        match self.tier.multiplier {
            None => Some(Number::HALF),
            Some(multiplier) => multiplier.times(Number::HALF),
        }
    }

    /// The classes for which a tier takes the standard rates.
    fn inherited(&self, own: &ListedRates) -> TokenClassSet {
        let inherited = match self.tier.suffix {
            BATCH => [TokenClass::Input, TokenClass::CacheRead, TokenClass::Output]
                .into_iter()
                .filter(|class| own.get(*class).is_none())
                .collect(),
            _ => TokenClassSet::ALL,
        };
        if self.tier.suffix.is_empty() || own.get(TokenClass::Output).is_none() {
            inherited
        } else {
            inherited.without(TokenClass::Reasoning)
        }
    }

    /// The thresholds of the keys of this tier and of the standard row, ascending, each as it is written: `_above_200k_tokens`.
    fn thresholds_of_keys(&self) -> BTreeMap<u32, BTreeSet<String>> {
        let mut thresholds: BTreeMap<u32, BTreeSet<String>> = BTreeMap::new();
        for (key, _) in self.entry.fields() {
            let Some((_, rest)) = KEYS
                .iter()
                .filter_map(|(class, prefix)| Some((class, key.strip_prefix(prefix)?)))
                .min_by_key(|(_, rest)| rest.len())
            else {
                continue;
            };
            let infix = rest.strip_suffix(self.tier.suffix).unwrap_or(rest);
            if let Some(threshold) = threshold_of(infix) {
                thresholds.entry(threshold).or_default().insert(infix.to_owned());
            }
        }
        thresholds
    }

    /// Bands from a list of ranges: a prompt of `n` tokens has the first range with `start < n <= end`, or the last one.
    fn ranges(&mut self, ranges: &'a [Node<'a>]) -> Result<Vec<ListedAbove>, InputError> {
        let flat = self.rates_of(self.entry, "", "")?;
        self.rounded_rates = 0;
        let mut read = Vec::with_capacity(ranges.len());
        for node in ranges {
            let range = self.entry.within(node);
            let (start, end) = bounds(range)?;
            let own = self.rates_of(range, "", "")?;
            if own.get(TokenClass::Input).is_none() {
                let what = "missing; every range has one";
                return Err(range.refuse(range.offset, "input_cost_per_token", what));
            }
            let audio =
                TokenClassSet::EMPTY.with(TokenClass::AudioInput).with(TokenClass::AudioOutput);
            let output = TokenClassSet::EMPTY.with(TokenClass::Output).with(TokenClass::Reasoning);
            let mut rates = flat.clone().of(audio);
            if own.get(TokenClass::Output).is_none() {
                rates.overlay(&flat.clone().of(output));
            }
            rates.overlay(&own);
            read.push((start, end, rates));
        }
        read.sort_by_key(|(start, ..)| *start);
        let points: BTreeSet<u64> =
            read.iter().flat_map(|(start, end, _)| [*start, *end]).chain([0]).collect();
        let mut bands: Vec<ListedAbove> = Vec::new();
        for point in points {
            let found = read.iter().find(|(start, end, _)| *start <= point && point < *end);
            let (Some((.., rates)), Ok(above)) = (found.or(read.last()), u32::try_from(point))
            else {
                continue;
            };
            if bands.last().is_none_or(|(_, last)| last != rates) {
                bands.push((above, rates.clone()));
            }
        }
        Ok(bands)
    }

    /// What the row under the entry's name states for prompts above a threshold; nothing for that row itself.
    fn standard(&mut self, infix: &str) -> Result<ListedRates, InputError> {
        if self.tier.suffix == STANDARD.suffix {
            return Ok(ListedRates::default());
        }
        let counted = self.rounded_rates;
        let rates = self.rates_of(self.entry, infix, STANDARD.suffix)?;
        // These are counted in the standard row.
        self.rounded_rates = counted;
        Ok(rates)
    }

    /// What this tier states for prompts above a threshold.
    fn own(&mut self, infix: &str) -> Result<ListedRates, InputError> {
        self.rates_of(self.entry, infix, self.tier.suffix)
    }

    fn rates_of(
        &mut self,
        entry: Entry<'_>,
        infix: &str,
        suffix: &str,
    ) -> Result<ListedRates, InputError> {
        let mut rates = ListedRates::default();
        for (class, prefix) in KEYS {
            let key = format!("{prefix}{infix}{suffix}");
            let Some(rate) = entry.rate(&key, self.tier.multiplier)? else { continue };
            if rates.get(class).is_none() {
                self.rounded_rates += u64::from(rate.is_rounded_up);
                rates.set(class, rate.amount);
            }
        }
        Ok(rates)
    }
}

/// The bounds of a range.
fn bounds(range: Entry<'_>) -> Result<(u64, u64), InputError> {
    let allowed = "it is a list of two numbers of tokens";
    let Some(node) = range.field("range") else {
        return Err(range.refuse(range.offset, "range", format!("missing; {allowed}")));
    };
    let bound = |node: &Node<'_>| range.number(node, "range", allowed).ok().and_then(Number::whole);
    let bounds = match &node.value {
        Value::List(bounds) => match bounds.as_slice() {
            [start, end] => bound(start).zip(bound(end)),
            _ => None,
        },
        _ => None,
    };
    bounds.ok_or_else(|| range.refuse_found(node, "range", allowed))
}
