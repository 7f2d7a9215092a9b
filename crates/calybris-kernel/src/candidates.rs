//! The candidates of a request: the models of its group, without those that it excludes.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::catalog::{Catalog, Entry};
use crate::{Model, Request, SnapshotError};

/// Models that a request may be restricted to.
///
/// ```
/// # mod plain { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/plain.inc")); }
/// # use calybris_kernel::*;
/// # use plain::{POLICY, REQUEST, model};
/// let trusted = Group::new(0, [1, 3]);
/// let models = [model(1, 300), model(2, 100), model(3, 200)];
/// let snapshot = PolicySnapshot::with_groups(POLICY, models, [trusted])?;
/// assert_eq!(snapshot.prescribe(&REQUEST).selected_model_id, Some(2));
/// assert_eq!(snapshot.prescribe(&REQUEST.with_group_id(0)).selected_model_id, Some(3));
/// # Ok::<(), SnapshotError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Group {
    /// Number of the group, unique in its snapshot.
    pub group_id: u8,
    /// The models of the catalog that belong to it, in any order; there may be none. A model that stands twice belongs to
    /// it once.
    pub model_ids: Vec<u32>,
}

impl Group {
    /// A group of these models. The snapshot checks that its catalog has them.
    #[must_use]
    pub fn new(group_id: u8, model_ids: impl Into<Vec<u32>>) -> Self {
        Self { group_id, model_ids: model_ids.into() }
    }
}

/// The groups of a snapshot.
///
/// INVARIANT (groups): groups stand in ascending order of their ids, no id twice; so do the models of each, and the catalog
/// has them all. Bit `p % 64` of word `p / 64` of a group says whether the model at position `p` of the catalog is in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Groups {
    groups: Box<[Group]>,
    members: Box<[Box<[u64]>]>,
}

impl Groups {
    pub(crate) fn new(mut groups: Vec<Group>, models: &[Model]) -> Result<Self, SnapshotError> {
        groups.sort_by_key(|group| group.group_id);
        let duplicate = groups.windows(2).find_map(|pair| match pair {
            [first, second] if first.group_id == second.group_id => Some(first.group_id),
            _ => None,
        });
        if let Some(group_id) = duplicate {
            return Err(SnapshotError::DuplicateGroupId { group_id });
        }
        let members =
            groups.iter_mut().map(|group| compile(group, models)).collect::<Result<_, _>>()?;
        Ok(Self { groups: groups.into_boxed_slice(), members })
    }

    pub(crate) fn as_slice(&self) -> &[Group] {
        &self.groups
    }

    /// The place of a group among all groups.
    pub(crate) fn place(&self, group_id: u8) -> Option<usize> {
        self.groups.binary_search_by_key(&group_id, |group| group.group_id).ok()
    }

    /// Not inlined: few requests name a group.
    #[inline(never)]
    pub(crate) fn has_group(&self, group_id: u8) -> bool {
        self.place(group_id).is_some()
    }

    pub(crate) fn members(&self, group_id: u8) -> Option<&[u64]> {
        self.members.get(self.place(group_id)?).map(|members| &**members)
    }

    /// Whether the model at a position of the catalog is in the group at a place.
    pub(crate) fn has(&self, place: usize, position: usize) -> bool {
        self.members.get(place).is_some_and(|members| has_bit(members, position))
    }
}

/// Sorts the models of a group, and returns their positions as bits.
fn compile(group: &mut Group, models: &[Model]) -> Result<Box<[u64]>, SnapshotError> {
    let group_id = group.group_id;
    group.model_ids.sort_unstable();
    group.model_ids.dedup();
    let mut members = alloc::vec![0_u64; models.len().div_ceil(64)];
    for &model_id in &group.model_ids {
        let unknown = SnapshotError::UnknownModelInGroup { group_id, model_id };
        let position = models.binary_search_by_key(&model_id, |model| model.model_id);
        let position = position.map_err(|_| unknown)?;
        *members.get_mut(position / 64).ok_or(unknown)? |= 1 << (position % 64);
    }
    Ok(members.into_boxed_slice())
}

/// The candidates of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidates<'a> {
    catalog: &'a Catalog,
    /// `None` if the request names no group.
    members: Option<&'a [u64]>,
    group_place: Option<usize>,
    excluded: &'a [u32],
}

impl<'a> Candidates<'a> {
    /// For an admitted request, whose group the snapshot has. An unknown group would have no candidates.
    #[inline]
    pub(crate) fn new(catalog: &'a Catalog, groups: &'a Groups, request: &'a Request) -> Self {
        let members = request.group_id.map(|id| groups.members(id).unwrap_or_default());
        let group_place = request.group_id.and_then(|id| groups.place(id));
        Self { catalog, members, group_place, excluded: request.excluded_models.model_ids() }
    }

    /// The candidates, in ascending order of ids.
    pub(crate) fn iter(self) -> impl Iterator<Item = &'a Entry> {
        let entries = self.catalog.entries().iter().enumerate();
        entries
            .filter(move |&(position, entry)| self.has(position, entry.model_id))
            .map(|(_, entry)| entry)
    }

    /// How many there are.
    pub(crate) fn count(self) -> u32 {
        let members = match self.members {
            Some(words) => words.iter().map(|word| word.count_ones()).sum(),
            None => self.model_count(),
        };
        let is_excluded = self.excluded_positions().filter(|&position| self.is_member(position));
        // The ids that are excluded differ, so no more members are excluded than there are.
        is_excluded.fold(members, |left, _| left.saturating_sub(1))
    }

    /// A snapshot has at most `u32::MAX` models.
    fn model_count(self) -> u32 {
        u32::try_from(self.catalog.entries().len()).unwrap_or(u32::MAX)
    }

    /// Whether the model at this position is a candidate; `model_id` is its id.
    #[inline]
    pub(crate) fn has(&self, position: usize, model_id: u32) -> bool {
        self.is_member(position) && !self.excluded.contains(&model_id)
    }

    /// Whether the model at this position belongs to the group, if there is one.
    #[inline]
    fn is_member(&self, position: usize) -> bool {
        self.members.is_none_or(|members| has_bit(members, position))
    }

    /// The place of the request's group among the groups of the snapshot.
    pub(crate) const fn group_place(&self) -> Option<usize> {
        self.group_place
    }

    /// The positions of the excluded models that the catalog has.
    pub(crate) fn excluded_positions(self) -> impl Iterator<Item = usize> {
        self.excluded.iter().filter_map(move |&model_id| self.catalog.position(model_id))
    }
}

fn has_bit(words: &[u64], position: usize) -> bool {
    words.get(position / 64).is_some_and(|word| word >> (position % 64) & 1 == 1)
}
