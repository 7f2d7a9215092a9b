//! The engine: its parts, opening and closing it, and queries.
//!
//! INVARIANT (debit first): money leaves `available` before the record that says so is appended, and comes back only
//! after the record that says so is appended. Concurrent calls may reach the log in any order, and still every prefix
//! of the log replays to non-negative balances: at the moment a debit is logged, the live balance has already paid it.
//!
//! INVARIANT (quiet): a call that changes anything holds `in_force` in read mode from its first change to its last
//! record, or else holds `admin`. So while `admin`, and `in_force` in write mode, are held, everything done is logged and
//! everything logged is done. `admin` is taken first.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use calybris_budget::{AccountSnapshot, BudgetEngine, SoftLimitReached, Tenant};
use calybris_units::UnixMillis;
use calybris_wal::{Anchor, Key, WalOptions, WalWriter};
use parking_lot::{Mutex, RwLock};

use crate::active_snapshot::ActiveSnapshot;
use crate::error::EngineError;
use crate::keys::RequestKeys;
use crate::options::{EngineOptions, MAX_REQUEST_KEYS};
use crate::record::Record;
use crate::recover::{self, Recovered, Recovery};
use crate::snapshot::{Installed, Snapshot};
use crate::soundness::Soundness;
use crate::ticket::{OpenTicket, Ticket};
use crate::tickets::Tickets;
use crate::wire::SCHEMA_ID;

/// The engine. `Send + Sync`; share it by reference or in an `Arc`.
///
/// Its `Debug` form names the log and shows nothing of what is in it.
pub struct Engine {
    pub(crate) log: WalWriter,
    /// Where the log is, and its key: for reading it while it is written.
    pub(crate) dir: PathBuf,
    pub(crate) key: Option<Key>,
    pub(crate) budget: BudgetEngine,
    pub(crate) in_force: RwLock<ActiveSnapshot>,
    pub(crate) tickets: Tickets,
    pub(crate) keys: RequestKeys,
    /// Held while a tenant is opened, a grant or a rule is changed, debt is made, a snapshot is installed or a checkpoint is
    /// written.
    pub(crate) admin: Mutex<()>,
    /// Soft limits that were reached and logged but not yet taken by the caller: the last of each tenant.
    pub(crate) warnings: Mutex<BTreeMap<String, SoftLimitReached>>,
    pub(crate) decisions: AtomicU64,
    pub(crate) checkpoint_every_records: u64,
    /// The sequence at which a checkpoint is due.
    pub(crate) checkpoint_due_at: AtomicU64,
    /// Why the last one that was due was not written.
    pub(crate) checkpoint_failure: Mutex<Option<Arc<EngineError>>>,
    recovery: Recovery,
    pub(crate) soundness: Soundness,
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
            admin: Mutex::new(()),
            warnings: Mutex::default(),
            decisions: AtomicU64::new(recovery.decisions),
            checkpoint_every_records: options.checkpoint_every_records,
            checkpoint_due_at: AtomicU64::new(due_at),
            checkpoint_failure: Mutex::new(None),
            recovery,
            soundness: Soundness::default(),
            dir: dir.to_owned(),
            key: options.key.clone(),
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
        // INVARIANT (quiet): no ticket is being changed.
        let _quiet = self.in_force.write();
        self.tickets.list()
    }

    /// Installs a snapshot: decisions from now on are made under it. Calls in flight finish under the one they began
    /// with, and their records say so. Answers the sequence of its record.
    ///
    /// If the snapshot in force is the same, names included, nothing is appended and the sequence of the record that
    /// put it in force is the answer.
    ///
    /// Keep the numbers of models, providers, capabilities, regions and groups from snapshot to snapshot. An open ticket
    /// falls back under the snapshot in force with the request that it was decided for, and the request of a repeated
    /// request key is compared with that of its decision, number by number.
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
        let _admin = self.admin.lock();
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
        self.while_sound(|| Ok(self.log.flush_and_sync()?))
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
