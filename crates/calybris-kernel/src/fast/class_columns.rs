//! The columns that only some requests look at: the rates of the classes, the fees of searches, and the dearest rates.

use alloc::vec::Vec;

use super::blocks::{GROUP, part};
use super::lanes::{LANES, Lanes};
use super::order::Place;
use super::quantize::Quanta;
use super::rows::Row;
use crate::{Microunits, TokenClass};

/// How many classes have a column here: all but plain tokens.
pub(super) const CLASSES: usize = TokenClass::BESIDES_PLAIN.len();
/// How many of them are part of the prompt.
const OF_PROMPT: usize = 4;
/// A fee for each search, and a fee for a request that searches.
pub(super) const SEARCHES: usize = 2;
/// The number of the first of those.
pub(super) const FIRST_SEARCH: u8 = 6;
pub(super) const COLUMNS: usize = CLASSES + SEARCHES;

/// One row in the codes of these columns, and of the dearest rate of each side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ClassCode {
    columns: [u16; COLUMNS],
    dearest: [u16; 2],
}

impl ClassCode {
    /// The codes, and whether any number is an outlier.
    pub(super) fn new(quanta: &Quanta, row: &Row<'_>) -> (Self, bool) {
        let mut outlying = false;
        let mut encode = |quantum: super::quantize::Quantum, number: Microunits| {
            let (code, outlier) = quantum.encode(number.get());
            outlying |= outlier;
            code
        };
        let of_side =
            |class: TokenClass| if class.is_prompt() { quanta.input } else { quanta.output };
        let [read, write, long, heard, thought, spoken] =
            TokenClass::BESIDES_PLAIN.map(|class| encode(of_side(class), row.rates.of(class)));
        let [per_search, per_request] = row.search_fees();
        let columns = [
            read,
            write,
            long,
            heard,
            thought,
            spoken,
            encode(quanta.per_search, per_search),
            encode(quanta.per_request, per_request),
        ];
        let [prompt, completion] = row.dearest_rates();
        let dearest = [encode(quanta.input, prompt), encode(quanta.output, completion)];
        (Self { columns, dearest }, outlying)
    }

    fn with(self, other: Self, choose: fn(u16, u16) -> u16) -> Self {
        let mut chosen = self;
        let all = chosen.columns.iter_mut().chain(&mut chosen.dearest);
        for (code, other) in all.zip(other.columns.into_iter().chain(other.dearest)) {
            *code = choose(*code, other);
        }
        chosen
    }
}

/// Sixteen rows in these codes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ClassCodes {
    columns: [Lanes; COLUMNS],
    dearest: [Lanes; 2],
}

impl ClassCodes {
    fn gather(codes: impl Iterator<Item = ClassCode>) -> Self {
        let mut sixteen = [ClassCode::default(); LANES];
        for (place, code) in sixteen.iter_mut().zip(codes) {
            *place = code;
        }
        let mut gathered = Self::default();
        for (number, column) in gathered.columns.iter_mut().enumerate() {
            *column =
                Lanes::new(sixteen.map(|code| code.columns.get(number).copied().unwrap_or(0)));
        }
        for (number, column) in gathered.dearest.iter_mut().enumerate() {
            *column =
                Lanes::new(sixteen.map(|code| code.dearest.get(number).copied().unwrap_or(0)));
        }
        gathered
    }

    /// The column of this number.
    #[inline(always)]
    pub(super) fn column(&self, number: u8) -> Lanes {
        // There are eight, so that the compiler need not check.
        self.columns.get(usize::from(number & 7)).copied().unwrap_or_default()
    }

    /// All columns but the dearest, in the order of their numbers.
    #[inline(always)]
    pub(super) const fn all(&self) -> &[Lanes; COLUMNS] {
        &self.columns
    }

    /// The columns of the classes of the prompt, and of those of the completion.
    #[inline(always)]
    pub(super) fn sides(&self) -> (&[Lanes], &[Lanes]) {
        let (classes, _) = self.columns.split_at(CLASSES);
        classes.split_at(OF_PROMPT)
    }

    /// The same of other numbers of classes.
    #[inline(always)]
    pub(super) fn sides_of<T>(classes: &[T; CLASSES]) -> (&[T], &[T]) {
        classes.split_at(OF_PROMPT)
    }

    #[inline(always)]
    pub(super) fn searches(&self) -> &[Lanes] {
        let (_, searches) = self.columns.split_at(CLASSES);
        searches
    }

    #[inline(always)]
    pub(super) const fn dearest(&self) -> [Lanes; 2] {
        self.dearest
    }
}

/// The columns of a catalog; none if all classes of a side have the same rate and no search a fee.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClassColumns {
    codes: Vec<ClassCodes>,
    /// The best and the worst corners of sixteen blocks each.
    corners: Vec<[ClassCodes; 2]>,
}

impl ClassColumns {
    /// Of rows in their order, whose codes stand in the order of the catalog.
    pub(super) fn new(places: &[Place], codes: &[ClassCode]) -> Self {
        let code = |place: &Place| codes.get(place.index as usize).copied().unwrap_or_default();
        let parts = places.chunks(LANES).map(|places| ClassCodes::gather(places.iter().map(code)));
        let mut gathered: Vec<ClassCodes> = parts.collect();
        gathered
            .resize(gathered.len().next_multiple_of(super::blocks::PARTS), ClassCodes::default());
        let corners: Vec<[ClassCode; 2]> = places
            .chunks(super::blocks::BLOCK)
            .map(|block| {
                let mut enabled = block.iter().filter(|place| place.enabled).map(code);
                let first = enabled.next().unwrap_or_default();
                enabled.fold([first; 2], |[best, worst], code| {
                    [best.with(code, u16::min), worst.with(code, u16::max)]
                })
            })
            .collect();
        let corners = corners.chunks(LANES).map(|blocks| {
            [0, 1].map(|corner| {
                let corners = blocks.iter().filter_map(|corners| corners.get(corner).copied());
                ClassCodes::gather(corners)
            })
        });
        Self { codes: gathered, corners: corners.collect() }
    }

    pub(super) fn is_complete(&self, blocks: usize) -> bool {
        let parts = (self.codes.len(), self.corners.len());
        parts == (0, 0) || parts == (blocks * super::blocks::PARTS, blocks.div_ceil(LANES))
    }

    /// Whether there are none.
    #[inline(always)]
    pub(super) const fn are_absent(&self) -> bool {
        self.codes.is_empty()
    }

    #[inline(always)]
    pub(super) fn of_block(&self, block: usize) -> Option<&[ClassCodes; super::blocks::PARTS]> {
        self.codes.get(block * super::blocks::PARTS..)?.first_chunk()
    }

    pub(super) fn of_group(&self, group: usize) -> &[[ClassCodes; super::blocks::PARTS]] {
        part(self.codes.as_chunks().0, group * GROUP, GROUP)
    }

    pub(super) fn corners_of(&self, group: usize) -> &[[ClassCodes; 2]] {
        part(&self.corners, group * (GROUP / LANES), GROUP / LANES)
    }
}
