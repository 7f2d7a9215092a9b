//! Budgets that cannot be overspent: tenants, amounts and the reservations between them.
//!
//! A tenant is granted an amount. A call reserves what it may cost, and settles the reservation
//! once with what it did cost: the surplus returns to the tenant. At every instant and for every
//! observer
//!
//! ```text
//! granted + debt = available + reserved + committed
//! ```
//!
//! and there is debt only where an [`OverrunPolicy`] allows it. To reserve and to settle through a
//! [`Tenant`] is compare-and-swap on one word of its account: no lock, no map, no allocation.
//! A tenant below another, or one with a rule to be asked, takes a short lock instead; the caller
//! does not have to know. [`LEDGER.md`][ledger] states every state, transition and identity.
//!
//! ```
//! use calybris_budget::{BudgetEngine, Microunits};
//!
//! let engine = BudgetEngine::new();
//! let acme = engine.ensure_tenant("acme", Microunits::new(1_000_000))?;
//!
//! let reservation = acme.try_reserve(Microunits::new(2_500))?;
//! let settled = reservation.commit(Microunits::new(1_800))?;
//!
//! assert_eq!(settled.released, Microunits::new(700));
//! assert_eq!(acme.snapshot().available, Microunits::new(998_200));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What this crate does not do
//!
//! It knows no price, no request and no log, and it reads no clock. It moves amounts that it
//! cannot interpret; one unit, the microunit, goes through all of it. It writes nothing: a caller
//! that wants its money back after a crash appends a [`BudgetEvent`] for every change to a
//! log of its own and gives them to [`Replay`] at the start. The order in which to do both is
//! stated at [`BudgetEvent`].
//!
//! [ledger]: https://docs.rs/crate/calybris-budget/latest/source/LEDGER.md

mod error;
mod limits;
mod refusal;
mod reservation_id;
mod rules;
mod settlement;
mod snapshot;
mod sums;
mod totals;

mod checks;
mod sync;

mod account;
mod name;
mod tenant;

mod adjustments;
mod hierarchy;
mod overrun;
mod reservation;
mod reserve;
mod undo;

mod directory;
mod engine;
mod hashing;
mod idempotency;
mod kept_reservations;
mod precheck;
mod reservation_table;
mod shared;
mod slot_table;

mod audit;
mod event;
mod replay;
mod restore;
mod state;

#[cfg(all(test, loom))]
mod loom_models;

pub use calybris_units::{Microunits, UnixMillis};

pub use audit::Audit;
pub use engine::BudgetEngine;
pub use error::{AuditError, BudgetError, ReplayError, StateError};
pub use event::BudgetEvent;
pub use limits::{KEY_WINDOW, MAX_AMOUNT, MAX_LEVELS, MAX_NAME_BYTES};
pub use replay::{RebuiltBudget, Replay};
pub use reservation::{Reservation, SettleRefused};
pub use reservation_id::ReservationId;
pub use reservation_table::OpenReservation;
pub use rules::{OverrunPolicy, TenantRules};
pub use settlement::{Covered, Overdraft, Settled};
pub use shared::SoftLimitReached;
pub use snapshot::AccountSnapshot;
pub use state::{BudgetState, KeyState, ReservationState, TenantState};
pub use sums::Sums;
pub use tenant::Tenant;
pub use totals::Totals;

/// The examples of the README, compiled and run with the others.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
