//! Requested models that the catalog does not list: their ids are made of their names, so that a log can keep the names.

use std::collections::BTreeMap;

use calybris_engine::{Names, Snapshot};
use sha2::{Digest, Sha256};

use crate::join::Catalog;
use crate::numbering::FIRST_UNLISTED_ID;

/// The most names that a snapshot keeps for unlisted models, and the length of the longest.
const MOST_NAMES: usize = 4_096;
const LONGEST_NAME_BYTES: usize = 256;

/// The id under which a request asks for a model that its catalog does not list: 2^31 and above, and made of the name alone,
/// so that the same request is the same in every run. It is the beginning of the SHA-256 of the name with the highest bit set.
///
/// ```
/// use calybris_catalog::{is_unlisted, unlisted_model_id};
///
/// let id = unlisted_model_id("gpt-9");
/// assert!(is_unlisted(id) && id == unlisted_model_id("gpt-9"));
/// ```
#[must_use]
pub fn unlisted_model_id(name: &str) -> u32 {
    let [a, b, c, d, ..] = <[u8; 32]>::from(Sha256::digest(name));
    u32::from_be_bytes([a, b, c, d]) | FIRST_UNLISTED_ID
}

/// Whether this is an id for models that a catalog does not list.
///
/// A catalog that is joined with a [`Numbering`](crate::Numbering) lists a model under such an id if recorded requests asked for
/// it before; whether it does is what [`PolicySnapshot::model`](calybris_kernel::PolicySnapshot::model) says.
#[must_use]
pub const fn is_unlisted(requested_model_id: u32) -> bool {
    requested_model_id >= FIRST_UNLISTED_ID
}

/// The names of the models that requests ask for and a catalog does not list, for the log.
///
/// It keeps the first 4,096 names that are added, each of at most 256 bytes; of two names with the same id it keeps neither.
///
/// ```
/// # use calybris_catalog::{CatalogFile, PolicyFile, UnlistedModels};
/// # let policy = PolicyFile::parse("p", "[policy]\npolicy_epoch = 1\ncatalog_epoch = 1\nhard_risk_limit_bps = 1\n\
/// #     minimum_confidence_bps = 1\nrisk_penalty_multiplier_bps = 1\nlatency_penalty_microunits_per_ms = 1\n[tenants]\n\
/// #     t = 1\n[[model]]\nname = \"*\"\nset = { quality_bps = 1, risk_ceiling_bps = 1, p95_latency_ms = 1 }")?;
/// # let file = CatalogFile::parse("c", "[[model]]\nname = \"small\"\nprovider = \"p\"\n\
/// #     input_price_microunits_per_million_tokens = 1\noutput_price_microunits_per_million_tokens = 1")?;
/// let catalog = file.join(&policy)?;
/// let mut unlisted = UnlistedModels::default();
/// let requested_model_id = unlisted.add("gpt-9");
///
/// let snapshot = catalog.snapshot_naming(&unlisted);
/// assert_eq!(snapshot.names().models[&requested_model_id], "gpt-9");
/// assert_eq!(snapshot.digest(), catalog.snapshot.digest());
/// # Ok::<(), calybris_catalog::InputError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct UnlistedModels {
    /// `None` for an id that two names have.
    names: BTreeMap<u32, Option<String>>,
}

impl UnlistedModels {
    /// Adds a model by its name and returns its id.
    pub fn add(&mut self, name: &str) -> u32 {
        let id = unlisted_model_id(name);
        self.add_as(id, name);
        id
    }

    fn add_as(&mut self, id: u32, name: &str) {
        if let Some(known) = self.names.get_mut(&id) {
            if known.as_deref() != Some(name) {
                *known = None;
            }
        } else if self.names.len() < MOST_NAMES {
            let kept = (name.len() <= LONGEST_NAME_BYTES).then(|| name.to_owned());
            self.names.insert(id, kept);
        }
    }
}

impl Catalog {
    /// The snapshot with the names of unlisted models. It decides as [`snapshot`](Self::snapshot) does and has the same
    /// digest. A log in which it is installed has the names of the models that requests asked for.
    #[must_use]
    pub fn snapshot_naming(&self, unlisted: &UnlistedModels) -> Snapshot {
        let mut names: Names = self.snapshot.names().clone();
        for (id, name) in &unlisted.names {
            if let Some(name) = name {
                // A listed model keeps its name: a recorded numbering may give it an id of this kind.
                names.models.entry(*id).or_insert_with(|| name.clone());
            }
        }
        Snapshot::new(self.snapshot.policy_snapshot().clone(), names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::CatalogFile;
    use crate::policy::policy_with;

    fn kept(unlisted: &UnlistedModels) -> Vec<&str> {
        unlisted.names.values().flatten().map(String::as_str).collect()
    }

    #[test]
    fn an_id_is_the_beginning_of_the_hash_with_the_highest_bit() {
        assert_eq!(unlisted_model_id("abc"), 0xba78_16bf);
        assert_eq!(unlisted_model_id("message digest"), 0xf784_6f55);
        // This hash begins with `7f83b165`.
        assert_eq!(unlisted_model_id("Hello World!"), 0xff83_b165);
        assert!(!is_unlisted(FIRST_UNLISTED_ID - 1) && is_unlisted(FIRST_UNLISTED_ID));
    }

    #[test]
    fn a_model_of_the_catalog_keeps_its_name_whatever_the_id_of_an_unlisted_one() {
        let rules = "[tenants]\nt = 1\n[[model]]\nname = \"*\"\n\
            set = { quality_bps = 1, risk_ceiling_bps = 1, p95_latency_ms = 1 }";
        let model = "[[model]]\nname = \"small\"\nprovider = \"p\"\n\
            input_price_microunits_per_million_tokens = 1\n\
            output_price_microunits_per_million_tokens = 1";
        let file = CatalogFile::parse("c", model).unwrap();
        let catalog = file.join(&policy_with(rules)).unwrap();
        let listed_id = catalog.snapshot.policy_snapshot().models().next().unwrap().model_id;
        let mut unlisted = UnlistedModels::default();
        unlisted.add_as(listed_id, "another");
        unlisted.add_as(FIRST_UNLISTED_ID, "third");
        let snapshot = catalog.snapshot_naming(&unlisted);
        assert_eq!(snapshot.names().models[&listed_id], "small");
        assert_eq!(snapshot.names().models[&FIRST_UNLISTED_ID], "third");
    }

    #[test]
    fn of_two_names_with_one_id_neither_is_kept() {
        let mut unlisted = UnlistedModels::default();
        for (id, name) in [(7, "a"), (7, "a"), (8, "b"), (7, "c"), (7, "a")] {
            unlisted.add_as(id, name);
        }
        assert_eq!(kept(&unlisted), ["b"]);
    }

    #[test]
    fn the_first_names_are_kept_and_none_that_is_too_long() {
        let mut unlisted = UnlistedModels::default();
        let (longest, longer) =
            ("x".repeat(LONGEST_NAME_BYTES), "x".repeat(LONGEST_NAME_BYTES + 1));
        unlisted.add(&longest);
        unlisted.add(&longer);
        assert_eq!(kept(&unlisted), [longest]);
        for number in 0..MOST_NAMES {
            unlisted.add(&format!("m{number}"));
        }
        assert_eq!(unlisted.names.len(), MOST_NAMES);
        assert!(kept(&unlisted).contains(&"m0"));
        let last = format!("m{}", MOST_NAMES - 1);
        assert!(!kept(&unlisted).contains(&last.as_str()));
    }
}
