//! A decision: the request, what the kernel answered, and what the budget answered.

use std::borrow::Cow;

use calybris_kernel::{Decision, Request};
use calybris_units::{Microunits, UnixMillis};
use serde::{Deserialize, Serialize, Serializer};

use super::decision::{DecisionV1, DecisionV2, checked};
use super::invalid::InvalidField;
use super::request::{RequestV1, RequestV2};
use super::says::{FitsV1, Says};
use crate::call::{MAX_CORRELATION_ID_BYTES, MAX_REQUEST_KEY_BYTES};
use crate::record::{Admission, Decided};

/// One decision with everything that is needed to make it again: `R` is the request, `D` the kernel's answer.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct DecidedOf<'a, R, D> {
    time_unix_ms: u64,
    tenant: &'a str,
    correlation_id: &'a str,
    request_key: &'a str,
    snapshot_sequence: u64,
    request: R,
    decision: D,
    admission: AdmissionV1,
}

pub(super) type DecidedV1<'a> = DecidedOf<'a, RequestV1, DecisionV1>;
pub(super) type DecidedV2<'a> = DecidedOf<'a, RequestV2, DecisionV2>;

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

impl<'a, R: Says<Request>, D: Says<Decision>> DecidedOf<'a, R, D> {
    pub(super) fn of(decided: &'a Decided<'_>) -> Self {
        Self {
            time_unix_ms: decided.time.get(),
            tenant: &decided.tenant,
            correlation_id: &decided.correlation_id,
            request_key: &decided.request_key,
            snapshot_sequence: decided.snapshot_sequence,
            request: R::of(&decided.request),
            decision: D::of(&decided.decision),
            admission: decided.admission.into(),
        }
    }

    /// What the record says, with its own texts, for a caller who makes the decision again: whether it is one that a kernel
    /// could have made shows then.
    pub(super) fn to_replay(&self) -> Result<Decided<'a>, InvalidField> {
        Ok(Decided {
            time: UnixMillis::new(self.time_unix_ms),
            tenant: Cow::Borrowed(self.tenant),
            correlation_id: Cow::Borrowed(checked_correlation_id(self.correlation_id)?),
            request_key: Cow::Borrowed(checked_request_key(self.request_key)?),
            snapshot_sequence: self.snapshot_sequence,
            request: self.request.read()?,
            decision: self.decision.read()?,
            admission: self.admission.into(),
        })
    }

    pub(super) fn read(&self) -> Result<Decided<'static>, InvalidField> {
        let decided = self.to_replay()?;
        checked(&decided.decision)?;
        Ok(decided.into_owned())
    }
}

impl FitsV1 for Decided<'_> {
    fn fits_v1(&self) -> bool {
        self.request.fits_v1() && self.decision.fits_v1()
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
