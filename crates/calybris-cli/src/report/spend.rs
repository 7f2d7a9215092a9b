//! Spending in rows by tenant, provider, model, day or month: as a table, as CSV and as JSON.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use calybris_core::budget::Totals;
use calybris_core::engine::{OpenTicket, PostingKind};
use calybris_core::wal::Anchor;
use clap::ValueEnum;
use serde_json::{Map, Value, json};

use crate::amount::{grouped, signed_money};
use crate::log::beginning::{dropped, first_of};
use crate::log::spending::{ALL_TIME, Call, Spent};
use crate::output::Page;
use crate::table::table;
use crate::time::{day, month, rfc3339, to_the_second};

/// A field that rows are grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Column {
    Tenant,
    Provider,
    Model,
    Day,
    Month,
}

impl Column {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Provider => "provider",
            Self::Model => "model",
            Self::Day => "day",
            Self::Month => "month",
        }
    }
}

/// Amounts of one row in microunits, and how many calls they are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    /// Calls that were settled.
    pub(crate) calls: u64,
    /// The amount that tenants were charged for them.
    pub(crate) settled: i128,
    /// Their cost above the amount charged.
    pub(crate) uncharged: i128,
    pub(crate) refunded: i128,
    /// What was spent before the log's first record.
    pub(crate) brought_forward: i128,
    /// Calls that are neither settled nor abandoned.
    pub(crate) open_calls: u64,
    /// What is reserved for them. It is not spent.
    pub(crate) open: i128,
}

impl Sums {
    /// The amount spent: the sum of all postings.
    pub(crate) const fn spent(&self) -> i128 {
        self.brought_forward.saturating_add(self.settled).saturating_sub(self.refunded)
    }

    pub(crate) fn add(&mut self, spent: &Spent) {
        let amount = spent.posting.amount_microunits;
        match spent.posting.kind {
            PostingKind::Settled => {
                self.calls = self.calls.saturating_add(1);
                self.settled = self.settled.saturating_add(amount);
                self.uncharged = self.uncharged.saturating_add(spent.uncharged_microunits);
            }
            PostingKind::Refunded => self.refunded = self.refunded.saturating_sub(amount),
            PostingKind::BroughtForward => {
                self.brought_forward = self.brought_forward.saturating_add(amount);
            }
        }
    }

    pub(crate) fn add_open(&mut self, ticket: &OpenTicket) {
        self.open_calls = self.open_calls.saturating_add(1);
        self.open = self.open.saturating_add(ticket.reserved.get().into());
    }

    /// Every amount and count with its JSON name.
    pub(crate) fn fields(&self) -> [(&'static str, i128); 8] {
        [
            ("calls", self.calls.into()),
            ("settled_microunits", self.settled),
            ("refunded_microunits", self.refunded),
            ("brought_forward_microunits", self.brought_forward),
            ("spent_microunits", self.spent()),
            ("uncharged_microunits", self.uncharged),
            ("open_calls", self.open_calls.into()),
            ("open_microunits", self.open),
        ]
    }

    pub(crate) fn object(&self) -> Map<String, Value> {
        self.fields().into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect()
    }
}

/// The cell of a group; unknown values sort last.
type Cell = (bool, String);

/// Spending in groups.
pub(crate) struct Spend {
    by: Vec<Column>,
    period: Range<u64>,
    rows: BTreeMap<Vec<Cell>, Sums>,
    total: Sums,
    /// The amount spent before the log's first record. It is left out if the period has a bound.
    left_out: i128,
}

/// Which log it was, and its ledger.
pub(crate) struct Read {
    pub(crate) log: PathBuf,
    pub(crate) records: u64,
    pub(crate) head: Anchor,
    pub(crate) ledger_total: Totals,
}

impl Spend {
    pub(crate) fn new(by: Vec<Column>, period: Range<u64>) -> Self {
        let (rows, total) = (BTreeMap::new(), Sums::default());
        Self { by, period, rows, total, left_out: 0 }
    }

    /// Adds an amount. It counts at the time of the settlement or the refund.
    pub(crate) fn add(&mut self, spent: &Spent) {
        if !spent.is_of(&self.period) {
            if spent.time_unix_ms.is_none() {
                self.left_out = self.left_out.saturating_add(spent.posting.amount_microunits);
            }
            return;
        }
        let served = spent.served();
        let key = self.key(
            &spent.posting.tenant,
            served.map(|served| served.provider.as_str()),
            served.map(|served| served.model.as_str()),
            spent.time_unix_ms,
        );
        self.rows.entry(key).or_default().add(spent);
        self.total.add(spent);
    }

    /// Adds an open call. It counts at the time of the decision.
    pub(crate) fn add_open(&mut self, ticket: &OpenTicket, call: &Call) {
        let time = call.decided_unix_ms;
        if !time.map_or(self.period == ALL_TIME, |time| self.period.contains(&time)) {
            return;
        }
        let served = call.served.as_ref();
        let key = self.key(
            &ticket.tenant,
            served.map(|served| served.provider.as_str()),
            served.map(|served| served.model.as_str()),
            time,
        );
        self.rows.entry(key).or_default().add_open(ticket);
        self.total.add_open(ticket);
    }

    fn key(
        &self,
        tenant: &str,
        provider: Option<&str>,
        model: Option<&str>,
        time_unix_ms: Option<u64>,
    ) -> Vec<Cell> {
        let cell = |column: &Column| {
            let text = match column {
                Column::Tenant => Some(tenant.to_owned()),
                Column::Provider => provider.map(str::to_owned),
                Column::Model => model.map(str::to_owned),
                Column::Day => time_unix_ms.map(day),
                Column::Month => time_unix_ms.map(month),
            };
            (text.is_none(), text.unwrap_or_default())
        };
        self.by.iter().map(cell).collect()
    }

    pub(crate) fn page(&self, read: &Read) -> Page {
        let mut page = Page::default();
        let first = first_of(read.records, read.head.sequence);
        page.line(format_args!(
            "{} at record {}: spent by {}",
            read.log.display(),
            read.head.sequence,
            self.by_words()
        ));
        if let Some(bounds) = self.bounds() {
            page.line(bounds);
        }
        if let Some(dropped) = dropped(first) {
            page.line(dropped);
        }
        page.line("");
        let shown: Vec<&Measure> =
            MEASURES.iter().filter(|measure| (measure.shown)(&self.total)).collect();
        let mut header: Vec<&str> = self.by.iter().map(|column| column.name()).collect();
        let words = header.len();
        header.extend(shown.iter().map(|measure| measure.name));
        let numeric: Vec<usize> = (words..header.len()).collect();
        let cells = |sums: &Sums| shown.iter().map(|measure| (measure.written)(sums)).collect();
        let row = |(key, sums): (&Vec<Cell>, &Sums)| {
            let names = key.iter().map(|(unknown, text)| match unknown {
                true => UNKNOWN.to_owned(),
                false => text.clone(),
            });
            let cells: Vec<String> = cells(sums);
            names.chain(cells).collect::<Vec<_>>()
        };
        let mut total = vec![String::new(); words];
        if let Some(first) = total.first_mut() {
            "(all)".clone_into(first);
        }
        total.extend(cells(&self.total));
        page.line(table(&header, &numeric, self.rows.iter().map(row).chain([total])));
        page.line("amounts in currency units of 1,000,000 microunits");
        for note in self.notes(read) {
            page.wrapped("", &note);
        }
        page
    }

    /// Notes that explain the rows.
    fn notes(&self, read: &Read) -> Vec<String> {
        let mut notes = Vec::new();
        let first = first_of(read.records, read.head.sequence);
        if self.total.brought_forward != 0 {
            notes.push(format!(
                "What was spent before record {first} is taken from the checkpoint there, which says neither the model nor \
                 the time."
            ));
        }
        if self.left_out != 0 {
            notes.push(format!(
                "Not included: {} spent before record {first}, at a time that the log no longer knows.",
                signed_money(self.left_out)
            ));
        }
        if self.period == ALL_TIME {
            let committed = read.ledger_total.committed_microunits;
            if u128::try_from(self.total.spent()) == Ok(committed) {
                notes.push("The total is what `calybris budget` says is committed.".to_owned());
            }
        }
        notes
    }

    fn by_words(&self) -> String {
        let names: Vec<&str> = self.by.iter().map(|column| column.name()).collect();
        names.join(", ")
    }

    fn bounds(&self) -> Option<String> {
        let since = (self.period.start > 0)
            .then(|| format!("from {} UTC on", to_the_second(self.period.start)));
        let until = (self.period.end < u64::MAX)
            .then(|| format!("before {} UTC", to_the_second(self.period.end)));
        let bounds: Vec<String> = since.into_iter().chain(until).collect();
        (!bounds.is_empty()).then(|| bounds.join(", "))
    }

    /// The rows with a header, for spreadsheets: amounts are whole microunits, and there is no row for the total.
    pub(crate) fn csv(&self) -> Vec<Vec<String>> {
        let mut header: Vec<String> =
            self.by.iter().map(|column| column.name().to_owned()).collect();
        header.extend(Sums::default().fields().map(|(name, _)| name.to_owned()));
        let row = |(key, sums): (&Vec<Cell>, &Sums)| {
            let names = key.iter().map(|(_, text)| text.clone());
            names.chain(sums.fields().map(|(_, value)| value.to_string())).collect()
        };
        [header].into_iter().chain(self.rows.iter().map(row)).collect()
    }

    /// For machines: amounts are whole microunits.
    pub(crate) fn object(&self, read: &Read) -> Value {
        let bound = |time: u64, open: u64| (time != open).then(|| rfc3339(time));
        let row = |(key, sums): (&Vec<Cell>, &Sums)| {
            let mut object = Map::new();
            for (column, (unknown, text)) in self.by.iter().zip(key) {
                let cell = if *unknown { Value::Null } else { json!(text) };
                object.insert(column.name().to_owned(), cell);
            }
            object.extend(sums.object());
            Value::Object(object)
        };
        json!({
            "kind": "spend",
            "log": read.log.display().to_string(),
            "log_id": read.head.log_id,
            "head": read.head.to_string(),
            "first_sequence": first_of(read.records, read.head.sequence),
            "records": read.records,
            "by": self.by.iter().map(|column| column.name()).collect::<Vec<_>>(),
            "since": bound(self.period.start, 0),
            "until": bound(self.period.end, u64::MAX),
            "rows": self.rows.iter().map(row).collect::<Vec<_>>(),
            "total": self.total.object(),
            "left_out_brought_forward_microunits": self.left_out,
            "ledger_committed_microunits": read.ledger_total.committed_microunits,
        })
    }
}

/// The text of a cell whose value the log does not have.
pub(crate) const UNKNOWN: &str = "(unknown)";

/// A column of amounts or counts.
struct Measure {
    name: &'static str,
    /// Whether the column is shown for these sums.
    shown: fn(&Sums) -> bool,
    written: fn(&Sums) -> String,
}

const MEASURES: [Measure; 7] = [
    Measure { name: "calls", shown: |_| true, written: |sums| grouped(sums.calls) },
    Measure {
        name: "settled",
        shown: |all| all.settled != all.spent(),
        written: |sums| signed_money(sums.settled),
    },
    Measure {
        name: "refunded",
        shown: |all| all.refunded != 0,
        written: |sums| signed_money(sums.refunded),
    },
    Measure {
        name: "brought forward",
        shown: |all| all.brought_forward != 0,
        written: |sums| signed_money(sums.brought_forward),
    },
    Measure { name: "spent", shown: |_| true, written: |sums| signed_money(sums.spent()) },
    Measure {
        name: "not charged",
        shown: |all| all.uncharged != 0,
        written: |sums| signed_money(sums.uncharged),
    },
    Measure {
        name: "open",
        shown: |all| all.open_calls != 0,
        written: |sums| signed_money(sums.open),
    },
];

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test code")]
mod tests {
    use super::*;
    use calybris_core::engine::Microunits;

    #[test]
    fn sums_hold_beyond_what_any_single_amount_may_be() {
        let ticket = OpenTicket::new(1, "a", 1, Microunits::MAX);
        let mut spend = Spend::new(vec![Column::Tenant, Column::Day], ALL_TIME);
        for _ in 0..3 {
            spend.add_open(&ticket, &Call::default());
        }
        assert_eq!(spend.total.open, 3 * i128::from(u64::MAX));
        let csv = spend.csv();
        let row = csv.get(1).unwrap();
        assert_eq!(row.last().map(String::as_str), Some("55340232221128654845"));
        // An unknown day is an empty cell.
        assert_eq!(row.get(1).map(String::as_str), Some(""));
    }
}
