//! The ledger: what a log says about the money, read without opening it for writing.

use std::collections::BTreeMap;
use std::path::Path;

use calybris_budget::{
    AccountSnapshot, AuditError, BudgetError, BudgetEvent, BudgetState, Replay, StateError,
    TenantRules, Totals,
};
use calybris_units::{UnixMillis, invariant};
use calybris_wal::Key;

use crate::error::EngineError;
use crate::fold::{self, Fold};
use crate::history::open_reader;
use crate::record::Record;
use crate::snapshot::Installed;
use crate::ticket::OpenTicket;

/// The state that a log leads to: accounts, open tickets, the snapshot in force, and the proof that the money adds up.
///
/// ```
/// # use calybris_engine::{Engine, EngineOptions, Ledger, Microunits, UnixMillis};
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path().join("log");
/// let engine = Engine::open(&dir, &EngineOptions::default())?;
/// engine.ensure_tenant("acme", Microunits::new(1_000_000), UnixMillis::new(1_700_000_000_000))?;
///
/// // Beside the writer, or years after it.
/// let ledger = Ledger::read(&dir, None)?;
/// assert_eq!(ledger.accounts[0].tenant, "acme");
/// assert_eq!(ledger.accounts[0].balance.available.get(), 1_000_000);
/// assert_eq!(ledger.conservation?.granted_microunits, 1_000_000);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Ledger {
    /// Records read.
    pub records: u64,
    /// Decisions in the log, also in those of its records that were dropped since.
    pub decisions: u64,
    /// Sequence of the last record; 0 for an empty log.
    pub last_sequence: u64,
    /// The snapshot in force; `None` before the first.
    pub installed: Option<Installed>,
    /// Every tenant, a parent before its children, otherwise in order of the names.
    pub accounts: Vec<LedgerAccount>,
    /// Every ticket that is neither settled nor abandoned, oldest first.
    pub open_tickets: Vec<OpenTicket>,
    /// The proof of conservation. The events were summed up a second time by code that shares nothing with the budget
    /// ([`calybris_budget::Audit`]), after every one of them `granted + debt = available + reserved + committed` held for
    /// every tenant, and in the end every account is what the sums say: then this is the sum over all tenants without a
    /// parent. Otherwise it is the first difference.
    pub conservation: Result<Totals, AuditError>,
    /// Every checkpoint that was read, oldest first.
    pub checkpoints: Vec<LedgerCheckpoint>,
    /// Whether [`Engine::checkpoint`](crate::Engine::checkpoint) would write one now: more than a snapshot stands behind the last.
    pub checkpoint_is_due: bool,
    state: Result<BudgetState, StateError>,
}

/// A checkpoint of a log: a place to read it from, and to [keep it from](crate::Engine::retain_from).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LedgerCheckpoint {
    /// Its sequence.
    pub sequence: u64,
    /// When it was written, by the caller's clock.
    pub time: UnixMillis,
}

/// One tenant in a [`Ledger`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LedgerAccount {
    /// Its name.
    pub tenant: String,
    /// The name of the tenant above it, if there is one.
    pub parent: Option<String>,
    /// How many tenants are above it: 0 for one without a parent.
    pub depth: usize,
    /// Its balance.
    pub balance: AccountSnapshot,
    /// Its rules.
    pub rules: TenantRules,
    /// Whether it is frozen itself; one above it may be as well.
    pub frozen: bool,
}

impl Ledger {
    /// Reads the log in `dir` from its beginning to its end, which takes as long as the log is, and checks every
    /// checkpoint in it against the records before it. A log whose beginning was dropped begins with a checkpoint. No lock is
    /// taken: records that a writer appends meanwhile may or may not be seen.
    ///
    /// # Errors
    /// [`EngineError::Log`] if there is no log, the key is wrong or missing, the log has another schema or is damaged;
    /// [`EngineError::Contradiction`] or [`EngineError::InvalidSnapshot`] if its records are not an engine's.
    pub fn read(dir: impl AsRef<Path>, key: Option<&Key>) -> Result<Self, EngineError> {
        let reader = open_reader(dir.as_ref(), key)?;
        let mut fold = Fold::audited();
        for entry in reader {
            let entry = entry?;
            fold.apply(entry.sequence(), Record::decode(entry.sequence(), entry.payload())?)?;
        }
        Self::of(fold)
    }

    /// The accounts as they would be after one more change, without making it: an [`Engine`](crate::Engine) that opens this log
    /// comes to the same, or refuses the change with the same error.
    ///
    /// # Errors
    /// [`EngineError::UnknownTenant`]; [`EngineError::Budget`] if the budget refuses the change; [`EngineError::Books`] if the
    /// books do not add up.
    ///
    /// ```
    /// # use calybris_engine::{Engine, EngineError, EngineOptions, Ledger, Microunits, UnixMillis};
    /// # let dir = tempfile::tempdir()?;
    /// # let dir = dir.path().join("log");
    /// use calybris_budget::BudgetEvent;
    ///
    /// let engine = Engine::open(&dir, &EngineOptions::default())?;
    /// engine.ensure_tenant("acme", Microunits::new(1_000), UnixMillis::new(1))?;
    /// let ledger = Ledger::read(&dir, None)?;
    ///
    /// let reduced = |amount| BudgetEvent::Reduced { tenant: "acme".into(), amount: Microunits::new(amount) };
    /// assert_eq!(ledger.after(reduced(400))?[0].balance.available.get(), 600);
    /// assert!(matches!(ledger.after(reduced(1_001)), Err(EngineError::Budget(_))));
    /// assert_eq!(engine.account("acme").ok_or("gone")?.available.get(), 1_000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn after(&self, event: BudgetEvent) -> Result<Vec<LedgerAccount>, EngineError> {
        let rebuilt = || -> Result<Replay, EngineError> {
            let state = self.state.as_ref().map_err(Clone::clone)?;
            Ok(Replay::from_state(state)?)
        };
        let opening = match &event {
            BudgetEvent::TenantOpened { tenant, granted } => Some((tenant, *granted, None)),
            BudgetEvent::ChildOpened { tenant, parent, granted } => {
                Some((tenant, *granted, Some(parent)))
            }
            _ => None,
        };
        if let Some((tenant, granted, parent)) = opening {
            // A replay follows a log that was allowed to open it; a live budget asks first.
            let budget = rebuilt()?.finish();
            let find = |name: &String| {
                let unknown = || EngineError::UnknownTenant { tenant: name.clone() };
                budget.engine.tenant(name).ok_or_else(unknown)
            };
            let parent = parent.map(find).transpose()?;
            budget.engine.check_open(tenant, granted, parent.as_ref())?;
        }
        let mut replay = rebuilt()?;
        replay.apply(event).map_err(|refused| match refused.error {
            BudgetError::UnknownTenant { tenant } => EngineError::UnknownTenant { tenant },
            error => error.into(),
        })?;
        let budget = replay.finish();
        Ok(tree(budget.engine.tenants()))
    }

    pub(crate) fn of(fold: Fold) -> Result<Self, EngineError> {
        let state = fold.budget.state();
        let checkpoint_is_due = fold.checkpoint_is_due();
        let (budget, open) = fold::finish(fold.first_sequence, fold.budget, fold.tickets)?;
        let audit = invariant!(fold.audit, "a ledger is read with an audit")?;
        Ok(Self {
            records: fold.records,
            decisions: fold.decisions,
            last_sequence: fold.last_sequence,
            installed: fold.installed,
            accounts: tree(budget.tenants()),
            open_tickets: open
                .iter()
                .map(|(sequence, entry)| entry.open_ticket(*sequence))
                .collect(),
            conservation: audit.and_then(|audit| audit.prove(&budget)),
            checkpoints: fold.checkpoints,
            checkpoint_is_due,
            state,
        })
    }
}

/// Sorts tenants so that each parent comes before its children; siblings stay in order of their names.
fn tree(tenants: Vec<calybris_budget::Tenant>) -> Vec<LedgerAccount> {
    let path = |tenant: &calybris_budget::Tenant| {
        let mut names = Vec::new();
        let mut level = Some(tenant);
        while let Some(found) = level {
            names.push(found.name().to_owned());
            level = found.parent();
        }
        names.reverse();
        names
    };
    let by_path: BTreeMap<_, _> =
        tenants.into_iter().map(|tenant| (path(&tenant), tenant)).collect();
    let account = |tenant: calybris_budget::Tenant| LedgerAccount {
        tenant: tenant.name().to_owned(),
        parent: tenant.parent().map(|parent| parent.name().to_owned()),
        depth: std::iter::successors(tenant.parent(), |above| above.parent()).count(),
        balance: tenant.snapshot(),
        rules: tenant.rules(),
        frozen: tenant.is_frozen(),
    };
    by_path.into_values().map(account).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test code")]
mod tests {
    use super::*;
    use calybris_budget::Microunits;

    #[test]
    fn money_that_no_record_speaks_of_does_not_pass() {
        let mut fold = Fold::audited();
        let event = BudgetEvent::TenantOpened { tenant: "a".into(), granted: Microunits::new(100) };
        let (time, reason) = (UnixMillis::EPOCH, "".into());
        fold.apply(1, Record::BudgetChanged { time, event, reason }).unwrap();
        fold.budget.tenant("a").unwrap().top_up(Microunits::new(1)).unwrap();
        let refused = Ledger::of(fold).unwrap().conservation.unwrap_err();
        assert!(matches!(refused, AuditError::Differs { tenant, .. } if tenant == "a"));
    }
}
