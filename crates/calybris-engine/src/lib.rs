//! What a gateway embeds: decide, reserve, log, settle, recover.
//!
//! The engine joins three crates that know nothing of each other. For each call it asks the kernel for a decision,
//! reserves the decision's cost from the tenant's budget, and appends both to the log before it answers. The caller gets
//! a [`Ticket`], does the work, and settles the ticket with the actual cost, or abandons it.
//!
//! ```
//! use calybris_engine::{Call, Engine, EngineOptions, Names, Snapshot, UnixMillis};
//! # use calybris_kernel::*;
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path().join("log");
//! # let policy = Policy::new()
//! #     .with_policy_epoch(1)
//! #     .with_catalog_epoch(1)
//! #     .with_hard_risk_limit(BasisPoints::percent(90))
//! #     .with_minimum_confidence(BasisPoints::percent(50))
//! #     .with_risk_penalty_multiplier(BasisPoints::percent(25))
//! #     .with_latency_penalty_per_ms(Microunits::new(1));
//! # let model = Model::new(7, 0, BasisPoints::percent(80))
//! #     .with_risk_ceiling(BasisPoints::percent(90))
//! #     .with_p95_latency_ms(400)
//! #     .with_regions(RegionSet::EMPTY)
//! #     .with_price(Price::per_million_tokens(Microunits::new(2_500_000), Microunits::new(10_000_000)));
//! # let request = Request::new(1, 7, 1_000, 500)
//! #     .with_business_value_microunits(50_000)
//! #     .with_budget_limit(Microunits::new(20_000))
//! #     .with_risk(BasisPoints::percent(5))
//! #     .with_confidence(BasisPoints::percent(90))
//! #     .with_minimum_quality(BasisPoints::percent(70));
//! let snapshot = Snapshot::new(PolicySnapshot::new(policy, vec![model])?, Names::default());
//! let engine = Engine::open(&dir, &EngineOptions::default())?;
//! engine.install(snapshot, UnixMillis::new(1_700_000_000_000))?;
//! engine.ensure_tenant("search", Microunits::new(1_000_000), UnixMillis::new(1_700_000_000_000))?;
//!
//! let call = Call::new("search", UnixMillis::new(1_700_000_000_001), request);
//! let outcome = engine.decide(&call)?;
//! let ticket = outcome.ticket.ok_or("refused")?;
//! assert_eq!((ticket.model_id(), ticket.reserved().get()), (7, 7_500));
//! // ... call the model, then say what it cost:
//! engine.settle(ticket, Microunits::new(6_100), UnixMillis::new(1_700_000_000_900))?;
//! assert_eq!(engine.account("search").ok_or("gone")?.committed.get(), 6_100);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Between the two a ticket may [`extend`](Engine::extend) while a stream goes on, and [`fall_back`](Engine::fall_back)
//! to the next model when one fails.
//!
//! # What it keeps
//!
//! * *Debit, then log; log, then credit.* Money leaves a budget before the record that says so is written, and comes
//!   back only after. So every prefix of the log, which is what a crash leaves, replays to budgets that were never
//!   overspent.
//! * *The log is self-contained.* Every installed snapshot (policy, catalog, names) is a record; so is every change of a
//!   budget; and a [`Checkpoint`] is the whole state, so that nothing after one needs anything before it.
//! * *Once under a key.* A call with a [`request_key`](Call::request_key) is decided once, across restarts too.
//! * *There is no clock.* The caller passes the time, and the record carries it.
//! * *Closed on failure.* If the log cannot be written, nothing is decided and nothing is spent.
//! * *As durable as you ask.* A call that returned survives the end of the process; whether it survives a power cut is
//!   [`EngineOptions::durability`].
//!
//! A log can be read without opening it for writing: [`Ledger::read`].
//!
//! # When not to use it
//!
//! For a decision without money or a log, take `calybris-kernel` alone. One engine owns its log directory; it does not
//! share a budget between machines.

mod act;
mod active_snapshot;
mod call;
mod engine;
mod options;
mod ticket;

mod admin;
mod checkpoint;
mod decide;
mod fall_back;
mod rules;
mod settle;
mod soundness;

mod keys;
mod preference;
mod tickets;

mod fold;
mod ledger;
mod recover;
mod statement;

mod history;
mod proof;
mod recorded;
mod replay;
mod what_if;

mod error;
mod record;
mod snapshot;
mod wire;

pub use act::{Act, MAX_REASON_BYTES};
pub use call::{Call, MAX_CORRELATION_ID_BYTES, MAX_REQUEST_KEY_BYTES, Outcome};
pub use calybris_units::{Microunits, UnixMillis};
pub use engine::Engine;
pub use error::{EngineError, SettleRefused};
pub use fall_back::FellBack;
pub use history::{Entry, History};
pub use ledger::{Ledger, LedgerAccount, LedgerCheckpoint};
pub use options::{EngineOptions, MAX_REQUEST_KEYS};
pub use proof::DecisionProof;
pub use record::{
    Admission, Checkpoint, Decided, Fallback, KeyedDecision, LoggedSnapshot, LoggedTicket, Record,
};
pub use recorded::RecordedDecision;
pub use recover::Recovery;
pub use replay::{ReplayOptions, ReplayProgress, ReplayReport, Replayed, replay};
pub use snapshot::{Installed, Names, Snapshot, SnapshotDigest};
pub use statement::{Posting, PostingKind, Statement, StatementLine};
pub use ticket::{OpenTicket, Settlement, Ticket};
pub use what_if::{
    Change, Comparison, Delta, Flow, MAX_BUCKETS, ModelDelta, RejectionDelta, SeriesBucket, Side,
    WhatIf,
};
pub use wire::SCHEMA_ID;
