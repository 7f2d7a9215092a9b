//! Soundness: once an invariant was found broken, or the engine panicked, nothing more changes and nothing is acknowledged.

use std::sync::OnceLock;

use calybris_units::{BrokenInvariant, invariant};
use calybris_wal::Receipt;

use crate::engine::Engine;
use crate::error::EngineError;
use crate::record::Record;
use crate::ticket::{Ticket, TicketEntry};
use crate::tickets::Disposition;

/// The first invariant that was found broken; the others follow from it.
#[derive(Default)]
pub(crate) struct Soundness(OnceLock<BrokenInvariant>);

impl Soundness {
    fn check(&self) -> Result<(), EngineError> {
        match self.0.get() {
            Some(broken) => Err(EngineError::Internal(*broken)),
            None => Ok(()),
        }
    }

    fn note(&self, broken: BrokenInvariant) {
        let _first = self.0.get_or_init(|| broken);
    }
}

/// Notes a panic, if a change ends by one: what was logged may not have been done.
struct NotesPanic<'a> {
    soundness: &'a Soundness,
    armed: bool,
}

impl Drop for NotesPanic<'_> {
    fn drop(&mut self) {
        let unless_armed = (!self.armed).then_some(());
        if let Err(broken) = invariant!(unless_armed, "no change of an engine panics") {
            self.soundness.note(broken);
        }
    }
}

impl Engine {
    /// Makes a change. INVARIANT (stopped): every method that changes or acknowledges anything goes through here, so that
    /// nothing more is done once an invariant was found broken. A change under a lock goes through here
    /// under the lock as well, so that the next thread to take the lock finds the engine stopped.
    pub(crate) fn while_sound<T>(
        &self,
        change: impl FnOnce() -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        self.check_sound()?;
        let mut panicked = NotesPanic { soundness: &self.soundness, armed: true };
        let changed = change();
        panicked.armed = false;
        if let Some(broken) = changed.as_ref().err().and_then(EngineError::broken_invariant) {
            self.soundness.note(broken);
        }
        changed
    }

    /// Makes a change to an open ticket. If it is refused, the ticket stays open.
    pub(crate) fn change_ticket<T>(
        &self,
        ticket: &Ticket,
        change: impl FnOnce(&mut TicketEntry) -> Result<(Disposition, T), EngineError>,
    ) -> Result<T, EngineError> {
        self.tickets.change(ticket, |entry| self.while_sound(|| change(entry)))
    }

    /// Appends a record, unless an invariant was found broken.
    pub(crate) fn append(&self, record: &Record<'_>) -> Result<Receipt, EngineError> {
        self.check_sound()?;
        Ok(self.log.append(record)?)
    }

    /// Refuses everything once an invariant was found broken.
    pub(crate) fn check_sound(&self) -> Result<(), EngineError> {
        self.soundness.check()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]
mod tests {
    use super::*;
    use crate::options::EngineOptions;
    use crate::snapshot::Snapshot;
    use calybris_budget::{BudgetError, StateError, TenantRules};
    use calybris_kernel::{BasisPoints, Model, Policy, PolicySnapshot, Price, Request};
    use calybris_units::{BrokenInvariant, Microunits, UnixMillis, invariant};
    use calybris_wal::WalError;

    use crate::call::Call;
    use crate::error::refused_by_state;
    use crate::snapshot::Names;

    fn snapshot(policy_epoch: u64) -> Snapshot {
        let model = |model_id, price| {
            Model::new(model_id, 0, BasisPoints::WHOLE)
                .with_price(Price::FREE.with_fixed_price(Microunits::new(price)))
        };
        let policy = Policy::new().with_policy_epoch(policy_epoch);
        let models = [model(1, 500), model(2, 600)];
        Snapshot::new(PolicySnapshot::new(policy, models).unwrap(), Names::default())
    }

    fn call(request_key: &str) -> Call<'_> {
        let request = Request::new(1, 1, 0, 0).with_business_value_microunits(10_000);
        Call::new("a", UnixMillis::new(2), request).with_request_key(request_key)
    }

    /// What every method that changes something answers, and the tickets that came back.
    fn all_changes(engine: &Engine) -> Vec<(&'static str, Result<(), EngineError>)> {
        let mut open = engine.open_tickets().into_iter();
        let mut ticket = || engine.ticket(open.next().unwrap().decision_sequence).unwrap();
        let mut extended = ticket();
        let tickets = |refused: crate::error::SettleRefused| {
            assert!(engine.ticket(refused.ticket.decision_sequence).is_some());
            refused.error
        };
        let rules = TenantRules::default();
        vec![
            ("decide", engine.decide(&call("")).map(drop)),
            ("answer again", engine.decide(&call("known")).map(drop)),
            (
                "extend",
                engine.extend(&mut extended, Microunits::new(1), UnixMillis::new(3)).map(drop),
            ),
            (
                "settle",
                engine
                    .settle(ticket(), Microunits::new(400), UnixMillis::new(3))
                    .map(drop)
                    .map_err(tickets),
            ),
            ("abandon", engine.abandon(ticket(), UnixMillis::new(3)).map(drop).map_err(tickets)),
            (
                "fall back",
                engine.fall_back(ticket(), UnixMillis::new(3)).map(drop).map_err(tickets),
            ),
            ("install", engine.install(snapshot(2), UnixMillis::new(3)).map(drop)),
            ("ensure a tenant", engine.ensure_tenant("b", Microunits::new(1), UnixMillis::new(3))),
            (
                "ensure a child",
                engine.ensure_child("c", "b", Microunits::new(1), UnixMillis::new(3)),
            ),
            ("top up", engine.top_up("a", Microunits::new(1), UnixMillis::new(3))),
            ("reduce", engine.reduce("a", Microunits::new(1), UnixMillis::new(3))),
            ("refund", engine.refund("a", Microunits::new(1), UnixMillis::new(3))),
            ("repay", engine.repay("a", Microunits::new(1), UnixMillis::new(3)).map(drop)),
            (
                "carry over",
                engine.carry_over("a", "b", Microunits::new(1), UnixMillis::new(3)).map(drop),
            ),
            ("rules", engine.set_rules("a", rules, UnixMillis::new(3))),
            ("freeze", engine.freeze("a", UnixMillis::new(3))),
            ("unfreeze", engine.unfreeze("a", UnixMillis::new(3))),
            ("checkpoint", engine.checkpoint(UnixMillis::new(4)).map(drop)),
            ("flush", engine.flush_and_sync()),
            (
                "retain",
                engine.retain_from_checkpoint(calybris_wal::RetentionAction::Remove).map(drop),
            ),
        ]
    }

    /// The ways in which an engine is found broken.
    const DEFECTS: [fn(&Engine); 3] = [
        |engine| {
            engine.keys.break_known_keys();
            let found = engine.decide(&call("known")).unwrap_err();
            assert!(matches!(found, EngineError::Internal(_)), "{found}");
        },
        // A thread that has waited for the ticket finds the engine stopped.
        |engine| {
            let ticket = engine.ticket(engine.open_tickets()[0].decision_sequence).unwrap();
            let broken = invariant!(None::<(Disposition, ())>, "on purpose");
            let found = engine.change_ticket(&ticket, |_| Ok(broken?)).unwrap_err();
            assert!(matches!(found, EngineError::Internal(_)), "{found}");
        },
        |engine| {
            let ticket = engine.ticket(engine.open_tickets()[0].decision_sequence).unwrap();
            let panics = || engine.change_ticket::<()>(&ticket, |_| panic!("on purpose"));
            assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).is_err());
        },
    ];

    #[test]
    fn nothing_is_decided_or_acknowledged_after_a_broken_invariant_or_a_panic() {
        for defect in DEFECTS.map(Some).into_iter().chain([None]) {
            let broken = defect.is_some();
            let dir = tempfile::tempdir().unwrap();
            let engine = Engine::open(dir.path(), &EngineOptions::default()).unwrap();
            engine.install(snapshot(1), UnixMillis::new(1)).unwrap();
            engine.ensure_tenant("a", Microunits::new(1_000_000), UnixMillis::new(1)).unwrap();
            for _ in 0..4 {
                drop(engine.decide(&call("")).unwrap());
            }
            drop(engine.decide(&call("known")).unwrap());
            if let Some(defect) = defect {
                defect(&engine);
            }
            let before = (engine.head(), engine.accounts(), engine.open_tickets());
            for (change, answer) in all_changes(&engine) {
                match answer {
                    Ok(()) => assert!(!broken, "{change}"),
                    Err(EngineError::Internal(_)) => assert!(broken, "{change}"),
                    Err(error) => panic!("{change}: {error}"),
                }
            }
            let after = (engine.head(), engine.accounts(), engine.open_tickets());
            assert_eq!(before == after, broken);
            drop(engine);
            // What stands in the log is as good as ever.
            let engine = Engine::open(dir.path(), &EngineOptions::default()).unwrap();
            assert_eq!((engine.head(), engine.accounts(), engine.open_tickets()), after);
            drop(engine.decide(&call("known")).unwrap());
        }
    }

    #[test]
    fn a_caller_who_panics_may_give_his_ticket_back_on_the_way_out() {
        struct GivesBack<'a>(&'a Engine, Option<Ticket>);

        impl Drop for GivesBack<'_> {
            fn drop(&mut self) {
                self.0.abandon(self.1.take().unwrap(), UnixMillis::new(3)).unwrap();
            }
        }

        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::open(dir.path(), &EngineOptions::default()).unwrap();
        engine.install(snapshot(1), UnixMillis::new(1)).unwrap();
        engine.ensure_tenant("a", Microunits::new(1_000_000), UnixMillis::new(1)).unwrap();
        let caller = || {
            let _gives_back = GivesBack(&engine, engine.decide(&call("")).unwrap().ticket);
            panic!("on purpose");
        };
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(caller)).is_err());
        drop(engine.decide(&call("")).unwrap());
        assert_eq!(engine.open_tickets().len(), 1);
    }

    #[test]
    fn a_broken_invariant_of_log_or_budget_stops_the_engine_as_its_own_does() {
        fn broken<E: From<BrokenInvariant>>() -> E {
            invariant!(None::<()>, "on purpose").unwrap_err().into()
        }
        let frozen = || BudgetError::Frozen { tenant: "a".to_owned() };
        let invalid = |error| StateError::Invalid { tenant: "a".to_owned(), error };
        let errors = || -> [(EngineError, bool); 8] {
            [
                (broken(), true),
                (broken::<WalError>().into(), true),
                (broken::<BudgetError>().into(), true),
                (broken::<StateError>().into(), true),
                (invalid(broken()).into(), true),
                (WalError::SequencesUsedUp.into(), false),
                (frozen().into(), false),
                (invalid(frozen()).into(), false),
            ]
        };
        for (error, stops) in errors() {
            let text = error.to_string();
            let refused = refused_by_state(1, error);
            assert_eq!(matches!(refused, EngineError::Contradiction { .. }), !stops, "{text}");
        }
        for (error, stops) in errors() {
            let dir = tempfile::tempdir().unwrap();
            let engine = Engine::open(dir.path(), &EngineOptions::default()).unwrap();
            let text = error.to_string();
            let answer: Result<(), _> = engine.while_sound(|| Err(error));
            assert_eq!(answer.unwrap_err().to_string(), text);
            let next = engine.ensure_tenant("a", Microunits::new(1), UnixMillis::new(1));
            assert_eq!(matches!(next, Err(EngineError::Internal(_))), stops, "{text}: {next:?}");
            assert_eq!(next.is_ok(), !stops, "{text}");
        }
    }
}
