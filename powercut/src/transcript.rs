//! The transcript of a process that works on a log, line by line, and the promises that follow from it.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use crate::plan::mixed;

/// The longest record, in bytes.
const RECORD_BYTES_MAX: u64 = 400;

/// Which record of which thread of which session it is: enough to know its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordId {
    pub session: u32,
    pub thread: u32,
    /// How many records the thread has appended before.
    pub counter: u32,
}

impl RecordId {
    /// The record's bytes in the log with this plan.
    pub fn payload(&self, plan_seed: u64) -> Vec<u8> {
        let Self { session, thread, counter } = *self;
        let numbers = [plan_seed, session.into(), thread.into(), counter.into()];
        let mut random = fastrand::Rng::with_seed(mixed(&numbers));
        let mut bytes: Vec<u8> =
            [session, thread, counter].into_iter().flat_map(u32::to_le_bytes).collect();
        let length = random.u64(0..=RECORD_BYTES_MAX);
        bytes.extend((0..length).map(|_| random.u8(..)));
        bytes
    }

    /// Which record these bytes are, if they are all of it.
    pub fn of_payload(plan_seed: u64, bytes: &[u8]) -> Option<Self> {
        let number = |at| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
        let id = Self { session: number(0)?, thread: number(4)?, counter: number(8)? };
        (id.payload(plan_seed) == bytes).then_some(id)
    }
}

/// One line of a transcript.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// It is about to open the log with the key of this index.
    Opening { key: usize },
    /// The log is open, and holds the records up to this sequence; they are on disk.
    Opened { sequence: u64 },
    /// A record was appended, and may not be on disk yet.
    Appended { sequence: u64, hash: String, id: RecordId },
    /// The records up to this sequence were acknowledged as being on disk.
    Synced { sequence: u64 },
    /// It is about to drop segments that hold only records before this sequence.
    Retaining { sequence: u64 },
    /// The outcome of checking a log that a power cut left.
    Verdict(Verdict),
    /// The log answered with an error.
    Error(String),
}

/// Whether a log is as it was promised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Good,
    /// This many acknowledged records are gone.
    Lost {
        records: u64,
        what: String,
    },
    /// The log does not open.
    Shut(String),
    /// The archive lacks records that the log has dropped.
    Archive(String),
    /// Any other broken promise.
    Broken(String),
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opening { key } => write!(f, "opening {key}"),
            Self::Opened { sequence } => write!(f, "opened {sequence}"),
            Self::Appended { sequence, hash, id: RecordId { session, thread, counter } } => {
                write!(f, "appended {sequence} {hash} {session} {thread} {counter}")
            }
            Self::Synced { sequence } => write!(f, "synced {sequence}"),
            Self::Retaining { sequence } => write!(f, "retaining {sequence}"),
            Self::Verdict(Verdict::Good) => f.write_str("good"),
            Self::Verdict(Verdict::Lost { records, what }) => write!(f, "lost {records} {what}"),
            Self::Verdict(Verdict::Shut(what)) => write!(f, "shut {what}"),
            Self::Verdict(Verdict::Archive(what)) => write!(f, "archive {what}"),
            Self::Verdict(Verdict::Broken(what)) => write!(f, "broken {what}"),
            Self::Error(what) => write!(f, "error {what}"),
        }
    }
}

impl Line {
    /// The line that was written so; `None` for one that is not whole.
    pub fn parse(text: &str) -> Option<Self> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        Some(match word {
            "opening" => Self::Opening { key: rest.parse().ok()? },
            "opened" => Self::Opened { sequence: rest.parse().ok()? },
            "synced" => Self::Synced { sequence: rest.parse().ok()? },
            "retaining" => Self::Retaining { sequence: rest.parse().ok()? },
            "appended" => {
                let words: Vec<&str> = rest.split(' ').collect();
                let &[sequence, hash, session, thread, counter] = words.as_slice() else {
                    return None;
                };
                let number = |word: &str| word.parse().ok();
                let (session, thread, counter) =
                    (number(session)?, number(thread)?, number(counter)?);
                let id = RecordId { session, thread, counter };
                Self::Appended { sequence: sequence.parse().ok()?, hash: hash.to_owned(), id }
            }
            "good" => Self::Verdict(Verdict::Good),
            "lost" => {
                let (records, what) = rest.split_once(' ')?;
                let (records, what) = (records.parse().ok()?, what.to_owned());
                Self::Verdict(Verdict::Lost { records, what })
            }
            "shut" => Self::Verdict(Verdict::Shut(rest.to_owned())),
            "archive" => Self::Verdict(Verdict::Archive(rest.to_owned())),
            "broken" => Self::Verdict(Verdict::Broken(rest.to_owned())),
            "error" => Self::Error(rest.to_owned()),
            _ => return None,
        })
    }
}

/// The promises that a transcript makes.
#[derive(Debug, Clone, Default)]
pub struct Transcript {
    lines: Vec<Line>,
    /// The appended records as far as they are known: the hash of each, and which record it is.
    appended: BTreeMap<u64, (String, RecordId)>,
    /// The last sequence that was acknowledged as being on disk.
    pub acknowledged: u64,
    /// The greatest sequence from which on the log was to be kept.
    pub retained_from: u64,
    /// The latest key that the log was opened with, or would have been.
    pub newest_key: usize,
}

impl Transcript {
    pub fn parse(text: &str) -> Self {
        let mut transcript = Self::default();
        transcript.extend(text);
        transcript
    }

    /// Adds the lines of a text. A line that a kill cut short does not count.
    pub fn extend(&mut self, text: &str) {
        let whole = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
        whole.filter_map(Line::parse).for_each(|line| self.note(line));
    }

    pub fn note(&mut self, line: Line) {
        match &line {
            Line::Opening { key } => self.newest_key = self.newest_key.max(*key),
            Line::Opened { sequence } => {
                // Records that were not recovered are gone for good, and others take their sequences.
                self.appended.retain(|appended, _| appended <= sequence);
                self.acknowledged = self.acknowledged.max(*sequence);
            }
            Line::Appended { sequence, hash, id } => {
                self.appended.insert(*sequence, (hash.clone(), *id));
            }
            Line::Synced { sequence } => self.acknowledged = self.acknowledged.max(*sequence),
            Line::Retaining { sequence } => self.retained_from = self.retained_from.max(*sequence),
            Line::Verdict(_) | Line::Error(_) => {}
        }
        self.lines.push(line);
    }

    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The last sequence that is known to have been appended, or 0.
    pub fn last_appended(&self) -> u64 {
        self.appended.last_key_value().map_or(0, |(sequence, _)| *sequence)
    }

    /// The record that was appended with this sequence, as far as it is known.
    pub fn appended(&self, sequence: u64) -> Option<&(String, RecordId)> {
        self.appended.get(&sequence)
    }
}

impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// Writes lines to standard output, each in one system call, and keeps track of the promises.
pub struct Teller(Mutex<Transcript>);

impl Teller {
    pub fn new(transcript: Transcript) -> Self {
        Self(Mutex::new(transcript))
    }

    pub fn tell(&self, line: Line) {
        let mut transcript = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = format!("{line}\n");
        let mut out = std::io::stdout().lock();
        // Nobody reads the pipe any more, so later lines do not count.
        if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
            std::process::exit(1);
        }
        transcript.note(line);
    }

    /// The transcript so far.
    pub fn transcript(&self) -> Transcript {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: RecordId = RecordId { session: 3, thread: 1, counter: 2 };

    fn appended(sequence: u64) -> Line {
        Line::Appended { sequence, hash: "0a".repeat(32), id: ID }
    }

    #[test]
    fn a_line_is_read_as_it_was_written() {
        for line in [
            Line::Opening { key: 2 },
            Line::Opened { sequence: 7 },
            appended(8),
            Line::Synced { sequence: 8 },
            Line::Retaining { sequence: 5 },
            Line::Verdict(Verdict::Good),
            Line::Verdict(Verdict::Lost { records: 4, what: "4 of 9".to_owned() }),
            Line::Verdict(Verdict::Shut("a reason of several words".to_owned())),
            Line::Verdict(Verdict::Archive("1".to_owned())),
            Line::Verdict(Verdict::Broken(String::new())),
            Line::Error("disk full".to_owned()),
        ] {
            assert_eq!(Line::parse(&line.to_string()), Some(line));
        }
    }

    #[test]
    fn a_line_that_a_kill_has_cut_short_promises_nothing() {
        let transcript = Transcript::parse("opened 12\nsynced 34");
        assert_eq!(transcript.acknowledged, 12);
    }

    #[test]
    fn what_opening_did_not_find_is_forgotten_and_what_it_found_is_promised() {
        let mut transcript = Transcript::default();
        (1..=5).for_each(|sequence| transcript.note(appended(sequence)));
        transcript.note(Line::Synced { sequence: 2 });
        transcript.note(Line::Opened { sequence: 3 });
        assert_eq!((transcript.acknowledged, transcript.last_appended()), (3, 3));
    }

    #[test]
    fn only_all_bytes_of_a_record_are_the_record() {
        let payload = ID.payload(9);
        assert_eq!(RecordId::of_payload(9, &payload), Some(ID));
        assert_eq!(RecordId::of_payload(8, &payload), None);
        assert_eq!(RecordId::of_payload(9, &[&payload[..], &[0]].concat()), None);
        assert_eq!(RecordId::of_payload(9, &payload[..11]), None);
    }
}
