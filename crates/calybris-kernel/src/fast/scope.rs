//! Which rows of the index a request is about: one of each candidate, whose window it fits.

use super::blocks::{BLOCK, GROUP, and, nonzero};
use super::index::Index;
use super::window_bitmap::Fitting;
use crate::Request;
use crate::candidates::Candidates;
use crate::excluded_models::MOST_EXCLUDED;

/// The rows that a request is about, besides the gates on capabilities, provider and regions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope<'a> {
    /// See [`Views`](super::rows::Views).
    pub(crate) view: usize,
    /// The view of the ceiling's prompt, or again of the usage's.
    ceiling_view: usize,
    /// The members of the request's group, one word per block; nothing if it names no group.
    members: Option<&'a [u64]>,
    /// The positions of the rows of excluded models.
    excluded: &'a [u32],
    /// See [`WindowRows`](super::window_bitmap::WindowRows).
    pub(crate) fitting: Option<Fitting>,
}

/// Room for the positions of excluded models.
pub(crate) type Excluded = [u32; MOST_EXCLUDED];

impl<'a> Scope<'a> {
    /// Of a request whose candidates are all models.
    #[inline(always)]
    pub(crate) fn of_everyone(index: &Index, request: &Request) -> Self {
        let view = index.view_of(request.usage.prompt_tokens());
        Self {
            view,
            ceiling_view: match &request.ceiling {
                Some(ceiling) => index.view_of(ceiling.prompt_tokens.into()),
                None => view,
            },
            members: None,
            excluded: &[],
            fitting: index.rows.fitting(request),
        }
    }

    /// Of a request with these candidates.
    pub(crate) fn new(
        index: &'a Index,
        request: &Request,
        candidates: &Candidates<'a>,
        room: &'a mut Excluded,
    ) -> Self {
        let view = index.view_of(request.usage.prompt_tokens());
        let positions = candidates.excluded_positions();
        let positions = positions.filter_map(|position| index.position_of(position, view));
        let mut count = 0;
        for (place, position) in room.iter_mut().zip(positions) {
            *place = position;
            count += 1;
        }
        Self {
            members: candidates.group_place().map(|place| index.members_of(place)),
            excluded: room.get(..count).unwrap_or_default(),
            ..Self::of_everyone(index, request)
        }
    }

    /// Whether every enabled model is a candidate, and has a window that the request fits.
    #[inline(always)]
    pub(crate) const fn is_open(&self) -> bool {
        self.all_are_candidates() & self.fitting.is_none()
    }

    /// Whether every enabled model is a candidate.
    #[inline(always)]
    pub(crate) const fn all_are_candidates(&self) -> bool {
        self.members.is_none() & self.excluded.is_empty()
    }

    /// Whether all models of a block are candidates.
    #[inline]
    pub(crate) fn has_all_of(&self, index: &Index, block: usize) -> bool {
        self.all_are_candidates() || {
            let mut live = [index.enabled_of_block(self.view, block)];
            let [enabled] = live;
            self.keep_candidates(block, &mut live);
            live == [enabled]
        }
    }

    /// Whether the ceiling's prompt may be in another band than the usage's. Then a model that has other rates there is
    /// judged like an outlier: its codes stand for no more than its maximum cost, because no rate falls.
    #[inline(always)]
    pub(crate) const fn changes_band(&self) -> bool {
        self.view != self.ceiling_view
    }

    /// The enabled outliers of a block, and the rows whose models have other rates for the ceiling's prompt.
    #[inline(always)]
    pub(crate) fn outliers_of(&self, index: &Index, block: usize) -> u64 {
        let outliers = index.outliers_of(block);
        if self.changes_band() { outliers | self.changing(index, block) } else { outliers }
    }

    #[inline]
    fn changing(&self, index: &Index, block: usize) -> u64 {
        index.enabled_of_block(self.view, block) & !index.enabled_of_block(self.ceiling_view, block)
    }

    /// The same of a group of blocks.
    #[inline]
    pub(crate) fn outliers_of_group<'b>(
        &self,
        index: &'b Index,
        group: usize,
        room: &'b mut [u64; GROUP],
    ) -> &'b [u64] {
        if !self.changes_band() {
            return index.outliers_of_group(group);
        }
        for (block, word) in (group * GROUP..).zip(room.iter_mut()) {
            *word = self.outliers_of(index, block);
        }
        room
    }

    /// One bit per block of a group that has any of these.
    #[inline]
    pub(crate) fn blocks_with_outliers(&self, index: &Index, group: usize) -> u64 {
        let mut room = [0; GROUP];
        if self.changes_band() {
            nonzero(self.outliers_of_group(index, group, &mut room))
        } else {
            index.blocks_with_outliers(group)
        }
    }

    /// Keeps the candidates. The first of the words belongs to `first_block`.
    #[inline(never)]
    pub(crate) fn keep_candidates(&self, first_block: usize, live: &mut [u64]) {
        if let Some(members) = self.members {
            and(members.get(first_block..), live);
        }
        for position in self.excluded {
            let block = (*position as usize / BLOCK).checked_sub(first_block);
            if let Some(word) = block.and_then(|block| live.get_mut(block)) {
                *word &= !(1 << (position % 64));
            }
        }
    }
}
