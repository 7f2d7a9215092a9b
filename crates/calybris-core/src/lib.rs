//! Calybris Core: a decision engine whose every answer can be checked later.
//!
//! It chooses among candidates (LLM models, suppliers, venues) under hard limits, with integers only; reserves the cost
//! from a budget that cannot be overspent; and writes what it did to a log that nobody can change unseen.
//!
//! This crate is the front door and holds no logic. Behind it are four crates, each usable alone:
//!
//! | module | crate | what it does |
//! |---|---|---|
//! | [`kernel`] | `calybris-kernel` | policy, catalog and request to a decision; no I/O, no clock, no floats, no std |
//! | [`wal`] | `calybris-wal` | a hash-chained log of bytes that survives crashes and shows tampering |
//! | [`budget`] | `calybris-budget` | tenants, reservations, exact balances |
//! | [`engine`] | `calybris-engine` | the three joined: decide, reserve, log, settle, recover |
//!
//! ```
//! use calybris_core::engine::{Call, Engine, EngineOptions, Names, Snapshot};
//! use calybris_core::kernel::{
//!     CapabilitySet, Model, Policy, PolicySnapshot, ProviderSet, RegionSet, Request,
//! };
//!
//! let policy = Policy {
//!     policy_epoch: 1,
//!     catalog_epoch: 1,
//!     hard_risk_limit_bps: 9_000,
//!     minimum_confidence_bps: 5_000,
//!     risk_penalty_multiplier_bps: 2_500,
//!     latency_penalty_microunits_per_ms: 1,
//! };
//! let model = |model_id, quality_bps, input_price, output_price| Model {
//!     model_id,
//!     provider_id: 0,
//!     quality_bps,
//!     risk_ceiling_bps: 9_000,
//!     enabled: true,
//!     p95_latency_ms: 400,
//!     capabilities: CapabilitySet::EMPTY,
//!     regions: RegionSet::EMPTY,
//!     input_price_microunits_per_million_tokens: input_price,
//!     output_price_microunits_per_million_tokens: output_price,
//!     fixed_price_microunits: 0,
//! };
//! // A large model for 2.50 and 10.00 dollars per million tokens, a small one for 0.15 and 0.60.
//! let catalog = vec![model(1, 9_000, 2_500_000, 10_000_000), model(2, 7_500, 150_000, 600_000)];
//! let snapshot = Snapshot::new(PolicySnapshot::new(policy, catalog)?, Names::default());
//!
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path().join("log");
//! let engine = Engine::open(&dir, &EngineOptions::default())?;
//! engine.install(snapshot, 1_700_000_000_000)?;
//! engine.ensure_tenant("search", 1_000_000, 1_700_000_000_000)?; // one dollar
//!
//! let request = Request {
//!     sequence: 1,
//!     requested_model_id: 1,
//!     input_tokens: 1_000,
//!     output_tokens: 500,
//!     business_value_microunits: 20_000,
//!     budget_limit_microunits: 10_000,
//!     risk_bps: 500,
//!     confidence_bps: 9_000,
//!     minimum_quality_bps: 7_000,
//!     max_p95_latency_ms: 0,
//!     required_capabilities: CapabilitySet::EMPTY,
//!     allowed_providers: ProviderSet::ALL,
//!     required_regions: RegionSet::EMPTY,
//! };
//! let call = Call {
//!     tenant: "search",
//!     time_unix_ms: 1_700_000_000_001,
//!     correlation_id: "trace-1",
//!     request_key: "",
//!     request,
//! };
//! let outcome = engine.decide(&call)?;
//!
//! // The small model wins: 15 points of quality are not worth 7,050 microunits here.
//! assert_eq!(outcome.decision.selected_model_id, Some(2));
//! assert_eq!(outcome.decision.estimated_cost_microunits, 450);
//! let ticket = outcome.ticket.ok_or("refused")?;
//! engine.settle(ticket, 450, 1_700_000_000_900)?;
//! let anchor = engine.close()?;
//!
//! let options = calybris_core::wal::VerifyOptions { anchor: Some(anchor), ..Default::default() };
//! assert_eq!(calybris_core::wal::verify(&dir, &options)?.records, 4);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub use calybris_budget as budget;
pub use calybris_engine as engine;
pub use calybris_kernel as kernel;
pub use calybris_units as units;
pub use calybris_wal as wal;
