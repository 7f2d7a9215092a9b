//! One bit per model for each provider.

use alloc::vec;
use alloc::vec::Vec;

use super::rows::{BLOCK, Bits};
use crate::{Model, ProviderSet};

/// The rows of the providers that the enabled models have.
#[derive(Clone, Debug)]
pub(crate) struct ProviderRows {
    present: ProviderSet,
    /// How many are present.
    count: u32,
    row_of: Vec<u8>,
    row_words: usize,
    words: Vec<u64>,
    /// Those of a single block, by four ids: a few look-ups without a branch that depends on the
    /// request. Nothing if there are more blocks, or more than a few fours.
    fours: Vec<Four>,
}

/// Up to this many fours are looked up rather than providers gone through.
const MANY_FOURS: usize = 8;

/// Four neighbouring provider ids.
#[derive(Clone, Copy, Debug)]
struct Four {
    /// Where their bits are in a set of providers.
    word: usize,
    shift: u32,
    /// The models that each subset of the four serves.
    served: [u64; 16],
}

impl ProviderRows {
    pub(crate) fn new(models: &[(&Model, bool)]) -> Self {
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
        let mut rows = Self {
            present,
            count: present.count(),
            row_of,
            row_words,
            words: Vec::new(),
            fours: Vec::new(),
        };
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
        rows.fours = rows.look_up_by_four();
        rows
    }

    /// See [`fours`](Self::fours).
    fn look_up_by_four(&self) -> Vec<Four> {
        let mut fours = Vec::new();
        if self.row_words != 1 {
            return fours;
        }
        for (word, present) in self.present.0.into_iter().enumerate() {
            for shift in (0..u64::BITS).step_by(4).filter(|shift| present >> shift & 0xf != 0) {
                if fours.len() == MANY_FOURS {
                    return Vec::new();
                }
                let mut served = [0; 16];
                for (subset, served) in (0..).zip(&mut served) {
                    let mut providers = ProviderSet::EMPTY;
                    if let Some(bits) = providers.0.get_mut(word) {
                        *bits = subset << shift & present;
                    }
                    *served = self.served_by(&providers, 0);
                }
                fours.push(Four { word, shift, served });
            }
        }
        fours
    }

    pub(crate) const fn present(&self) -> &ProviderSet {
        &self.present
    }

    /// Whether at most half of the providers are among these.
    #[inline]
    pub(crate) fn are_few(&self, providers: &ProviderSet) -> bool {
        providers.count() * 2 <= self.count
    }

    /// The models of a block whose provider is not excluded.
    #[inline(always)]
    pub(crate) fn provided(&self, excluded: &ProviderSet, block: usize) -> u64 {
        if !self.fours.is_empty() {
            let served = self.fours.iter().map(|four| {
                let bits = excluded.0.get(four.word).map_or(0, |word| word >> four.shift);
                let subset = bits.to_le_bytes()[0] & 0xf;
                four.served.get(usize::from(subset)).copied().unwrap_or(0)
            });
            return !served.fold(0, |any, models| any | models);
        }
        if self.are_few(excluded) {
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
    pub(crate) fn each_row(&self, providers: &ProviderSet, mut with: impl FnMut(&[u64])) {
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
