//! The report of a log: spending by tenant, model and day, exhausted budgets, rejections, the most expensive calls.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::rc::Rc;

use calybris_core::engine::{Admission, Decided, OpenTicket, Record};
use calybris_core::kernel::Reason;
use calybris_core::wal::{Anchor, Hash};

use super::axis::DAY_MS;
use super::spend::Sums;
use super::timeline::Timeline;
use crate::failure::Failure;
use crate::log::beginning::first_of;
use crate::log::columns::{refusal_word, time_of};
use crate::log::spending::{ALL_TIME, Books, Call, Line, Served, Spending, Spent};

/// Decisions and amounts of a part of the log.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Part {
    pub(crate) decisions: u64,
    /// Rejected by the kernel.
    pub(crate) rejected: u64,
    /// Decided, and refused by the budget: too little money, a frozen tenant, debt, a cap.
    pub(crate) unfunded: u64,
    pub(crate) abandoned: u64,
    pub(crate) sums: Sums,
}

/// Why a decision got no ticket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Refusal {
    /// The code of the kernel's reason; `None` if it was the budget.
    pub(crate) code: Option<u16>,
    pub(crate) words: String,
}

/// A tenant whose budget did not suffice.
#[derive(Clone, Debug)]
pub(crate) struct Dry {
    /// The sequence of the first decision that it could not pay for.
    pub(crate) first_sequence: u64,
    pub(crate) first_unix_ms: u64,
    /// The amount available then, and the cost of that decision.
    pub(crate) available_microunits: u64,
    pub(crate) needed_microunits: u64,
    /// How many decisions could not be paid for.
    pub(crate) decisions: u64,
    /// Their total cost, had they been carried out.
    pub(crate) missed_microunits: u128,
    pub(crate) last_unix_ms: u64,
}

/// One of the most expensive calls.
#[derive(Clone, Debug)]
pub(crate) struct Large {
    pub(crate) decision_sequence: u64,
    pub(crate) settled_unix_ms: u64,
    pub(crate) tenant: String,
    pub(crate) served: Option<Rc<Served>>,
    /// Tokens of the prompt and of the completion.
    pub(crate) tokens: Option<(u64, u64)>,
    pub(crate) charged_microunits: i128,
}

/// A record's place in the log.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place {
    pub(crate) sequence: u64,
    pub(crate) unix_ms: u64,
}

/// A log that was read from its first record to its last.
pub(crate) struct Overview {
    pub(crate) log: PathBuf,
    pub(crate) head: Anchor,
    pub(crate) keyed: bool,
    pub(crate) first: Place,
    pub(crate) last: Place,
    pub(crate) books: Books,
    pub(crate) found: Found,
}

/// The sums over a period of a log.
pub(crate) struct Found {
    pub(crate) period: Range<u64>,
    pub(crate) total: Part,
    /// The amount spent before the log's first record. It is left out if the period has a bound.
    pub(crate) left_out_microunits: i128,
    pub(crate) tenants: BTreeMap<String, Part>,
    /// `None` for amounts without a known model: refunds, and what was spent before the first record.
    pub(crate) models: BTreeMap<Option<Rc<Served>>, Sums>,
    /// By day, counted from 1970; `None` for what was spent before the first record.
    pub(crate) days: BTreeMap<Option<u64>, Part>,
    pub(crate) dry: BTreeMap<String, Dry>,
    pub(crate) refusals: BTreeMap<Refusal, u64>,
    /// Requested models that the catalog did not list, with the number of decisions.
    pub(crate) unlisted: BTreeMap<String, u64>,
    pub(crate) timeline: Timeline,
    /// The largest first; equal ones in order of the log.
    pub(crate) largest: Vec<Large>,
    /// The earliest and the latest time at which a decision was made.
    pub(crate) decided_unix_ms: Option<(u64, u64)>,
    /// The tenants of open tickets: a record that abandons a ticket does not name the tenant.
    open: BTreeMap<u64, String>,
}

/// How many of the largest calls are kept.
const LARGEST_CALLS: usize = 20;

impl Overview {
    /// Reads the log.
    pub(crate) fn read(
        mut spending: Spending,
        log: PathBuf,
        period: Range<u64>,
    ) -> Result<Self, Failure> {
        let log_id = spending.log_id();
        let keyed = spending.is_keyed();
        let mut found = Found::of(period);
        let mut head = Anchor { log_id, sequence: 0, hash: Hash::from_bytes([0; 32]) };
        let (mut first, mut last) = (None, Place::default());
        while let Some(line) = spending.next()? {
            let entry = &line.entry;
            (head.sequence, head.hash) = (entry.sequence, entry.hash);
            last = Place { sequence: entry.sequence, unix_ms: time_of(&entry.record) };
            first.get_or_insert(last);
            found.add(&line);
        }
        let books = spending.finish()?;
        for (ticket, call) in &books.open {
            found.open_at_the_end(ticket, call);
        }
        for account in &books.ledger.accounts {
            found.tenants.entry(account.tenant.clone()).or_default();
        }
        let first = first.unwrap_or_default();
        Ok(Self { log, head, keyed, first, last, books, found })
    }

    /// The sequence of the first record that the log still holds.
    pub(crate) fn first_sequence(&self) -> u64 {
        first_of(self.books.ledger.records, self.head.sequence)
    }
}

impl Found {
    fn of(period: Range<u64>) -> Self {
        Self {
            period,
            total: Part::default(),
            left_out_microunits: 0,
            tenants: BTreeMap::new(),
            models: BTreeMap::new(),
            days: BTreeMap::new(),
            dry: BTreeMap::new(),
            refusals: BTreeMap::new(),
            unlisted: BTreeMap::new(),
            timeline: Timeline::new(),
            largest: Vec::new(),
            decided_unix_ms: None,
            open: BTreeMap::new(),
        }
    }

    fn add(&mut self, line: &Line) {
        for spent in &line.spent {
            self.spent(spent);
        }
        match &line.entry.record {
            Record::Decided(decided) => {
                self.decided(line.entry.sequence, decided);
                if let Some(model) = &line.requested_unlisted
                    && self.period.contains(&decided.time.get())
                {
                    *self.unlisted.entry(model.clone()).or_default() += 1;
                }
            }
            Record::Settled { decision_sequence, .. } => {
                self.open.remove(decision_sequence);
            }
            Record::Abandoned { time, decision_sequence } => {
                let time_unix_ms = time.get();
                let tenant = self.open.remove(decision_sequence);
                if self.period.contains(&time_unix_ms) {
                    self.each_part(tenant.as_deref(), time_unix_ms, |part| part.abandoned += 1);
                }
            }
            _ => {}
        }
    }

    fn spent(&mut self, spent: &Spent) {
        if !spent.is_of(&self.period) {
            if spent.time_unix_ms.is_none() {
                let amount = spent.posting.amount_microunits;
                self.left_out_microunits = self.left_out_microunits.saturating_add(amount);
            }
            return;
        }
        self.total.sums.add(spent);
        self.tenants.entry(spent.posting.tenant.clone()).or_default().sums.add(spent);
        self.days.entry(spent.time_unix_ms.map(day_number)).or_default().sums.add(spent);
        let served = spent.served().cloned();
        self.models.entry(served.clone()).or_default().add(spent);
        let Some(time) = spent.time_unix_ms else { return };
        let bucket = self.timeline.at(time);
        let amount = spent.posting.amount_microunits;
        bucket.spent_microunits = bucket.spent_microunits.saturating_add(amount);
        let Some((decision_sequence, call)) = &spent.call else { return };
        bucket.calls += 1;
        let at = self.largest.partition_point(|large| large.charged_microunits >= amount);
        if at < LARGEST_CALLS {
            let large = Large {
                decision_sequence: *decision_sequence,
                settled_unix_ms: time,
                tenant: spent.posting.tenant.clone(),
                served,
                tokens: call.decided_unix_ms.map(|_| (call.prompt_tokens, call.completion_tokens)),
                charged_microunits: amount,
            };
            self.largest.insert(at, large);
            self.largest.truncate(LARGEST_CALLS);
        }
    }

    fn decided(&mut self, sequence: u64, decided: &Decided<'_>) {
        if decided.admission == Admission::Reserved {
            self.open.insert(sequence, decided.tenant.to_string());
        }
        let time = decided.time.get();
        if !self.period.contains(&time) {
            return;
        }
        let refused = decided.admission.is_refusal();
        let rejected = decided.decision.selected_model_id.is_none();
        self.each_part(Some(&decided.tenant), time, |part| {
            part.decisions += 1;
            part.rejected += u64::from(rejected);
            part.unfunded += u64::from(refused);
        });
        let (from, to) = self.decided_unix_ms.unwrap_or((time, time));
        self.decided_unix_ms = Some((from.min(time), to.max(time)));
        self.timeline.at(time).decisions += 1;
        if rejected || refused {
            let refusal = match rejected {
                true => Refusal::by_kernel(decided.decision.reason),
                false => Refusal { code: None, words: refusal_word(decided.admission).to_owned() },
            };
            *self.timeline.at(time).refusals.entry(refusal.words.clone()).or_default() += 1;
            *self.refusals.entry(refusal).or_default() += 1;
        }
        if let Admission::Insufficient { available } = decided.admission {
            let needed_microunits = decided.decision.estimated_cost.get();
            let dry = self.dry.entry(decided.tenant.to_string()).or_insert_with(|| Dry {
                first_sequence: sequence,
                first_unix_ms: time,
                available_microunits: available.get(),
                needed_microunits,
                decisions: 0,
                missed_microunits: 0,
                last_unix_ms: time,
            });
            dry.decisions += 1;
            dry.missed_microunits += u128::from(needed_microunits);
            dry.last_unix_ms = time;
        }
    }

    /// Tenants in order of their spending, the largest first.
    pub(crate) fn tenants_by_spend(&self) -> Vec<(&String, &Part)> {
        let mut tenants: Vec<_> = self.tenants.iter().collect();
        tenants.sort_by_key(|(_, part)| Reverse(part.sums.spent()));
        tenants
    }

    /// Models in order of the spending on them, the largest first.
    pub(crate) fn models_by_spend(&self) -> Vec<(&Option<Rc<Served>>, &Sums)> {
        let mut models: Vec<_> = self.models.iter().collect();
        models.sort_by_key(|(_, sums)| Reverse(sums.spent()));
        models
    }

    /// Reasons in order of their frequency, the most frequent first.
    pub(crate) fn refusals_by_count(&self) -> Vec<(&Refusal, u64)> {
        let mut refusals: Vec<_> =
            self.refusals.iter().map(|(refusal, count)| (refusal, *count)).collect();
        refusals.sort_by_key(|(_, count)| Reverse(*count));
        refusals
    }

    /// Requested models outside the catalog, the most requested first.
    pub(crate) fn unlisted_by_count(&self) -> Vec<(&String, u64)> {
        let mut unlisted: Vec<_> =
            self.unlisted.iter().map(|(model, count)| (model, *count)).collect();
        unlisted.sort_by_key(|(_, count)| Reverse(*count));
        unlisted
    }

    /// Tenants that ran out of budget, in the order in which they did.
    pub(crate) fn dry_by_time(&self) -> Vec<(&String, &Dry)> {
        let mut dry: Vec<_> = self.dry.iter().collect();
        dry.sort_by_key(|(_, dry)| dry.first_sequence);
        dry
    }

    fn open_at_the_end(&mut self, ticket: &OpenTicket, call: &Call) {
        let time = call.decided_unix_ms;
        if !time.map_or(self.period == ALL_TIME, |time| self.period.contains(&time)) {
            return;
        }
        self.total.sums.add_open(ticket);
        self.tenants.entry(ticket.tenant.clone()).or_default().sums.add_open(ticket);
        self.days.entry(time.map(day_number)).or_default().sums.add_open(ticket);
        self.models.entry(call.served.clone()).or_default().add_open(ticket);
    }

    fn each_part(&mut self, tenant: Option<&str>, unix_ms: u64, change: impl Fn(&mut Part)) {
        change(&mut self.total);
        change(self.days.entry(Some(day_number(unix_ms))).or_default());
        if let Some(tenant) = tenant {
            change(self.tenants.entry(tenant.to_owned()).or_default());
        }
    }
}

impl Refusal {
    fn by_kernel(reason: Reason) -> Self {
        Self { code: Some(reason.code()), words: reason.to_string() }
    }
}

const fn day_number(unix_ms: u64) -> u64 {
    unix_ms / DAY_MS
}
