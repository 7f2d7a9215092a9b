//! Rows in blocks of 64, and rows of one bit for each.

use alloc::vec::Vec;

use super::lanes::LANES;
use super::rows::Row;

/// How many rows of the index make a block: a word of a row of bits stands for them.
pub(crate) const BLOCK: usize = 64;
/// How many blocks are looked at together: a word can hold one bit for each.
pub(crate) const GROUP: usize = 64;
/// How many times sixteen rows make a block.
pub(crate) const PARTS: usize = BLOCK / LANES;
/// How many times sixteen rows make half a block.
pub(crate) const HALF: usize = PARTS / 2;

/// One bit per row of the index.
pub(super) fn bits_of(rows: &[Row<'_>], is_set: impl Fn(&Row<'_>) -> bool) -> Vec<u64> {
    let words = rows.chunks(BLOCK).map(|block| {
        let bits = block.iter().enumerate();
        bits.fold(0, |word, (bit, row)| word | u64::from(is_set(row)) << bit)
    });
    words.collect()
}

/// One bit per word that is not 0, of up to 64.
#[inline]
pub(super) fn nonzero(words: &[u64]) -> u64 {
    words.iter().rev().fold(0, |blocks, word| blocks << 1 | u64::from(*word != 0))
}

/// Up to `count` elements from `first` on.
#[inline]
pub(super) fn part<T>(slice: &[T], first: usize, count: usize) -> &[T] {
    let rest = slice.get(first..).unwrap_or_default();
    rest.get(..count).unwrap_or(rest)
}

#[inline]
pub(super) fn and(row: Option<&[u64]>, words: &mut [u64]) {
    for (word, row) in words.iter_mut().zip(row.unwrap_or_default()) {
        *word &= row;
    }
}

#[inline]
pub(super) fn and_not(row: Option<&[u64]>, words: &mut [u64]) {
    for (word, row) in words.iter_mut().zip(row.unwrap_or_default()) {
        *word &= !row;
    }
}

#[inline]
pub(super) fn or(row: Option<&[u64]>, words: &mut [u64]) {
    for (word, row) in words.iter_mut().zip(row.unwrap_or_default()) {
        *word |= row;
    }
}
