//! `calybris show`: what a log holds, newest last.

mod filter;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use calybris_core::engine::{Entry, Record};

use self::filter::{ActionFilter, Filter, Kind, Matching};
use crate::failure::Failure;
use crate::input::key::read_key;
use crate::log::beginning::{dropped, first_sequence};
use crate::log::columns::{decision_heading, decision_line, record_heading, record_line};
use crate::log::fate::{Followed, Waiting};
use crate::log::journal::Journal;
use crate::log::json;
use crate::page::{Page, Stream};
use crate::table::grouped;
use crate::terminal::Paint;

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
    if !arguments.json
        && let Some(dropped) = dropped(first_sequence(&arguments.dir)?)
    {
        show.out.line(show.paint.faint(&format!("the log {dropped}")))?;
    }
    if arguments.follow || !arguments.kind.is_empty() {
        show.records(arguments.follow)?;
    } else {
        show.decisions()?;
    }
    show.out.flush()?;
    Ok(Page::default())
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
