//! A policy and a catalog with their names.

use std::borrow::Cow;

use calybris_kernel::{CapabilitySet, Model, Policy, Price, RegionSet};
use calybris_units::{BasisPoints, Microunits};
use calybris_wal::Hash;
use serde::{Deserialize, Serialize};

use super::bits::Bits64;
use super::invalid::InvalidField;
use super::names::NameMap;
use crate::record::LoggedSnapshot;
use crate::snapshot::{Names, SnapshotDigest};

/// From here on, decisions are made under this snapshot.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SnapshotInstalledV1<'a> {
    pub(super) time_unix_ms: u64,
    #[serde(borrow)]
    pub(super) snapshot: SnapshotV1<'a>,
}

/// A policy, a catalog in ascending order of its model ids, and names.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SnapshotV1<'a> {
    digest: Hash,
    policy: PolicyV1,
    models: Vec<ModelV1>,
    #[serde(borrow)]
    names: NamesV1<'a>,
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

/// One candidate.
#[derive(Debug, Serialize, Deserialize)]
struct ModelV1 {
    model_id: u32,
    provider_id: u8,
    quality_bps: u16,
    risk_ceiling_bps: u16,
    enabled: bool,
    p95_latency_ms: u32,
    capabilities: Bits64,
    regions: Bits64,
    input_price_microunits_per_million_tokens: u64,
    output_price_microunits_per_million_tokens: u64,
    fixed_price_microunits: u64,
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

/// The highest bit of a set of 64.
const LAST_BIT: u8 = 63;

impl<'a> From<&'a LoggedSnapshot<'_>> for SnapshotV1<'a> {
    fn from(snapshot: &'a LoggedSnapshot<'_>) -> Self {
        Self {
            digest: Hash::from_bytes(*snapshot.digest.as_bytes()),
            policy: (&snapshot.policy).into(),
            models: snapshot.models.iter().map(Into::into).collect(),
            names: (&*snapshot.names).into(),
        }
    }
}

impl TryFrom<SnapshotV1<'_>> for LoggedSnapshot<'static> {
    type Error = InvalidField;

    fn try_from(wire: SnapshotV1<'_>) -> Result<Self, InvalidField> {
        let models: Vec<Model> = wire.models.into_iter().map(Into::into).collect();
        if !models.is_sorted_by(|before, after| before.model_id < after.model_id) {
            let why = "its models are not in ascending order of their ids, each with its own";
            return Err(InvalidField::new("snapshot.models", why));
        }
        Ok(Self {
            digest: SnapshotDigest::from_bytes(*wire.digest.as_bytes()),
            policy: wire.policy.into(),
            models: Cow::Owned(models),
            names: Cow::Owned(wire.names.try_into()?),
        })
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

impl From<&Model> for ModelV1 {
    fn from(model: &Model) -> Self {
        Self {
            model_id: model.model_id,
            provider_id: model.provider_id,
            quality_bps: model.quality.get(),
            risk_ceiling_bps: model.risk_ceiling.get(),
            enabled: model.enabled,
            p95_latency_ms: model.p95_latency_ms,
            capabilities: Bits64(model.capabilities.bits()),
            regions: Bits64(model.regions.bits()),
            input_price_microunits_per_million_tokens: model.price.band(0).rates.input.get(),
            output_price_microunits_per_million_tokens: model.price.band(0).rates.output.get(),
            fixed_price_microunits: model.price.fixed_price().get(),
        }
    }
}

impl From<ModelV1> for Model {
    fn from(wire: ModelV1) -> Self {
        let input_price = Microunits::new(wire.input_price_microunits_per_million_tokens);
        let output_price = Microunits::new(wire.output_price_microunits_per_million_tokens);
        Self::new(wire.model_id, wire.provider_id, BasisPoints::new(wire.quality_bps))
            .with_risk_ceiling(BasisPoints::new(wire.risk_ceiling_bps))
            .with_enabled(wire.enabled)
            .with_p95_latency_ms(wire.p95_latency_ms)
            .with_capabilities(CapabilitySet::from_bits(wire.capabilities.0))
            .with_regions(RegionSet::from_bits(wire.regions.0))
            .with_price(
                Price::per_million_tokens(input_price, output_price)
                    .with_fixed_price(Microunits::new(wire.fixed_price_microunits)),
            )
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
        })
    }
}
