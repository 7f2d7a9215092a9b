//! The engine: what it is made of, how it is opened and closed, and what can be asked of it.
//!
//! INVARIANT (debit first): money leaves `available` before the record that says so is appended, and comes back only
//! after the record that says so is appended. Concurrent calls may reach the log in any order, and still every prefix
//! of the log replays to non-negative balances: at the moment a debit is logged, the live balance has already paid it.
//!
//! INVARIANT (quiet): a call that changes anything holds `in_force` in read mode from its first change to its last
//! record, or else holds `owner`. So whoever holds `owner`, and `in_force` in write mode, finds everything that was done
//! logged and everything that was logged done. `owner` is taken first.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};

use calybris_budget::{AccountSnapshot, BudgetEngine, SoftLimitReached, Tenant};
use calybris_units::{BrokenInvariant, UnixMillis};
use calybris_wal::{Anchor, Receipt, WalOptions, WalWriter};
use parking_lot::{Mutex, RwLock};

use crate::active_snapshot::ActiveSnapshot;
use crate::error::EngineError;
use crate::keys::RequestKeys;
use crate::options::{EngineOptions, MAX_REQUEST_KEYS};
use crate::record::Record;
use crate::recover::{self, Recovered, Recovery};
use crate::snapshot::{Installed, Snapshot};
use crate::ticket::{OpenTicket, Ticket};
use crate::tickets::Tickets;
use crate::wire::SCHEMA_ID;

/// The engine. `Send + Sync`; share it by reference or in an `Arc`.
///
/// Its `Debug` form names the log and shows nothing of what is in it.
pub struct Engine {
    pub(crate) log: WalWriter,
    pub(crate) budget: BudgetEngine,
    pub(crate) in_force: RwLock<ActiveSnapshot>,
    pub(crate) tickets: Tickets,
    pub(crate) keys: RequestKeys,
    /// Held by whoever opens a tenant, changes a grant or a rule, makes debt, installs a snapshot or writes a checkpoint.
    pub(crate) owner: Mutex<()>,
    /// Soft limits that were reached and logged, and that nobody has taken yet: the last of each tenant.
    pub(crate) warnings: Mutex<BTreeMap<String, SoftLimitReached>>,
    pub(crate) decisions: AtomicU64,
    pub(crate) checkpoint_every_records: u64,
    /// The sequence at which a checkpoint is due.
    pub(crate) checkpoint_due_at: AtomicU64,
    /// Why the last one that was due was not written.
    pub(crate) checkpoint_failure: Mutex<Option<Arc<EngineError>>>,
    recovery: Recovery,
    /// The invariant that was found broken, if one was.
    broken: OnceLock<BrokenInvariant>,
}

impl Engine {
    /// Opens the log in `dir`, or creates it, and rebuilds budgets, open tickets, request keys and the snapshot in force
    /// from it: from its last checkpoint on, or from its beginning if it has none.
    ///
    /// Nothing is appended, but for the snapshot behind a [checkpoint](Self::checkpoint) if a crash came between the two.
    /// A new log has no snapshot in force: [`install`](Self::install) one before the first call.
    ///
    /// # Errors
    /// [`EngineError::Log`] if another process has the log open, the key is wrong or missing, the log has another
    /// schema, is damaged, or cannot be read or written; [`EngineError::Contradiction`] or [`EngineError::InvalidSnapshot`] if its
    /// records are not an engine's; [`EngineError::TooManyRequestKeys`].
    ///
    /// ```
    #[doc = include_str!("doc_world.txt")]
    /// let ticket = engine.decide(&call)?.ticket;
    /// drop(engine); // a crash, say
    ///
    /// let engine = Engine::open(&dir, &EngineOptions::default())?;
    /// let recovery = engine.recovery();
    /// assert_eq!((recovery.open_tickets, recovery.reserved_microunits), (1, 7_500));
    /// assert_eq!(engine.account("acme").ok_or("gone")?.available.get(), 2_500);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open(dir: impl AsRef<Path>, options: &EngineOptions) -> Result<Self, EngineError> {
        if options.request_keys > MAX_REQUEST_KEYS {
            return Err(EngineError::TooManyRequestKeys {
                found: options.request_keys,
                limit: MAX_REQUEST_KEYS,
            });
        }
        let dir = dir.as_ref();
        let wal_options = WalOptions::new(SCHEMA_ID)
            .max_record_bytes(LONGEST_RECORD_BYTES)
            .durability(options.durability);
        let log = match &options.key {
            Some(key) => WalWriter::open_keyed(dir, &wal_options, key)?,
            None => WalWriter::open(dir, &wal_options)?,
        };
        let recovered = recover::recover(dir, options, log.open_report().clone())?;
        let Recovered { budget, open, keys, in_force, checkpoint_time, recovery } = recovered;
        let due_at = match options.checkpoint_every_records {
            0 => u64::MAX,
            every => in_force.checkpoint_sequence.saturating_add(every),
        };
        let engine = Self {
            budget,
            in_force: RwLock::new(in_force),
            tickets: Tickets::new(log.head().log_id, open),
            keys: RequestKeys::new(keys),
            owner: Mutex::new(()),
            warnings: Mutex::default(),
            decisions: AtomicU64::new(recovery.decisions),
            checkpoint_every_records: options.checkpoint_every_records,
            checkpoint_due_at: AtomicU64::new(due_at),
            checkpoint_failure: Mutex::new(None),
            recovery,
            broken: OnceLock::new(),
            log,
        };
        engine.install_behind_checkpoint(&mut engine.in_force.write(), checkpoint_time)?;
        Ok(engine)
    }

    /// What was found when the log was opened.
    #[must_use]
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// A tenant's balance, exact at one instant; `None` if nobody opened it.
    #[must_use]
    pub fn account(&self, tenant: &str) -> Option<AccountSnapshot> {
        self.budget.tenant(tenant).map(|tenant| tenant.snapshot())
    }

    /// Every tenant and its balance, in order of the names. Each balance is exact, one after the other: together they are of
    /// no one instant while calls go on.
    ///
    /// ```
    #[doc = include_str!("doc_world.txt")]
    /// for (tenant, account) in engine.accounts() {
    ///     println!("`{tenant}` has {} microunits available", account.available.get());
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn accounts(&self) -> Vec<(String, AccountSnapshot)> {
        let tenants = self.budget.tenants().into_iter();
        tenants.map(|tenant| (tenant.name().to_owned(), tenant.snapshot())).collect()
    }

    /// The last record's place and hash. Keep it elsewhere and the log cannot be shortened unseen. Before you do, call
    /// [`flush_and_sync`](Self::flush_and_sync): an anchor of a record that a power cut takes accuses an honest log.
    ///
    /// ```
    #[doc = include_str!("doc_world.txt")]
    /// let anchor = engine.head();
    /// engine.flush_and_sync()?;
    /// let kept_elsewhere = anchor.to_string();
    /// # let options = calybris_wal::VerifyOptions::default().with_anchor(kept_elsewhere.parse::<calybris_wal::Anchor>()?);
    /// # calybris_wal::verify(&dir, &options)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn head(&self) -> Anchor {
        self.log.head()
    }

    /// The open ticket of the decision at that sequence: after a restart, or when the ticket itself was dropped. `None` if it
    /// has none, or none any more. Waits for a call that is just changing that ticket. There is an example at
    /// [`open_tickets`](Self::open_tickets).
    #[must_use]
    pub fn ticket(&self, decision_sequence: u64) -> Option<Ticket> {
        self.tickets.ticket(decision_sequence)
    }

    /// Every ticket that is neither settled nor abandoned, oldest first, as of one instant. It waits for the calls that
    /// are being logged, and they for it.
    ///
    /// ```
    #[doc = include_str!("doc_world.txt")]
    /// drop(engine.decide(&call)?); // whoever had the ticket is gone
    /// for open in engine.open_tickets() {
    ///     println!("`{}` has {} reserved", open.tenant, open.reserved);
    ///     let ticket = engine.ticket(open.decision_sequence).ok_or("closed meanwhile")?;
    ///     engine.abandon(ticket, UnixMillis::new(3))?;
    /// }
    /// assert_eq!(engine.account("acme").ok_or("gone")?.reserved.get(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn open_tickets(&self) -> Vec<OpenTicket> {
        // INVARIANT (quiet): nobody has a ticket out of the table.
        let _quiet = self.in_force.write();
        self.tickets.list()
    }

    /// Installs a snapshot: decisions from now on are made under it. Calls in flight finish under the one they began
    /// with, and their records say so. Answers the sequence of its record.
    ///
    /// If the snapshot in force is the same, names included, nothing is appended and the sequence of the record that
    /// put it in force is the answer.
    ///
    /// # Errors
    /// [`EngineError::Log`] if the log cannot be written or the snapshot is too large for a record (64 MiB, some million
    /// models); the old snapshot then stays.
    ///
    /// ```
    #[doc = include_str!("doc_world.txt")]
    /// let stricter = policy.with_policy_epoch(2).with_minimum_confidence(BasisPoints::percent(95));
    /// let stricter = Snapshot::new(PolicySnapshot::new(stricter, [large, small])?, Names::default());
    /// let sequence = engine.install(stricter.clone(), UnixMillis::new(2))?;
    /// assert_eq!(engine.install(stricter, UnixMillis::new(3))?, sequence);
    /// assert_eq!(engine.decide(&call)?.decision.reason, Reason::ConfidenceHardLimit);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn install(&self, snapshot: Snapshot, time: UnixMillis) -> Result<u64, EngineError> {
        let sequence = self.while_sound(|| self.put_in_force(snapshot, time))?;
        self.checkpoint_if_due(sequence, time);
        Ok(sequence)
    }

    fn put_in_force(&self, snapshot: Snapshot, time: UnixMillis) -> Result<u64, EngineError> {
        // Decisions go on while the record is written.
        let _owner = self.owner.lock();
        if let Some(installed) = &self.in_force.read().installed
            && installed.snapshot.same_as(&snapshot)
        {
            return Ok(installed.sequence);
        }
        let record = Record::SnapshotInstalled { time, snapshot: snapshot.logged() };
        let sequence = self.append(&record)?.sequence;
        self.in_force.write().installed = Some(Installed { sequence, snapshot });
        Ok(sequence)
    }

    /// Returns when everything appended so far is on the disk. With [`Durability::Synced`](calybris_wal::Durability) it is
    /// already. There is an example at [`head`](Self::head).
    ///
    /// # Errors
    /// [`EngineError::Log`]; the log takes nothing more after that.
    pub fn flush_and_sync(&self) -> Result<(), EngineError> {
        Ok(self.log.flush_and_sync()?)
    }

    /// Syncs and closes the log. Open tickets stay open in it.
    ///
    /// # Errors
    /// [`EngineError::Log`] if the last records could not be brought to the disk.
    ///
    /// ```
    #[doc = include_str!("doc_world.txt")]
    /// let anchor = engine.close()?; // the last record's place and hash, to be kept elsewhere
    /// assert_eq!(anchor.sequence, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close(self) -> Result<Anchor, EngineError> {
        Ok(self.log.close()?)
    }

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

    pub(crate) fn tenant(&self, name: &str) -> Result<Tenant, EngineError> {
        let unknown = || EngineError::UnknownTenant { tenant: name.to_owned() };
        self.budget.tenant(name).ok_or_else(unknown)
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("log", &self.log).finish_non_exhaustive()
    }
}

/// A snapshot is one record: some million models fit.
const LONGEST_RECORD_BYTES: u32 = 64 * 1024 * 1024;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test code")]
mod tests {
    use super::*;
    use calybris_budget::TenantRules;
    use calybris_kernel::{BasisPoints, Model, Policy, PolicySnapshot, Request};
    use calybris_units::Microunits;

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
