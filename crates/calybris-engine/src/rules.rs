//! The rules of a tenant: caps, soft limits, overruns and freezes; and the warnings of soft limits.

use calybris_budget::{BudgetEvent, SoftLimitReached, Tenant, TenantRules};
use calybris_units::{UnixMillis, invariant};

use crate::act::Act;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::record::Record;

impl Engine {
    /// Replaces a tenant's rules: how much may be reserved at once, at what use to warn, and what happens to a cost above its
    /// reservation. They apply to every call from here on; open tickets stay open.
    ///
    /// # Errors
    /// [`EngineError::UnknownTenant`]; [`EngineError::Budget`] if an amount is out of range; [`EngineError::Log`] if the
    /// log cannot be written: then the old rules stay. There is an example at [`settle`](Self::settle).
    pub fn set_rules<'a>(
        &self,
        tenant: &str,
        rules: TenantRules,
        act: impl Into<Act<'a>>,
    ) -> Result<(), EngineError> {
        self.as_admin(act.into(), |log| {
            let tenant = self.tenant(tenant)?;
            rules.check()?;
            // New rules warn anew. Nobody reserves between the record and the rules, so that every warning of the old
            // ones stands in the log before it and every warning of the new ones behind it.
            let _quiet = self.in_force.write();
            self.while_sound(|| {
                let name = tenant.name().to_owned();
                let sequence = log(BudgetEvent::RulesSet { tenant: name, rules })?;
                invariant!(
                    tenant.set_rules(rules).ok(),
                    "rules that passed their check are not refused"
                )?;
                Ok(Some(sequence))
            })
        })
    }

    /// Refuses every new call of a tenant and of all tenants below it. Open tickets are settled as usual. If it is frozen already,
    /// nothing is logged.
    ///
    /// # Errors
    /// [`EngineError::UnknownTenant`], or [`EngineError::Log`] if the log cannot be written: then it is not frozen.
    ///
    /// There is an example at [`ensure_child`](Self::ensure_child).
    pub fn freeze<'a>(&self, tenant: &str, act: impl Into<Act<'a>>) -> Result<(), EngineError> {
        self.set_frozen(tenant, true, act.into())
    }

    /// Admits calls of a tenant again. If it is not frozen, nothing is logged.
    ///
    /// # Errors
    /// [`EngineError::UnknownTenant`], or [`EngineError::Log`] if the log cannot be written: then it stays frozen.
    ///
    /// There is an example at [`ensure_child`](Self::ensure_child).
    pub fn unfreeze<'a>(&self, tenant: &str, act: impl Into<Act<'a>>) -> Result<(), EngineError> {
        self.set_frozen(tenant, false, act.into())
    }

    fn set_frozen(&self, tenant: &str, frozen: bool, act: Act<'_>) -> Result<(), EngineError> {
        self.as_admin(act, |log| {
            let tenant = self.tenant(tenant)?;
            if tenant.is_frozen() == frozen {
                return Ok(None);
            }
            let name = tenant.name().to_owned();
            let (change, event): (fn(&Tenant), _) = if frozen {
                (Tenant::freeze, BudgetEvent::Frozen { tenant: name })
            } else {
                (Tenant::unfreeze, BudgetEvent::Unfrozen { tenant: name })
            };
            // Nobody reserves between the record and the freeze, so that the log admits no call of a frozen tenant.
            let _quiet = self.in_force.write();
            let sequence = log(event)?;
            change(&tenant);
            Ok(Some(sequence))
        })
    }

    /// The tenants that have reached their soft limit since the last call, in order of their names. Each says so once,
    /// until its rules are set again; if it says so again before anybody asks, the last is here. Each is in the log, which is
    /// where those are that nobody took before a restart.
    ///
    /// ```
    /// # use calybris_engine::{Engine, EngineOptions, Microunits, UnixMillis};
    /// # let dir = tempfile::tempdir()?;
    /// # let engine = Engine::open(dir.path().join("log"), &EngineOptions::default())?;
    /// for warning in engine.take_warnings() {
    ///     eprintln!("`{}` has used {} microunits", warning.tenant, warning.soft_limit.get());
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn take_warnings(&self) -> Vec<SoftLimitReached> {
        std::mem::take(&mut *self.warnings.lock()).into_values().collect()
    }

    /// Logs the soft limits that a reservation has just reached. The caller has made its own record and holds `in_force`.
    pub(crate) fn log_warnings(&self, time: UnixMillis) {
        for warning in self.budget.take_warnings() {
            let event = BudgetEvent::SoftLimitReached { tenant: warning.tenant.clone() };
            // A log that cannot be written says so to the next call; this one is in it already.
            let record = Record::BudgetChanged { time, event, reason: "".into() };
            if self.while_sound(|| self.append(&record)).is_ok() {
                self.warnings.lock().insert(warning.tenant.clone(), warning);
            }
        }
    }
}
