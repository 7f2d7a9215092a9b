//! The amounts that were spent according to a log, each with its tenant, model and time.

use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;
use std::rc::Rc;

use calybris_core::budget::Totals;
use calybris_core::engine::{
    Admission, Entry, Ledger, Names, OpenTicket, Posting, PostingKind, Record, Snapshot, Statement,
};
use calybris_core::wal::LogId;

use crate::failure::Failure;
use crate::log::arguments::LogArguments;
use crate::log::beginning::check_records;
use crate::log::columns::time_of;
use crate::log::naming::{model_name, provider_name};
use crate::terminal::progress_bar;

/// The model that a call went to, and its provider.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Served {
    pub(crate) model: String,
    pub(crate) provider: String,
}

/// A call that the budget admitted, with what its settlement needs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Call {
    /// When it was decided; `None` if the record of that was dropped.
    pub(crate) decided_unix_ms: Option<u64>,
    /// The model that it went to last; `None` if the record that names it was dropped.
    pub(crate) served: Option<Rc<Served>>,
    pub(crate) prompt_tokens: u64,
    pub(crate) completion_tokens: u64,
}

/// An amount that was spent, or given back.
pub(crate) struct Spent {
    pub(crate) posting: Posting,
    /// When the record that says so was made; `None` for what was spent before the log's first record.
    pub(crate) time_unix_ms: Option<u64>,
    /// The decision and the call that were settled.
    pub(crate) call: Option<(u64, Call)>,
    /// The cost of the call above the amount that the tenant was charged.
    pub(crate) uncharged_microunits: i128,
}

impl Spent {
    /// The model and its provider, if it is known.
    pub(crate) fn served(&self) -> Option<&Rc<Served>> {
        self.call.as_ref().and_then(|(_, call)| call.served.as_ref())
    }

    /// Whether it belongs to a period. An amount without a known time belongs only to [`ALL_TIME`].
    pub(crate) fn is_of(&self, period: &Range<u64>) -> bool {
        self.time_unix_ms.map_or(*period == ALL_TIME, |time| period.contains(&time))
    }
}

/// The period of everything.
pub(crate) const ALL_TIME: Range<u64> = 0..u64::MAX;

/// A record with the amounts that it spent.
pub(crate) struct Line {
    pub(crate) entry: Entry,
    pub(crate) spent: Vec<Spent>,
    /// Of a decision: the name of the requested model, if the catalog does not list that model.
    pub(crate) requested_unlisted: Option<String>,
}

/// A reader of the amounts that a log spent.
pub(crate) struct Spending {
    dir: PathBuf,
    statement: Statement,
    bar: indicatif::ProgressBar,
    /// The open calls, by the sequence of their decision.
    calls: HashMap<u64, Call>,
    /// By the sequence of a snapshot and the number of a model in it.
    served: HashMap<(u64, u32), Rc<Served>>,
    lines: u64,
}

/// A log that was read to its end.
pub(crate) struct Books {
    pub(crate) ledger: Ledger,
    /// The sums over all tenants.
    pub(crate) total: Totals,
    /// The tickets that are neither settled nor abandoned, with their calls.
    pub(crate) open: Vec<(OpenTicket, Call)>,
}

impl Spending {
    pub(crate) fn open(log: &LogArguments) -> Result<Self, Failure> {
        let (dir, key) = (log.dir(), log.key()?);
        let statement =
            Statement::open(dir, key.as_ref()).map_err(|error| Failure::of_engine(dir, &error))?;
        let bar = progress_bar("{bar:30} {binary_bytes} of {binary_total_bytes} read, {eta} left");
        Ok(Self {
            dir: dir.to_owned(),
            statement,
            bar,
            calls: HashMap::new(),
            served: HashMap::new(),
            lines: 0,
        })
    }

    pub(crate) fn log_id(&self) -> LogId {
        self.statement.log_id()
    }

    pub(crate) fn is_keyed(&self) -> bool {
        self.statement.is_keyed()
    }

    /// The next record.
    pub(crate) fn next(&mut self) -> Result<Option<Line>, Failure> {
        let failed = |error| Failure::of_engine(&self.dir, &error);
        let Some(line) = self.statement.next().transpose().map_err(failed)? else {
            self.bar.finish_and_clear();
            return Ok(None);
        };
        self.lines = self.lines.saturating_add(1);
        if self.lines.is_multiple_of(BAR_EVERY_LINES)
            && let Ok((read, all)) = self.statement.progress_bytes()
        {
            self.bar.set_length(all);
            self.bar.set_position(read);
        }
        let (entry, postings) = (line.entry, line.postings);
        let call = self.follow(&entry);
        let uncharged = |posting: &Posting| match entry.record {
            Record::Settled { actual_cost, .. } => {
                i128::from(actual_cost.get()) - posting.amount_microunits
            }
            _ => 0,
        };
        let time = |posting: &Posting| match posting.kind {
            PostingKind::BroughtForward => None,
            PostingKind::Settled | PostingKind::Refunded => Some(time_of(&entry.record)),
        };
        let spent = postings.into_iter().map(|posting| Spent {
            time_unix_ms: time(&posting),
            uncharged_microunits: uncharged(&posting),
            call: call.clone(),
            posting,
        });
        let spent = spent.collect();
        let requested_unlisted = self.requested_unlisted(&entry.record);
        Ok(Some(Line { entry, spent, requested_unlisted }))
    }

    /// Reads to the end and closes the books.
    pub(crate) fn finish(mut self) -> Result<Books, Failure> {
        while self.next()?.is_some() {}
        let ledger =
            self.statement.finish().map_err(|error| Failure::of_engine(&self.dir, &error))?;
        check_records(&self.dir, ledger.records)?;
        let total = match &ledger.conservation {
            Ok(total) => *total,
            Err(error) => return Err(Failure::of_conservation(&self.dir, error)),
        };
        let open = ledger.open_tickets.iter().map(|ticket| {
            (ticket.clone(), self.calls.remove(&ticket.decision_sequence).unwrap_or_default())
        });
        let open = open.collect();
        Ok(Books { ledger, total, open })
    }

    /// Keeps track of open calls. Returns the call that a record settles.
    fn follow(&mut self, entry: &Entry) -> Option<(u64, Call)> {
        match &entry.record {
            Record::Decided(decided) => {
                let model_id = decided.decision.selected_model_id?;
                if decided.admission == Admission::Reserved {
                    let call = Call {
                        decided_unix_ms: Some(decided.time.get()),
                        served: Some(self.served(decided.snapshot_sequence, model_id)),
                        prompt_tokens: decided.request.usage.prompt_tokens(),
                        completion_tokens: decided.request.usage.completion_tokens(),
                    };
                    self.calls.insert(entry.sequence, call);
                }
                None
            }
            Record::FellBack {
                decision_sequence, snapshot_sequence, fallback: Some(next), ..
            } => {
                let served = self.served(*snapshot_sequence, next.model_id);
                self.calls.entry(*decision_sequence).or_default().served = Some(served);
                None
            }
            Record::Settled { decision_sequence, .. } => {
                let call = self.calls.remove(decision_sequence).unwrap_or_default();
                Some((*decision_sequence, call))
            }
            Record::Abandoned { decision_sequence, .. } => {
                self.calls.remove(decision_sequence);
                None
            }
            _ => None,
        }
    }

    fn requested_unlisted(&self, record: &Record<'_>) -> Option<String> {
        let Record::Decided(decided) = record else { return None };
        let model_id = decided.request.requested_model_id;
        let snapshot = self.statement.snapshot(decided.snapshot_sequence)?;
        let is_listed = snapshot.policy_snapshot().model(model_id).is_some();
        (!is_listed).then(|| model_name(snapshot.names(), model_id))
    }

    fn served(&mut self, snapshot_sequence: u64, model_id: u32) -> Rc<Served> {
        let statement = &self.statement;
        let named = || {
            let snapshot = statement.snapshot(snapshot_sequence);
            let no_names = Names::default();
            let names = snapshot.map_or(&no_names, |snapshot| snapshot.names());
            let model = snapshot.and_then(|snapshot: &std::sync::Arc<Snapshot>| {
                snapshot.policy_snapshot().model(model_id)
            });
            Rc::new(Served {
                model: model_name(names, model_id),
                provider: model
                    .map_or_else(String::new, |model| provider_name(names, model.provider_id)),
            })
        };
        Rc::clone(self.served.entry((snapshot_sequence, model_id)).or_insert_with(named))
    }
}

/// The bar moves once in so many lines.
const BAR_EVERY_LINES: u64 = 4_096;
