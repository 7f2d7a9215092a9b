//! What a broken invariant does: nothing more is decided, logged or acknowledged.

use calybris_wal::Receipt;

use crate::engine::Engine;
use crate::error::EngineError;
use crate::record::Record;

impl Engine {
    /// Appends a record, unless an invariant was found broken.
    pub(crate) fn append(&self, record: &Record<'_>) -> Result<Receipt, EngineError> {
        self.check_sound()?;
        Ok(self.log.append(record)?)
    }

    /// Makes a change. INVARIANT (stopped): every method that changes or acknowledges anything goes through here, so that
    /// nothing more is done once an invariant was found broken.
    pub(crate) fn while_sound<T>(
        &self,
        change: impl FnOnce() -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        self.check_sound()?;
        let changed = change();
        if let Some(broken) = changed.as_ref().err().and_then(EngineError::broken_invariant) {
            // The first one is what the others follow from.
            let _first = self.broken.get_or_init(|| broken);
        }
        changed
    }

    pub(crate) fn check_sound(&self) -> Result<(), EngineError> {
        match self.broken.get() {
            Some(broken) => Err(EngineError::Internal(*broken)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test code")]
mod tests {
    use super::*;
    use crate::options::EngineOptions;
    use crate::snapshot::Snapshot;
    use calybris_budget::TenantRules;
    use calybris_kernel::{BasisPoints, Model, Policy, PolicySnapshot, Request};
    use calybris_units::{Microunits, UnixMillis};

    use crate::call::Call;
    use crate::snapshot::Names;

    fn snapshot(policy_epoch: u64) -> Snapshot {
        let model = |model_id, price| {
            Model::new(model_id, 0, BasisPoints::WHOLE).with_fixed_price(Microunits::new(price))
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
            (
                "retain",
                engine.retain_from_checkpoint(calybris_wal::RetentionAction::Remove).map(drop),
            ),
        ]
    }

    #[test]
    fn nothing_is_decided_or_acknowledged_after_a_broken_invariant() {
        for broken in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let engine = Engine::open(dir.path(), &EngineOptions::default()).unwrap();
            engine.install(snapshot(1), UnixMillis::new(1)).unwrap();
            engine.ensure_tenant("a", Microunits::new(1_000_000), UnixMillis::new(1)).unwrap();
            for _ in 0..4 {
                drop(engine.decide(&call("")).unwrap());
            }
            drop(engine.decide(&call("known")).unwrap());
            if broken {
                engine.keys.break_known_keys();
                let found = engine.decide(&call("known")).unwrap_err();
                assert!(matches!(found, EngineError::Internal(_)), "{found}");
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
}
