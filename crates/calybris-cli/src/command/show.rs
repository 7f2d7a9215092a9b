//! `calybris show`: the records of a log, newest last.

mod filter;

use std::collections::VecDeque;
use std::time::Duration;

use calybris_core::engine::{Entry, Record};

use self::filter::{ActionFilter, Filter, Kind, Matching, OutcomeFilter};
use crate::amount::grouped;
use crate::failure::Failure;
use crate::input::whole::whole;
use crate::log::arguments::LogArguments;
use crate::log::beginning::{first_sequence, not_there};
use crate::log::columns::{Columns, decision_heading, decision_line, record_heading, record_line};
use crate::log::journal::{Journal, Step};
use crate::log::json;
use crate::log::outcome::{Followed, Waiting};
use crate::log::period::Period;
use crate::output::{Page, complain};
use crate::stream::Stream;
use crate::terminal::Paint;
use crate::time::day;

/// Show the decisions of a log with their outcomes, newest last.
#[derive(clap::Args)]
#[command(mut_arg("json", |json| json.help("Print one JSON object per line, amounts in microunits")), after_help = "\
Examples:
  calybris show ./log
  calybris show ./log --tenant search --action reject
  calybris show ./log --correlation-id req-7f3a
  calybris show ./log --outcome open
  calybris show ./log --reason quality --since 2026-11-02
  calybris show ./log --kind snapshot,budget
  calybris show ./log --tail 20
  calybris show ./log --follow --tail 20
  calybris show ./log --json | jq .outcome

Every record is verified before it is shown. With --follow or --kind each
record has a line of its own; otherwise a decision and its outcome share a
line. It may run while another process writes the log. On a terminal, lines
are as wide as the terminal and names may be cut; if there is no room for the
date, it gets a line of its own. In a pipe, names are complete. A tenant or a
model that the log does not have is refused. --follow runs until it is
interrupted, or until its output is closed.

Exit codes:
  0  shown
  1  the log is not intact; the records shown before the message are
  2  could not be read: usage, a missing key, a missing log
  3  done, but the output could not be written to its end")]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) log: LogArguments,
    /// Only decisions of this tenant
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// Only decisions with this action
    #[arg(long, value_enum)]
    action: Option<ActionFilter>,
    /// Only decisions with this reason: its code (103), or a part of its name (quality) or of its description
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
    /// Only decisions that chose this model or fell back on it
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Only decisions with this outcome: `rejected` by the kernel, `unfunded` by the budget, `open` so far
    #[arg(long, value_enum, conflicts_with_all = ["kind", "follow"])]
    outcome: Option<OutcomeFilter>,
    /// Only calls with this correlation id
    #[arg(long, value_name = "ID")]
    correlation_id: Option<String>,
    /// Only calls with this request key
    #[arg(long, value_name = "KEY")]
    request_key: Option<String>,
    /// Only from this sequence on
    #[arg(long, value_name = "SEQ", default_value_t = 1, value_parser = whole::<u64>)]
    from_sequence: u64,
    /// Only up to this sequence
    #[arg(long, value_name = "SEQ", default_value_t = u64::MAX, hide_default_value = true, value_parser = whole::<u64>)]
    to_sequence: u64,
    #[command(flatten)]
    period: Period,
    /// Only the last N matches; 0 is all. The default is 50, and all with --json or --follow
    #[arg(long, value_name = "N", alias = "limit", value_parser = whole::<usize>)]
    tail: Option<usize>,
    /// Only these kinds of records, one line each
    #[arg(long, value_enum, value_delimiter = ',')]
    kind: Vec<Kind>,
    /// Keep running and show each record when it is appended; with --tail, begin with the last N
    #[arg(long, conflicts_with_all = ["to_sequence", "until"])]
    follow: bool,
}

/// The default number of lines for a person.
const SHOWN_UNLESS_TOLD: usize = 50;

/// The polling interval of `--follow`.
const FOLLOW_EVERY: Duration = Duration::from_millis(200);

pub(crate) fn run(arguments: &Arguments) -> Result<Page, Failure> {
    let filter = Filter::new(arguments)?;
    let limit = match arguments.tail {
        Some(0) => usize::MAX,
        Some(limit) => limit,
        None if arguments.log.json || arguments.follow => usize::MAX,
        None => SHOWN_UNLESS_TOLD,
    };
    let mut show = Show {
        journal: arguments.log.journal()?,
        filter,
        limit,
        out: Stream::stdout(),
        json: arguments.log.json,
        columns: Columns::of_stdout(),
        paint: Paint::of_stdout(),
        headed: false,
        shown: false,
        day: None,
    };
    if !arguments.log.json
        && let Some(not_there) = not_there(first_sequence(arguments.log.dir())?)
    {
        show.out.line(show.paint.faint(&not_there))?;
    }
    let of_records = arguments.follow || !arguments.kind.is_empty();
    if of_records {
        show.records(arguments.follow)?;
    } else {
        show.decisions()?;
    }
    show.out.flush()?;
    if !show.shown && !arguments.follow {
        show.filter.check_names(&arguments.log)?;
        show.nothing(of_records)?;
    }
    Ok(Page::default())
}

struct Show {
    journal: Journal,
    filter: Filter,
    limit: usize,
    out: Stream,
    json: bool,
    columns: Columns,
    paint: Paint,
    headed: bool,
    /// Whether anything matched.
    shown: bool,
    /// The day of the last heading, if lines have no room for it.
    day: Option<String>,
}

/// The last decisions that match, and how many matched before them.
#[derive(Default)]
struct Last {
    decisions: Waiting,
    earlier: u64,
}

impl Show {
    /// Shows a line for each decision with its outcome; also those before a damaged record.
    fn decisions(&mut self) -> Result<(), Failure> {
        let mut last = Last::default();
        let read = self.read_decisions(&mut last);
        while let Some(followed) = last.decisions.pop() {
            self.decision(&followed)?;
        }
        if read.is_ok() { self.conclude(last.earlier) } else { self.out.flush().and(read) }
    }

    fn read_decisions(&mut self, last: &mut Last) -> Result<(), Failure> {
        let mut waiting = Waiting::default();
        let read = self.follow_decisions(&mut waiting, last);
        while let Some(followed) = waiting.pop() {
            self.keep(followed, last)?;
        }
        read
    }

    fn follow_decisions(&mut self, waiting: &mut Waiting, last: &mut Last) -> Result<(), Failure> {
        // If outcomes do not matter, only the last decisions are kept.
        let at_once = self.limit != usize::MAX && !self.filter.needs_outcome();
        while let Some(Entry { sequence, hash, record, .. }) = self.journal.next()? {
            let Record::Decided(decided) = record else {
                let names = self.journal.names_of(&record);
                if !waiting.take(sequence, &record, names) {
                    last.decisions.take(sequence, &record, names);
                }
                while let Some(followed) = waiting.pop_ready() {
                    self.keep(followed, last)?;
                }
                continue;
            };
            if !self.filter.place(sequence, decided.time.get()) || !self.filter.decision(&decided) {
                continue;
            }
            let names = self.journal.names(decided.snapshot_sequence);
            let followed = Followed::new(sequence, hash, decided, names);
            if at_once {
                self.keep(followed, last)?;
            } else {
                waiting.push(followed);
                while let Some(followed) = waiting.pop_ready() {
                    self.keep(followed, last)?;
                }
            }
            if self.out.is_closed() {
                break;
            }
        }
        Ok(())
    }

    /// Shows a matching decision, or keeps it among the last ones.
    fn keep(&mut self, followed: Followed, last: &mut Last) -> Result<(), Failure> {
        if !self.filter.followed(&followed) {
            return Ok(());
        }
        if self.limit == usize::MAX {
            return self.decision(&followed);
        }
        last.decisions.push(followed);
        if last.decisions.len() > self.limit {
            last.decisions.pop();
            last.earlier = last.earlier.saturating_add(1);
        }
        Ok(())
    }

    fn decision(&mut self, followed: &Followed) -> Result<(), Failure> {
        self.shown = true;
        let names = self.journal.names(followed.decided.snapshot_sequence);
        if self.json {
            let object = json::followed(followed, names)?;
            return self.out.line(serde_json::Value::Object(object));
        }
        let line = decision_line(followed, names, self.columns, self.paint);
        self.head(&decision_heading(self.columns))?;
        let day = day(followed.decided.time.get());
        if self.columns.leave_out_the_day() && self.day.as_ref() != Some(&day) {
            self.out.line(self.paint.faint(&day))?;
            self.day = Some(day);
        }
        self.out.line(line)
    }

    /// The heading, before the first line.
    fn head(&mut self, heading: &str) -> Result<(), Failure> {
        if self.json || self.headed {
            return Ok(());
        }
        self.headed = true;
        self.out.line(self.paint.strong(heading))
    }

    /// Shows a line for each record; also those before a damaged one.
    fn records(&mut self, follow: bool) -> Result<(), Failure> {
        let mut last = VecDeque::new();
        let mut earlier = 0;
        if follow {
            self.head(&record_heading())?;
        }
        let mut matching = Matching::default();
        let mut read = self.read_records(&mut matching, &mut last, &mut earlier);
        if follow {
            // The last ones are shown, and every record from here on.
            self.limit = usize::MAX;
            for line in last.drain(..) {
                self.out.line(line)?;
            }
        }
        while follow && read.is_ok() {
            self.out.flush()?;
            if self.out.is_closed() {
                return Ok(());
            }
            std::thread::sleep(FOLLOW_EVERY);
            read = self.read_records(&mut matching, &mut last, &mut earlier);
        }
        for line in last {
            self.head(&record_heading())?;
            self.out.line(line)?;
        }
        if read.is_ok() { self.conclude(earlier) } else { self.out.flush().and(read) }
    }

    /// Reads all records there are, and shows them or keeps the last ones.
    fn read_records(
        &mut self,
        matching: &mut Matching,
        last: &mut VecDeque<String>,
        earlier: &mut u64,
    ) -> Result<(), Failure> {
        loop {
            let entry = match self.journal.step()? {
                Step::Record(entry) => *entry,
                Step::Missed { first, last } => {
                    complain(format_args!(
                        "calybris: records {first} to {last} were dropped from the log before they were read\n"
                    ));
                    continue;
                }
                Step::End => break,
            };
            if !matching.takes(&entry, &self.filter, &self.journal) {
                continue;
            }
            self.shown = true;
            let line = if self.json {
                serde_json::Value::Object(json::object(&entry, &self.journal)?).to_string()
            } else {
                record_line(&entry, &self.journal, self.columns, self.paint)
            };
            if self.limit == usize::MAX {
                self.head(&record_heading())?;
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

    /// Reports that nothing matched.
    fn nothing(&mut self, of_records: bool) -> Result<(), Failure> {
        if self.json {
            return Ok(());
        }
        self.out.line(if of_records { "no record matches" } else { "no decision matches" })?;
        self.out.flush()
    }

    /// Reports how many lines were left out.
    fn conclude(&mut self, earlier: u64) -> Result<(), Failure> {
        if !self.json && earlier > 0 {
            let more = format!("{} more before these; --tail 0 shows all", grouped(earlier));
            self.out.line(self.paint.faint(&more))?;
        }
        Ok(())
    }
}
