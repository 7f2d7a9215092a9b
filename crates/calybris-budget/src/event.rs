//! The events: every change of a budget, for a caller with a log.

use calybris_units::Microunits;

use crate::{ReservationId, TenantRules};

/// One change of a budget.
///
/// The caller appends an event to its log for each change it makes, and gives all of them to
/// [`Replay`](crate::Replay) after a restart. A [`ReservationId`] names a reservation in the log; the
/// caller chooses it (the log's own sequence number serves well) and gives no two open reservations
/// the same.
///
/// # In which order to log and to change
///
/// *Debit, then log; log, then credit.* A change that takes from `available` is made first
/// and logged after; a change that gives to it is logged first and made after:
///
/// | event | order |
/// |---|---|
/// | `TenantOpened`, `ChildOpened` | append, then [`ensure_tenant`](crate::BudgetEngine::ensure_tenant) or [`ensure_child`](crate::BudgetEngine::ensure_child) |
/// | `Reserved`, `ReservedOnce` | [`try_reserve`](crate::Tenant::try_reserve), then append |
/// | `Extended` | [`extend`](crate::Reservation::extend), then append |
/// | `Overdrawn` | [`cover_overrun`](crate::Reservation::cover_overrun), then append |
/// | `Committed` | [`check_commit`](crate::Reservation::check_commit), append, then [`commit`](crate::Reservation::commit) |
/// | `PartCommitted` | [`check_commit`](crate::Reservation::check_commit), append, then [`commit_part`](crate::Reservation::commit_part) |
/// | `PartReleased` | append, then [`release_part`](crate::Reservation::release_part) |
/// | `Released`, `Expired` | append, then [`release`](crate::Reservation::release) |
/// | `Dispatched` | append, then send the call |
/// | `ToppedUp` | append, then [`top_up`](crate::Tenant::top_up) |
/// | `Refunded` | append, then [`refund`](crate::Tenant::refund) |
/// | `Reduced` | [`reduce`](crate::Tenant::reduce), then append |
/// | `Repaid` | [`repay`](crate::Tenant::repay), then append |
/// | `CarriedOver` | `reduce` the one, append, then `top_up` the other |
/// | `Frozen`, `Unfrozen`, `RulesSet`, `SoftLimitReached` | either |
///
/// Then every prefix of the log replays to a valid ledger, though no lock is held from the change
/// to the append: an amount that was given back cannot be reserved again before the log says that
/// it was given back. Events that move debt (`Overdrawn`, `ToppedUp`, `Repaid`) and events that may be
/// refused after they were appended (`ToppedUp`, `Refunded`) are rare: the caller makes them one at a time
/// for each tenant.
///
/// A replay checks the balance and not the rules: the rules admitted the change when it was made.
///
/// ```
/// use calybris_budget::{BudgetEngine, BudgetEvent, Microunits};
///
/// let mut log = Vec::new();
/// let engine = BudgetEngine::new();
///
/// log.push(BudgetEvent::TenantOpened { tenant: "acme".to_owned(), granted: Microunits::new(100) });
/// let acme = engine.ensure_tenant("acme", Microunits::new(100))?;
///
/// let reservation = acme.try_reserve(Microunits::new(70))?;
/// let tenant = acme.name().to_owned();
/// log.push(BudgetEvent::Reserved { tenant, reservation: 1.into(), amount: Microunits::new(70) });
///
/// reservation.check_commit(Microunits::new(50))?;
/// log.push(BudgetEvent::Committed { reservation: 1.into(), actual: Microunits::new(50) });
/// reservation.commit(Microunits::new(50))?;
///
/// let replayed = calybris_budget::Replay::run(log)?;
/// assert_eq!(replayed.engine.tenant("acme").unwrap().snapshot(), acme.snapshot());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BudgetEvent {
    /// A tenant was opened.
    TenantOpened {
        /// Its name.
        tenant: String,
        /// Its grant.
        granted: Microunits,
    },
    /// An amount was reserved.
    Reserved {
        /// The tenant that reserved.
        tenant: String,
        /// The id by which later events name the reservation.
        reservation: ReservationId,
        /// How much.
        amount: Microunits,
    },
    /// A reservation was committed; the rest was released.
    Committed {
        /// Which one.
        reservation: ReservationId,
        /// The amount that was spent.
        actual: Microunits,
    },
    /// A reservation was released.
    Released {
        /// Which one.
        reservation: ReservationId,
    },
    /// A tenant was opened below another.
    ChildOpened {
        /// Its name.
        tenant: String,
        /// The name of the one above it.
        parent: String,
        /// Its grant.
        granted: Microunits,
    },
    /// A grant was raised; debt was paid first.
    ToppedUp {
        /// The tenant.
        tenant: String,
        /// By how much.
        amount: Microunits,
    },
    /// A grant was lowered.
    Reduced {
        /// The tenant.
        tenant: String,
        /// By how much.
        amount: Microunits,
    },
    /// A part of what was committed was given back, on every level.
    Refunded {
        /// The tenant that receives it.
        tenant: String,
        /// How much.
        amount: Microunits,
    },
    /// Debt was paid with what was available.
    Repaid {
        /// The tenant in debt.
        tenant: String,
        /// How much of it.
        amount: Microunits,
    },
    /// A tenant was frozen.
    Frozen {
        /// The tenant.
        tenant: String,
    },
    /// A tenant was unfrozen.
    Unfrozen {
        /// The tenant.
        tenant: String,
    },
    /// The rules of a tenant were replaced.
    RulesSet {
        /// The tenant.
        tenant: String,
        /// The rules from here on.
        rules: TenantRules,
    },
    /// A tenant was warned of its soft limit.
    SoftLimitReached {
        /// The tenant.
        tenant: String,
    },
    /// A reservation grew.
    Extended {
        /// Which one.
        reservation: ReservationId,
        /// By how much.
        amount: Microunits,
    },
    /// A reservation grew beyond what was available, to cover what its call cost.
    Overdrawn {
        /// Which one.
        reservation: ReservationId,
        /// By how much.
        extra: Microunits,
        /// How much of it was drawn from what was available, for the tenant and each level above
        /// it in turn; the rest is debt of that level.
        drawn: Vec<Microunits>,
    },
    /// A part of a reservation was committed; the rest stays open.
    PartCommitted {
        /// Which one.
        reservation: ReservationId,
        /// How much was spent.
        actual: Microunits,
    },
    /// The call that a reservation pays for was sent.
    Dispatched {
        /// Which one.
        reservation: ReservationId,
    },
    /// A reservation was released because its time had come.
    Expired {
        /// Which one.
        reservation: ReservationId,
    },
    /// As `Reserved`, under an idempotency key.
    ReservedOnce {
        /// The tenant that reserved.
        tenant: String,
        /// The id by which later events name the reservation.
        reservation: ReservationId,
        /// How much.
        amount: Microunits,
        /// The key.
        key: String,
    },
    /// An available amount of one tenant was moved into the grant of another.
    CarriedOver {
        /// The tenant that gives.
        from: String,
        /// The tenant that receives it.
        to: String,
        /// How much.
        amount: Microunits,
    },
    /// A part of a reservation was released; the rest stays open.
    PartReleased {
        /// Which one.
        reservation: ReservationId,
        /// How much of it.
        amount: Microunits,
    },
}
