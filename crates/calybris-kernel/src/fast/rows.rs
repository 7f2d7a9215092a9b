//! One bit per model for each yes-or-no gate.
//!
//! A row is one 64-bit word per block of 64 models. A gate is an AND of rows; only bits on which
//! enabled models differ have a row at all.

use alloc::vec;
use alloc::vec::Vec;

use crate::{CapabilitySet, Model, ProviderSet, RegionSet, Request};

/// How many models a word of a row stands for.
pub(crate) const BLOCK: usize = 64;
/// How many blocks are looked at together: a word can hold one bit for each.
pub(crate) const GROUP: usize = 64;

/// Up to this many providers are gone through without counting how many are excluded.
const FEW_PROVIDERS: u32 = 16;

/// The rows of a catalog.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    enabled: Vec<u64>,
    /// Models that have a number above what their codes can stand for.
    outliers: Vec<u64>,
    capabilities: BitRows,
    regions: BitRows,
    providers: ProviderRows,
}

impl Rows {
    /// `models` in the order of the index, with whether they are outliers.
    pub(crate) fn new(models: &[(&Model, bool)]) -> Self {
        let row = |set: &dyn Fn(&Model, bool) -> bool| -> Vec<u64> {
            let words = models.chunks(BLOCK).map(|block| {
                let bits = block.iter().enumerate();
                bits.fold(0, |word, (bit, (model, outlier))| {
                    word | u64::from(set(model, *outlier)) << bit
                })
            });
            words.collect()
        };
        Self {
            enabled: row(&|model, _| model.enabled),
            outliers: row(&|model, outlier| model.enabled && outlier),
            capabilities: BitRows::new(models, |model| model.capabilities.0),
            regions: BitRows::new(models, |model| model.regions.0),
            providers: ProviderRows::new(models),
        }
    }

    /// The gates of a request.
    #[inline]
    pub(crate) fn gates(&self, request: &Request) -> RowGates<'_> {
        RowGates {
            rows: self,
            required_capabilities: request.required_capabilities,
            required_regions: request.required_regions,
            excluded: self.providers.present.without(&request.allowed_providers),
        }
    }

    pub(crate) fn enabled(&self) -> &[u64] {
        &self.enabled
    }

    pub(crate) fn outliers(&self) -> &[u64] {
        &self.outliers
    }

    /// Keeps the models that pass the gates on capabilities, providers and regions, and says
    /// whether those turn anyone away. `live` holds up to [`GROUP`] words, the first of which
    /// belongs to `first_block`.
    #[inline(always)]
    pub(crate) fn keep_live(
        &self,
        request: &Request,
        first_block: usize,
        live: &mut [u64],
    ) -> bool {
        let gates = self.gates(request);
        if !gates.all_capable() {
            self.keep_capable(request.required_capabilities.0, first_block, live);
        }
        if !gates.all_provided() {
            self.keep_provided(&gates.excluded, first_block, live);
        }
        if !gates.all_regional() {
            self.keep_regional(request.required_regions.0, first_block, live);
        }
        !gates.open()
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

    /// Keeps the models whose provider is not excluded.
    #[inline(never)]
    fn keep_provided(&self, excluded: &ProviderSet, first_block: usize, live: &mut [u64]) {
        if excluded.count() * 2 <= self.providers.count {
            self.providers.each_row(excluded, |row| and_not(row.get(first_block..), live));
        } else {
            let mut union = [0; GROUP];
            let union = union.get_mut(..live.len()).unwrap_or_default();
            let provided = self.providers.present.without(excluded);
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

/// The yes-or-no gates of one request, a block at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowGates<'a> {
    rows: &'a Rows,
    required_capabilities: CapabilitySet,
    required_regions: RegionSet,
    excluded: ProviderSet,
}

impl RowGates<'_> {
    /// Whether no enabled model fails any of the three.
    #[inline(always)]
    pub(crate) fn open(&self) -> bool {
        self.all_capable() && self.all_provided() && self.all_regional()
    }

    #[inline(always)]
    fn all_capable(&self) -> bool {
        self.required_capabilities.0 & !self.rows.capabilities.all == 0
    }

    #[inline(always)]
    fn all_provided(&self) -> bool {
        self.excluded == ProviderSet::EMPTY
    }

    #[inline(always)]
    fn all_regional(&self) -> bool {
        let required = self.required_regions.0;
        required == 0 || required & self.rows.regions.all != 0
    }

    /// The models of a block that have every required capability; disabled ones may be among them.
    #[inline(always)]
    pub(crate) fn capable(&self, block: usize) -> u64 {
        let required = self.required_capabilities.0;
        if required & !self.rows.capabilities.any != 0 {
            return 0;
        }
        self.rows.capabilities.words_of(required, block).fold(!0, |all, word| all & word)
    }

    /// The models of a block whose provider is allowed; disabled ones may be among them.
    #[inline(always)]
    pub(crate) fn provided(&self, block: usize) -> u64 {
        if self.all_provided() { !0 } else { self.rows.providers.provided(&self.excluded, block) }
    }

    /// The models of a block that share a required region, if any is required; disabled ones may
    /// be among them.
    #[inline(always)]
    pub(crate) fn regional(&self, block: usize) -> u64 {
        if self.all_regional() {
            return !0;
        }
        let required = self.required_regions.0;
        self.rows.regions.words_of(required, block).fold(0, |any, word| any | word)
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
    fn new(models: &[(&Model, bool)], set: impl Fn(&Model) -> u64) -> Self {
        let mut any = 0;
        let mut all = u64::MAX;
        for (model, _) in models.iter().filter(|(model, _)| model.enabled) {
            any |= set(model);
            all &= set(model);
        }
        all &= any;
        let row_words = models.len().div_ceil(BLOCK);
        let mut row_of = [0; 64];
        let mut words = Vec::new();
        let mut next = 0;
        for (bit, row) in row_of.iter_mut().enumerate() {
            if (any & !all) >> bit & 1 == 0 {
                continue;
            }
            *row = next;
            next += 1;
            words.extend(models.chunks(BLOCK).map(|block| {
                block
                    .iter()
                    .enumerate()
                    .fold(0, |word, (lane, (model, _))| word | ((set(model) >> bit) & 1) << lane)
            }));
        }
        Self { any, all, row_of, row_words, words }
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

/// The rows of the providers that the enabled models have.
#[derive(Clone, Debug)]
struct ProviderRows {
    present: ProviderSet,
    /// How many are present.
    count: u32,
    row_of: Vec<u8>,
    row_words: usize,
    words: Vec<u64>,
}

impl ProviderRows {
    fn new(models: &[(&Model, bool)]) -> Self {
        let enabled = models.iter().filter(|(model, _)| model.enabled);
        let present: ProviderSet = enabled.map(|(model, _)| model.provider_id).collect();
        let row_words = models.len().div_ceil(BLOCK);
        let mut row_of = vec![0; 256];
        let mut next = 0_u8;
        for (provider_id, row) in (0..=u8::MAX).zip(&mut row_of) {
            if present.contains(provider_id) {
                *row = next;
                next = next.wrapping_add(1);
            }
        }
        let mut rows =
            Self { present, count: present.count(), row_of, row_words, words: Vec::new() };
        rows.words.resize(rows.present.count() as usize * row_words, 0);
        for (position, (model, _)) in models.iter().enumerate() {
            let row = rows.row_of.get(usize::from(model.provider_id)).copied().unwrap_or(0);
            let word = usize::from(row) * row_words + position / BLOCK;
            if model.enabled
                && let Some(word) = rows.words.get_mut(word)
            {
                *word |= 1 << (position % BLOCK);
            }
        }
        rows
    }

    /// The models of a block whose provider is not excluded.
    #[inline(always)]
    fn provided(&self, excluded: &ProviderSet, block: usize) -> u64 {
        if self.count <= FEW_PROVIDERS || excluded.count() * 2 <= self.count {
            !self.served_by(excluded, block)
        } else {
            self.served_by(&self.present.without(excluded), block)
        }
    }

    /// The models of a block that have one of these providers, all of them present.
    #[inline(always)]
    fn served_by(&self, providers: &ProviderSet, block: usize) -> u64 {
        let mut served = 0;
        for (word, base) in providers.0.into_iter().zip([0, 64, 128, 192]) {
            for bit in Bits(word) {
                let row = self.row_of.get(base + bit).copied().map_or(0, usize::from);
                served |= self.words.get(row * self.row_words + block).copied().unwrap_or(0);
            }
        }
        served
    }

    /// Calls back with the row of each of these providers, all of them present.
    #[inline]
    fn each_row(&self, providers: &ProviderSet, mut with: impl FnMut(&[u64])) {
        for (word, base) in providers.0.into_iter().zip([0, 64, 128, 192]) {
            for bit in Bits(word) {
                let row = self.row_of.get(base + bit).copied().map_or(0, usize::from);
                if let Some(row) = self.words.get(row * self.row_words..(row + 1) * self.row_words)
                {
                    with(row);
                }
            }
        }
    }
}

/// The positions of the bits that are set, lowest first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bits(pub(crate) u64);

impl Iterator for Bits {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let bit = self.0.trailing_zeros() as usize;
        self.0 &= self.0 - 1;
        Some(bit)
    }
}

#[inline]
fn and(row: Option<&[u64]>, words: &mut [u64]) {
    for (word, row) in words.iter_mut().zip(row.unwrap_or_default()) {
        *word &= row;
    }
}

#[inline]
fn and_not(row: Option<&[u64]>, words: &mut [u64]) {
    for (word, row) in words.iter_mut().zip(row.unwrap_or_default()) {
        *word &= !row;
    }
}

#[inline]
fn or(row: Option<&[u64]>, words: &mut [u64]) {
    for (word, row) in words.iter_mut().zip(row.unwrap_or_default()) {
        *word |= row;
    }
}
