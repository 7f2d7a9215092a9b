//! A decision: the request, what the kernel answered, and what the budget answered.

use std::borrow::Cow;

use calybris_kernel::{CapabilitySet, Decision, ProviderSet, RegionSet, Request};
use calybris_units::{BasisPoints, Microunits, UnixMillis};
use serde::{Deserialize, Serialize, Serializer};

use super::bits::{Bits64, Bits256};
use super::codes::{ActionCode, ReasonCode};
use super::invalid::InvalidField;
use crate::call::{MAX_CORRELATION_ID_BYTES, MAX_REQUEST_KEY_BYTES};
use crate::record::{Admission, Decided};

/// One decision with everything that is needed to make it again.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DecidedV1<'a> {
    pub(crate) time_unix_ms: u64,
    pub(crate) tenant: &'a str,
    pub(crate) correlation_id: &'a str,
    pub(crate) request_key: &'a str,
    pub(crate) snapshot_sequence: u64,
    request: RequestV1,
    decision: DecisionV1,
    admission: AdmissionV1,
}

/// What was asked of the kernel.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct RequestV1 {
    sequence: u64,
    requested_model_id: u32,
    input_tokens: u32,
    output_tokens: u32,
    business_value_microunits: i64,
    budget_limit_microunits: u64,
    risk_bps: u16,
    confidence_bps: u16,
    minimum_quality_bps: u16,
    max_p95_latency_ms: u32,
    required_capabilities: Bits64,
    allowed_providers: Bits256,
    required_regions: Bits64,
}

/// What the kernel answered.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct DecisionV1 {
    sequence: u64,
    policy_epoch: u64,
    catalog_epoch: u64,
    action: ActionCode,
    reason: ReasonCode,
    requested_model_id: u32,
    selected_model_id: Option<u32>,
    estimated_cost_microunits: u64,
    expected_utility_microunits: i64,
    runner_up_model_id: Option<u32>,
    runner_up_utility_microunits: i64,
    evaluated_models: u32,
    eligible_models: u32,
}

/// What the budget answered.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) enum AdmissionV1 {
    /// 0
    NotAsked,
    /// 1
    Reserved,
    /// 2
    Insufficient { available_microunits: u64 },
    /// 3
    Frozen,
    /// 4
    InDebt { debt_microunits: u64 },
    /// 5
    Exposed { reserved_microunits: u64, cap_microunits: u64 },
}

impl DecidedV1<'_> {
    /// What the record says beside its texts, for a caller who makes the decision again: whether it is one that a kernel could
    /// have made shows then.
    pub(crate) fn to_replay(&self) -> Result<(Request, Decision, Admission), InvalidField> {
        checked_correlation_id(self.correlation_id)?;
        checked_request_key(self.request_key)?;
        Ok((self.request.into(), self.decision.unchecked()?, self.admission.into()))
    }
}

fn checked_correlation_id(text: &str) -> Result<&str, InvalidField> {
    at_most("correlation_id", text, MAX_CORRELATION_ID_BYTES)
}

pub(super) fn checked_request_key(text: &str) -> Result<&str, InvalidField> {
    at_most("request_key", text, MAX_REQUEST_KEY_BYTES)
}

fn at_most<'a>(
    field: &'static str,
    text: &'a str,
    limit_bytes: usize,
) -> Result<&'a str, InvalidField> {
    if text.len() <= limit_bytes {
        return Ok(text);
    }
    let why = format_args!("it has {} bytes and may have at most {limit_bytes}", text.len());
    Err(InvalidField::new(field, why))
}

impl<'a> From<&'a Decided<'_>> for DecidedV1<'a> {
    fn from(decided: &'a Decided<'_>) -> Self {
        Self {
            time_unix_ms: decided.time.get(),
            tenant: &decided.tenant,
            correlation_id: &decided.correlation_id,
            request_key: &decided.request_key,
            snapshot_sequence: decided.snapshot_sequence,
            request: (&decided.request).into(),
            decision: (&decided.decision).into(),
            admission: decided.admission.into(),
        }
    }
}

impl TryFrom<DecidedV1<'_>> for Decided<'static> {
    type Error = InvalidField;

    fn try_from(wire: DecidedV1<'_>) -> Result<Self, InvalidField> {
        let (request, decision, admission) = wire.to_replay()?;
        let decision = checked(decision)?;
        Ok(Self {
            time: UnixMillis::new(wire.time_unix_ms),
            tenant: Cow::Owned(wire.tenant.to_owned()),
            correlation_id: Cow::Owned(wire.correlation_id.to_owned()),
            request_key: Cow::Owned(wire.request_key.to_owned()),
            snapshot_sequence: wire.snapshot_sequence,
            request,
            decision,
            admission,
        })
    }
}

impl From<&Request> for RequestV1 {
    fn from(request: &Request) -> Self {
        Self {
            sequence: request.sequence,
            requested_model_id: request.requested_model_id,
            input_tokens: request.usage.input_tokens,
            output_tokens: request.usage.output_tokens,
            business_value_microunits: request.business_value_microunits,
            budget_limit_microunits: request.budget_limit.get(),
            risk_bps: request.risk.get(),
            confidence_bps: request.confidence.get(),
            minimum_quality_bps: request.minimum_quality.get(),
            max_p95_latency_ms: request.max_p95_latency_ms,
            required_capabilities: Bits64(request.required_capabilities.bits()),
            allowed_providers: Bits256(request.allowed_providers.words()),
            required_regions: Bits64(request.required_regions.bits()),
        }
    }
}

impl From<RequestV1> for Request {
    fn from(wire: RequestV1) -> Self {
        Self::new(wire.sequence, wire.requested_model_id, wire.input_tokens, wire.output_tokens)
            .with_business_value_microunits(wire.business_value_microunits)
            .with_budget_limit(Microunits::new(wire.budget_limit_microunits))
            .with_risk(BasisPoints::new(wire.risk_bps))
            .with_confidence(BasisPoints::new(wire.confidence_bps))
            .with_minimum_quality(BasisPoints::new(wire.minimum_quality_bps))
            .with_max_p95_latency_ms(wire.max_p95_latency_ms)
            .with_required_capabilities(CapabilitySet::from_bits(wire.required_capabilities.0))
            .with_allowed_providers(ProviderSet::from_words(wire.allowed_providers.0))
            .with_required_regions(RegionSet::from_bits(wire.required_regions.0))
    }
}

impl From<&Decision> for DecisionV1 {
    fn from(decision: &Decision) -> Self {
        Self {
            sequence: decision.sequence,
            policy_epoch: decision.policy_epoch,
            catalog_epoch: decision.catalog_epoch,
            action: decision.action.into(),
            reason: decision.reason.into(),
            requested_model_id: decision.requested_model_id,
            selected_model_id: decision.selected_model_id,
            estimated_cost_microunits: decision.estimated_cost.get(),
            expected_utility_microunits: decision.expected_utility_microunits,
            runner_up_model_id: decision.runner_up_model_id,
            runner_up_utility_microunits: decision.runner_up_utility_microunits,
            evaluated_models: decision.evaluated_models,
            eligible_models: decision.eligible_models,
        }
    }
}

impl DecisionV1 {
    /// The decision, whether or not a kernel could have made it.
    fn unchecked(self) -> Result<Decision, InvalidField> {
        let reason = self.reason.try_into()?;
        let mut decision = Decision::rejected(self.sequence, self.requested_model_id, reason);
        decision.policy_epoch = self.policy_epoch;
        decision.catalog_epoch = self.catalog_epoch;
        decision.action = self.action.try_into()?;
        decision.selected_model_id = self.selected_model_id;
        decision.estimated_cost = Microunits::new(self.estimated_cost_microunits);
        decision.maximum_cost = decision.estimated_cost;
        decision.expected_utility_microunits = self.expected_utility_microunits;
        decision.runner_up_model_id = self.runner_up_model_id;
        decision.runner_up_utility_microunits = self.runner_up_utility_microunits;
        decision.evaluated_models = self.evaluated_models;
        decision.eligible_models = self.eligible_models;
        Ok(decision)
    }
}

fn checked(decision: Decision) -> Result<Decision, InvalidField> {
    match decision.check() {
        Ok(()) => Ok(decision),
        Err(inconsistent) => Err(InvalidField::new("decision", inconsistent)),
    }
}

impl TryFrom<DecisionV1> for Decision {
    type Error = InvalidField;

    fn try_from(wire: DecisionV1) -> Result<Self, InvalidField> {
        checked(wire.unchecked()?)
    }
}

impl From<Admission> for AdmissionV1 {
    fn from(admission: Admission) -> Self {
        match admission {
            Admission::NotAsked => Self::NotAsked,
            Admission::Reserved => Self::Reserved,
            Admission::Insufficient { available } => {
                Self::Insufficient { available_microunits: available.get() }
            }
            Admission::Frozen => Self::Frozen,
            Admission::InDebt { debt } => Self::InDebt { debt_microunits: debt.get() },
            Admission::Exposed { reserved, cap } => {
                Self::Exposed { reserved_microunits: reserved.get(), cap_microunits: cap.get() }
            }
        }
    }
}

impl From<AdmissionV1> for Admission {
    fn from(wire: AdmissionV1) -> Self {
        match wire {
            AdmissionV1::NotAsked => Self::NotAsked,
            AdmissionV1::Reserved => Self::Reserved,
            AdmissionV1::Insufficient { available_microunits } => {
                Self::Insufficient { available: Microunits::new(available_microunits) }
            }
            AdmissionV1::Frozen => Self::Frozen,
            AdmissionV1::InDebt { debt_microunits } => {
                Self::InDebt { debt: Microunits::new(debt_microunits) }
            }
            AdmissionV1::Exposed { reserved_microunits, cap_microunits } => Self::Exposed {
                reserved: Microunits::new(reserved_microunits),
                cap: Microunits::new(cap_microunits),
            },
        }
    }
}

impl Serialize for Admission {
    /// As in a record.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        AdmissionV1::from(*self).serialize(serializer)
    }
}
