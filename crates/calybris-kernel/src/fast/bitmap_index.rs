//! A bitmap index: one bit per model for each capability, region, provider and maximum of a window.
//!
//! A row of bits is one 64-bit word per block of 64 models. A gate is an AND of rows. Only bits on which
//! enabled models differ have a row at all.

use alloc::vec::Vec;

use super::blocks::{BLOCK, GROUP, and, and_not, bits_of, or};
use super::lanes::Bits;
use super::provider_bitmap::ProviderRows;
use super::rows::{Row, Views};
use super::window_bitmap::{Fitting, WindowRows};
use crate::{Model, ProviderSet, Request};

/// The rows of a catalog.
#[derive(Clone, Debug)]
pub(crate) struct BitmapIndex {
    /// Of each view, the enabled models in the bands that it sees: `blocks` words each.
    enabled: Vec<u64>,
    blocks: usize,
    /// The enabled models in any band.
    coded: Vec<u64>,
    /// Models that have a number above what their codes can stand for.
    outliers: Vec<u64>,
    capabilities: BitRows,
    regions: BitRows,
    providers: ProviderRows,
    windows: WindowRows,
}

impl BitmapIndex {
    /// `rows` in the order of the index; nothing if windows have too many different maxima.
    pub(crate) fn new(views: &Views, rows: &[Row<'_>]) -> Option<Self> {
        let coded = bits_of(rows, |row| row.model.enabled);
        let enabled = match views.count() {
            1 => coded.clone(),
            count => {
                let seen =
                    |view| bits_of(rows, move |row| row.model.enabled & row.is_seen_by(view));
                (0..count).flat_map(seen).collect()
            }
        };
        Some(Self {
            enabled,
            blocks: rows.len().div_ceil(BLOCK),
            coded,
            outliers: bits_of(rows, |row| row.model.enabled && row.outlier),
            capabilities: BitRows::new(rows, |model| model.capabilities.bits()),
            regions: BitRows::new(rows, |model| model.regions.bits()),
            providers: ProviderRows::new(rows),
            windows: WindowRows::new(rows)?,
        })
    }

    /// Nothing is enabled.
    pub(crate) fn empty() -> Self {
        Self {
            enabled: Vec::new(),
            blocks: 0,
            coded: Vec::new(),
            outliers: Vec::new(),
            capabilities: BitRows::new(&[], |_| 0),
            regions: BitRows::new(&[], |_| 0),
            providers: ProviderRows::new(&[]),
            windows: WindowRows::EMPTY,
        }
    }

    /// Whether every one of so many blocks has its word in every row of bits, and each view sees every enabled model
    /// once (INVARIANT (shape) of the index).
    pub(crate) fn is_complete(&self, blocks: usize, views: &Views, models: &[Model]) -> bool {
        let enabled = models.iter().filter(|model| model.enabled).count();
        let sees_all = |view: usize| {
            let words = self.enabled(view).iter();
            words.map(|word| word.count_ones() as usize).sum::<usize>() == enabled
        };
        self.blocks == blocks
            && self.enabled.len() == blocks * views.count()
            && (0..views.count()).all(sees_all)
            && self.coded.len() == blocks
            && self.outliers.len() == blocks
            && self.capabilities.is_complete(blocks)
            && self.regions.is_complete(blocks)
            && self.providers.is_complete(blocks)
            && self.windows.is_complete(blocks)
    }

    /// The parts of which [`is_complete`](Self::is_complete) speaks, for tests that take some away.
    #[cfg(test)]
    pub(crate) fn parts(&mut self) -> [&mut Vec<u64>; 7] {
        let Self { enabled, coded, outliers, capabilities, regions, providers, windows, .. } = self;
        let (capabilities, regions) = (&mut capabilities.words, &mut regions.words);
        [enabled, coded, outliers, capabilities, regions, providers.words(), windows.words()]
    }

    /// The enabled models, in the bands that a view sees.
    #[inline(always)]
    pub(crate) fn enabled(&self, view: usize) -> &[u64] {
        let from_view = self.enabled.get(view * self.blocks..).unwrap_or_default();
        from_view.get(..self.blocks).unwrap_or_default()
    }

    /// The enabled models, in all their bands.
    pub(crate) fn coded(&self) -> &[u64] {
        &self.coded
    }

    /// The windows that a request does not fit; nothing if it fits all.
    #[inline(always)]
    pub(crate) fn fitting(&self, request: &Request) -> Option<Fitting> {
        self.windows.fitting(request)
    }

    /// Keeps the models whose windows a request fits; `live` as in [`keep_open_to`](Self::keep_open_to).
    #[inline(never)]
    pub(crate) fn keep_fitting(&self, fitting: Fitting, first_block: usize, live: &mut [u64]) {
        for row in self.windows.rows_of(fitting, first_block) {
            and(row, live);
        }
    }

    pub(crate) fn outliers(&self) -> &[u64] {
        &self.outliers
    }

    /// Whether no enabled model fails the gates on capabilities, providers and regions.
    #[inline(always)]
    pub(crate) fn is_open_to(&self, request: &Request) -> bool {
        self.all_capable(request) && self.all_provided(request) && self.all_regional(request)
    }

    /// Those of a block's models that pass these gates.
    #[inline(always)]
    pub(crate) fn open_to(&self, request: &Request, block: usize, models: u64) -> u64 {
        models
            & self.capable(request, block).unwrap_or(!0)
            & self.provided(request, block).unwrap_or(!0)
            & self.regional(request, block).unwrap_or(!0)
    }

    /// The models of a block that have every required capability, unless all enabled models of the
    /// catalog have them; disabled ones may be among them.
    #[inline(always)]
    pub(crate) fn capable(&self, request: &Request, block: usize) -> Option<u64> {
        if self.all_capable(request) {
            return None;
        }
        let required = request.required_capabilities.bits();
        if required & !self.capabilities.any != 0 {
            return Some(0);
        }
        Some(self.capabilities.words_of(required, block).fold(!0, |all, word| all & word))
    }

    /// The models of a block whose provider is allowed, unless all are; disabled ones may be among
    /// them.
    #[inline(always)]
    pub(crate) fn provided(&self, request: &Request, block: usize) -> Option<u64> {
        let allowed = &request.allowed_providers;
        (!self.all_provided(request)).then(|| self.providers.provided(allowed, block))
    }

    /// The models of a block that share a required region, unless none is required or all enabled
    /// models share one; disabled ones may be among them.
    #[inline(always)]
    pub(crate) fn regional(&self, request: &Request, block: usize) -> Option<u64> {
        if self.all_regional(request) {
            return None;
        }
        let required = request.required_regions.bits();
        Some(self.regions.words_of(required, block).fold(0, |any, word| any | word))
    }

    #[inline(always)]
    fn all_capable(&self, request: &Request) -> bool {
        request.required_capabilities.bits() & !self.capabilities.all == 0
    }

    #[inline(always)]
    fn all_provided(&self, request: &Request) -> bool {
        self.providers.present().without(&request.allowed_providers) == ProviderSet::EMPTY
    }

    #[inline(always)]
    fn all_regional(&self, request: &Request) -> bool {
        let required = request.required_regions.bits();
        required == 0 || required & self.regions.all != 0
    }

    /// Keeps the models that pass the gates on capabilities, providers and regions. `live` holds up
    /// to [`GROUP`] words, the first of which belongs to `first_block`.
    #[inline(always)]
    pub(crate) fn keep_open_to(&self, request: &Request, first_block: usize, live: &mut [u64]) {
        if !self.all_capable(request) {
            self.keep_capable(request.required_capabilities.bits(), first_block, live);
        }
        if !self.all_provided(request) {
            self.keep_provided(&request.allowed_providers, first_block, live);
        }
        if !self.all_regional(request) {
            self.keep_regional(request.required_regions.bits(), first_block, live);
        }
    }

    /// Keeps the models that have every required capability.
    #[inline(never)]
    fn keep_capable(&self, required: u64, first_block: usize, live: &mut [u64]) {
        if required & !self.capabilities.any != 0 {
            live.fill(0);
            return;
        }
        for row in self.capabilities.rows_of(required) {
            and(row.get(first_block..), live);
        }
    }

    /// Keeps the models whose provider is allowed.
    #[inline(never)]
    fn keep_provided(&self, allowed: &ProviderSet, first_block: usize, live: &mut [u64]) {
        let excluded = self.providers.present().without(allowed);
        if self.providers.are_few(&excluded) {
            self.providers.each_row(&excluded, |row| and_not(row.get(first_block..), live));
        } else {
            let mut union = [0; GROUP];
            let union = union.get_mut(..live.len()).unwrap_or_default();
            let provided = self.providers.present().without(&excluded);
            self.providers.each_row(&provided, |row| or(row.get(first_block..), union));
            and(Some(union), live);
        }
    }

    /// Keeps the models that share a required region.
    #[inline(never)]
    fn keep_regional(&self, required: u64, first_block: usize, live: &mut [u64]) {
        let mut union = [0; GROUP];
        let union = union.get_mut(..live.len()).unwrap_or_default();
        for row in self.regions.rows_of(required) {
            or(row.get(first_block..), union);
        }
        and(Some(union), live);
    }
}

/// The rows of a 64-bit set.
#[derive(Clone, Debug)]
struct BitRows {
    /// Bits that some enabled model has.
    any: u64,
    /// Bits that all enabled models have.
    all: u64,
    /// The row of each bit that some have and some do not.
    row_of: [u8; 64],
    row_words: usize,
    words: Vec<u64>,
}

impl BitRows {
    fn new(rows: &[Row<'_>], set: impl Fn(&Model) -> u64) -> Self {
        let mut any = 0;
        let mut all = u64::MAX;
        for row in rows.iter().filter(|row| row.model.enabled) {
            any |= set(row.model);
            all &= set(row.model);
        }
        all &= any;
        let row_words = rows.len().div_ceil(BLOCK);
        let mut row_of = [0; 64];
        let mut words = Vec::new();
        let mut next = 0;
        for (bit, row) in row_of.iter_mut().enumerate() {
            if (any & !all) >> bit & 1 == 0 {
                continue;
            }
            *row = next;
            next += 1;
            words.extend(bits_of(rows, |row| set(row.model) >> bit & 1 == 1));
        }
        words.shrink_to_fit();
        Self { any, all, row_of, row_words, words }
    }

    fn is_complete(&self, blocks: usize) -> bool {
        let rows = (self.any & !self.all).count_ones() as usize;
        self.row_words == blocks && self.words.len() == rows * blocks
    }

    /// The words of a block in the rows of those bits that have one.
    #[inline(always)]
    fn words_of(&self, bits: u64, block: usize) -> impl Iterator<Item = u64> {
        Bits(bits & self.any & !self.all).filter_map(move |bit| {
            let row = usize::from(*self.row_of.get(bit)?);
            self.words.get(row * self.row_words + block).copied()
        })
    }

    /// The rows of those bits that have one.
    #[inline]
    fn rows_of(&self, bits: u64) -> impl Iterator<Item = &[u64]> {
        Bits(bits & self.any & !self.all).filter_map(|bit| {
            let row = usize::from(*self.row_of.get(bit)?);
            self.words.get(row * self.row_words..(row + 1) * self.row_words)
        })
    }
}
