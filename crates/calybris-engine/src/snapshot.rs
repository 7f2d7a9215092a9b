//! Installed snapshots: the kernel's policy and catalog, the names of their numbers, and a digest of their behaviour.

use core::fmt;
use std::borrow::Cow;
use std::collections::BTreeMap;

use calybris_kernel::{Decision, PolicySnapshot, Reason, Request};
use calybris_wal::Hash;
use sha2::{Digest, Sha256};

use crate::error::{EngineError, contradiction};
use crate::record::LoggedSnapshot;

/// The names of the numbers in a catalog, so that a log read years later still says which model was meant.
///
/// Any name may be missing; a name decides nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "callers build it from the default")]
pub struct Names {
    /// Model id to name.
    pub models: BTreeMap<u32, String>,
    /// Provider id to name.
    pub providers: BTreeMap<u8, String>,
    /// Capability bit (0..=63) to name.
    pub capabilities: BTreeMap<u8, String>,
    /// Region bit (0..=63) to name.
    pub regions: BTreeMap<u8, String>,
    /// Group id to name.
    pub groups: BTreeMap<u8, String>,
}

impl Names {
    /// The id of the model with that name, the least if several have it; `None` if none has.
    ///
    /// It goes through all names: a gateway that asks for each call keeps a map of its own.
    ///
    /// ```
    /// use calybris_engine::Names;
    ///
    /// let mut names = Names::default();
    /// names.models.insert(7, "gpt-4o".to_owned());
    /// assert_eq!(names.model_id("gpt-4o"), Some(7));
    /// assert_eq!(names.model_id("gpt-4"), None);
    /// ```
    #[must_use]
    pub fn model_id(&self, name: &str) -> Option<u32> {
        self.models.iter().find(|(_, known)| *known == name).map(|(id, _)| *id)
    }
}

/// SHA-256 over the canonical bytes of (policy, catalog, groups): equal digests decide alike. It is written like a [`Hash`](struct@calybris_wal::Hash).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SnapshotDigest(Hash);

/// A snapshot and the record that put it in force.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Installed {
    /// Sequence of the record, which decisions name.
    pub sequence: u64,
    /// What was installed.
    pub snapshot: Snapshot,
}

/// A policy, a catalog and its groups, frozen, with their names and their digest.
///
/// The digest is computed once, here.
///
/// ```
/// # use calybris_engine::{Names, Snapshot};
/// # use calybris_kernel::{BasisPoints, Microunits, Policy, PolicySnapshot};
/// # let policy = Policy::new()
/// #     .with_policy_epoch(1)
/// #     .with_catalog_epoch(1)
/// #     .with_hard_risk_limit(BasisPoints::percent(90))
/// #     .with_minimum_confidence(BasisPoints::percent(50))
/// #     .with_risk_penalty_multiplier(BasisPoints::percent(25))
/// #     .with_latency_penalty_per_ms(Microunits::new(1));
/// let snapshot = Snapshot::new(PolicySnapshot::new(policy, vec![])?, Names::default());
/// assert_eq!(snapshot.digest().to_string().len(), 64);
/// # Ok::<(), calybris_kernel::SnapshotError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Snapshot {
    policy_snapshot: PolicySnapshot,
    names: Names,
    digest: SnapshotDigest,
}

impl Snapshot {
    /// Joins a snapshot with its names.
    #[must_use]
    pub fn new(policy_snapshot: PolicySnapshot, names: Names) -> Self {
        let mut hasher = Sha256::new();
        policy_snapshot.write_canonical(|bytes| hasher.update(bytes));
        Self {
            policy_snapshot,
            names,
            digest: SnapshotDigest(Hash::from_bytes(hasher.finalize().into())),
        }
    }

    /// What the kernel decides with.
    #[must_use]
    pub fn policy_snapshot(&self) -> &PolicySnapshot {
        &self.policy_snapshot
    }

    /// The names of its numbers.
    #[must_use]
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// The digest of (policy, catalog, groups). Names are not part of it: they change no decision.
    #[must_use]
    pub fn digest(&self) -> SnapshotDigest {
        self.digest
    }

    /// A recorded request with the number that its group has here: the group with the same name, or with the same id if the
    /// recorded one has no name. `None` if this snapshot has no such group; a request without a group is as it was.
    ///
    /// ```
    /// # use calybris_engine::{Names, Snapshot};
    /// # use calybris_kernel::{BasisPoints, Group, Model, Policy, PolicySnapshot, Request};
    /// let snapshot = |groups: [(u8, &str); 2]| {
    ///     let model = Model::new(7, 0, BasisPoints::percent(90));
    ///     let names = Names { groups: groups.map(|(id, name)| (id, name.to_owned())).into(), ..Names::default() };
    ///     let groups = groups.map(|(id, _)| Group::new(id, [7]));
    ///     Ok::<_, calybris_kernel::SnapshotError>(Snapshot::new(
    ///         PolicySnapshot::with_groups(Policy::new(), [model], groups)?,
    ///         names,
    ///     ))
    /// };
    /// let recorded = snapshot([(0, "fast"), (1, "eu")])?;
    /// let proposed = snapshot([(0, "eu"), (1, "us")])?;
    ///
    /// let request = Request::new(1, 7, 1_000, 500);
    /// let in_eu = proposed.renumber(&request.with_group_id(1), &recorded);
    /// assert_eq!(in_eu, Some(request.with_group_id(0)));
    /// assert_eq!(proposed.renumber(&request.with_group_id(0), &recorded), None);
    /// # Ok::<(), calybris_kernel::SnapshotError>(())
    /// ```
    #[must_use]
    pub fn renumber(&self, request: &Request, recorded: &Self) -> Option<Request> {
        let Some(group_id) = request.group_id else { return Some(*request) };
        if self.same_as(recorded) {
            return Some(*request);
        }
        let has = |snapshot: &Self, group_id: u8| {
            snapshot.policy_snapshot.groups().iter().any(|group| group.group_id == group_id)
        };
        let here = match recorded.names.groups.get(&group_id) {
            Some(name) => {
                let named = self.names.groups.iter().filter(|(_, known)| *known == name);
                named.map(|(id, _)| *id).find(|id| has(self, *id))
            }
            None => (has(recorded, group_id) && has(self, group_id)).then_some(group_id),
        };
        here.map(|group_id| request.with_group_id(group_id))
    }

    /// What this snapshot decides in place of the recorded one. A request to a group that it does not have is invalid.
    pub(crate) fn decide_in_place_of(&self, recorded: &Self, request: &Request) -> Decision {
        let kernel = &self.policy_snapshot;
        if request.group_id.is_none() {
            return kernel.prescribe(request);
        }
        if let Some(request) = self.renumber(request, recorded) {
            return kernel.prescribe(&request);
        }
        let (sequence, model_id) = (request.sequence, request.requested_model_id);
        let mut decision = Decision::rejected(sequence, model_id, Reason::InvalidRequest);
        decision.policy_epoch = kernel.policy().policy_epoch;
        decision.catalog_epoch = kernel.policy().catalog_epoch;
        decision
    }

    /// The form that is logged.
    pub(crate) fn logged(&self) -> LoggedSnapshot<'_> {
        LoggedSnapshot {
            digest: self.digest,
            policy: *self.policy_snapshot.policy(),
            models: self.policy_snapshot.models().collect(),
            groups: Cow::Borrowed(self.policy_snapshot.groups()),
            names: Cow::Borrowed(&self.names),
        }
    }

    /// Whether both decide alike and call everything the same.
    pub(crate) fn same_as(&self, other: &Self) -> bool {
        self.digest == other.digest && self.names == other.names
    }
}

impl LoggedSnapshot<'_> {
    /// The same, borrowed.
    pub(crate) fn lend(&self) -> LoggedSnapshot<'_> {
        LoggedSnapshot {
            digest: self.digest,
            policy: self.policy,
            models: Cow::Borrowed(&self.models),
            groups: Cow::Borrowed(&self.groups),
            names: Cow::Borrowed(&self.names),
        }
    }

    /// The snapshot, ready to decide with. `sequence` is that of its record, for the errors.
    ///
    /// # Errors
    /// [`EngineError::InvalidSnapshot`] if the kernel refuses the catalog, [`EngineError::Contradiction`] if the digest is
    /// not that of the contents.
    pub fn restore(self, sequence: u64) -> Result<Snapshot, EngineError> {
        let (models, groups) = (self.models.into_owned(), self.groups.into_owned());
        let policy_snapshot = PolicySnapshot::with_groups(self.policy, models, groups)
            .map_err(|source| EngineError::InvalidSnapshot { sequence, source })?;
        let snapshot = Snapshot::new(policy_snapshot, self.names.into_owned());
        let (named, computed) = (self.digest, snapshot.digest());
        if named != computed {
            let what = format!("it names digest {named}, its contents have {computed}");
            return Err(contradiction(sequence, what));
        }
        Ok(snapshot)
    }
}

impl SnapshotDigest {
    /// The digest with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Hash::from_bytes(bytes))
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl fmt::Display for SnapshotDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for SnapshotDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SnapshotDigest({self})")
    }
}
