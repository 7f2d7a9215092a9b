//! `calybris show`: what a log holds, newest last.

use std::collections::{HashSet, VecDeque};
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;
use std::time::Duration;

use calybris_core::engine::{Decided, Entry, Record};
use calybris_core::kernel::{Action, Reason};
use clap::ValueEnum;

use crate::failure::Failure;
use crate::input::error::quoted;
use crate::input::key::read_key;
use crate::log::columns::{decision_heading, decision_line, record_heading, record_line, time_of};
use crate::log::fate::{Followed, Waiting, decision_of};
use crate::log::journal::Journal;
use crate::log::json;
use crate::log::naming::model_name;
use crate::page::{Page, Stream};
use crate::table::grouped;
use crate::terminal::Paint;
use crate::time::parse_unix_ms;

/// Show the decisions of a log and what became of them, newest last.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  calybris show ./log
  calybris show ./log --tenant search --action reject
  calybris show ./log --reason quality --since 2026-11-02
  calybris show ./log --kind snapshot,budget
  calybris show ./log --follow
  calybris show ./log --json | jq .outcome

Every record is verified before it is shown. With --follow or --kind each
record is a line of its own, as it was written; else a decision and what
became of it are one line. It may run while another process writes the log.

Exit codes:
  0  shown
  1  the log is not intact: what was shown before the message is
  2  could not be read: usage, a missing key, a missing log")]
pub(crate) struct Arguments {
    /// The log's directory
    dir: PathBuf,
    /// Only this tenant's
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// Only decisions with this action
    #[arg(long, value_enum)]
    action: Option<ActionFilter>,
    /// Only decisions with this reason: its code (103) or a part of its name (quality)
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
    /// Only decisions that chose this model; what they fell back on is not looked at
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Only from this sequence on
    #[arg(long, value_name = "SEQ", default_value_t = 1)]
    from_sequence: u64,
    /// Only up to this sequence
    #[arg(long, value_name = "SEQ", default_value_t = u64::MAX, hide_default_value = true)]
    to_sequence: u64,
    /// Only from this time on (2026-11-02, 2026-11-02T09:00:00Z)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// The last N that match; 0 is all. Without it the last 50, and all with --json or --follow
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Only these kinds of records, each as it was written
    #[arg(long, value_enum, value_delimiter = ',')]
    kind: Vec<Kind>,
    /// Stay, and show what is appended
    #[arg(long, conflicts_with_all = ["to_sequence", "until", "limit"])]
    follow: bool,
    /// The key that the log was written with
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Print one JSON object per line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ActionFilter {
    Execute,
    Substitute,
    Reject,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    All,
    Decision,
    Settled,
    Abandoned,
    Fellback,
    Snapshot,
    Budget,
    Other,
}

/// How many lines a person is shown who did not say how many.
const SHOWN_UNLESS_TOLD: usize = 50;

/// How long `--follow` waits before it looks again.
const FOLLOW_EVERY: Duration = Duration::from_millis(200);

pub(crate) fn run(arguments: &Arguments) -> Result<Page, Failure> {
    let key = arguments.key_file.as_deref().map(read_key).transpose()?;
    let filter = Filter::new(arguments)?;
    let limit = match arguments.limit {
        Some(0) => usize::MAX,
        Some(limit) => limit,
        None if arguments.json || arguments.follow => usize::MAX,
        None => SHOWN_UNLESS_TOLD,
    };
    let mut show = Show {
        journal: Journal::open(&arguments.dir, key.as_ref())?,
        filter,
        limit,
        out: Stream::stdout(),
        json: arguments.json,
        paint: Paint::of_stdout(),
    };
    if arguments.follow || !arguments.kind.is_empty() {
        show.records(arguments.follow)?;
    } else {
        show.decisions()?;
    }
    show.out.flush()?;
    Ok(Page::default())
}

/// What is to be shown.
struct Filter {
    tenant: Option<String>,
    action: Option<Action>,
    reasons: Option<Vec<Reason>>,
    model: Option<String>,
    sequences: RangeInclusive<u64>,
    times: Range<u64>,
    kinds: Vec<Kind>,
}

impl Filter {
    fn new(arguments: &Arguments) -> Result<Self, Failure> {
        let time = |option: &str, text: &Option<String>, absent: u64| match text {
            None => Ok(absent),
            Some(text) => parse_unix_ms(text).map_err(|allowed| {
                Failure::refused(format_args!(
                    "{option}: found {}, allowed is {allowed}",
                    quoted(text)
                ))
            }),
        };
        let action = arguments.action.map(|action| match action {
            ActionFilter::Execute => Action::ExecuteRequested,
            ActionFilter::Substitute => Action::Substitute,
            ActionFilter::Reject => Action::Reject,
        });
        Ok(Self {
            tenant: arguments.tenant.clone(),
            action,
            reasons: arguments.reason.as_deref().map(reasons).transpose()?,
            model: arguments.model.clone(),
            sequences: arguments.from_sequence..=arguments.to_sequence,
            times: time("--since", &arguments.since, 0)?
                ..time("--until", &arguments.until, u64::MAX)?,
            kinds: arguments.kind.clone(),
        })
    }

    fn place(&self, sequence: u64, time_unix_ms: u64) -> bool {
        self.sequences.contains(&sequence) && self.times.contains(&time_unix_ms)
    }

    fn decision(&self, decided: &Decided<'_>, journal: &Journal) -> bool {
        let decision = &decided.decision;
        let model = |wanted: &String| {
            let names = journal.names(decided.snapshot_sequence);
            decision.selected_model_id.is_some_and(|id| model_name(names, id) == *wanted)
        };
        self.tenant.as_ref().is_none_or(|tenant| decided.tenant == *tenant)
            && self.action.is_none_or(|action| decision.action == action)
            && self.reasons.as_ref().is_none_or(|reasons| reasons.contains(&decision.reason))
            && self.model.as_ref().is_none_or(model)
    }

    /// Whether it asks for something that only decisions have.
    fn of_decisions(&self) -> bool {
        self.tenant.is_some()
            || self.action.is_some()
            || self.reasons.is_some()
            || self.model.is_some()
    }

    fn kind(&self, record: &Record<'_>) -> bool {
        let kind = match record {
            Record::Decided(_) => Kind::Decision,
            Record::Settled { .. } => Kind::Settled,
            Record::Abandoned { .. } => Kind::Abandoned,
            Record::FellBack { .. } => Kind::Fellback,
            Record::SnapshotInstalled { .. } => Kind::Snapshot,
            Record::BudgetChanged { .. } => Kind::Budget,
            _ => Kind::Other,
        };
        self.kinds.is_empty() || self.kinds.contains(&Kind::All) || self.kinds.contains(&kind)
    }
}

/// The reasons with that code, or with that text in their name.
fn reasons(text: &str) -> Result<Vec<Reason>, Failure> {
    let wanted = text.to_lowercase().replace(['-', '_', ' '], "");
    let code = wanted.parse::<u16>().ok();
    let named = |reason: &Reason| format!("{reason:?}").to_lowercase().contains(&wanted);
    let fits = |reason: &Reason| code.map_or_else(|| named(reason), |code| reason.code() == code);
    let found: Vec<Reason> = Reason::ALL.into_iter().filter(fits).collect();
    if found.is_empty() || wanted.is_empty() {
        let all = Reason::ALL.map(|reason| format!("{reason:?} ({})", reason.code())).join(", ");
        let what = format!("--reason: found {}, allowed are {all}", quoted(text));
        return Err(Failure::refused(what));
    }
    Ok(found)
}

struct Show {
    journal: Journal,
    filter: Filter,
    limit: usize,
    out: Stream,
    json: bool,
    paint: Paint,
}

impl Show {
    /// A line per decision, with what became of it. What stands before a damage is shown, too.
    fn decisions(&mut self) -> Result<(), Failure> {
        let mut waiting = Waiting::default();
        let (mut earlier, mut headed) = (0, self.json);
        let read = self.read_decisions(&mut waiting, &mut earlier, &mut headed);
        let shown = waiting.len() > 0 || headed;
        while let Some(followed) = waiting.pop() {
            self.decision(&followed, &mut headed)?;
        }
        if read.is_ok() { self.conclude(earlier, shown) } else { self.out.flush().and(read) }
    }

    fn read_decisions(
        &mut self,
        waiting: &mut Waiting,
        earlier: &mut u64,
        headed: &mut bool,
    ) -> Result<(), Failure> {
        while let Some(Entry { sequence, hash, record }) = self.journal.next()? {
            let Record::Decided(decided) = record else {
                waiting.take(sequence, &record, self.journal.names_of(&record));
                continue;
            };
            if !self.filter.place(sequence, decided.time_unix_ms)
                || !self.filter.decision(&decided, &self.journal)
            {
                continue;
            }
            let names = self.journal.names(decided.snapshot_sequence);
            waiting.push(Followed::new(sequence, hash, decided, names));
            if self.limit == usize::MAX {
                while let Some(followed) = waiting.pop_ready() {
                    self.decision(&followed, headed)?;
                }
            } else if waiting.len() > self.limit {
                waiting.pop();
                *earlier = earlier.saturating_add(1);
            }
            if self.out.is_closed() {
                break;
            }
        }
        Ok(())
    }

    fn decision(&mut self, followed: &Followed, headed: &mut bool) -> Result<(), Failure> {
        if self.json {
            let names = self.journal.names(followed.decided.snapshot_sequence);
            let object = json::followed(followed, names)?;
            return self.out.line(serde_json::Value::Object(object));
        }
        if !*headed {
            *headed = true;
            self.out.line(self.paint.strong(&decision_heading()))?;
        }
        self.out.line(decision_line(followed, self.paint))
    }

    /// A line per record. What stands before a damage is shown, too.
    fn records(&mut self, follow: bool) -> Result<(), Failure> {
        let mut last = VecDeque::new();
        let mut earlier = 0;
        if !self.json {
            self.out.line(self.paint.strong(&record_heading()))?;
        }
        let mut matching = Matching::default();
        let mut read = self.read_records(&mut matching, &mut last, &mut earlier);
        while follow && read.is_ok() {
            self.out.flush()?;
            if self.out.is_closed() {
                return Ok(());
            }
            std::thread::sleep(FOLLOW_EVERY);
            read = self.read_records(&mut matching, &mut last, &mut earlier);
        }
        for line in last {
            self.out.line(line)?;
        }
        if read.is_ok() { self.conclude(earlier, true) } else { self.out.flush().and(read) }
    }

    /// Shows what is there to be read, or keeps the last of it.
    fn read_records(
        &mut self,
        matching: &mut Matching,
        last: &mut VecDeque<String>,
        earlier: &mut u64,
    ) -> Result<(), Failure> {
        while let Some(entry) = self.journal.next()? {
            if !matching.takes(&entry, &self.filter, &self.journal) {
                continue;
            }
            let line = if self.json {
                serde_json::Value::Object(json::object(&entry, &self.journal)?).to_string()
            } else {
                record_line(&entry, &self.journal, self.paint)
            };
            if self.limit == usize::MAX {
                self.out.line(line)?;
            } else {
                last.push_back(line);
                if last.len() > self.limit {
                    last.pop_front();
                    *earlier = earlier.saturating_add(1);
                }
            }
            if self.out.is_closed() {
                break;
            }
        }
        Ok(())
    }

    /// Says what was left out.
    fn conclude(&mut self, earlier: u64, shown: bool) -> Result<(), Failure> {
        if self.json {
            return Ok(());
        }
        if !shown {
            return self.out.line("no decision matches");
        }
        if earlier > 0 {
            let more = format!("{} more before these; --limit 0 shows all", grouped(earlier));
            self.out.line(self.paint.faint(&more))?;
        }
        Ok(())
    }
}

/// Which records match: a decision by itself, and what became of it together with it.
#[derive(Default)]
struct Matching {
    /// Decisions that matched and have not ended.
    open: HashSet<u64>,
}

impl Matching {
    fn takes(&mut self, entry: &Entry, filter: &Filter, journal: &Journal) -> bool {
        let matches = match &entry.record {
            Record::Decided(decided) => {
                let matches = filter.decision(decided, journal);
                if matches && filter.of_decisions() {
                    self.open.insert(entry.sequence);
                }
                matches
            }
            _ if !filter.of_decisions() => true,
            record @ Record::FellBack { .. } => {
                decision_of(record).is_some_and(|decision| self.open.contains(&decision))
            }
            record => decision_of(record).is_some_and(|decision| self.open.remove(&decision)),
        };
        matches
            && filter.kind(&entry.record)
            && filter.place(entry.sequence, time_of(&entry.record))
    }
}
