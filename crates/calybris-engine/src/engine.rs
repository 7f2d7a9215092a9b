//! The engine: decide, reserve, log, settle.
//!
//! INVARIANT (debit first): money leaves `available` before the record that says so is appended, and comes back only
//! after the record that says so is appended. Concurrent calls may reach the log in any order, and still every prefix
//! of the log replays to non-negative balances: at the moment a debit is logged, the live balance has already paid it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use calybris_budget::{
    AccountSnapshot, BudgetEngine, BudgetError, BudgetEvent, Reservation, Tenant,
};
use calybris_kernel::Decision;
use calybris_wal::{Anchor, Durability, Key, WalOptions, WalWriter};
use parking_lot::{Mutex, RwLock};

use crate::call::{Call, Outcome};
use crate::error::{EngineError, SettleRefused};
use crate::record::{Admission, Decided, Record, SCHEMA_ID};
use crate::recover::{self, Recovered, Recovery};
use crate::snapshot::{Installed, Snapshot};
use crate::ticket::{Hold, OpenTicket, Settlement, Ticket, TicketState};

/// How an engine is opened. The default has no key (the log's hashes are plain SHA-256) and hands each record to the
/// operating system before the call returns.
#[derive(Clone, Debug, Default)]
pub struct EngineOptions {
    key: Option<Key>,
    durability: Durability,
}

/// The engine. `Send + Sync`; share it by reference or in an `Arc`.
#[derive(Debug)]
pub struct Engine {
    log: WalWriter,
    budget: BudgetEngine,
    installed: RwLock<Option<Arc<Installed>>>,
    open: Mutex<HashMap<u64, Hold>>,
    /// Held while a tenant is opened, so that two callers log it once.
    opening: Mutex<()>,
    recovery: Recovery,
}

impl EngineOptions {
    /// Authenticates the log with HMAC-SHA256 under `key`. A log keeps the kind it was created with.
    #[must_use]
    pub fn key(mut self, key: Key) -> Self {
        self.key = Some(key);
        self
    }

    /// When a record counts as written, and so when [`Engine::decide`] and the others return.
    ///
    /// [`Durability::Os`] survives the end of the process but not a power cut, unless
    /// [`Engine::flush_and_sync`] came between; [`Durability::Synced`] survives both.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }
}

impl Engine {
    /// Opens the log in `dir`, or creates it, and rebuilds budgets, open tickets and the snapshot in force from it.
    ///
    /// Nothing is appended. A new log has no snapshot in force: [`install`](Self::install) one before the first call.
    ///
    /// # Errors
    /// [`EngineError::Log`] if another process has the log open, the key is wrong or missing, the log has another
    /// schema, is damaged or cannot be read; [`EngineError::Contradiction`] or [`EngineError::InvalidSnapshot`] if its
    /// records are not an engine's.
    pub fn open(dir: impl AsRef<Path>, options: &EngineOptions) -> Result<Self, EngineError> {
        let dir = dir.as_ref();
        let wal_options = WalOptions::new(SCHEMA_ID)
            .max_record_bytes(LONGEST_RECORD_BYTES)
            .durability(options.durability);
        let log = match &options.key {
            Some(key) => WalWriter::open_keyed(dir, &wal_options, key)?,
            None => WalWriter::open(dir, &wal_options)?,
        };
        let Recovered { budget, open, installed, recovery } =
            recover::recover(dir, options.key.as_ref(), log.recovery().clone())?;
        Ok(Self {
            log,
            budget,
            installed: RwLock::new(installed.map(Arc::new)),
            open: Mutex::new(open),
            opening: Mutex::new(()),
            recovery,
        })
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

    /// Every tenant and its balance, in order of the names. Each balance is exact, one after the other.
    #[must_use]
    pub fn accounts(&self) -> Vec<(String, AccountSnapshot)> {
        let tenants = self.budget.tenants().into_iter();
        tenants.map(|tenant| (tenant.name().to_owned(), tenant.snapshot())).collect()
    }

    /// The last record's place and hash. Keep it elsewhere and the log cannot be shortened unseen.
    #[must_use]
    pub fn head(&self) -> Anchor {
        self.log.head()
    }

    /// Gives a tenant its budget, once; the same call again changes nothing.
    ///
    /// # Errors
    /// [`EngineError::Budget`] if the name or the amount is out of range, or the tenant has another grant;
    /// [`EngineError::Log`] if the log cannot be written.
    pub fn ensure_tenant(
        &self,
        tenant: &str,
        granted_microunits: u64,
        time_unix_ms: u64,
    ) -> Result<(), EngineError> {
        let _opening = self.opening.lock();
        if self.budget.tenant(tenant).is_none() {
            // A grant is a credit, so it is logged first. Whether the budget will take it is asked of an empty one.
            BudgetEngine::new().ensure_tenant(tenant, granted_microunits)?;
            let tenant = tenant.to_owned();
            let event = BudgetEvent::TenantOpened { tenant, granted_microunits };
            self.log.append(&Record::BudgetChanged { time_unix_ms, event })?;
        }
        self.budget.ensure_tenant(tenant, granted_microunits)?;
        Ok(())
    }

    /// Installs a snapshot: decisions from now on are made under it. Calls in flight finish under the one they began
    /// with, and their records say so. Answers the sequence of its record.
    ///
    /// If the snapshot in force is the same, names included, nothing is appended and its sequence is the answer.
    ///
    /// # Errors
    /// [`EngineError::Log`] if the log cannot be written or the snapshot is too large for a record (64 MiB, some million
    /// models); the old snapshot then stays.
    pub fn install(&self, snapshot: Snapshot, time_unix_ms: u64) -> Result<u64, EngineError> {
        let mut current = self.installed.write();
        if let Some(current) =
            current.as_ref().filter(|current| current.snapshot.same_as(&snapshot))
        {
            return Ok(current.sequence);
        }
        let receipt = self
            .log
            .append(&Record::SnapshotInstalled { time_unix_ms, snapshot: snapshot.logged() })?;
        *current = Some(Arc::new(Installed { sequence: receipt.sequence, snapshot }));
        Ok(receipt.sequence)
    }

    /// Decides a call, reserves its estimated cost, and logs both before it answers.
    ///
    /// A rejection by the kernel and a refusal for lack of budget are answers, and are logged too.
    ///
    /// # Errors
    /// [`EngineError::NoSnapshot`], [`EngineError::UnknownTenant`], [`EngineError::CorrelationIdTooLong`], or
    /// [`EngineError::Log`] if the log cannot be written: then nothing is reserved.
    pub fn decide(&self, call: &Call<'_>) -> Result<Outcome, EngineError> {
        if call.correlation_id.len() > MAX_CORRELATION_ID_BYTES {
            return Err(EngineError::CorrelationIdTooLong {
                found_bytes: call.correlation_id.len(),
                limit_bytes: MAX_CORRELATION_ID_BYTES,
            });
        }
        let tenant = self
            .budget
            .tenant(call.tenant)
            .ok_or_else(|| EngineError::UnknownTenant { tenant: call.tenant.to_owned() })?;
        let installed = self.installed.read().clone().ok_or(EngineError::NoSnapshot)?;
        let decision = installed.snapshot.policy_snapshot().prescribe(&call.request);
        let (admission, reservation) = admit(&tenant, &decision)?;
        // If the append fails, `reservation` goes out of scope, and the debit with it.
        let receipt = self.log.append(&Record::Decided(Decided {
            time_unix_ms: call.time_unix_ms,
            tenant: Cow::Borrowed(call.tenant),
            correlation_id: Cow::Borrowed(call.correlation_id),
            request_key: Cow::Borrowed(""),
            snapshot_sequence: installed.sequence,
            request: call.request,
            decision,
            admission,
        }))?;
        let decision_sequence = receipt.sequence;
        let ticket = match (decision.selected_model_id, reservation) {
            (Some(model_id), Some(reservation)) => {
                let hold = Hold { reservation, state: TicketState::new(model_id, call.request) };
                let ticket = hold.ticket(decision_sequence);
                self.open.lock().insert(decision_sequence, hold);
                Some(ticket)
            }
            _ => None,
        };
        Ok(Outcome { decision_sequence, decision, admission, ticket })
    }

    /// Says that a decision was carried out and what it cost: that much is spent, the rest of the reservation goes back.
    ///
    /// `actual_cost_microunits` is 0 up to what was reserved.
    ///
    /// # Errors
    /// The ticket comes back with [`EngineError::Budget`] or [`EngineError::NothingReserved`] if the cost is above the
    /// reservation, with [`EngineError::TicketNotOpen`], or with [`EngineError::Log`] if the log cannot be written.
    pub fn settle(
        &self,
        ticket: Ticket,
        actual_cost_microunits: u64,
        time_unix_ms: u64,
    ) -> Result<Settlement, SettleRefused> {
        let decision_sequence = ticket.decision_sequence;
        let check = |hold: &Hold| Ok(hold.reservation.check_commit(actual_cost_microunits)?);
        let record = Record::Settled { time_unix_ms, decision_sequence, actual_cost_microunits };
        let (sequence, hold) = self.close_ticket(ticket, check, &record)?;
        let reserved_microunits = hold.reserved_microunits();
        // `check` above was this reservation's own, for this amount; it is owned here and cannot be refused now.
        let _committed = hold.reservation.commit(actual_cost_microunits);
        Ok(Settlement {
            sequence,
            committed_microunits: actual_cost_microunits,
            returned_microunits: reserved_microunits.saturating_sub(actual_cost_microunits),
            uncharged_microunits: 0,
        })
    }

    /// Says that a decision was not carried out: the whole reservation goes back.
    ///
    /// # Errors
    /// The ticket comes back with [`EngineError::TicketNotOpen`] or [`EngineError::Log`].
    pub fn abandon(&self, ticket: Ticket, time_unix_ms: u64) -> Result<Settlement, SettleRefused> {
        let decision_sequence = ticket.decision_sequence;
        let record = Record::Abandoned { time_unix_ms, decision_sequence };
        let (sequence, hold) = self.close_ticket(ticket, |_| Ok(()), &record)?;
        let returned_microunits = hold.reserved_microunits();
        hold.reservation.release();
        Ok(Settlement {
            sequence,
            committed_microunits: 0,
            returned_microunits,
            uncharged_microunits: 0,
        })
    }

    /// The open ticket of the decision at that sequence: after a restart, or when the ticket itself was dropped.
    #[must_use]
    pub fn ticket(&self, decision_sequence: u64) -> Option<Ticket> {
        self.open.lock().get(&decision_sequence).map(|hold| hold.ticket(decision_sequence))
    }

    /// Every ticket that is neither settled nor abandoned, oldest first.
    #[must_use]
    pub fn open_tickets(&self) -> Vec<OpenTicket> {
        let open = self.open.lock();
        let mut tickets: Vec<OpenTicket> = open
            .iter()
            .map(|(&sequence, hold)| hold.state.open_ticket(sequence, &hold.reservation))
            .collect();
        tickets.sort_unstable_by_key(|ticket| ticket.decision_sequence);
        tickets
    }

    /// Returns when everything appended so far is on the disk.
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
    pub fn close(self) -> Result<Anchor, EngineError> {
        Ok(self.log.close()?)
    }

    /// Checks a ticket's hold, takes it, and appends `record`. On any failure the ticket stays open.
    fn close_ticket(
        &self,
        ticket: Ticket,
        check: impl FnOnce(&Hold) -> Result<(), EngineError>,
        record: &Record<'_>,
    ) -> Result<(u64, Hold), SettleRefused> {
        let decision_sequence = ticket.decision_sequence;
        let hold = {
            // Out of the table while its record is appended: of two callers with the same ticket one finds nothing.
            let mut open = self.open.lock();
            match open.get(&decision_sequence).map(check) {
                Some(Ok(())) => open.remove(&decision_sequence),
                Some(Err(error)) => return Err(SettleRefused { error, ticket }),
                None => None,
            }
        };
        let Some(hold) = hold else {
            let error = EngineError::TicketNotOpen { decision_sequence };
            return Err(SettleRefused { error, ticket });
        };
        let logged = self.log.append(record).map_err(EngineError::from);
        match logged {
            Ok(receipt) => Ok((receipt.sequence, hold)),
            Err(error) => {
                self.open.lock().insert(decision_sequence, hold);
                Err(SettleRefused { error, ticket })
            }
        }
    }
}

/// Asks the tenant's budget for the cost of a decision.
fn admit(
    tenant: &Tenant,
    decision: &Decision,
) -> Result<(Admission, Option<Reservation>), EngineError> {
    if decision.selected_model_id.is_none() {
        return Ok((Admission::NotAsked, None));
    }
    let refused = match tenant.try_hold(decision.estimated_cost_microunits) {
        Ok(reservation) => return Ok((Admission::Reserved, Some(reservation))),
        Err(refused) => refused,
    };
    let admission = match refused {
        BudgetError::Insufficient { available_microunits, .. } => {
            Admission::Insufficient { available_microunits }
        }
        BudgetError::AmountTooLarge { .. } => {
            let available_microunits = tenant.snapshot().available_microunits;
            Admission::Insufficient { available_microunits }
        }
        BudgetError::Frozen { .. } => Admission::Frozen,
        BudgetError::InDebt { debt_microunits, .. } => Admission::InDebt { debt_microunits },
        BudgetError::Exposed { reserved_microunits, cap_microunits, .. } => {
            Admission::Exposed { reserved_microunits, cap_microunits }
        }
        error => return Err(error.into()),
    };
    Ok((admission, None))
}

/// The most bytes that a correlation id may have: a W3C trace parent has 55, a UUID 36.
pub const MAX_CORRELATION_ID_BYTES: usize = 64;

/// A snapshot is one record: some million models fit.
const LONGEST_RECORD_BYTES: u32 = 64 * 1024 * 1024;
