//! Remarks about how a row of a price list was read, so that reports can count them and name the models.

use std::fmt;

/// A remark about a model of a catalog: a number that was changed in reading, or a charge of its provider that no rate covers.
///
/// ```
/// use calybris_catalog::{CatalogFile, Note};
///
/// let list = CatalogFile::parse("prices.json", r#"{"a": {"mode": "chat", "litellm_provider": "p",
///     "input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06, "max_input_tokens": 0,
///     "off_peak_pricing": {"hours_utc": "00:00-06:00", "input_cost_per_token": 5e-07}}}"#)?;
/// let notes = &list.candidate("a").unwrap().notes;
/// assert!(notes.iter().eq([&Note::ZeroMaximum, &Note::OffPeakHours]));
/// assert!(Note::OffPeakHours.is_unmodelled() && !Note::ZeroMaximum.is_unmodelled());
/// assert_eq!(list.noted(Note::OffPeakHours).count(), 1);
/// # Ok::<(), calybris_catalog::InputError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Note {
    /// A rate was between two whole microunits per million tokens and was rounded up.
    RoundedRate,
    /// A rate fell for longer prompts and was raised to the rate of shorter ones.
    RaisedRate,
    /// It has more than four bands; the longest but one was given the rates of the longest.
    MergedBands,
    /// A maximum of tokens is 0 and counts as unknown.
    ZeroMaximum,
    /// Searches have prices by size; the dearest is charged.
    DearestSearchSize,
    /// Some searches are free; each is charged.
    FreeSearches,
    /// Its date of retirement is not a date and was passed over.
    UnreadRetirement,
    /// A cache rate that its row does not state is the dearest of the same model name, as the policy says.
    FilledRate,
    /// Its provider reads the cache at half the input rate unless the list says otherwise, and the list does not.
    AssumedCacheRate,
    /// Images have prices of their own.
    Images,
    /// Videos have prices of their own.
    Videos,
    /// Sound read from a cache has a price of its own.
    CachedAudio,
    /// An explicit cache has a price of its own.
    ExplicitCache,
    /// Some hours have other prices; those of the dear hours are charged.
    OffPeakHours,
    /// Characters have prices.
    Characters,
    /// Seconds have prices.
    Seconds,
    /// Tools other than search have prices.
    Tools,
    /// Something has a price under a key that this crate does not know.
    OtherPrices,
}

impl Note {
    /// All notes.
    pub const ALL: [Self; 18] = [
        Self::RoundedRate,
        Self::RaisedRate,
        Self::MergedBands,
        Self::ZeroMaximum,
        Self::DearestSearchSize,
        Self::FreeSearches,
        Self::UnreadRetirement,
        Self::FilledRate,
        Self::AssumedCacheRate,
        Self::Images,
        Self::Videos,
        Self::CachedAudio,
        Self::ExplicitCache,
        Self::OffPeakHours,
        Self::Characters,
        Self::Seconds,
        Self::Tools,
        Self::OtherPrices,
    ];

    /// Whether the provider charges for something that no rate covers: a call that uses it costs more or less than its cost here.
    #[must_use]
    pub const fn is_unmodelled(self) -> bool {
        matches!(
            self,
            Self::Images
                | Self::Videos
                | Self::CachedAudio
                | Self::ExplicitCache
                | Self::OffPeakHours
                | Self::Characters
                | Self::Seconds
                | Self::Tools
                | Self::OtherPrices
        )
    }

    /// The key in JSON: `off_peak_hours`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RoundedRate => "rounded_rate",
            Self::RaisedRate => "raised_rate",
            Self::MergedBands => "merged_bands",
            Self::ZeroMaximum => "zero_maximum",
            Self::DearestSearchSize => "dearest_search_size",
            Self::FreeSearches => "free_searches",
            Self::UnreadRetirement => "unread_retirement",
            Self::FilledRate => "filled_rate",
            Self::AssumedCacheRate => "assumed_cache_rate",
            Self::Images => "images",
            Self::Videos => "videos",
            Self::CachedAudio => "cached_audio",
            Self::ExplicitCache => "explicit_cache",
            Self::OffPeakHours => "off_peak_hours",
            Self::Characters => "characters",
            Self::Seconds => "seconds",
            Self::Tools => "tools",
            Self::OtherPrices => "other_prices",
        }
    }
}

/// A sentence without a subject: `has prices for images, which are not modelled`.
impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RoundedRate => "has a rate that was rounded up to a whole microunit",
            Self::RaisedRate => "has a rate that fell for longer prompts and was raised",
            Self::MergedBands => "has more than four bands; the longest two were merged",
            Self::ZeroMaximum => "has a maximum of 0 tokens, which counts as unknown",
            Self::DearestSearchSize => "has search prices by size; the dearest is charged",
            Self::FreeSearches => "has free searches, which are charged",
            Self::UnreadRetirement => "has a date of retirement that is not a date",
            Self::FilledRate => "has a cache rate filled in from the same model name",
            Self::AssumedCacheRate => {
                "has no rate for cache reads; its provider charges half the input rate"
            }
            Self::Images => "has prices for images, which are not modelled",
            Self::Videos => "has prices for videos, which are not modelled",
            Self::CachedAudio => "has a price for sound read from a cache, which is not modelled",
            Self::ExplicitCache => "has a price for an explicit cache, which is not modelled",
            Self::OffPeakHours => "has prices for some hours, which are not modelled",
            Self::Characters => "has prices per character, which are not modelled",
            Self::Seconds => "has prices per second, which are not modelled",
            Self::Tools => "has prices for tools other than search, which are not modelled",
            Self::OtherPrices => "has prices under unknown keys, which are not modelled",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_note_stands_once_in_order_and_says_whether_it_is_modelled() {
        assert!(Note::ALL.is_sorted());
        let names: std::collections::BTreeSet<_> = Note::ALL.map(Note::name).into();
        assert_eq!(names.len(), Note::ALL.len());
        for note in Note::ALL {
            assert_eq!(note.to_string().contains("not modelled"), note.is_unmodelled(), "{note}");
        }
    }
}
