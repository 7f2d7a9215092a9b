//! The part of the bitmap index that says which models each provider serves.

use alloc::vec;
use alloc::vec::Vec;
use core::slice;

use super::blocks::BLOCK;
use super::lanes::Bits;
use super::rows::Row;
use crate::ProviderSet;

/// The rows of the providers that the enabled models have.
#[derive(Clone, Debug)]
pub(crate) struct ProviderRows {
    present: ProviderSet,
    /// How many are present.
    count: u32,
    row_of: Vec<u8>,
    row_words: usize,
    words: Vec<u64>,
    /// Those of a single block, by four neighbouring ids from 0 on: the models that each subset of
    /// the four serves. A few look-ups without a branch that depends on the request; nothing if
    /// there are more blocks, or higher ids than a few fours have. Where they are, there are no other rows: a small
    /// catalog has no room for what it does not need.
    fours: Vec<[u64; 16]>,
}

/// Up to this many fours are looked up rather than providers gone through.
const MANY_FOURS: usize = 8;

impl ProviderRows {
    pub(crate) fn new(rows_of_index: &[Row<'_>]) -> Self {
        let enabled = rows_of_index.iter().filter(|row| row.model.enabled);
        let present: ProviderSet = enabled.map(|row| row.model.provider_id).collect();
        let row_words = rows_of_index.len().div_ceil(BLOCK);
        let mut row_of = vec![0; 256];
        let mut next = 0_u8;
        for (provider_id, row) in (0..=u8::MAX).zip(&mut row_of) {
            if present.contains(provider_id) {
                *row = next;
                next = next.wrapping_add(1);
            }
        }
        let count = present.count();
        let words = vec![0; count as usize * row_words];
        let mut rows = Self { present, count, row_of, row_words, words, fours: Vec::new() };
        for (position, Row { model, .. }) in rows_of_index.iter().enumerate() {
            let row = rows.row_of.get(usize::from(model.provider_id)).copied().unwrap_or(0);
            let word = usize::from(row) * row_words + position / BLOCK;
            if model.enabled
                && let Some(word) = rows.words.get_mut(word)
            {
                *word |= 1 << (position % BLOCK);
            }
        }
        rows.fours = rows.look_up_by_four();
        if !rows.fours.is_empty() {
            (rows.row_of, rows.words) = (Vec::new(), Vec::new());
        }
        rows
    }

    pub(crate) fn is_complete(&self, blocks: usize) -> bool {
        let (ids, words) =
            if self.fours.is_empty() { (256, self.count as usize * blocks) } else { (0, 0) };
        self.row_words == blocks && self.row_of.len() == ids && self.words.len() == words
    }

    #[cfg(test)]
    pub(crate) fn words(&mut self) -> &mut Vec<u64> {
        &mut self.words
    }

    /// See [`fours`](Self::fours).
    fn look_up_by_four(&self) -> Vec<[u64; 16]> {
        let [first, others @ ..] = self.present.words();
        let ids = u64::BITS - first.leading_zeros();
        let count = ids.div_ceil(4);
        if self.row_words != 1 || others != [0; 3] || count as usize > MANY_FOURS {
            return Vec::new();
        }
        let four = |four: u32| {
            core::array::from_fn(|subset| {
                let providers = (subset as u64) << (4 * four);
                self.served_by(ProviderSet::from_words([providers & first, 0, 0, 0]), 0)
            })
        };
        (0..count).map(four).collect()
    }

    pub(crate) const fn present(&self) -> &ProviderSet {
        &self.present
    }

    /// Whether at most half of the providers are among these.
    #[inline]
    pub(crate) fn are_few(&self, providers: &ProviderSet) -> bool {
        providers.count() * 2 <= self.count
    }

    /// The models of a block whose provider is allowed.
    #[inline(always)]
    pub(crate) fn provided(&self, allowed: &ProviderSet, block: usize) -> u64 {
        if self.fours.is_empty() {
            return self.provided_one_by_one(allowed, block);
        }
        let [mut rest, ..] = allowed.words();
        let mut served = 0;
        for four in &self.fours {
            let [subset, ..] = rest.to_le_bytes();
            served |= four.get(usize::from(subset & 0xf)).copied().unwrap_or(0);
            rest >>= 4;
        }
        served
    }

    #[inline(never)]
    fn provided_one_by_one(&self, allowed: &ProviderSet, block: usize) -> u64 {
        let excluded = self.present.without(allowed);
        if self.are_few(&excluded) {
            !self.served_by(excluded, block)
        } else {
            self.served_by(self.present.without(&excluded), block)
        }
    }

    /// The models of a block that have one of these providers, all of them present.
    fn served_by(&self, providers: ProviderSet, block: usize) -> u64 {
        let mut served = 0;
        self.each_row(&providers, |row| served |= row.get(block).copied().unwrap_or(0));
        served
    }

    /// Calls back with the row of each of these providers, all of them present.
    #[inline]
    pub(crate) fn each_row(&self, providers: &ProviderSet, mut with: impl FnMut(&[u64])) {
        for (word, base) in providers.words().into_iter().zip([0, 64, 128, 192]) {
            for bit in Bits(word) {
                if let Some(four) = self.fours.get((base + bit) / 4) {
                    four.get(1 << (bit % 4)).map(slice::from_ref).map(&mut with);
                    continue;
                }
                let row = self.row_of.get(base + bit).copied().map_or(0, usize::from);
                if let Some(row) = self.words.get(row * self.row_words..(row + 1) * self.row_words)
                {
                    with(row);
                }
            }
        }
    }
}
