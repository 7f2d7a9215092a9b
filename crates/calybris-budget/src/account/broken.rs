//! Broken accounts: an account whose invariants do not hold stands still until the process ends.
//!
//! It admits no debit, settles nothing and takes no adjustment; each of them is refused with the
//! invariant that was found broken first. Only its rules can still be changed, and its words read.
//! Other accounts go on, but for those below it in a tree: their debits are its debits.

use calybris_units::BrokenInvariant;

use super::Account;
use super::hot_word::BROKEN;
use crate::sync::Ordering::{AcqRel, Relaxed};

impl Account {
    /// Breaks the account off: nothing is debited, settled or adjusted any more.
    ///
    /// The caller has the lock: INVARIANT (one writer). The bit is in the word that a debit or a
    /// settlement without the lock replaces, so such a call either came before, or sees it.
    #[cold]
    #[inline(never)]
    pub(crate) fn break_off(&self, broken: BrokenInvariant) {
        self.broken.get_or_init(|| Box::new(broken));
        self.hot.fetch_or(BROKEN, AcqRel);
    }

    #[inline]
    pub(crate) fn is_broken(&self) -> bool {
        self.hot.load(Relaxed) & BROKEN != 0
    }

    /// The invariant of a broken account that was found broken first.
    #[cold]
    #[inline(never)]
    pub(crate) fn finding(&self) -> BrokenInvariant {
        let text = "a broken account says which invariant broke";
        **self.broken.get_or_init(|| Box::new(BrokenInvariant::found(text, file!(), line!())))
    }

    /// Refuses everything once the account is broken.
    #[inline]
    pub(crate) fn check_sound(&self) -> Result<(), BrokenInvariant> {
        if self.is_broken() { Err(self.finding()) } else { Ok(()) }
    }

    /// Breaks the account off if the answer is a broken invariant.
    pub(crate) fn unless_broken<T>(
        &self,
        answer: Result<T, BrokenInvariant>,
    ) -> Result<T, BrokenInvariant> {
        answer.inspect_err(|broken| self.break_off(*broken))
    }
}

#[cfg(all(test, not(loom)))]
#[allow(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use calybris_units::{BrokenInvariant, Microunits};

    use crate::refusal::Refusal;
    use crate::{
        BudgetEngine, BudgetError, BudgetEvent, OverrunPolicy, Replay, Reservation, StateError,
        Tenant, TenantRules,
    };

    const fn micro(microunits: u64) -> Microunits {
        Microunits::new(microunits)
    }

    /// Money that nobody granted, so that the books do not add up.
    fn forge(tenant: &Tenant) {
        tenant.account().adjust(|words| words.raise_available(1_000)).unwrap();
    }

    fn is_internal<T>(answer: Result<T, BudgetError>) -> bool {
        matches!(answer, Err(BudgetError::Internal(_)))
    }

    /// An engine in which `acme` was found broken, with a reservation of 60 that was made before.
    fn broken() -> (BudgetEngine, Tenant, Reservation) {
        let engine = BudgetEngine::new();
        let acme = engine.ensure_tenant("acme", micro(100)).unwrap();
        let reservation = acme.try_reserve(micro(60)).unwrap();
        forge(&acme);
        assert_eq!(acme.snapshot().available, micro(1_040));
        (engine, acme, reservation)
    }

    #[test]
    fn a_broken_account_admits_nothing() {
        let (engine, acme, _open) = broken();
        assert!(is_internal(acme.try_reserve(micro(1))));
        assert!(is_internal(acme.try_reserve_allowing_zero(micro(0))));
        assert!(is_internal(acme.try_reserve_scoped(micro(1))));
        assert!(is_internal(engine.try_reserve("acme", micro(1))));
        assert!(is_internal(engine.try_reserve_once("key", "acme", micro(1))));
        // Whatever its rules say.
        acme.freeze();
        assert!(is_internal(acme.try_reserve(micro(1))));
        acme.unfreeze();
        assert!(is_internal(acme.try_reserve(micro(1))));
        // The words are shown as they are, and do not add up.
        let now = acme.snapshot();
        assert_eq!(
            (now.granted, now.available, now.committed),
            (micro(100), micro(1_040), micro(0))
        );
        assert!(engine.state([]).is_err());
    }

    #[test]
    fn the_same_account_unbroken_admits() {
        let engine = BudgetEngine::new();
        let acme = engine.ensure_tenant("acme", micro(100)).unwrap();
        let reservation = acme.try_reserve(micro(60)).unwrap();
        assert!(acme.try_reserve(micro(1)).is_ok());
        reservation.commit(micro(60)).unwrap();
        assert_eq!(acme.snapshot().available, micro(40));
    }

    #[test]
    fn a_broken_account_settles_nothing_and_keeps_what_is_reserved() {
        let (engine, acme, reservation) = broken();
        let by_id = engine.detach(reservation, None);
        let before = acme.snapshot();
        assert!(is_internal(engine.commit("acme", by_id, micro(50))));
        assert!(is_internal(engine.release("acme", by_id)));
        assert_eq!(engine.open_reservations().unwrap()[0].id, by_id, "it is still there");

        let mut owned = engine.attach(by_id).unwrap();
        assert!(is_internal(owned.commit_part(micro(5))));
        assert!(is_internal(owned.release_part(micro(5))));
        assert!(is_internal(owned.extend(micro(5))));
        let refused = owned.commit(micro(50)).unwrap_err();
        assert!(matches!(refused.error, BudgetError::Internal(_)));
        assert_eq!(refused.reservation.amount(), micro(60));
        refused.reservation.release();
        assert_eq!(acme.snapshot(), before);
    }

    #[test]
    fn the_owner_of_a_broken_account_changes_no_amount() {
        let (engine, acme, _open) = broken();
        let other = engine.ensure_tenant("other", micro(100)).unwrap();
        let before = acme.snapshot();
        assert!(is_internal(acme.top_up(micro(1))));
        assert!(is_internal(acme.reduce(micro(1))));
        assert!(is_internal(acme.refund(micro(0))));
        assert!(is_internal(acme.repay(micro(1))));
        assert!(is_internal(acme.undo_reduce(micro(1))));
        // A caller with a log asks these before it appends.
        assert!(is_internal(acme.check_top_up(micro(1))));
        assert!(is_internal(acme.check_refund(micro(0))));
        assert!(is_internal(acme.carry_over(&other, micro(1))));
        assert!(is_internal(other.carry_over(&acme, micro(1))));
        assert_eq!(acme.snapshot(), before);
        // Other accounts go on, and have lost nothing to a broken one.
        assert_eq!(other.snapshot().granted, micro(100));
        assert_eq!(other.snapshot().available, micro(100));
        other.try_reserve(micro(1)).unwrap().commit(micro(1)).unwrap();
    }

    #[test]
    fn a_broken_level_stops_those_below_it_and_nobody_beside_it() {
        let engine = BudgetEngine::new();
        let org = engine.ensure_tenant("org", micro(100)).unwrap();
        let [left, right] =
            ["left", "right"].map(|name| engine.ensure_child(name, micro(50), &org).unwrap());
        let open = left.try_reserve(micro(10)).unwrap();
        forge(&left);
        let _found = left.snapshot();
        assert!(is_internal(left.try_reserve(micro(1))));
        assert!(open.commit(micro(10)).is_err());
        assert_eq!(org.snapshot().reserved, micro(10), "no level is settled by itself");
        right.try_reserve(micro(1)).unwrap().commit(micro(1)).unwrap();

        let open = right.try_reserve(micro(10)).unwrap();
        forge(&org);
        let _found = org.snapshot();
        assert!(is_internal(right.try_reserve(micro(1))));
        assert!(open.commit(micro(10)).is_err());
        let now = right.snapshot();
        assert_eq!(
            (now.reserved, now.committed),
            (micro(10), micro(1)),
            "changed below a broken one"
        );
        assert!(!right.account().is_broken());
    }

    #[test]
    fn an_overdraft_is_undone_on_every_level_or_on_none() {
        let engine = BudgetEngine::new();
        let org = engine.ensure_tenant("org", micro(100)).unwrap();
        let team = engine.ensure_child("team", micro(50), &org).unwrap();
        team.set_rules(TenantRules::default().with_overrun(OverrunPolicy::DrawThenDebt)).unwrap();
        let mut reservation = team.try_reserve(micro(10)).unwrap();
        let overdraft = reservation.cover_overrun(micro(70)).unwrap().overdraft.unwrap();
        let before = team.snapshot();
        org.locked(|| org.account().break_off(BrokenInvariant::found("a test says so", "", 0)));
        assert!(is_internal(reservation.undo_overdraft(&overdraft)));
        assert_eq!((reservation.amount(), team.snapshot()), (micro(70), before));
        assert!(!team.account().is_broken());
    }

    #[test]
    fn a_broken_account_has_no_state_to_go_on_from() {
        let engine = BudgetEngine::new();
        let acme = engine.ensure_tenant("acme", micro(100)).unwrap();
        assert!(engine.state([]).is_ok());
        // Its words add up; what was found broken may be elsewhere.
        acme.locked(|| acme.account().break_off(BrokenInvariant::found("a test says so", "", 0)));
        assert!(matches!(engine.state([]), Err(StateError::Internal(_))));
    }

    #[test]
    fn what_an_adjustment_cannot_do_breaks_the_account_and_lets_readers_go_on() {
        let engine = BudgetEngine::new();
        for wrong in [0, 1, 2, 3] {
            let tenant = engine.ensure_tenant(&wrong.to_string(), micro(100)).unwrap();
            let refused = tenant.account().adjust(|words| match wrong {
                0 => words.lower_granted(101),
                1 => words.lower_debt(1),
                2 => words.refund(1),
                _ => words.raise_available(u64::MAX),
            });
            assert!(matches!(refused, Err(Refusal::Broken(_))), "{wrong}");
            assert_eq!(tenant.snapshot().available, micro(100));
            assert!(is_internal(tenant.try_reserve(micro(1))));
        }
    }

    #[test]
    fn a_settlement_of_more_than_is_reserved_breaks_the_account() {
        let engine = BudgetEngine::new();
        let acme = engine.ensure_tenant("acme", micro(100)).unwrap();
        acme.debit(10).unwrap();
        assert!(matches!(acme.settle(10, 11), Err(Refusal::Broken(_))));
        assert!(is_internal(acme.try_reserve(micro(1))));
    }

    #[test]
    fn an_overrun_and_a_replay_find_a_broken_account_as_well() {
        let (_engine, acme, mut reservation) = broken();
        acme.set_rules(TenantRules::default().with_overrun(OverrunPolicy::DrawThenDebt)).unwrap();
        assert!(is_internal(reservation.cover_overrun(micro(70))));

        let mut replay = Replay::new();
        let tenant = || "acme".to_owned();
        let granted = micro(100);
        replay.apply(BudgetEvent::TenantOpened { tenant: tenant(), granted }).unwrap();
        let found = BrokenInvariant::found("a test says so", file!(), line!());
        replay.tenant("acme").unwrap().account().break_off(found);
        let (reservation, amount) = (1.into(), micro(1));
        let event = BudgetEvent::Reserved { tenant: tenant(), reservation, amount };
        let refused = replay.apply(event).unwrap_err();
        assert_eq!(refused.error, BudgetError::Internal(found));
    }

    #[test]
    fn an_account_stays_broken_while_its_rules_change() {
        let engine = BudgetEngine::new();
        let acme = engine.ensure_tenant("acme", micro(1_000_000)).unwrap();
        std::thread::scope(|scope| {
            let owner = scope.spawn(|| {
                for _ in 0..2_000 {
                    acme.freeze();
                    acme.unfreeze();
                }
            });
            scope.spawn(|| {
                acme.locked(|| {
                    acme.account().break_off(BrokenInvariant::found("a test says so", "", 0));
                });
                for _ in 0..2_000 {
                    assert!(is_internal(acme.try_reserve(micro(1))));
                }
            });
            owner.join().unwrap();
        });
        assert!(is_internal(acme.try_reserve(micro(1))));
        acme.freeze();
        assert!(is_internal(acme.try_reserve(micro(1))), "broken comes before frozen");
    }

    #[test]
    fn an_account_that_breaks_in_the_middle_of_an_adjustment_stays_broken() {
        let engine = BudgetEngine::new();
        let acme = engine.ensure_tenant("acme", micro(100)).unwrap();
        let adjusted = acme.account().adjust(|words| {
            acme.account().break_off(BrokenInvariant::found("a test says so", "", 0));
            words.raise_available(1)
        });
        assert!(adjusted.is_ok());
        assert!(is_internal(acme.try_reserve(micro(1))));
    }
}
