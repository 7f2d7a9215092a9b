//! Reserving: from a tenant and an amount to a reservation.

use calybris_units::Microunits;

use crate::checks::check_amount;
use crate::limits::MAX_MICROUNITS;
use crate::{BudgetError, Reservation, Tenant};

impl Tenant {
    /// Reserves 1 microunit to [`MAX_AMOUNT`](crate::MAX_AMOUNT) for one call, until
    /// the reservation is settled or dropped.
    ///
    /// A child takes the amount from its own budget and from that of every tenant above it, or
    /// from none. A reservation that fits is never refused, whatever other threads try meanwhile.
    ///
    /// # Errors
    ///
    /// [`Insufficient`](BudgetError::Insufficient) when less is available, naming the level that
    /// lacks it; [`Frozen`](BudgetError::Frozen), [`InDebt`](BudgetError::InDebt) and
    /// [`Exposed`](BudgetError::Exposed) when a rule forbids it;
    /// [`ZeroAmount`](BudgetError::ZeroAmount), because a call that costs nothing needs no
    /// reservation and a price of nothing is more often a mistake;
    /// [`AmountTooLarge`](BudgetError::AmountTooLarge).
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, BudgetError, Microunits};
    ///
    /// let engine = BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", Microunits::new(100))?;
    /// let reservation = acme.try_reserve(Microunits::new(70))?;
    /// assert_eq!(acme.snapshot().reserved, Microunits::new(70));
    ///
    /// let refused = acme.try_reserve(Microunits::new(31)).unwrap_err();
    /// let BudgetError::Insufficient { available, .. } = refused else { panic!("{refused}") };
    /// assert_eq!(available, Microunits::new(30));
    /// # reservation.release();
    /// # Ok::<(), BudgetError>(())
    /// ```
    #[inline]
    pub fn try_reserve(&self, amount: Microunits) -> Result<Reservation, BudgetError> {
        let amount = self.check_reservable(amount)?;
        self.debit(amount)?;
        Ok(Reservation::new(self.clone(), amount))
    }

    /// As [`try_reserve`](Self::try_reserve), and 0 is an amount like any other: a call that is free
    /// as far as is known, and may come to cost something. The rules are asked as for any amount.
    ///
    /// # Errors
    ///
    /// As [`try_reserve`](Self::try_reserve), without [`ZeroAmount`](BudgetError::ZeroAmount).
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits};
    ///
    /// let engine = BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", Microunits::new(100))?;
    /// let mut reservation = acme.try_reserve_allowing_zero(Microunits::new(0))?;
    /// reservation.extend(Microunits::new(5))?;
    /// assert_eq!(reservation.commit(Microunits::new(5)).unwrap().committed, Microunits::new(5));
    /// acme.freeze();
    /// assert!(acme.try_reserve_allowing_zero(Microunits::new(0)).is_err());
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    #[inline]
    pub fn try_reserve_allowing_zero(
        &self,
        amount: Microunits,
    ) -> Result<Reservation, BudgetError> {
        let amount = check_amount(amount)?;
        self.debit(amount)?;
        Ok(Reservation::new(self.clone(), amount))
    }

    /// As [`try_reserve`](Self::try_reserve), for a call that ends before the handle does. The
    /// reservation borrows the handle instead of cloning it, which is the fastest way there is.
    ///
    /// # Errors
    ///
    /// As [`try_reserve`](Self::try_reserve).
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits};
    ///
    /// let engine = BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", Microunits::new(100))?;
    /// let settled = acme.try_reserve_scoped(Microunits::new(70))?.commit(Microunits::new(50)).unwrap();
    /// assert_eq!(settled.released, Microunits::new(20));
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    #[inline]
    pub fn try_reserve_scoped(
        &self,
        amount: Microunits,
    ) -> Result<Reservation<&Tenant>, BudgetError> {
        let amount = self.check_reservable(amount)?;
        self.debit(amount)?;
        Ok(Reservation::new(self, amount))
    }

    /// Refuses an amount that cannot be reserved, 0 or above the maximum; answers its microunits.
    #[inline]
    pub(crate) fn check_reservable(&self, amount: Microunits) -> Result<u64, BudgetError> {
        // A zero wraps to the largest number, so one comparison sends both aside.
        if amount.get().wrapping_sub(1) >= MAX_MICROUNITS {
            return Err(self.unreservable(amount));
        }
        Ok(amount.get())
    }

    #[cold]
    #[inline(never)]
    fn unreservable(&self, amount: Microunits) -> BudgetError {
        match check_amount(amount) {
            Err(error) => error,
            Ok(_) => BudgetError::ZeroAmount { tenant: self.name().to_owned() },
        }
    }
}
