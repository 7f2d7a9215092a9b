//! The models that a request excludes, as a checked and sorted list of its own.

use alloc::vec::Vec;
use core::fmt;

/// The most models that a request may exclude.
pub(crate) const MOST_EXCLUDED: usize = 16;

/// Up to 16 models that are not candidates of a request, such as those that a gateway has in cooldown.
///
/// Ids that the catalog does not have are legal, and exclude nothing. JSON holds a list of ids.
///
/// INVARIANT (excluded): the ids stand in ascending order, no id twice, and the places beyond the count hold 0. So
/// equal sets are equal values.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "Vec<u32>", into = "Vec<u32>"))]
pub struct ExcludedModels {
    count: u8,
    model_ids: [u32; MOST_EXCLUDED],
}

/// One request can exclude at most 16 models. To leave out more, restrict it to a group of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found} model ids are to be excluded, and at most {MOST_EXCLUDED} different ones may be")]
#[non_exhaustive]
pub struct TooManyExcluded {
    /// How many ids were given, doubled ones included.
    pub found: usize,
}

impl ExcludedModels {
    /// No model is excluded.
    pub const NONE: Self = Self { count: 0, model_ids: [0; MOST_EXCLUDED] };

    /// These models, in any order; an id may stand twice. Does not allocate.
    ///
    /// # Errors
    /// There are more than 16 different models.
    ///
    /// ```
    /// use calybris_kernel::ExcludedModels;
    ///
    /// let cooling = ExcludedModels::new(&[9, 4, 9])?;
    /// assert_eq!(cooling.model_ids(), [4, 9]);
    /// assert!(ExcludedModels::new(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]).is_err());
    /// # Ok::<(), calybris_kernel::TooManyExcluded>(())
    /// ```
    pub fn new(model_ids: &[u32]) -> Result<Self, TooManyExcluded> {
        let mut excluded = Self::NONE;
        for &model_id in model_ids {
            let Err(place) = excluded.model_ids().binary_search(&model_id) else { continue };
            let next = usize::from(excluded.count);
            // The place after the last is 0 and moves to where the id belongs.
            let Some(moving) = excluded.model_ids.get_mut(place..=next) else {
                return Err(TooManyExcluded { found: model_ids.len() });
            };
            moving.rotate_right(1);
            if let Some(first) = moving.first_mut() {
                *first = model_id;
            }
            excluded.count += 1;
        }
        Ok(excluded)
    }

    /// The ids, ascending.
    #[must_use]
    #[inline]
    pub fn model_ids(&self) -> &[u32] {
        // The count is at most the number of places. If it were not, all places would be excluded.
        self.model_ids.get(..usize::from(self.count)).unwrap_or(&self.model_ids)
    }

    /// Whether none is excluded.
    #[must_use]
    #[inline(always)]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl Default for ExcludedModels {
    fn default() -> Self {
        Self::NONE
    }
}

impl fmt::Debug for ExcludedModels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.model_ids()).finish()
    }
}

impl TryFrom<Vec<u32>> for ExcludedModels {
    type Error = TooManyExcluded;

    fn try_from(model_ids: Vec<u32>) -> Result<Self, TooManyExcluded> {
        Self::new(&model_ids)
    }
}

impl From<ExcludedModels> for Vec<u32> {
    fn from(excluded: ExcludedModels) -> Self {
        excluded.model_ids().to_vec()
    }
}
