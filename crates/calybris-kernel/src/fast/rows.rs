//! The rows of the index: one for each band of each model. A request sees one row of each model, that of the band in
//! which its prompt is charged.
//!
//! So each row has one set of rates, a bound on them holds for every request that sees the row, and a catalog needs no
//! columns of its own for each threshold: the rows of the real list are 7% more than its models.

use alloc::vec::Vec;

use crate::{Microunits, Model, Rates, TokenClassSet};

/// A catalog with more different thresholds than this is scanned.
const MOST_THRESHOLDS: usize = 63;

/// A model in one of its bands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'a> {
    pub(crate) model: &'a Model,
    /// The position of the model in the catalog.
    pub(crate) index: u32,
    pub(crate) rates: &'a Rates,
    /// The views that see this row: those from the first on, up to and without the end.
    pub(crate) first_view: usize,
    pub(crate) end_view: usize,
    /// Whether a number of it is above what its code can stand for.
    pub(crate) outlier: bool,
}

impl Row<'_> {
    /// The highest rates of each side.
    pub(crate) fn dearest_rates(&self) -> [Microunits; 2] {
        [TokenClassSet::PROMPT, TokenClassSet::COMPLETION].map(|side| self.rates.dearest(side))
    }

    /// The fee for each search, and the fee for a request that searches; one of them is 0.
    pub(crate) fn search_fees(&self) -> [Microunits; 2] {
        let fee = self.model.price.search_fee();
        let amount = |charged| if charged { fee.amount() } else { Microunits::ZERO };
        [amount(!fee.is_per_request()), amount(fee.is_per_request())]
    }

    /// Whether all classes of a side have the same rate, and searches cost nothing.
    pub(crate) fn is_plain(&self) -> bool {
        self.rates.is_plain() && self.search_fees() == [Microunits::ZERO; 2]
    }

    pub(crate) const fn is_seen_by(&self, view: usize) -> bool {
        self.first_view <= view && view < self.end_view
    }

    /// Whether every view that sees the other row sees this one, too.
    pub(crate) const fn is_seen_wherever(&self, other: &Self) -> bool {
        self.first_view <= other.first_view && other.end_view <= self.end_view
    }
}

/// The lengths of prompts between which no model changes its band.
///
/// INVARIANT (views): thresholds ascend. View `v` is that of the prompts that exceed exactly the first `v` of them, so a model
/// is charged in the same band for all of them: it has no threshold between.
#[derive(Clone, Debug, Default)]
pub(crate) struct Views {
    thresholds: Vec<u32>,
}

impl Views {
    /// Nothing if there are too many.
    pub(crate) fn new(models: &[Model]) -> Option<Self> {
        let enabled = models.iter().filter(|model| model.enabled);
        let bands = enabled.flat_map(|model| model.price.bands().skip(1));
        let mut thresholds: Vec<u32> = bands.map(|band| band.above_prompt_tokens).collect();
        thresholds.sort_unstable();
        thresholds.dedup();
        (thresholds.len() <= MOST_THRESHOLDS).then_some(Self { thresholds })
    }

    pub(crate) const fn count(&self) -> usize {
        self.thresholds.len() + 1
    }

    /// The view of a prompt.
    #[inline]
    pub(crate) fn of(&self, prompt_tokens: u64) -> usize {
        let exceeded = |threshold: &&u32| prompt_tokens > u64::from(**threshold);
        self.thresholds.iter().take_while(exceeded).count()
    }

    /// The rows of a catalog. A disabled model has one, which no decision looks at.
    pub(crate) fn rows<'a>(&self, models: &'a [Model]) -> Vec<Row<'a>> {
        let mut rows = Vec::with_capacity(models.len());
        for (model, index) in models.iter().zip(0..) {
            let bands = if model.enabled { usize::MAX } else { 1 };
            let mut above = None;
            for band in model.price.bands().take(bands) {
                if let Some(previous) = above.replace(band) {
                    let end_view = self.of(band.above_prompt_tokens.into()) + 1;
                    rows.push(self.row(model, index, previous, end_view));
                }
            }
            if let Some(last) = above {
                rows.push(self.row(model, index, last, self.count()));
            }
        }
        rows
    }

    fn row<'a>(
        &self,
        model: &'a Model,
        index: u32,
        band: &'a crate::Band,
        end_view: usize,
    ) -> Row<'a> {
        // A prompt of one token more than the threshold is in the band.
        let first_view = match band.above_prompt_tokens {
            0 => 0,
            threshold => self.of(u64::from(threshold) + 1),
        };
        Row { model, index, rates: &band.rates, first_view, end_view, outlier: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BasisPoints, Price};

    fn rates(input: u64) -> Rates {
        Rates::plain(Microunits::new(input), Microunits::new(input))
    }

    /// At, below and above each threshold, and at the ends, one row of each model is seen: that of its band.
    #[test]
    fn a_view_sees_of_each_model_the_row_of_its_band() {
        let model = |id| Model::new(id, 0, BasisPoints::WHOLE);
        let banded = |id, thresholds: &[u32]| {
            let price = thresholds.iter().zip(2..).fold(Price::new(rates(1)), |price, (at, n)| {
                price.with_band(*at, rates(n)).unwrap()
            });
            model(id).with_price(price)
        };
        let models = [
            model(0),
            banded(1, &[100, 200, 300]),
            banded(2, &[200]),
            banded(3, &[50, u32::MAX]),
            banded(4, &[1, 2]),
            banded(5, &[70]).with_enabled(false),
        ];
        let views = Views::new(&models).unwrap();
        assert_eq!(views.count(), 8, "the disabled model has no say");
        let rows = views.rows(&models);
        for prompt in [0, 1, 2, 3, 49, 50, 51, 99, 100, 101, 199, 200, 201, 300, 301, 1 << 31]
            .into_iter()
            .chain([u64::from(u32::MAX), u64::from(u32::MAX) + 1, u64::MAX])
        {
            let view = views.of(prompt);
            let seen = |row: &&Row<'_>| row.is_seen_by(view) && row.model.enabled;
            let seen: Vec<&Row<'_>> = rows.iter().filter(seen).collect();
            assert_eq!(seen.len(), 5, "{prompt}");
            for row in seen {
                assert_eq!(*row.rates, row.model.price.band(prompt).rates, "{prompt}");
            }
        }
    }

    #[test]
    fn too_many_thresholds_make_no_views() {
        let model = |id| {
            let price = Price::new(rates(1)).with_band(id + 1, rates(2)).unwrap();
            Model::new(id, 0, BasisPoints::WHOLE).with_price(price)
        };
        let models: Vec<Model> = (0..64).map(model).collect();
        assert!(Views::new(&models).is_none());
        assert_eq!(Views::new(&models[1..]).unwrap().count(), 64);
    }
}
