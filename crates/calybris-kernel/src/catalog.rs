//! The catalog as a snapshot keeps it: a small entry for each model, and each different price and window once.
//!
//! A [`Model`] takes 376 bytes, of which 320 are its price: it has room for four bands of eight rates. Most models have
//! a flat price, or one that other models have, too. So an [`Entry`] of 64 bytes holds all that decides most requests, and
//! says where the price and the window stand.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::slice;

use calybris_units::{BasisPoints, Microunits};

use crate::price::Tariff;
use crate::{CapabilitySet, Model, Price, Rates, RegionSet, SearchFee, Window};

/// One model of a catalog; fields are as in [`Model`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) model_id: u32,
    pub(crate) p95_latency_ms: u32,
    pub(crate) capabilities: CapabilitySet,
    pub(crate) regions: RegionSet,
    /// The plain rates of the first band, and the fixed price.
    input: Microunits,
    output: Microunits,
    fixed_price: Microunits,
    price: Place,
    window: Place,
    pub(crate) quality: BasisPoints,
    pub(crate) risk_ceiling: BasisPoints,
    pub(crate) provider_id: u8,
    pub(crate) enabled: bool,
    /// Whether its price has more bands than one.
    has_bands: bool,
}

/// Where a price or a window stands among its like: one more than its index, or 0 for a flat price or an unknown
/// window, which stand nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place(u32);

impl Place {
    const NONE: Self = Self(0);
    const FIRST: Self = Self(1);

    #[inline(always)]
    fn of<T>(self, all: &[T]) -> Option<&T> {
        // 0 wraps to more than there are.
        all.get((self.0 as usize).wrapping_sub(1))
    }
}

impl Entry {
    fn new(model: &Model, price: Place, window: Place) -> Self {
        Self {
            model_id: model.model_id,
            p95_latency_ms: model.p95_latency_ms,
            capabilities: model.capabilities,
            regions: model.regions,
            input: Microunits::new(model.price.plain_input()),
            output: Microunits::new(model.price.plain_output()),
            fixed_price: model.price.fixed_price(),
            price,
            window,
            quality: model.quality,
            risk_ceiling: model.risk_ceiling,
            provider_id: model.provider_id,
            enabled: model.enabled,
            has_bands: model.price.bands_after_first() > 0,
        }
    }
}

/// The different prices that are not flat, and the different windows of which something is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interned<'a> {
    prices: &'a [Price],
    windows: &'a [Window],
}

impl<'a> Interned<'a> {
    /// The entry of a single model, and what is interned of it.
    pub(crate) fn of_one(model: &'a Model) -> (Entry, Self) {
        let [price, window] = [own_price(model).is_some(), own_window(model).is_some()]
            .map(|is_own| if is_own { Place::FIRST } else { Place::NONE });
        let interned =
            Self { prices: slice::from_ref(&model.price), windows: slice::from_ref(&model.window) };
        (Entry::new(model, price, window), interned)
    }

    /// The fixed price of an entry, and its plain rates for a prompt: that of the prompt and that of the completion.
    #[inline(always)]
    pub(crate) fn plain_price(
        self,
        entry: &Entry,
        prompt_tokens: u64,
    ) -> (Microunits, [Microunits; 2]) {
        let rates = if entry.has_bands {
            banded_plain_rates(self.prices, entry, prompt_tokens)
        } else {
            [entry.input, entry.output]
        };
        (entry.fixed_price, rates)
    }

    /// What an entry charges for a prompt.
    #[inline(always)]
    pub(crate) fn tariff(self, entry: &Entry, prompt_tokens: u64) -> Tariff {
        match entry.price.of(self.prices) {
            Some(price) => price.tariff(prompt_tokens),
            None => Tariff {
                fixed_price: entry.fixed_price,
                search_fee: SearchFee::NONE,
                rates: Rates::plain(entry.input, entry.output),
            },
        }
    }

    /// The window of an entry; nothing if nothing is known of it.
    #[inline(always)]
    pub(crate) fn window(self, entry: &Entry) -> Option<&'a Window> {
        entry.window.of(self.windows)
    }

    /// The model whose entry this is.
    fn model(self, entry: &Entry) -> Model {
        let flat = || {
            Price::per_million_tokens(entry.input, entry.output).with_fixed_price(entry.fixed_price)
        };
        Model::new(entry.model_id, entry.provider_id, entry.quality)
            .with_risk_ceiling(entry.risk_ceiling)
            .with_enabled(entry.enabled)
            .with_p95_latency_ms(entry.p95_latency_ms)
            .with_capabilities(entry.capabilities)
            .with_regions(entry.regions)
            .with_price(entry.price.of(self.prices).copied().unwrap_or_else(flat))
            .with_window(self.window(entry).copied().unwrap_or_default())
    }
}

/// The plain rates of an entry that has bands. Not inlined, and so small where it is called that those who value models
/// are.
#[inline(never)]
fn banded_plain_rates(prices: &[Price], entry: &Entry, prompt_tokens: u64) -> [Microunits; 2] {
    match entry.price.of(prices) {
        Some(price) => {
            let rates = &price.band(prompt_tokens).rates;
            [rates.input, rates.output]
        }
        None => [entry.input, entry.output],
    }
}

/// The models of a snapshot.
///
/// INVARIANT (interned): each price that is not flat and each window that is known is interned once, in the order in
/// which the models first have it, and no other. So equal models make equal catalogs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Catalog {
    entries: Box<[Entry]>,
    prices: Box<[Price]>,
    windows: Box<[Window]>,
}

impl Catalog {
    /// Of at most `u32::MAX` models, in ascending order of their ids.
    pub(crate) fn new(models: &[Model]) -> Self {
        let (price_places, prices) = intern(models.iter().map(own_price), Price::numbers);
        let (window_places, windows) = intern(models.iter().map(own_window), Window::numbers);
        let places = price_places.into_iter().zip(window_places);
        let entries = models.iter().zip(places);
        let entries = entries.map(|(model, (price, window))| Entry::new(model, price, window));
        Self { entries: entries.collect(), prices, windows }
    }

    /// In ascending order of their ids.
    #[inline(always)]
    pub(crate) const fn entries(&self) -> &[Entry] {
        &self.entries
    }

    #[inline(always)]
    pub(crate) const fn interned(&self) -> Interned<'_> {
        Interned { prices: &self.prices, windows: &self.windows }
    }

    /// Whether all prices are flat and all windows unknown.
    pub(crate) const fn is_flat(&self) -> bool {
        self.prices.is_empty() && self.windows.is_empty()
    }

    pub(crate) fn models(&self) -> impl ExactSizeIterator<Item = Model> + DoubleEndedIterator {
        self.entries.iter().map(|entry| self.interned().model(entry))
    }

    pub(crate) fn position(&self, model_id: u32) -> Option<usize> {
        self.entries.binary_search_by_key(&model_id, |entry| entry.model_id).ok()
    }

    pub(crate) fn entry(&self, model_id: u32) -> Option<&Entry> {
        self.entries.get(self.position(model_id)?)
    }

    pub(crate) fn model(&self, model_id: u32) -> Option<Model> {
        self.entry(model_id).map(|entry| self.interned().model(entry))
    }
}

/// The price, unless the entry says all of it.
fn own_price(model: &Model) -> Option<&Price> {
    Some(&model.price).filter(|price| !price.is_flat())
}

/// The window, unless nothing is known of it.
fn own_window(model: &Model) -> Option<&Window> {
    Some(&model.window).filter(|window| !window.is_unknown())
}

/// The place of each value, and the different values in the order of their places. Values with the same numbers are equal.
fn intern<'a, T: Copy + 'a, N: Ord>(
    values: impl Iterator<Item = Option<&'a T>>,
    numbers: impl Fn(&T) -> N,
) -> (Vec<Place>, Box<[T]>) {
    let mut places = BTreeMap::new();
    let mut different = Vec::new();
    let place = |value: Option<&T>| {
        let Some(value) = value else { return Place::NONE };
        *places.entry(numbers(value)).or_insert_with(|| {
            different.push(*value);
            // There are no more than models, which a `u32` counts.
            Place(u32::try_from(different.len()).unwrap_or(u32::MAX))
        })
    };
    let places = values.map(place).collect();
    (places, different.into_boxed_slice())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TokenClass;

    #[cfg(target_pointer_width = "64")]
    #[test]
    fn an_entry_takes_no_more_than_64_bytes() {
        assert_eq!(size_of::<Entry>(), 64);
    }

    fn prices() -> [Price; 9] {
        let [one, two, three] = [1, 2, 3].map(Microunits::new);
        let flat = Price::per_million_tokens(one, two);
        let classed = Price::new(Rates::plain(one, two).with(TokenClass::Reasoning, three));
        [
            flat,
            Price::FREE,
            flat.with_fixed_price(three),
            flat.with_search_fee(SearchFee::per_search(three)),
            flat.with_search_fee(SearchFee::per_request(three)),
            classed,
            classed.with_fixed_price(three),
            // The same rates in both bands are another price than one band.
            flat.with_band(1, Rates::plain(one, two)).unwrap(),
            flat.with_band(2, Rates::plain(one, three)).unwrap(),
        ]
    }

    fn windows() -> [Window; 5] {
        [
            Window::UNKNOWN,
            Window::UNKNOWN.with_max_prompt_tokens(0),
            Window::UNKNOWN.with_max_prompt_tokens(u32::MAX),
            Window::UNKNOWN.with_max_completion_tokens(0),
            Window::UNKNOWN.with_max_total_tokens(0),
        ]
    }

    /// Each price with each window, twice.
    fn models() -> Vec<Model> {
        let pairs = prices().into_iter().flat_map(|price| windows().map(|window| (price, window)));
        let pairs: Vec<_> = pairs.collect();
        (0..)
            .zip(pairs.iter().chain(&pairs))
            .map(|(id, &(price, window))| {
                Model::new(id, 7, BasisPoints::new(1_234))
                    .with_risk_ceiling(BasisPoints::new(4_321))
                    .with_enabled(!id.is_multiple_of(3))
                    .with_p95_latency_ms(id + 9)
                    .with_capabilities(CapabilitySet::from_bits(0b101))
                    .with_regions(RegionSet::from_bits(1 << 63))
                    .with_price(price)
                    .with_window(window)
            })
            .collect()
    }

    #[test]
    fn a_catalog_gives_back_its_models_and_keeps_each_price_and_window_once() {
        let models = models();
        let catalog = Catalog::new(&models);
        assert!(catalog.models().eq(models.iter().copied()));
        assert!(catalog.models().rev().eq(models.iter().rev().copied()));
        assert_eq!((catalog.prices.len(), catalog.windows.len()), (6, 4));
        for model in &models {
            assert_eq!(catalog.model(model.model_id), Some(*model));
            let (entry, interned) = Interned::of_one(model);
            assert_eq!(interned.model(&entry), *model);
        }
        assert_eq!(catalog.model(90), None);
    }

    /// What an entry charges is what its model's price charges, at each edge of its bands.
    #[test]
    fn an_entry_charges_the_price_of_its_model() {
        let models = models();
        let catalog = Catalog::new(&models);
        for (model, entry) in models.iter().zip(catalog.entries()) {
            let (alone, of_alone) = Interned::of_one(model);
            for (entry, interned) in [(entry, catalog.interned()), (&alone, of_alone)] {
                assert_eq!(interned.window(entry), own_window(model));
                for prompt_tokens in [0, 1, 2, 3, u64::MAX] {
                    let rates = &model.price.band(prompt_tokens).rates;
                    let plain = (model.price.fixed_price(), [rates.input, rates.output]);
                    assert_eq!(interned.plain_price(entry, prompt_tokens), plain);
                    let tariff = interned.tariff(entry, prompt_tokens);
                    assert_eq!(tariff, model.price.tariff(prompt_tokens));
                    assert_eq!(tariff.rates, *rates);
                }
            }
        }
    }

    #[test]
    fn a_catalog_is_flat_if_nothing_is_interned() {
        let is_flat = |model: Model| Catalog::new(&[model]).is_flat();
        let model = Model::new(1, 0, BasisPoints::WHOLE);
        for (price, window) in
            prices().into_iter().flat_map(|price| windows().map(|window| (price, window)))
        {
            let expected = price.is_flat() && window == Window::UNKNOWN;
            assert_eq!(is_flat(model.with_price(price).with_window(window)), expected);
        }
        assert!(Catalog::new(&[]).is_flat());
    }
}
