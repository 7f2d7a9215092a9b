//! A policy, a catalog and its groups with their names.

use std::borrow::Cow;
use std::collections::BTreeMap;

use calybris_kernel::{Group, Model, Policy};
use calybris_units::{BasisPoints, Microunits};
use calybris_wal::Hash;
use serde::{Deserialize, Serialize};

use super::invalid::InvalidField;
use super::model::{ModelV1, ModelV2};
use super::names::NameMap;
use super::says::{FitsV1, Says};
use crate::record::LoggedSnapshot;
use crate::snapshot::{Names, SnapshotDigest};

/// From here on, decisions are made under this snapshot.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SnapshotInstalledOf<S> {
    pub(super) time_unix_ms: u64,
    pub(super) snapshot: S,
}

pub(super) type SnapshotInstalledV1<'a> = SnapshotInstalledOf<SnapshotV1<'a>>;
pub(super) type SnapshotInstalledV2<'a> = SnapshotInstalledOf<SnapshotV2<'a>>;

/// A policy, a catalog in ascending order of its model ids, and names.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SnapshotV1<'a> {
    digest: Hash,
    policy: PolicyV1,
    models: Vec<ModelV1>,
    #[serde(borrow)]
    names: NamesV1<'a>,
}

/// A policy, a catalog, its groups in ascending order of their ids, and names.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SnapshotV2<'a> {
    digest: Hash,
    policy: PolicyV1,
    models: Vec<ModelV2>,
    groups: Vec<GroupV1<'a>>,
    #[serde(borrow)]
    names: NamesV2<'a>,
}

/// Limits and penalties.
#[derive(Debug, Serialize, Deserialize)]
struct PolicyV1 {
    policy_epoch: u64,
    catalog_epoch: u64,
    hard_risk_limit_bps: u16,
    minimum_confidence_bps: u16,
    risk_penalty_multiplier_bps: u16,
    latency_penalty_microunits_per_ms: u64,
}

/// Models that a request may be restricted to, in ascending order of their ids.
#[derive(Debug, Serialize, Deserialize)]
struct GroupV1<'a> {
    group_id: u8,
    model_ids: Cow<'a, [u32]>,
}

/// The names of models, providers, capability bits and region bits.
#[derive(Debug, Serialize, Deserialize)]
struct NamesV1<'a> {
    #[serde(borrow)]
    models: NameMap<'a, u32>,
    #[serde(borrow)]
    providers: NameMap<'a, u8>,
    #[serde(borrow)]
    capabilities: NameMap<'a, u8>,
    #[serde(borrow)]
    regions: NameMap<'a, u8>,
}

/// The names of models, providers, capability bits, region bits and groups.
#[derive(Debug, Serialize, Deserialize)]
struct NamesV2<'a> {
    #[serde(borrow)]
    models: NameMap<'a, u32>,
    #[serde(borrow)]
    providers: NameMap<'a, u8>,
    #[serde(borrow)]
    capabilities: NameMap<'a, u8>,
    #[serde(borrow)]
    regions: NameMap<'a, u8>,
    #[serde(borrow)]
    groups: NameMap<'a, u8>,
}

/// The highest bit of a set of 64.
const LAST_BIT: u8 = 63;

impl<'a> From<&'a LoggedSnapshot<'_>> for SnapshotV1<'a> {
    fn from(snapshot: &'a LoggedSnapshot<'_>) -> Self {
        Self {
            digest: Hash::from_bytes(*snapshot.digest.as_bytes()),
            policy: (&snapshot.policy).into(),
            models: snapshot.models.iter().map(Says::of).collect(),
            names: (&*snapshot.names).into(),
        }
    }
}

impl TryFrom<SnapshotV1<'_>> for LoggedSnapshot<'static> {
    type Error = InvalidField;

    fn try_from(wire: SnapshotV1<'_>) -> Result<Self, InvalidField> {
        Ok(Self {
            digest: SnapshotDigest::from_bytes(*wire.digest.as_bytes()),
            policy: wire.policy.into(),
            models: Cow::Owned(models(&wire.models)?),
            groups: Cow::Borrowed(&[]),
            names: Cow::Owned(wire.names.try_into()?),
        })
    }
}

impl<'a> From<&'a LoggedSnapshot<'_>> for SnapshotV2<'a> {
    fn from(snapshot: &'a LoggedSnapshot<'_>) -> Self {
        Self {
            digest: Hash::from_bytes(*snapshot.digest.as_bytes()),
            policy: (&snapshot.policy).into(),
            models: snapshot.models.iter().map(Says::of).collect(),
            groups: snapshot.groups.iter().map(Into::into).collect(),
            names: (&*snapshot.names).into(),
        }
    }
}

impl TryFrom<SnapshotV2<'_>> for LoggedSnapshot<'static> {
    type Error = InvalidField;

    fn try_from(wire: SnapshotV2<'_>) -> Result<Self, InvalidField> {
        Ok(Self {
            digest: SnapshotDigest::from_bytes(*wire.digest.as_bytes()),
            policy: wire.policy.into(),
            models: Cow::Owned(models(&wire.models)?),
            groups: Cow::Owned(groups(wire.groups)?),
            names: Cow::Owned(wire.names.try_into()?),
        })
    }
}

impl FitsV1 for LoggedSnapshot<'_> {
    fn fits_v1(&self) -> bool {
        self.groups.is_empty()
            && self.names.groups.is_empty()
            && self.models.iter().all(FitsV1::fits_v1)
    }
}

fn models(wire: &[impl Says<Model>]) -> Result<Vec<Model>, InvalidField> {
    let models = wire.iter().map(Says::read).collect::<Result<Vec<Model>, _>>()?;
    if !models.is_sorted_by(|before, after| before.model_id < after.model_id) {
        let why = "its models are not in ascending order of their ids, each with its own";
        return Err(InvalidField::new("snapshot.models", why));
    }
    Ok(models)
}

fn groups(wire: Vec<GroupV1<'_>>) -> Result<Vec<Group>, InvalidField> {
    let refused = |why| Err(InvalidField::new("snapshot.groups", why));
    if !wire.is_sorted_by(|before, after| before.group_id < after.group_id) {
        return refused("its groups are not in ascending order of their ids, each with its own");
    }
    if !wire.iter().all(|group| group.model_ids.is_sorted_by(|before, after| before < after)) {
        return refused("the models of a group are not in ascending order of their ids, each once");
    }
    Ok(wire
        .into_iter()
        .map(|group| Group::new(group.group_id, group.model_ids.into_owned()))
        .collect())
}

impl<'a> From<&'a Group> for GroupV1<'a> {
    fn from(group: &'a Group) -> Self {
        Self { group_id: group.group_id, model_ids: Cow::Borrowed(&group.model_ids) }
    }
}

impl From<&Policy> for PolicyV1 {
    fn from(policy: &Policy) -> Self {
        Self {
            policy_epoch: policy.policy_epoch,
            catalog_epoch: policy.catalog_epoch,
            hard_risk_limit_bps: policy.hard_risk_limit.get(),
            minimum_confidence_bps: policy.minimum_confidence.get(),
            risk_penalty_multiplier_bps: policy.risk_penalty_multiplier.get(),
            latency_penalty_microunits_per_ms: policy.latency_penalty_per_ms.get(),
        }
    }
}

impl From<PolicyV1> for Policy {
    fn from(wire: PolicyV1) -> Self {
        Self::new()
            .with_policy_epoch(wire.policy_epoch)
            .with_catalog_epoch(wire.catalog_epoch)
            .with_hard_risk_limit(BasisPoints::new(wire.hard_risk_limit_bps))
            .with_minimum_confidence(BasisPoints::new(wire.minimum_confidence_bps))
            .with_risk_penalty_multiplier(BasisPoints::new(wire.risk_penalty_multiplier_bps))
            .with_latency_penalty_per_ms(Microunits::new(wire.latency_penalty_microunits_per_ms))
    }
}

impl<'a> From<&'a Names> for NamesV1<'a> {
    fn from(names: &'a Names) -> Self {
        Self {
            models: (&names.models).into(),
            providers: (&names.providers).into(),
            capabilities: (&names.capabilities).into(),
            regions: (&names.regions).into(),
        }
    }
}

impl TryFrom<NamesV1<'_>> for Names {
    type Error = InvalidField;

    fn try_from(wire: NamesV1<'_>) -> Result<Self, InvalidField> {
        Ok(Self {
            models: wire.models.up_to("snapshot.names.models", u32::MAX)?,
            providers: wire.providers.up_to("snapshot.names.providers", u8::MAX)?,
            capabilities: wire.capabilities.up_to("snapshot.names.capabilities", LAST_BIT)?,
            regions: wire.regions.up_to("snapshot.names.regions", LAST_BIT)?,
            groups: BTreeMap::new(),
        })
    }
}

impl<'a> From<&'a Names> for NamesV2<'a> {
    fn from(names: &'a Names) -> Self {
        let NamesV1 { models, providers, capabilities, regions } = names.into();
        Self { models, providers, capabilities, regions, groups: (&names.groups).into() }
    }
}

impl TryFrom<NamesV2<'_>> for Names {
    type Error = InvalidField;

    fn try_from(wire: NamesV2<'_>) -> Result<Self, InvalidField> {
        let NamesV2 { models, providers, capabilities, regions, groups } = wire;
        let names = Self::try_from(NamesV1 { models, providers, capabilities, regions })?;
        Ok(Self { groups: groups.up_to("snapshot.names.groups", u8::MAX)?, ..names })
    }
}
