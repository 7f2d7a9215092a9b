//! The events: every change of a budget, as a caller's log persists it.

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
/// *Debit, then log; log, then credit.* What takes from `available` is done first and logged
/// after; what gives to it is logged first and done after:
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
/// it was given back. What moves debt (`Overdrawn`, `ToppedUp`, `Repaid`) and what may be refused
/// after it was appended (`ToppedUp`, `Refunded`) is rare: the caller does it for one tenant at a
/// time.
///
/// A replay asks the balance and not the rules: what a rule admitted stays admitted.
///
/// # Permanence
///
/// The variants keep their names, their order and their fields; new ones are added at the end.
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
    /// Discriminant 0: a tenant was opened.
    TenantOpened {
        /// Its name.
        tenant: String,
        /// What it was granted.
        granted: Microunits,
    },
    /// Discriminant 1: an amount was reserved.
    Reserved {
        /// Whose amount.
        tenant: String,
        /// The id by which later events name the reservation.
        reservation: ReservationId,
        /// How much.
        amount: Microunits,
    },
    /// Discriminant 2: a reservation was committed; the rest was released.
    Committed {
        /// Which one.
        reservation: ReservationId,
        /// What was spent of it.
        actual: Microunits,
    },
    /// Discriminant 3: a reservation was released.
    Released {
        /// Which one.
        reservation: ReservationId,
    },
    /// Discriminant 4: a tenant was opened below another.
    ChildOpened {
        /// Its name.
        tenant: String,
        /// The name of the one above it.
        parent: String,
        /// What it was granted.
        granted: Microunits,
    },
    /// Discriminant 5: a grant was raised; debt was paid first.
    ToppedUp {
        /// Whose grant.
        tenant: String,
        /// By how much.
        amount: Microunits,
    },
    /// Discriminant 6: a grant was lowered.
    Reduced {
        /// Whose grant.
        tenant: String,
        /// By how much.
        amount: Microunits,
    },
    /// Discriminant 7: a part of what was committed was given back, on every level.
    Refunded {
        /// To whom.
        tenant: String,
        /// How much.
        amount: Microunits,
    },
    /// Discriminant 8: debt was paid with what was available.
    Repaid {
        /// Whose debt.
        tenant: String,
        /// How much of it.
        amount: Microunits,
    },
    /// Discriminant 9: a tenant was frozen.
    Frozen {
        /// Who.
        tenant: String,
    },
    /// Discriminant 10: a tenant was unfrozen.
    Unfrozen {
        /// Who.
        tenant: String,
    },
    /// Discriminant 11: the rules of a tenant were replaced.
    RulesSet {
        /// Whose rules.
        tenant: String,
        /// The rules from here on.
        rules: TenantRules,
    },
    /// Discriminant 12: a tenant was warned of its soft limit.
    SoftLimitReached {
        /// Who.
        tenant: String,
    },
    /// Discriminant 13: a reservation grew.
    Extended {
        /// Which one.
        reservation: ReservationId,
        /// By how much.
        amount: Microunits,
    },
    /// Discriminant 14: a reservation grew beyond what was available, to cover what its call cost.
    Overdrawn {
        /// Which one.
        reservation: ReservationId,
        /// By how much.
        extra: Microunits,
        /// How much of it was drawn from what was available, for the tenant and each level above
        /// it in turn; the rest is debt of that level.
        drawn: Vec<Microunits>,
    },
    /// Discriminant 15: a part of a reservation was committed; the rest stays open.
    PartCommitted {
        /// Which one.
        reservation: ReservationId,
        /// How much was spent.
        actual: Microunits,
    },
    /// Discriminant 16: the call that a reservation pays for was sent.
    Dispatched {
        /// Which one.
        reservation: ReservationId,
    },
    /// Discriminant 17: a reservation was released because its time had come.
    Expired {
        /// Which one.
        reservation: ReservationId,
    },
    /// Discriminant 18: as `Reserved`, under an idempotency key.
    ReservedOnce {
        /// Whose amount.
        tenant: String,
        /// The id by which later events name the reservation.
        reservation: ReservationId,
        /// How much.
        amount: Microunits,
        /// The key.
        key: String,
    },
    /// Discriminant 19: what was available to one tenant was added to the grant of another.
    CarriedOver {
        /// From whom.
        from: String,
        /// To whom.
        to: String,
        /// How much.
        amount: Microunits,
    },
    /// Discriminant 20: a part of a reservation was released; the rest stays open.
    PartReleased {
        /// Which one.
        reservation: ReservationId,
        /// How much of it.
        amount: Microunits,
    },
}
