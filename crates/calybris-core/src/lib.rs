//! Calybris Core: a decision engine whose every answer can be checked later.
//!
//! It chooses among candidates (LLM models, suppliers, venues) under hard limits, with integers only; reserves the cost
//! from a budget that cannot be overspent; and writes what it did to a log that nobody can change unseen.
//!
//! This crate is the front door and holds no logic. Behind it are five crates, each usable alone:
//!
//! | module | crate | what it does |
//! |---|---|---|
//! | [`units`] | `calybris-units` | amounts, shares and times as types |
//! | [`kernel`] | `calybris-kernel` | policy, catalog and request to a decision; no I/O, no clock, no floats, no std |
//! | [`wal`] | `calybris-wal` | a hash-chained log of bytes that survives crashes and shows tampering |
//! | [`budget`] | `calybris-budget` | tenants, reservations, exact balances |
//! | [`engine`] | `calybris-engine` | the three joined: decide, reserve, log, settle, recover |
//!
//! ```
//! use calybris_core::engine::{Call, Engine, EngineOptions, Names, Snapshot, UnixMillis};
//! use calybris_core::kernel::{BasisPoints, Microunits, Model, Price, Policy, PolicySnapshot, Request};
//!
//! let policy = Policy::new().with_hard_risk_limit(BasisPoints::percent(90));
//! // A large model for 2.50 and 10.00 dollars per million tokens, a small one for 0.15 and 0.60.
//! let large = Model::new(1, 0, BasisPoints::percent(90))
//!     .with_price(Price::per_million_tokens(Microunits::new(2_500_000), Microunits::new(10_000_000)));
//! let small = Model::new(2, 0, BasisPoints::percent(75))
//!     .with_price(Price::per_million_tokens(Microunits::new(150_000), Microunits::new(600_000)));
//! let snapshot = Snapshot::new(PolicySnapshot::new(policy, [large, small])?, Names::default());
//!
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path().join("log");
//! let engine = Engine::open(&dir, &EngineOptions::default())?;
//! engine.install(snapshot, UnixMillis::new(1_700_000_000_000))?;
//! engine.ensure_tenant("search", Microunits::new(1_000_000), UnixMillis::new(1_700_000_000_000))?; // one dollar
//!
//! // 1,000 tokens in and 500 out for an answer that is worth 2 cents.
//! let request = Request::new(1, 1, 1_000, 500)
//!     .with_business_value_microunits(20_000)
//!     .with_budget_limit(Microunits::new(10_000));
//! let call = Call::new("search", UnixMillis::new(1_700_000_000_001), request)
//!     .with_correlation_id("trace-1");
//! let outcome = engine.decide(&call)?;
//!
//! // The small model wins: 15 points of quality are not worth 7,050 microunits here.
//! assert_eq!(outcome.decision.selected_model_id, Some(2));
//! assert_eq!(outcome.decision.estimated_cost, Microunits::new(450));
//! let ticket = outcome.ticket.ok_or("refused")?;
//! engine.settle(ticket, Microunits::new(450), UnixMillis::new(1_700_000_000_900))?;
//! let anchor = engine.close()?;
//!
//! let options = calybris_core::wal::VerifyOptions::default().with_anchor(anchor);
//! assert_eq!(calybris_core::wal::verify(&dir, &options)?.records, 4);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub use calybris_budget as budget;
pub use calybris_engine as engine;
pub use calybris_kernel as kernel;
pub use calybris_units as units;
pub use calybris_wal as wal;
