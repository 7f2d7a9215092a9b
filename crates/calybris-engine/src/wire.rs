//! The permanent records: what the bytes of an engine's log mean. Nothing outside this module reads or writes them.
//!
//! Each record is a struct of plain numbers and texts, with its version in its name. The types of the kernel and of the
//! budget may change; these may not. A record that is read becomes a [`Record`] through `TryFrom`, which refuses every
//! value that the types rule out; a [`Record`] that is written becomes the oldest version of its struct that says all of
//! it, so that what is new costs nothing where it is not used.
//!
//! `RECORDS.md` describes every record byte by byte, and `tests/golden.rs` pins the bytes.
//!
//! # How a record gets a new version
//!
//! 1. Add a struct with the next number (`SettledV2`). The old one stays as it is, and so do the structs that it is made of.
//! 2. Add a variant at the end of [`Wire`]. The numbers of the variants are the first byte of every record.
//! 3. Convert the new struct from and to the type in `record.rs`, and let `TryFrom<&Record>` write it where the old one
//!    does not say all. Keep reading the old one: it says what the fields mean that it does not have.
//! 4. Describe it in `RECORDS.md` and `tests/read_records.py`, and add some to `tests/golden.rs`, in a file of their own
//!    beside those that are there.
//!
//! Nothing is ever reordered, removed, or given another meaning. The order of the fields is the format.
//!
//! # JSON
//!
//! Serialized by a format for people, the same structs write the JSON of a record: sets are plain numbers there, codes are
//! names and digests are hexadecimal. JSON is written and never read.

mod bits;
mod budget;
mod budget_state;
mod checkpoint;
mod codes;
mod decided;
mod decision;
mod flagged;
mod invalid;
mod model;
mod names;
mod request;
mod says;
mod snapshot;
mod ticket;

use std::borrow::Cow;

use calybris_units::{Microunits, UnixMillis};
use calybris_wal::{WalError, decode_borrowed};
use serde::{Deserialize, Serialize, Serializer};

use self::budget::{BudgetChangedV1, BudgetChangedV2};
use self::checkpoint::{CheckpointV1, CheckpointV2};
use self::decided::{DecidedV1, DecidedV2};
use self::invalid::InvalidField;
use self::says::{FitsV1, Says, needs_v2};
use self::snapshot::{SnapshotInstalledV1, SnapshotInstalledV2};
use self::ticket::{AbandonedV1, FellBackV1, FellBackV2, SettledV1};
use crate::error::EngineError;
use crate::record::{Decided, Record};

/// The schema id in the header of every log that holds these records: `CLY` and the version of the first of them.
pub const SCHEMA_ID: u64 = u64::from_be_bytes(*b"\0\0\0\0CLY\x02");

/// The payload of a record: the number of a variant, then its fields.
///
/// INVARIANT (permanent records): variants are added at the end, and neither they nor their structs ever change.
#[derive(Serialize, Deserialize)]
enum Wire<'a> {
    /// 0
    #[serde(borrow, rename = "SnapshotInstalled")]
    SnapshotInstalledV1(SnapshotInstalledV1<'a>),
    /// 1
    #[serde(borrow, rename = "BudgetChanged")]
    BudgetChangedV1(BudgetChangedV1<'a>),
    /// 2
    #[serde(borrow, rename = "Decided")]
    DecidedV1(DecidedV1<'a>),
    /// 3
    #[serde(rename = "Settled")]
    SettledV1(SettledV1),
    /// 4
    #[serde(rename = "Abandoned")]
    AbandonedV1(AbandonedV1),
    /// 5
    #[serde(rename = "FellBack")]
    FellBackV1(FellBackV1),
    /// 6
    #[serde(borrow, rename = "Checkpoint")]
    CheckpointV1(CheckpointV1<'a>),
    /// 7
    #[serde(borrow, rename(serialize = "SnapshotInstalled"))]
    SnapshotInstalledV2(SnapshotInstalledV2<'a>),
    /// 8
    #[serde(borrow, rename(serialize = "Decided"))]
    DecidedV2(DecidedV2<'a>),
    /// 9
    #[serde(rename(serialize = "FellBack"))]
    FellBackV2(FellBackV2),
    /// 10
    #[serde(borrow, rename(serialize = "Checkpoint"))]
    CheckpointV2(CheckpointV2<'a>),
    /// 11
    #[serde(borrow, rename(serialize = "BudgetChanged"))]
    BudgetChangedV2(BudgetChangedV2<'a>),
}

/// First bytes of payloads: the codec writes the number of a variant below 251 as one byte.
const BUDGET_CHANGED_V1: u8 = 1;
const DECIDED_V1: u8 = 2;
const FELL_BACK_V1: u8 = 5;
const DECIDED_V2: u8 = 8;
const FELL_BACK_V2: u8 = 9;
const BUDGET_CHANGED_V2: u8 = 11;

impl Record<'static> {
    /// The record with that sequence, from its payload.
    ///
    /// # Errors
    /// [`EngineError::Log`] with [`WalError::Decode`] if the payload is not a record's;
    /// [`EngineError::InvalidRecord`] if one of its fields has a value that no record may have.
    ///
    /// ```
    #[doc = include_str!("doc_world.txt")]
    /// use calybris_engine::Record;
    /// use calybris_wal::Reader;
    ///
    /// for entry in Reader::open(&dir, None)? {
    ///     let entry = entry?;
    ///     if let Record::SnapshotInstalled { time, .. } =
    ///         Record::decode(entry.sequence(), entry.payload())?
    ///     {
    ///         assert_eq!(time.get(), 1);
    ///     }
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn decode(sequence: u64, payload: &[u8]) -> Result<Self, EngineError> {
        let wire: Wire<'_> = decoded(sequence, payload)?;
        let name = wire.name();
        Self::try_from(wire).map_err(|invalid| invalid.of_record(name, sequence))
    }
}

/// Whether a payload, as an engine writes it, is a record that installs no snapshot.
pub(crate) fn installs_nothing(payload: &[u8]) -> bool {
    let variant = payload.first();
    variant.is_some_and(|variant| {
        matches!(
            *variant,
            BUDGET_CHANGED_V1..=FELL_BACK_V1 | DECIDED_V2..=FELL_BACK_V2 | BUDGET_CHANGED_V2
        )
    })
}

/// A decision from its payload, as an engine writes it, for a caller who makes it again: whether it is one that a kernel could
/// have made is not checked. Its texts are borrowed, so nothing is allocated unless models are excluded. `None` if the payload
/// is another record.
pub(crate) fn decision_to_replay(
    sequence: u64,
    payload: &[u8],
) -> Option<Result<Decided<'_>, EngineError>> {
    let (variant, bytes) = payload.split_first()?;
    let decided = match *variant {
        DECIDED_V1 => decoded::<DecidedV1<'_>>(sequence, bytes).map(|wire| wire.to_replay()),
        DECIDED_V2 => decoded::<DecidedV2<'_>>(sequence, bytes).map(|wire| {
            let decided = wire.to_replay()?;
            needs_v2(&decided)?;
            Ok(decided)
        }),
        _ => return None,
    };
    Some(decided.and_then(|read| read.map_err(|invalid| invalid.of_record(A_DECISION, sequence))))
}

const A_DECISION: &str = "a decision";
const A_CHANGE: &str = "a change of a budget";

/// A record owns no text, only lists of numbers, so it takes no limit.
fn decoded<'a, T: Deserialize<'a>>(sequence: u64, bytes: &'a [u8]) -> Result<T, EngineError> {
    Ok(decode_borrowed(bytes).map_err(|source| WalError::Decode { sequence, source })?)
}

impl Serialize for Record<'_> {
    /// As the oldest version of the record that says all of it.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Wire::try_from(self).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

impl Wire<'_> {
    /// What the record is, in words.
    fn name(&self) -> &'static str {
        match self {
            Self::SnapshotInstalledV1(_) | Self::SnapshotInstalledV2(_) => {
                "the installation of a snapshot"
            }
            Self::BudgetChangedV1(_) | Self::BudgetChangedV2(_) => A_CHANGE,
            Self::DecidedV1(_) | Self::DecidedV2(_) => A_DECISION,
            Self::SettledV1(_) => "a settlement",
            Self::AbandonedV1(_) => "an abandonment",
            Self::FellBackV1(_) | Self::FellBackV2(_) => "a fallback",
            Self::CheckpointV1(_) | Self::CheckpointV2(_) => "a checkpoint",
        }
    }
}

impl<'a> TryFrom<&'a Record<'_>> for Wire<'a> {
    type Error = budget::NotLogged;

    fn try_from(record: &'a Record<'_>) -> Result<Self, Self::Error> {
        Ok(match record {
            Record::SnapshotInstalled { time, snapshot } if snapshot.fits_v1() => {
                Self::SnapshotInstalledV1(SnapshotInstalledV1 {
                    time_unix_ms: time.get(),
                    snapshot: snapshot.into(),
                })
            }
            Record::SnapshotInstalled { time, snapshot } => {
                Self::SnapshotInstalledV2(SnapshotInstalledV2 {
                    time_unix_ms: time.get(),
                    snapshot: snapshot.into(),
                })
            }
            Record::BudgetChanged { time, event, reason } if reason.is_empty() => {
                Self::BudgetChangedV1(BudgetChangedV1 {
                    time_unix_ms: time.get(),
                    event: event.try_into()?,
                })
            }
            Record::BudgetChanged { time, event, reason } => {
                Self::BudgetChangedV2(BudgetChangedV2 {
                    time_unix_ms: time.get(),
                    event: event.try_into()?,
                    reason,
                })
            }
            Record::Decided(decided) if decided.fits_v1() => {
                Self::DecidedV1(DecidedV1::of(decided))
            }
            Record::Decided(decided) => Self::DecidedV2(DecidedV2::of(decided)),
            Record::Settled { time, decision_sequence, actual_cost } => {
                Self::SettledV1(SettledV1 {
                    time_unix_ms: time.get(),
                    decision_sequence: *decision_sequence,
                    actual_cost_microunits: actual_cost.get(),
                })
            }
            Record::Abandoned { time, decision_sequence } => Self::AbandonedV1(AbandonedV1 {
                time_unix_ms: time.get(),
                decision_sequence: *decision_sequence,
            }),
            &Record::FellBack {
                time,
                decision_sequence,
                snapshot_sequence,
                failed_model_id,
                fallback,
            } if fallback.fits_v1() => Self::FellBackV1(FellBackV1 {
                time_unix_ms: time.get(),
                decision_sequence,
                snapshot_sequence,
                failed_model_id,
                fallback: fallback.as_ref().map(Says::of),
            }),
            &Record::FellBack {
                time,
                decision_sequence,
                snapshot_sequence,
                failed_model_id,
                fallback,
            } => Self::FellBackV2(FellBackV2 {
                time_unix_ms: time.get(),
                decision_sequence,
                snapshot_sequence,
                failed_model_id,
                fallback: fallback.as_ref().map(Says::of),
            }),
            Record::Checkpoint(checkpoint) if checkpoint.fits_v1() => {
                Self::CheckpointV1(CheckpointV1::of(checkpoint)?)
            }
            Record::Checkpoint(checkpoint) => Self::CheckpointV2(CheckpointV2::of(checkpoint)?),
        })
    }
}

impl TryFrom<Wire<'_>> for Record<'static> {
    type Error = InvalidField;

    fn try_from(wire: Wire<'_>) -> Result<Self, InvalidField> {
        let at = UnixMillis::new;
        Ok(match wire {
            Wire::SnapshotInstalledV1(SnapshotInstalledV1 { time_unix_ms, snapshot }) => {
                Self::SnapshotInstalled { time: at(time_unix_ms), snapshot: snapshot.try_into()? }
            }
            Wire::SnapshotInstalledV2(SnapshotInstalledV2 { time_unix_ms, snapshot }) => {
                let snapshot = snapshot.try_into()?;
                needs_v2(&snapshot)?;
                Self::SnapshotInstalled { time: at(time_unix_ms), snapshot }
            }
            Wire::BudgetChangedV1(BudgetChangedV1 { time_unix_ms, event }) => {
                let reason = Cow::Borrowed("");
                Self::BudgetChanged { time: at(time_unix_ms), event: event.into(), reason }
            }
            Wire::BudgetChangedV2(changed) => changed.read()?,
            Wire::DecidedV1(decided) => Self::Decided(decided.read()?),
            Wire::DecidedV2(decided) => {
                let decided = decided.read()?;
                needs_v2(&decided)?;
                Self::Decided(decided)
            }
            Wire::SettledV1(SettledV1 {
                time_unix_ms,
                decision_sequence,
                actual_cost_microunits,
            }) => Self::Settled {
                time: at(time_unix_ms),
                decision_sequence,
                actual_cost: Microunits::new(actual_cost_microunits),
            },
            Wire::AbandonedV1(AbandonedV1 { time_unix_ms, decision_sequence }) => {
                Self::Abandoned { time: at(time_unix_ms), decision_sequence }
            }
            Wire::FellBackV1(fell_back) => fell_back.read()?,
            Wire::FellBackV2(fell_back) => {
                needs_v2(&fell_back.fallback()?)?;
                fell_back.read()?
            }
            Wire::CheckpointV1(checkpoint) => Self::Checkpoint(checkpoint.read()?),
            Wire::CheckpointV2(checkpoint) => {
                let checkpoint = checkpoint.read()?;
                needs_v2(&checkpoint)?;
                Self::Checkpoint(checkpoint)
            }
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test code")]
mod tests {
    use super::*;

    #[test]
    fn every_record_that_installs_no_snapshot_may_be_replayed_in_a_batch() {
        let golden = [
            include_str!("../tests/golden/records.txt"),
            include_str!("../tests/golden/second_records.txt"),
        ];
        for line in golden.into_iter().flat_map(str::lines) {
            let bytes = base16ct::lower::decode_vec(line.split_once(' ').unwrap().1).unwrap();
            let record = Record::decode(7, &bytes).unwrap();
            let installs =
                matches!(record, Record::SnapshotInstalled { .. } | Record::Checkpoint(_));
            assert_eq!(installs_nothing(&bytes), !installs, "{line}");
            let is_decision = matches!(record, Record::Decided(_));
            assert_eq!(decision_to_replay(7, &bytes).is_some(), is_decision, "{line}");
        }
    }
}
