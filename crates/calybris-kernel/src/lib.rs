//! A deterministic decision kernel: from a catalog of candidates, a policy of hard limits and a
//! request it picks the valid candidate of highest utility, with integers only.
//!
//! The law it implements is written down in `SEMANTICS.md` beside this crate. One door leads in:
//! build a [`PolicySnapshot`] once, ask it to [`prescribe`](PolicySnapshot::prescribe) for each
//! [`Request`], and [`explain`](PolicySnapshot::explain) a decision when someone asks why.
//!
//! ```
//! use calybris_kernel::{
//!     Action, BasisPoints, Microunits, Model, Policy, PolicySnapshot, Price, Request,
//! };
//!
//! // Prices are per million tokens: 0.15 and 0.60 dollars, and 2.50 and 10 dollars.
//! let small = Model::new(1, 0, BasisPoints::percent(70))
//!     .with_price(Price::per_million_tokens(Microunits::new(150_000), Microunits::new(600_000)));
//! let large = Model::new(2, 0, BasisPoints::percent(95))
//!     .with_price(Price::per_million_tokens(Microunits::new(2_500_000), Microunits::new(10_000_000)));
//! let snapshot = PolicySnapshot::new(Policy::new(), [small, large])?;
//!
//! // Request 1 for model 1: 1,000 tokens in, 500 out, and a perfect answer is worth 5 cents.
//! let request = Request::new(1, 1, 1_000, 500).with_business_value_microunits(50_000);
//! let decision = snapshot.prescribe(&request);
//! assert_eq!(decision.action, Action::Substitute);
//! assert_eq!(decision.selected_model_id, Some(2)); // 25% more quality is worth more than it costs
//! assert_eq!(decision.estimated_cost, Microunits::new(7_500));
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

mod usage;

mod price;
mod rates;
mod search_fee;

mod ceiling;
mod excluded_models;
mod invalid_request;
mod window;

mod catalog;
mod model;
mod policy;
mod request;

mod candidates;
mod decision;
mod gates;
mod utility;

mod cost;

mod ranking;
mod scan;

mod fast;

mod snapshot;

mod canonical;
mod counterfactual;
mod error;
mod explain;

pub use candidates::Group;
pub use ceiling::Ceiling;
pub use counterfactual::{Margin, WinningChanges, WinningRates};
pub use decision::{Action, Decision, InconsistentDecision, Reason, UnknownCode};
pub use error::SnapshotError;
pub use excluded_models::{ExcludedModels, TooManyExcluded};
pub use explain::{Explanation, ModelVerdict, Verdict};
pub use gates::{Gate, Refusal};
pub use invalid_request::InvalidRequest;
pub use model::Model;
pub use policy::Policy;
pub use price::{Price, PriceError};
pub use ranking::RankedModel;
pub use rates::{Band, Rates};
pub use request::Request;
pub use search_fee::SearchFee;
pub use sets::{CapabilitySet, ProviderSet, RegionSet};
pub use snapshot::PolicySnapshot;
pub use usage::{TokenClass, TokenClassSet, Usage};
pub use utility::UtilityTerms;
pub use window::{Window, WindowPart};

pub use calybris_units::{BasisPoints, Microunits};

/// The examples of `README.md` compile and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
