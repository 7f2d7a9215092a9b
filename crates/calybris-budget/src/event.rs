//! The events: every change of a budget, as a caller's log persists it.

/// One change of a budget.
///
/// The caller appends an event to its log for each change it makes, and gives all of them to
/// [`Replay`](crate::Replay) after a restart. A `hold` is a number by which the log names a
/// reservation; the caller chooses it (the log's own sequence number serves well) and gives no two
/// open reservations the same.
///
/// # In which order to log and to change
///
/// *Debit, then log; log, then credit.* What takes from `available` is done first and logged
/// after; what gives to it is logged first and done after:
///
/// | event | order |
/// |---|---|
/// | `TenantOpened` | append, then [`ensure_tenant`](crate::BudgetEngine::ensure_tenant) |
/// | `Reserved` | [`try_reserve`](crate::Tenant::try_reserve), then append |
/// | `Committed` | [`check_commit`](crate::Reservation::check_commit), append, then [`commit`](crate::Reservation::commit) |
/// | `Released` | append, then [`release`](crate::Reservation::release) |
///
/// Then every prefix of the log replays to a valid ledger, though no lock is held from the change
/// to the append: an amount that was given back cannot be reserved again before the log says that
/// it was given back.
///
/// # Permanence
///
/// The variants keep their names, their order and their fields; new ones are added at the end.
///
/// ```
/// use calybris_budget::{BudgetEngine, BudgetEvent};
///
/// let mut log = Vec::new();
/// let engine = BudgetEngine::new();
///
/// log.push(BudgetEvent::TenantOpened { tenant: "acme".to_owned(), granted_microunits: 100 });
/// let acme = engine.ensure_tenant("acme", 100)?;
///
/// let reservation = acme.try_reserve(70)?;
/// let tenant = acme.name().to_owned();
/// log.push(BudgetEvent::Reserved { tenant, hold: 1, amount_microunits: 70 });
///
/// reservation.check_commit(50)?;
/// log.push(BudgetEvent::Committed { hold: 1, actual_microunits: 50 });
/// reservation.commit(50)?;
///
/// let replayed = calybris_budget::Replay::run(log)?;
/// assert_eq!(replayed.engine.tenant("acme").unwrap().snapshot(), acme.snapshot());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum BudgetEvent {
    /// Discriminant 0: a tenant was opened.
    TenantOpened {
        /// Its name.
        tenant: String,
        /// What it was granted.
        granted_microunits: u64,
    },
    /// Discriminant 1: an amount was reserved.
    Reserved {
        /// Whose amount.
        tenant: String,
        /// The number by which later events name the reservation.
        hold: u64,
        /// How much.
        amount_microunits: u64,
    },
    /// Discriminant 2: a reservation was committed; the rest was released.
    Committed {
        /// Which one.
        hold: u64,
        /// What was spent of it.
        actual_microunits: u64,
    },
    /// Discriminant 3: a reservation was released.
    Released {
        /// Which one.
        hold: u64,
    },
}
