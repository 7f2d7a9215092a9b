//! The statement: a log's records in order, each with what it changed in what the tenants have spent.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use calybris_budget::{BudgetEvent, Replay, Tenant};
use calybris_wal::{Key, LogId};

use crate::error::{EngineError, contradiction};
use crate::fold::Fold;
use crate::history::{Entry, History};
use crate::ledger::Ledger;
use crate::record::{Checkpoint, Record};
use crate::snapshot::Snapshot;

/// Reads a log as [`Ledger::read`] does, and hands out each record with its [`Posting`]s.
///
/// The amount of a posting is the difference that the record made to the tenant's committed amount, read from the account
/// itself. So the postings of a log add up to the committed amounts of the [`Ledger`], however they are grouped. Each posting
/// belongs to the tenant of the call or the refund. The committed amounts of the tenants above it include it, and they get
/// no posting of their own.
///
/// ```
#[doc = include_str!("doc_world.txt")]
/// use calybris_engine::Statement;
///
/// let ticket = engine.decide(&call)?.ticket.ok_or("refused")?;
/// engine.settle(ticket, Microunits::new(6_100), UnixMillis::new(3))?;
///
/// let mut statement = Statement::open(&dir, None)?;
/// let mut spent = 0;
/// while let Some(line) = statement.next() {
///     spent += line?.postings.iter().map(|posting| posting.amount_microunits).sum::<i128>();
/// }
/// assert_eq!(spent, 6_100);
/// assert_eq!(statement.finish()?.conservation?.committed_microunits, 6_100);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Statement {
    history: History,
    fold: Fold,
    failed: bool,
}

/// A record with what it changed in what the tenants have spent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StatementLine {
    /// The record.
    pub entry: Entry,
    /// One for a settlement or a refund; one for each tenant where the log begins with a checkpoint; otherwise none.
    pub postings: Vec<Posting>,
}

/// A change of what a tenant has spent itself, without the tenants below it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Posting {
    /// Whose call or refund it is.
    pub tenant: String,
    /// Why the amount changed.
    pub kind: PostingKind,
    /// By how much: above 0 for a settlement, below 0 for a refund.
    pub amount_microunits: i128,
}

/// Why a spent amount changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "committed amounts change in no other way")]
pub enum PostingKind {
    /// It was spent before the first record that the log still holds. The checkpoint there says how much, and nothing says
    /// when or for which models.
    BroughtForward,
    /// A call was settled. The amount is what the tenant was charged.
    Settled,
    /// A part of what was spent was given back.
    Refunded,
}

impl Statement {
    /// Opens the log in `dir`, with its key if it is keyed.
    ///
    /// # Errors
    /// As of [`History::open`].
    pub fn open(dir: impl AsRef<Path>, key: Option<&Key>) -> Result<Self, EngineError> {
        let history = History::open(dir, key)?;
        Ok(Self { history, fold: Fold::audited(), failed: false })
    }

    /// The snapshot that the record at that sequence installed, if it was passed.
    #[must_use]
    pub fn snapshot(&self, sequence: u64) -> Option<&Arc<Snapshot>> {
        self.history.snapshot(sequence)
    }

    /// The log's id.
    #[must_use]
    pub fn log_id(&self) -> LogId {
        self.history.log_id()
    }

    /// Whether the log is chained with a key.
    #[must_use]
    pub fn is_keyed(&self) -> bool {
        self.history.is_keyed()
    }

    /// How many bytes of the log it has gone over, and how many the log has.
    ///
    /// # Errors
    /// As of [`History::progress_bytes`].
    pub fn progress_bytes(&self) -> Result<(u64, u64), EngineError> {
        self.history.progress_bytes()
    }

    /// Reads what is left of the log, and answers its ledger.
    ///
    /// # Errors
    /// As of [`Ledger::read`].
    pub fn finish(mut self) -> Result<Ledger, EngineError> {
        for line in self.by_ref() {
            line?;
        }
        Ledger::of(self.fold)
    }

    fn line(&mut self, entry: Entry) -> Result<StatementLine, EngineError> {
        let first = self.fold.records == 0;
        let moved = self.moved_by(&entry.record);
        let before = moved.as_ref().map(|(tenant, _)| committed(tenant));
        self.fold.apply(entry.sequence, entry.record.clone())?;
        let mut postings = Vec::new();
        if let (Some((tenant, kind)), Some(before)) = (moved, before) {
            let amount_microunits = committed(&tenant) - before;
            postings.push(Posting { tenant: tenant.name().to_owned(), kind, amount_microunits });
        }
        if let (true, Record::Checkpoint(checkpoint)) = (first, &entry.record) {
            brought_forward(entry.sequence, checkpoint, &mut postings)?;
        }
        Ok(StatementLine { entry, postings })
    }

    /// The tenant whose spent amount a record changes, and why.
    fn moved_by(&self, record: &Record<'_>) -> Option<(Tenant, PostingKind)> {
        match record {
            Record::Settled { decision_sequence, .. } => {
                let reservation = self.fold.budget.reservation((*decision_sequence).into())?;
                Some((reservation.tenant().clone(), PostingKind::Settled))
            }
            Record::BudgetChanged { event: BudgetEvent::Refunded { tenant, .. }, .. } => {
                Some((self.fold.budget.tenant(tenant)?, PostingKind::Refunded))
            }
            _ => None,
        }
    }
}

impl Iterator for Statement {
    type Item = Result<StatementLine, EngineError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let line = self.history.next()?.and_then(|entry| self.line(entry));
        self.failed = line.is_err();
        Some(line)
    }
}

fn committed(tenant: &Tenant) -> i128 {
    tenant.snapshot().committed.get().into()
}

/// The amount that each tenant of a checkpoint has spent itself: its committed amount less those of the tenants right below
/// it. It is negative after a refund to a tenant that spent nothing itself.
fn brought_forward(
    sequence: u64,
    checkpoint: &Checkpoint<'_>,
    postings: &mut Vec<Posting>,
) -> Result<(), EngineError> {
    let replay = Replay::from_state(&checkpoint.budget)
        .map_err(|error| contradiction(sequence, error.to_string()))?;
    let tenants = replay.finish().engine.tenants();
    let mut below = BTreeMap::<&str, i128>::new();
    for tenant in &tenants {
        if let Some(parent) = tenant.parent() {
            *below.entry(parent.name()).or_default() += committed(tenant);
        }
    }
    for tenant in &tenants {
        let amount_microunits =
            committed(tenant) - below.get(tenant.name()).copied().unwrap_or_default();
        if amount_microunits != 0 {
            let kind = PostingKind::BroughtForward;
            postings.push(Posting { tenant: tenant.name().to_owned(), kind, amount_microunits });
        }
    }
    Ok(())
}
