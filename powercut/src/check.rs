//! Opens a log that a power cut left, and compares it with all that was promised of it.

use std::collections::BTreeMap;

use calybris_wal::{Reader, Record, VerifyOptions, WalError, verify};
use fastrand::Rng;

use crate::plan::{Plan, Retention, Session, mixed};
use crate::transcript::{RecordId, Teller, Transcript, Verdict};
use crate::work;

/// How many sessions one check has at most: so many numbers are set aside for it.
pub const SESSIONS_PER_CHECK: u32 = 3;

/// Checks the log, writes on, and checks it again. The sessions have the numbers from `first_session` on.
pub fn check(plan: &Plan, first_session: u32, teller: &Teller) -> Verdict {
    let mut random = Rng::with_seed(mixed(&[plan.seed, first_session.into()]));
    let newest = teller.transcript().newest_key;
    let mut number = first_session;
    // A former key opens the log if the change to the next one did not outlast the cut.
    if plan.keyed && newest > 0 && random.bool() {
        let session = plan.session_after_cut(number, random.usize(0..newest));
        let refused = |error: &WalError| {
            matches!(error, WalError::KeyReplaced { .. } | WalError::WrongKey { .. })
        };
        match go_on(plan, &session, refused, teller) {
            Verdict::Good => {}
            verdict => return verdict,
        }
        number += 1;
    }
    let newest = newest + usize::from(plan.keyed && random.u8(0..4) == 0);
    for number in [number, number + 1] {
        let session = plan.session_after_cut(number, newest);
        match go_on(plan, &session, |_| false, teller) {
            Verdict::Good => {}
            verdict => return verdict,
        }
    }
    Verdict::Good
}

/// One session: what opening finds, what the log then holds, and what it holds in the end.
///
/// An `expected` error ends the session and is no failure.
fn go_on(
    plan: &Plan,
    session: &Session,
    expected: impl Fn(&WalError) -> bool,
    teller: &Teller,
) -> Verdict {
    let acknowledged = teller.transcript().acknowledged;
    let writer = match work::open(plan, session, teller) {
        Ok(writer) => writer,
        Err(error) if expected(&error) => return Verdict::Good,
        Err(error) => return Verdict::Shut(format!("with key {}: {error}", session.key)),
    };
    let recovered = writer.open_report().sequence;
    if recovered < acknowledged {
        let what = format!("opening found {recovered} records, {acknowledged} were acknowledged");
        return Verdict::Lost { records: acknowledged - recovered, what };
    }
    let before = Contents { plan, session, transcript: teller.transcript() };
    if let Err(verdict) = before.compare(recovered) {
        return verdict;
    }
    if let Err(error) = work::use_and_give_up(plan, session, writer, teller) {
        return Verdict::Broken(format!("writing on: {error}"));
    }
    let after = Contents { plan, session, transcript: teller.transcript() };
    let last = after.transcript.last_appended().max(recovered);
    after.compare(last).and_then(|()| after.verify(last)).err().unwrap_or(Verdict::Good)
}

/// The contents of a log, beside its transcript.
struct Contents<'a> {
    plan: &'a Plan,
    session: &'a Session,
    transcript: Transcript,
}

impl Contents<'_> {
    /// Reads the whole log, and of the archive what the log has dropped.
    fn compare(&self, last: u64) -> Result<(), Verdict> {
        let records = match self.reader(&self.plan.log()) {
            Ok(reader) => reader.collect::<Result<Vec<Record>, WalError>>(),
            Err(error) => Err(error),
        };
        let records = match records {
            Ok(records) => records,
            Err(WalError::Empty { .. }) if last == 0 => return Ok(()),
            Err(error) => return Err(Verdict::Broken(format!("reading: {error}"))),
        };
        let first = records.first().map_or(last + 1, Record::sequence);
        if first > self.transcript.retained_from.max(1) {
            let asked = self.transcript.retained_from;
            let what = format!("the log begins with record {first}, kept was all from {asked} on");
            return Err(Verdict::Lost { records: first - asked.max(1), what });
        }
        self.check_records(&records, first)?;
        let found = records.last().map_or(0, Record::sequence);
        if found < last {
            let what = format!("reading found {found} records, there were {last}");
            return Err(Verdict::Lost { records: last - found, what });
        }
        if self.plan.retention == Retention::Archive && first > 1 {
            self.compare_archive(first)?;
        }
        Ok(())
    }

    /// Each record is one that was appended, in the order in which its thread did.
    fn check_records(&self, records: &[Record], first: u64) -> Result<(), Verdict> {
        let mut next: BTreeMap<(u32, u32), u32> = BTreeMap::new();
        for (expected, record) in (first..).zip(records) {
            let broken = |what: &str| Err(Verdict::Broken(format!("record {expected}: {what}")));
            if record.sequence() != expected {
                return broken("another sequence");
            }
            let Some(id) = RecordId::of_payload(self.plan.seed, record.payload()) else {
                return broken("bytes that nobody appended");
            };
            if let Some((hash, appended)) = self.transcript.appended(expected) {
                let found = record.hash().to_string();
                if *hash != found || *appended != id {
                    return broken("not the one that was appended");
                }
            }
            // The first of a thread may have been dropped with the beginning of the log.
            let counter = next.entry((id.session, id.thread));
            let counter = counter.or_insert(if first > 1 { id.counter } else { 0 });
            if *counter != id.counter {
                return broken("its thread appended another one before");
            }
            *counter += 1;
        }
        Ok(())
    }

    /// The archive holds every record before `first`.
    fn compare_archive(&self, first: u64) -> Result<(), Verdict> {
        let lacking = |what: String| {
            Verdict::Archive(format!("the log begins with record {first}, the archive: {what}"))
        };
        let reader = self.reader(&self.plan.archive());
        let mut reader = reader.map_err(|error| lacking(error.to_string()))?;
        for expected in 1..first {
            let record = match reader.next() {
                Some(Ok(record)) => record,
                Some(Err(error)) => return Err(lacking(error.to_string())),
                None => return Err(lacking(format!("ends before record {expected}"))),
            };
            let id = RecordId::of_payload(self.plan.seed, record.payload());
            if record.sequence() != expected || id.is_none() {
                return Err(lacking(format!("record {expected} is another")));
            }
        }
        Ok(())
    }

    fn verify(&self, last: u64) -> Result<(), Verdict> {
        let broken = |what: String| Verdict::Broken(format!("verifying: {what}"));
        let key = self.plan.key(self.session.key).map_err(|error| broken(error.to_string()))?;
        match verify(self.plan.log(), &VerifyOptions::default().with_key(key)) {
            Ok(report) if report.head.sequence == last => Ok(()),
            Ok(report) => Err(broken(format!("{} of {last} records", report.head.sequence))),
            Err(WalError::Empty { .. }) if last == 0 => Ok(()),
            Err(error) => Err(broken(error.to_string())),
        }
    }

    fn reader(&self, directory: &std::path::Path) -> Result<Reader, WalError> {
        Reader::open(directory, self.plan.key(self.session.key)?.as_ref())
    }
}
