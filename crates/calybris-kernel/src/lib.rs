//! A deterministic decision kernel: from a catalog of candidates, a policy of hard limits and a
//! request it picks the valid candidate of highest utility, with integers only.
//!
//! The law it implements is written down in `SEMANTICS.md` beside this crate. One door leads in:
//! build a [`PolicySnapshot`] once, ask it to [`prescribe`](PolicySnapshot::prescribe) for each
//! [`Request`], and [`explain`](PolicySnapshot::explain) a decision that somebody questions.
//!
//! ```
//! use calybris_kernel::{
//!     Action, CapabilitySet, Model, Policy, PolicySnapshot, ProviderSet, RegionSet, Request,
//! };
//!
//! let policy = Policy {
//!     policy_epoch: 1,
//!     catalog_epoch: 1,
//!     hard_risk_limit_bps: 9_000,
//!     minimum_confidence_bps: 5_000,
//!     risk_penalty_multiplier_bps: 2_000,
//!     latency_penalty_microunits_per_ms: 2,
//! };
//! let small = Model {
//!     model_id: 1,
//!     provider_id: 0,
//!     quality_bps: 7_000,
//!     risk_ceiling_bps: 10_000,
//!     enabled: true,
//!     p95_latency_ms: 300,
//!     capabilities: CapabilitySet(0b1),
//!     regions: RegionSet(0b1),
//!     input_price_microunits_per_million_tokens: 150_000,
//!     output_price_microunits_per_million_tokens: 600_000,
//!     fixed_price_microunits: 0,
//! };
//! let large = Model {
//!     model_id: 2,
//!     quality_bps: 9_500,
//!     p95_latency_ms: 900,
//!     input_price_microunits_per_million_tokens: 2_500_000,
//!     output_price_microunits_per_million_tokens: 10_000_000,
//!     ..small
//! };
//! let snapshot = PolicySnapshot::new(policy, [small, large])?;
//!
//! let request = Request {
//!     sequence: 1,
//!     requested_model_id: 2,
//!     input_tokens: 1_000,
//!     output_tokens: 500,
//!     business_value_microunits: 50_000,
//!     budget_limit_microunits: 20_000,
//!     risk_bps: 500,
//!     confidence_bps: 9_000,
//!     minimum_quality_bps: 6_000,
//!     max_p95_latency_ms: 0,
//!     required_capabilities: CapabilitySet(0b1),
//!     allowed_providers: ProviderSet::ALL,
//!     required_regions: RegionSet::EMPTY,
//! };
//! let decision = snapshot.prescribe(&request);
//! assert_eq!(decision.action, Action::ExecuteRequested);
//! assert_eq!(decision.selected_model_id, Some(2));
//! assert_eq!(decision.estimated_cost_microunits, 7_500);
//! # Ok::<(), calybris_kernel::SnapshotError>(())
//! ```
//!
//! # What this crate does not do
//!
//! It reads no clock, no file, no environment and no float; it keeps no log and no budget; it
//! calls no model. `prescribe` does not allocate.
//!
//! # Features
//!
//! `std` (default) links the standard library; without it the crate needs `alloc` only. `serde`
//! derives serialization for the data types, and deserialization for all but what explains a
//! decision. `simd` brings vectors to the fast path, through the safe crate `wide`. No feature changes
//! a result.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod sets;

mod model;
mod policy;
mod request;

mod decision;
mod gates;
mod utility;

mod ranking;
mod scan;

mod fast;

mod snapshot;

mod canonical;
mod counterfactual;
mod error;
mod explain;

pub use counterfactual::{Margin, WinningChanges};
pub use decision::{Action, Decision, Reason, UnknownCode};
pub use error::SnapshotError;
pub use explain::{Explanation, ModelVerdict, Verdict};
pub use gates::{Gate, Refusal};
pub use model::Model;
pub use policy::Policy;
pub use ranking::RankedModel;
pub use request::Request;
pub use sets::{CapabilitySet, ProviderSet, RegionSet};
pub use snapshot::PolicySnapshot;
pub use utility::UtilityTerms;

/// The examples of `README.md` compile and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// One whole in basis points: quality, risk, confidence and ceilings run from 0 to this.
pub const MAX_BPS: u16 = 10_000;
