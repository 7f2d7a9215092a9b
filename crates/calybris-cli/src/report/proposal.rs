//! The proposal of a replay: the numbers of another policy, and another catalog if one is given.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use calybris_catalog::{CatalogFile, Differences, InputError, Numbering, PolicyFile};
use calybris_core::engine::Snapshot;
use calybris_core::kernel::{Policy, PolicySnapshot};

use super::numbers::{POLICY_NUMBERS, PolicyNumber};
use crate::input::source::{read_catalog, read_policy};

/// A policy file, an optional catalog file, and the recorded snapshots that they were compared with.
pub(crate) struct Proposal {
    file: PolicyFile,
    catalog: Option<CatalogFile>,
    /// The numbers and digests of all recorded snapshots.
    pub(crate) recorded: Recorded,
    /// How the proposed catalog differs from the recorded ones; empty without a catalog file.
    pub(crate) differences: Differences,
}

/// The numbers and digests of the recorded snapshots.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    /// For each of [`POLICY_NUMBERS`], the values it had.
    values: [BTreeSet<u64>; POLICY_NUMBERS.len()],
    /// Their digests, in the order of the log.
    pub(crate) digests: Vec<String>,
}

impl Recorded {
    pub(crate) fn add(&mut self, recorded: &Snapshot) {
        let policy = recorded.policy_snapshot().policy();
        for (values, number) in self.values.iter_mut().zip(&POLICY_NUMBERS) {
            values.insert((number.of)(policy));
        }
        let digest = recorded.digest().to_string();
        if !self.digests.contains(&digest) {
            self.digests.push(digest);
        }
    }

    /// Each number with the values it had in the log.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = (&'static PolicyNumber, &BTreeSet<u64>)> {
        POLICY_NUMBERS.iter().zip(&self.values)
    }
}

impl Proposal {
    /// Reads the files and checks whatever can be checked without a log.
    pub(crate) fn read(
        policy_file: &Path,
        catalog_file: Option<&Path>,
    ) -> Result<Self, InputError> {
        let file = read_policy(policy_file)?;
        let catalog = catalog_file.map(read_catalog).transpose()?;
        if let Some(catalog) = &catalog {
            catalog.clone().join(&file)?;
        }
        Ok(Self {
            file,
            catalog,
            recorded: Recorded::default(),
            differences: Differences::default(),
        })
    }

    /// What messages call the policy file.
    pub(crate) fn policy_file(&self) -> &Path {
        self.file.file()
    }

    /// What messages call the catalog file, if there is one.
    pub(crate) fn catalog_file(&self) -> Option<&Path> {
        self.catalog.as_ref().map(CatalogFile::file)
    }

    /// The policy that is tried.
    pub(crate) fn policy(&self) -> Policy {
        self.file.policy()
    }

    /// The snapshot that takes the place of a recorded one. It numbers models, providers, capabilities and regions alike.
    pub(crate) fn in_place_of(&mut self, recorded: &Snapshot) -> Result<Arc<Snapshot>, InputError> {
        self.recorded.add(recorded);
        let Some(catalog) = &self.catalog else {
            let proposed = with_policy(recorded, self.policy());
            let proposed = proposed.map_err(|error| InputError::in_file(self.policy_file(), error));
            return proposed.map(Arc::new);
        };
        let proposed =
            catalog.clone().join_numbered(&self.file, &Numbering::of(recorded))?.snapshot;
        self.differences.add(recorded, &proposed);
        Ok(Arc::new(proposed))
    }
}

/// The recorded catalog under another policy.
pub(crate) fn with_policy(
    recorded: &Snapshot,
    policy: Policy,
) -> Result<Snapshot, calybris_core::kernel::SnapshotError> {
    let kernel = recorded.policy_snapshot();
    let models: Vec<_> = kernel.models().collect();
    let policy_snapshot = PolicySnapshot::with_groups(policy, models, kernel.groups())?;
    Ok(Snapshot::new(policy_snapshot, recorded.names().clone()))
}
