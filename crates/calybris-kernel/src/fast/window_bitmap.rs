//! The part of the bitmap index that says which models take how many tokens.
//!
//! For each maximum that an enabled model has there is a row with the models whose maximum is no less, or unknown. A
//! request looks at the row of the least maximum that is enough for it. The real list has 107 different maxima of prompts
//! and 85 of completions, which is 24 bytes a model.

use alloc::vec::Vec;

use super::blocks::BLOCK;
use super::rows::Row;
use crate::{Request, Window};

/// A catalog with more different maxima of a kind is scanned.
const MOST_MAXIMA: usize = 255;

/// The rows of the three maxima of a window.
#[derive(Clone, Debug)]
pub(crate) struct WindowRows {
    /// Whether no enabled model has a maximum.
    are_unknown: bool,
    prompt: MaximumRows,
    completion: MaximumRows,
    total: MaximumRows,
}

/// The row of each kind that a request looks at, if a model fails there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fitting {
    rows: [Option<u8>; 3],
}

impl WindowRows {
    /// Of no model.
    pub(crate) const EMPTY: Self = {
        const NONE: MaximumRows =
            MaximumRows { maxima: Vec::new(), row_words: 0, words: Vec::new() };
        Self { are_unknown: true, prompt: NONE, completion: NONE, total: NONE }
    };

    /// Nothing if there are too many different maxima.
    pub(crate) fn new(rows: &[Row<'_>]) -> Option<Self> {
        let known = |row: &Row<'_>| row.model.enabled && !row.model.window.is_unknown();
        Some(Self {
            are_unknown: !rows.iter().any(known),
            prompt: MaximumRows::new(rows, |window| window.max_prompt_tokens)?,
            completion: MaximumRows::new(rows, |window| window.max_completion_tokens)?,
            total: MaximumRows::new(rows, |window| window.max_total_tokens)?,
        })
    }

    pub(crate) fn is_complete(&self, blocks: usize) -> bool {
        self.kinds().into_iter().all(|kind| kind.is_complete(blocks))
    }

    #[cfg(test)]
    pub(crate) fn words(&mut self) -> &mut Vec<u64> {
        &mut self.prompt.words
    }

    const fn kinds(&self) -> [&MaximumRows; 3] {
        [&self.prompt, &self.completion, &self.total]
    }

    /// What a request looks at; nothing if it fits the window of every enabled model.
    #[inline(always)]
    pub(crate) fn fitting(&self, request: &Request) -> Option<Fitting> {
        if self.are_unknown { None } else { self.known_fitting(request) }
    }

    #[inline(never)]
    fn known_fitting(&self, request: &Request) -> Option<Fitting> {
        let (prompt_tokens, completion_tokens) = request.window_tokens();
        let fitting = Fitting {
            rows: [
                self.prompt.row_of(prompt_tokens),
                self.completion.row_of(completion_tokens),
                self.total.row_of(prompt_tokens + completion_tokens),
            ],
        };
        (fitting != Fitting::default()).then_some(fitting)
    }

    /// The words of these rows, the first of which belongs to `first_block`.
    #[inline]
    pub(crate) fn rows_of(
        &self,
        fitting: Fitting,
        first_block: usize,
    ) -> impl Iterator<Item = Option<&[u64]>> {
        let rows = self.kinds().into_iter().zip(fitting.rows);
        rows.filter_map(move |(kind, row)| Some(kind.words_of(row?, first_block)))
    }
}

/// The rows of one kind of maximum.
#[derive(Clone, Debug)]
struct MaximumRows {
    /// The different maxima of enabled models, ascending.
    maxima: Vec<u32>,
    row_words: usize,
    /// The row of each maximum, and then that of the models whose maximum is unknown.
    words: Vec<u64>,
}

impl MaximumRows {
    fn new(rows: &[Row<'_>], of: fn(&Window) -> Option<u32>) -> Option<Self> {
        let enabled = rows.iter().filter(|row| row.model.enabled);
        let mut maxima: Vec<u32> = enabled.filter_map(|row| of(&row.model.window)).collect();
        maxima.sort_unstable();
        maxima.dedup();
        if maxima.len() > MOST_MAXIMA {
            return None;
        }
        let row_words = rows.len().div_ceil(BLOCK);
        let mut words = Vec::new();
        if !maxima.is_empty() {
            let least = maxima.iter().map(|maximum| Some(*maximum)).chain([None]);
            words.reserve_exact((maxima.len() + 1) * row_words);
            for least in least {
                let fits = |window: &Window| match (of(window), least) {
                    (None, _) => true,
                    (Some(_), None) => false,
                    (Some(maximum), Some(least)) => maximum >= least,
                };
                words.extend(rows.chunks(BLOCK).map(|block| {
                    let bits = block.iter().enumerate();
                    bits.fold(0, |word, (bit, row)| {
                        word | u64::from(fits(&row.model.window)) << bit
                    })
                }));
            }
        }
        Some(Self { maxima, row_words, words })
    }

    fn is_complete(&self, blocks: usize) -> bool {
        let rows = if self.maxima.is_empty() { 0 } else { self.maxima.len() + 1 };
        self.row_words == blocks && self.words.len() == rows * blocks
    }

    /// The row of the models that take so many tokens; nothing if all enabled models do.
    #[inline]
    fn row_of(&self, tokens: u64) -> Option<u8> {
        let row = self.maxima.partition_point(|maximum| u64::from(*maximum) < tokens);
        // There are at most 255, so the row beyond the last has a number, too.
        u8::try_from(row).ok().filter(|row| *row > 0)
    }

    #[inline]
    fn words_of(&self, row: u8, first_block: usize) -> Option<&[u64]> {
        let first = usize::from(row) * self.row_words;
        self.words.get(first + first_block..first + self.row_words)
    }
}
