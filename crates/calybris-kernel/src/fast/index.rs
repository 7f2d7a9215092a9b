//! The catalog in blocks of 64 rows that are alike, with the corners of each block.

use super::bitmap_index::BitmapIndex;
use super::blocks::{BLOCK, GROUP, HALF, PARTS, bits_of, nonzero, part};
use super::bounds::Scale;
use super::charges::Bill;
use super::class_columns::{ClassCode, ClassColumns};
use super::lanes::{Bits, LANES};
use super::min_cost::MinCost;
use super::only_block::{SingleBlock, SingleCodes};
use super::order::{Place, corners, gather_alike, positions, quanta};
use super::quantize::{Code, Codes};
use super::rows::{Row, Views};
use super::skyline::Skyline;
use crate::candidates::Groups;
use crate::catalog::Entry;
use crate::{Model, Policy};
use alloc::vec::Vec;

/// A catalog as the fast path searches it.
///
/// INVARIANT (positions): position `p` is bit `p % 64` of block `p / 64` in every row of bits, and lane
/// `p % 16` of codes `p / 16`; `order` says which model stands there in one of its bands. Bits that belong to no enabled
/// model are 0, and so are the codes of such lanes.
///
/// INVARIANT (shape): every row, code, skyline, corner and group is there, for each block of the
/// catalog, so no look-up below is absent and its default stands for nothing.
/// [`is_complete`](Self::is_complete) checks it once; if it did not hold, models would be scanned.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    /// Nothing if numbers are beyond the guards: then models are scanned.
    pub(crate) scale: Option<Scale>,
    /// Empty for a single block, in which models stand as in the catalog.
    order: Vec<u32>,
    /// The positions of the rows, in the order of models and their bands; empty for a single block.
    positions: Vec<u32>,
    /// Where the rows of a model begin in `positions`, and after the last where they end; empty if each model has one row.
    first_rows: Vec<u32>,
    views: Views,
    codes: Vec<Codes>,
    pub(super) classes: ClassColumns,
    pub(crate) rows: BitmapIndex,
    /// Of each group of the snapshot, one word per block.
    members: Vec<Vec<u64>>,
    /// The only block, if there are no more, it has no outliers and each model has one row: positions are those of the
    /// models then.
    single: Option<SingleBlock>,
    /// One per block, for requests of plain tokens.
    skylines: Vec<Skyline>,
    /// One per block, for any request; none if there are no columns of classes.
    class_skylines: Vec<Skyline>,
    /// One per block: its worst corner.
    worst: Vec<Code>,
    groups: Vec<Group>,
    /// How many models are enabled, of each view in each group: the same number for all views, in other groups.
    enabled_models: Vec<u32>,
    /// Zone maps, for sixteen blocks at a time: the best corner of a block is at least as good in every
    /// column as any of its enabled models, the worst corner at most as good.
    corners: Vec<[Codes; 2]>,
}

/// A summary of up to 64 blocks.
#[derive(Clone, Copy, Debug)]
struct Group {
    blocks_with_outliers: u64,
}

impl Index {
    pub(crate) fn new(policy: &Policy, models: &[Model], groups: &Groups) -> Self {
        let built = Views::new(models).and_then(|views| Self::build(policy, models, groups, views));
        built.unwrap_or_else(Self::unusable)
    }

    /// Nothing if windows are beyond the guards.
    fn build(policy: &Policy, models: &[Model], groups: &Groups, views: Views) -> Option<Self> {
        let mut rows = views.rows(models);
        let quanta = quanta(&rows);
        let has_classes = !rows.iter().all(|row| !row.model.enabled || row.is_plain());
        let mut class_codes = Vec::new();
        let mut places: Vec<Place> = rows
            .iter_mut()
            .zip(0..)
            .map(|(row, index)| {
                let enabled = row.model.enabled;
                let (mut code, mut outlier) = Default::default();
                if enabled {
                    (code, outlier) = Code::new(&quanta, row.model, row.rates);
                }
                if has_classes {
                    let (code, class_outlier) =
                        if enabled { ClassCode::new(&quanta, row) } else { Default::default() };
                    class_codes.push(code);
                    outlier |= class_outlier;
                }
                row.outlier = outlier;
                Place { code, index, outlier, enabled }
            })
            .collect();
        gather_alike(&mut places);
        let classes = if has_classes {
            ClassColumns::new(&places, &class_codes)
        } else {
            ClassColumns::default()
        };

        let mut codes: Vec<Codes> = places
            .chunks(LANES)
            .map(|places| Codes::gather(places.iter().map(|place| place.code)))
            .collect();
        let is_single = places.len() <= BLOCK
            && views.count() == 1
            && !places.iter().any(|place| place.outlier);
        let half = is_single && codes.len() <= HALF;
        codes.resize(codes.len().next_multiple_of(PARTS), Codes::default());
        let blocks: Vec<(Code, Code)> = places.chunks(BLOCK).map(corners).collect();
        let corners = blocks
            .chunks(LANES)
            .map(|blocks| {
                let best = Codes::gather(blocks.iter().map(|block| block.0));
                let worst = Codes::gather(blocks.iter().map(|block| block.1));
                [best, worst]
            })
            .collect();
        let placed: Vec<Row<'_>> =
            places.iter().filter_map(|place| rows.get(place.index as usize).copied()).collect();
        let worst: Vec<Code> = blocks.iter().map(|block| block.1).collect();
        let skylines: Vec<Skyline> = placed.chunks(BLOCK).map(Skyline::of_plain_tokens).collect();
        let class_skylines: Vec<Skyline> = if has_classes {
            placed.chunks(BLOCK).map(Skyline::of_all_classes).collect()
        } else {
            Vec::new()
        };
        let order =
            if is_single { Vec::new() } else { placed.iter().map(|row| row.index).collect() };
        let (positions, first_rows) =
            if is_single { Default::default() } else { positions(&places, &rows, models.len()) };
        let members = (0..groups.as_slice().len()).map(|place| {
            let is_member = |row: &Row<'_>| groups.has(place, row.index as usize);
            bits_of(&placed, is_member)
        });
        let members = members.collect();
        let rows = BitmapIndex::new(&views, &placed)?;
        let groups = rows
            .outliers()
            .chunks(GROUP)
            .map(|outliers| Group { blocks_with_outliers: nonzero(outliers) });
        let groups = groups.collect();
        let enabled_models = (0..views.count()).flat_map(|view| {
            let groups = rows.enabled(view).chunks(GROUP);
            groups.map(|words| words.iter().map(|word| word.count_ones()).sum())
        });
        let mut enabled_models: Vec<u32> = enabled_models.collect();
        enabled_models.shrink_to_fit();
        let single = rows
            .enabled(0)
            .first()
            .zip(skylines.first())
            .filter(|_| is_single)
            .map(|(&enabled, &skyline)| SingleBlock::new(half, enabled, skyline, models));
        let index = Self {
            single,
            worst,
            groups,
            enabled_models,
            skylines,
            class_skylines,
            scale: Scale::new(policy, quanta, MinCost::new(models)),
            order,
            positions,
            first_rows,
            views,
            codes,
            classes,
            rows,
            members,
            corners,
        };
        Some(index.or_scanned(models))
    }

    /// One with which models are scanned.
    fn unusable() -> Self {
        Self {
            scale: None,
            order: Vec::new(),
            positions: Vec::new(),
            first_rows: Vec::new(),
            views: Views::default(),
            codes: Vec::new(),
            classes: ClassColumns::default(),
            rows: BitmapIndex::empty(),
            members: Vec::new(),
            single: None,
            skylines: Vec::new(),
            class_skylines: Vec::new(),
            worst: Vec::new(),
            groups: Vec::new(),
            enabled_models: Vec::new(),
            corners: Vec::new(),
        }
    }

    /// The index if INVARIANT (shape) holds, or else one with which models are scanned.
    fn or_scanned(self, models: &[Model]) -> Self {
        let scale = self.scale.filter(|_| self.is_complete(models));
        Self { scale, ..self }
    }

    /// Whether INVARIANT (shape) holds.
    fn is_complete(&self, models: &[Model]) -> bool {
        let is_single = self.single.is_some();
        let rows = if is_single { models.len() } else { self.order.len() };
        let blocks = rows.div_ceil(BLOCK);
        let groups = blocks.div_ceil(GROUP);
        let has_model = |index: &u32| models.get(*index as usize).is_some();
        let one_row_each = rows == models.len();
        rows >= models.len()
            && self.order.iter().all(has_model)
            && self.positions.len() == self.order.len()
            && (self.order.is_empty() || !is_single)
            && self.first_rows.len() == if one_row_each { 0 } else { models.len() + 1 }
            && self.codes.len() == blocks * PARTS
            && self.classes.is_complete(blocks)
            && self.skylines.len() == blocks
            && self.class_skylines.len() == if self.classes.are_absent() { 0 } else { blocks }
            && self.worst.len() == blocks
            && self.groups.len() == groups
            && self.enabled_models.len() == groups * self.views.count()
            && self.corners.len() == blocks.div_ceil(LANES)
            && self.members.iter().all(|members| members.len() == blocks)
            && self.rows.is_complete(blocks, &self.views, models)
    }

    /// The view of a prompt.
    #[inline(always)]
    pub(crate) fn view_of(&self, prompt_tokens: u64) -> usize {
        if self.views.count() == 1 { 0 } else { self.views.of(prompt_tokens) }
    }

    /// The position of the row of a model that a view sees, if the model is enabled.
    pub(crate) fn position_of(&self, model: usize, view: usize) -> Option<u32> {
        let rows = if self.first_rows.is_empty() {
            model..model + 1
        } else {
            *self.first_rows.get(model)? as usize..*self.first_rows.get(model + 1)? as usize
        };
        let is_enabled = |position: &u32| {
            let word = self.enabled_of_block(view, *position as usize / BLOCK);
            word >> (position % 64) & 1 == 1
        };
        if self.single.is_some() {
            return u32::try_from(model).ok().filter(is_enabled);
        }
        self.positions.get(rows)?.iter().copied().find(is_enabled)
    }

    /// The rows of the members of a group of the snapshot, given its place.
    pub(crate) fn members_of(&self, place: usize) -> &[u64] {
        self.members.get(place).map_or(&[], |members| members)
    }

    /// The number of groups. Each has 64 blocks, the last may have fewer.
    pub(crate) fn group_count(&self) -> usize {
        self.groups.len()
    }

    /// The number of blocks.
    pub(crate) fn block_count(&self) -> usize {
        self.skylines.len()
    }

    /// The codes of a block.
    #[inline]
    pub(crate) fn codes_of(&self, block: usize) -> Option<&[Codes; PARTS]> {
        self.codes.get(block * PARTS..)?.first_chunk()
    }

    /// The only block of a catalog without outliers, and its codes.
    #[inline(always)]
    pub(crate) fn single(&self) -> Option<(&SingleBlock, SingleCodes<'_>)> {
        let single = self.single.as_ref()?;
        let codes = if single.half {
            SingleCodes::Half(self.codes.first_chunk()?)
        } else {
            SingleCodes::Whole(self.codes.first_chunk()?)
        };
        Some((single, codes))
    }

    /// The models of a block that may get one of so many places, if all of them are candidates. `open` says that no
    /// enabled model fails the gates on capabilities, provider, regions and window.
    #[inline(always)]
    pub(super) fn skyline_of<B: Bill>(&self, block: usize, open: bool, places: usize) -> u64 {
        let skylines = if B::IS_PLAIN { &self.skylines } else { &self.class_skylines };
        skylines.get(block).copied().unwrap_or_default().of(open, places)
    }

    /// The best and the worst corners of the blocks of a group.
    pub(crate) fn corners_of(&self, group: usize) -> &[[Codes; 2]] {
        part(&self.corners, group * (GROUP / LANES), GROUP / LANES)
    }

    /// The codes of the blocks of a group.
    pub(crate) fn codes_of_group(&self, group: usize) -> &[[Codes; PARTS]] {
        part(self.codes.as_chunks().0, group * GROUP, GROUP)
    }

    /// The enabled outliers of the blocks of a group.
    pub(crate) fn outliers_of_group(&self, group: usize) -> &[u64] {
        part(self.rows.outliers(), group * GROUP, GROUP)
    }

    /// Copies the enabled models of a group that a view sees, one word per block.
    pub(crate) fn enabled_of<'a>(
        &self,
        view: usize,
        group: usize,
        words: &'a mut [u64; GROUP],
    ) -> &'a mut [u64] {
        let enabled = part(self.rows.enabled(view), group * GROUP, GROUP);
        let words = words.get_mut(..enabled.len()).unwrap_or_default();
        words.copy_from_slice(enabled);
        words
    }

    /// The worst corner of a block.
    #[inline]
    pub(crate) fn worst_of(&self, block: usize) -> Option<&Code> {
        self.worst.get(block)
    }

    /// The entries of the models at some bits of a block.
    #[inline]
    pub(crate) fn entries_of<'a>(
        &'a self,
        entries: &'a [Entry],
        block: usize,
        bits: u64,
    ) -> impl Iterator<Item = (usize, &'a Entry)> {
        Bits(bits).filter_map(move |bit| Some((bit, self.entry(entries, block, bit)?)))
    }

    /// The enabled models of a block that a view sees.
    #[inline(always)]
    pub(crate) fn enabled_of_block(&self, view: usize, block: usize) -> u64 {
        self.rows.enabled(view).get(block).copied().unwrap_or(0)
    }

    /// The enabled models of a block, in all their bands.
    #[inline(always)]
    pub(crate) fn coded_of_block(&self, block: usize) -> u64 {
        self.rows.coded().get(block).copied().unwrap_or(0)
    }

    /// The enabled outliers of a block.
    #[inline]
    pub(crate) fn outliers_of(&self, block: usize) -> u64 {
        self.rows.outliers().get(block).copied().unwrap_or(0)
    }

    /// One bit per block of a group that has enabled outliers.
    pub(crate) fn blocks_with_outliers(&self, group: usize) -> u64 {
        self.groups.get(group).map_or(!0, |group| group.blocks_with_outliers)
    }

    /// How many enabled models of a group a view sees.
    pub(crate) fn enabled_models_of(&self, view: usize, group: usize) -> u32 {
        self.enabled_models.get(view * self.groups.len() + group).copied().unwrap_or(0)
    }

    /// The entry of the model at a bit of a block.
    #[inline]
    pub(crate) fn entry<'a>(
        &self,
        entries: &'a [Entry],
        block: usize,
        bit: usize,
    ) -> Option<&'a Entry> {
        let position = block * BLOCK + bit;
        entries.get(self.order.get(position).map_or(position, |index| *index as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use crate::ranking::TopTwo;
    use crate::scan::scan;
    use crate::utility::Valuation;
    use crate::{BasisPoints, CapabilitySet, Group, Microunits, Price, RegionSet, Request, Window};

    /// Capabilities, regions and providers that differ, and more blocks than a set of codes has lanes.
    fn catalog(models: u32) -> Vec<Model> {
        (0..models)
            .map(|id| {
                let [provider_id, ..] = id.to_le_bytes();
                Model::new(id, provider_id % 5, BasisPoints::percent(90))
                    .with_enabled(!id.is_multiple_of(7))
                    .with_capabilities(CapabilitySet::from_bits(u64::from(id % 3)))
                    .with_regions(RegionSet::from_bits(u64::from(id % 4)))
                    .with_window(Window::UNKNOWN.with_max_prompt_tokens(1_000_000 + id % 9))
                    .with_price(
                        Price::FREE.with_fixed_price(Microunits::new(u64::from(id * 37 % 101))),
                    )
            })
            .collect()
    }

    #[test]
    fn what_is_built_is_complete_and_without_any_part_it_is_not() {
        let damages: [fn(&mut Index); 18] = [
            |index| index.order.push(0),
            |index| index.positions.push(0),
            |index| index.first_rows.push(0),
            |index| index.enabled_models.clear(),
            |index| index.members[0].clear(),
            |index| match &mut *index.order {
                [] => index.order.push(0),
                order => order.fill(u32::MAX),
            },
            |index| index.codes.clear(),
            |index| index.skylines.clear(),
            |index| index.worst.clear(),
            |index| index.groups.clear(),
            |index| index.corners.clear(),
            |index| index.rows.parts()[0].fill(0),
            |index| index.rows.parts()[1].clear(),
            |index| index.rows.parts()[2].clear(),
            |index| index.rows.parts()[3].clear(),
            |index| index.rows.parts()[4].clear(),
            |index| index.rows.parts()[5].push(0),
            |index| index.rows.parts()[6].clear(),
        ];
        for models in [9, 22, 32, 33, 64, 65, 1_025, 4_097].map(catalog) {
            let groups = Groups::new(alloc::vec![Group::new(0, [1, 8])], &models).unwrap();
            let index = Index::new(&Policy::new(), &models, &groups);
            assert!(index.scale.is_some() && index.is_complete(&models));
            for (number, damage) in damages.iter().enumerate() {
                let mut damaged = index.clone();
                damage(&mut damaged);
                assert!(
                    !damaged.is_complete(&models),
                    "damage {number} of {} models",
                    models.len()
                );
            }
        }
        assert!(Index::new(&Policy::new(), &[], &Groups::default()).is_complete(&[]));
    }

    #[test]
    fn a_catalog_whose_index_is_not_complete_is_scanned() {
        let models = catalog(300);
        let request = Request::new(1, 1, 0, 0).with_business_value_microunits(1_000);
        let policy = Policy::new();
        let catalog = Catalog::new(&models);
        let valuation = Valuation::new(&policy, &request, catalog.interned(), false);
        let mut index = Index::new(&policy, &models, &Groups::default());
        assert!(index.scale.is_some());
        index.codes.clear();
        let index = index.or_scanned(&models);
        let (found, eligible) =
            super::super::search(TopTwo::EMPTY, &index, catalog.entries(), &valuation).unwrap();
        let (expected, expected_eligible) =
            scan(TopTwo::EMPTY, valuation, catalog.entries()).unwrap();
        assert_eq!((found.winner(), eligible), (expected.winner(), expected_eligible));
    }
}
