//! What holds for every log, whatever was done to it.

use std::path::Path;

use calybris_wal::{
    Anchor, Hash, Key, LogId, Reader, Record, RepairOptions, Report, VerifyOptions, WalError,
    repair, verify,
};

use crate::bases::{Base, image_of, open, unlocked, write_image};
use crate::mutate::Mutant;
use crate::random::Random;

/// What a reader makes of a log.
struct Reading {
    log_id: Option<LogId>,
    records: Vec<Record>,
    error: Option<WalError>,
}

impl Reading {
    fn of(path: &Path, key: Option<&Key>) -> Self {
        let mut reading = Self { log_id: None, records: Vec::new(), error: None };
        match Reader::open(path, key) {
            Err(error) => reading.error = Some(error),
            Ok(reader) => {
                reading.log_id = Some(reader.log_id());
                for record in reader {
                    match record {
                        Ok(record) => reading.records.push(record),
                        Err(error) => reading.error = Some(error),
                    }
                }
            }
        }
        reading
    }

    fn holds(&self, sequence: u64, hash: Hash) -> bool {
        self.records.iter().any(|record| (record.sequence(), record.hash()) == (sequence, hash))
    }

    fn last(&self) -> u64 {
        self.records.last().map_or(0, Record::sequence)
    }
}

fn verify_with(path: &Path, key: Option<&Key>, anchor: Option<Anchor>) -> Result<Report, WalError> {
    verify(path, &VerifyOptions::default().with_key(key.cloned()).with_anchor(anchor))
}

/// The laws for one log: `path` has its files, `scratch` is a place for copies.
pub struct Laws<'a> {
    mutant: &'a Mutant<'a>,
    path: &'a Path,
    scratch: &'a Path,
    key: Option<&'a Key>,
    reading: Reading,
    verdict: Result<Report, WalError>,
    broken: Vec<String>,
}

impl<'a> Laws<'a> {
    /// The verdict on the log, and which laws it breaks.
    pub fn check(
        mutant: &'a Mutant<'a>,
        path: &'a Path,
        scratch: &'a Path,
        random: &mut Random,
    ) -> (Result<Report, WalError>, Vec<String>) {
        let key = mutant.base.key.as_ref();
        let (reading, verdict) = (Reading::of(path, key), verify_with(path, key, None));
        let broken = Vec::new();
        let mut laws = Self { mutant, path, scratch, key, reading, verdict, broken };
        laws.only_what_was_written_is_read();
        laws.verifying_and_reading_agree();
        laws.an_anchor_is_confirmed_only_by_its_record();
        laws.seeking_finds_what_reading_finds(random);
        laws.opening_refuses_or_recovers();
        for accept_beginning in [false, true] {
            laws.repair_keeps_what_could_be_read(accept_beginning);
        }
        (laws.verdict, laws.broken)
    }

    fn expect(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.broken.push(what());
        }
    }

    /// The sequences in the names of the segments.
    fn names(&self) -> impl Iterator<Item = u64> {
        let names = self.mutant.image.keys();
        names.filter_map(|name| name.strip_suffix(".cwal").and_then(|digits| digits.parse().ok()))
    }

    fn written(&self, log_id: Option<LogId>) -> Option<&'a Base> {
        let bases = [self.mutant.base, self.mutant.other];
        bases.into_iter().find(|base| Some(base.log_id) == log_id)
    }

    fn is_genuine(&self, reading: &Reading) -> bool {
        let base = self.written(reading.log_id);
        reading.records.iter().all(|record| {
            let written = base.and_then(|base| base.records.get(&record.sequence()));
            written.is_some_and(|(payload, hash)| {
                payload == record.payload() && *hash == record.hash()
            })
        })
    }

    fn only_what_was_written_is_read(&mut self) {
        let records = &self.reading.records;
        let gapless = records.windows(2).all(|pair| pair[0].sequence() + 1 == pair[1].sequence());
        let genuine = self.mutant.forged || self.is_genuine(&self.reading);
        self.expect(gapless, || "reading leaves records out".to_owned());
        self.expect(genuine, || "reading hands out a record that was not written".to_owned());
        if let (Ok(report), false) = (&self.verdict, self.mutant.forged) {
            let start = self.written(Some(report.log_id)).map_or(0, |base| base.log_start);
            let first = report.first_sequence;
            self.expect(first <= start, || format!("verified without its beginning: {first}"));
        }
    }

    fn verifying_and_reading_agree(&mut self) {
        let Reading { records, error, .. } = &self.reading;
        let agree = match &self.verdict {
            Ok(report) => {
                error.is_none()
                    && records.len() as u64 == report.records
                    && self.reading.holds(report.head.sequence, report.head.hash)
                    && report.head.sequence == self.reading.last()
            }
            Err(WalError::Empty { .. }) => records.is_empty(),
            Err(verdict) => {
                error.as_ref().is_some_and(|error| error.to_string() == verdict.to_string())
            }
        };
        let (verdict, error) = (&self.verdict, &self.reading.error);
        let text = format!("verifying says {verdict:?}, reading {error:?}");
        self.expect(agree, || text);
    }

    fn an_anchor_is_confirmed_only_by_its_record(&mut self) {
        let base = self.mutant.base;
        let Some((&sequence, &(_, hash))) = base.records.iter().next_back() else { return };
        let anchor = Anchor { log_id: base.log_id, sequence, hash };
        let verdict = verify_with(self.path, self.key, Some(anchor));
        let holds = self.reading.holds(sequence, hash) && self.verdict.is_ok();
        let dropped = matches!(verdict, Err(WalError::Dropped { .. }));
        let text = format!("holds the anchor's record: {holds}, and the verdict is {verdict:?}");
        self.expect(holds == verdict.is_ok(), || text.clone());
        let tampering = verdict.as_ref().is_err_and(WalError::is_tampering);
        let verified = self.verdict.is_ok();
        self.expect(!verified || holds || tampering || dropped, || text);
    }

    fn seeking_finds_what_reading_finds(&mut self, random: &mut Random) {
        let count = self.reading.records.len();
        if count == 0 {
            return;
        }
        for index in [0, random.below(count), count - 1] {
            let records = self.reading.records.get(index..).unwrap_or_default();
            let Some(wanted) = records.first() else { continue };
            // The names say where a record is, and one of them may lie.
            let inside = wanted.segment() + 1..=wanted.sequence();
            let misled = self.names().any(|first| inside.contains(&first));
            let found = Reader::open_at(self.path, self.key, wanted.sequence());
            let text = match found {
                _ if misled => None,
                Err(error) => Some(format!("{error}")),
                Ok(reader) => {
                    let found: Vec<_> = reader.take(2).map_while(Result::ok).collect();
                    let same = found.iter().zip(records).all(|(found, record)| found == record);
                    let as_many = found.len() >= records.len().min(2);
                    (!same || !as_many).then(|| format!("{found:?}"))
                }
            };
            let sequence = wanted.sequence();
            let found = text.is_none();
            self.expect(found, || {
                format!("seeking record {sequence}: {}", text.unwrap_or_default())
            });
        }
        if self.reading.error.is_none() {
            let next = self.reading.last().checked_add(1);
            let at_end = next.map(|next| Reader::open_at(self.path, self.key, next));
            let nothing =
                at_end.is_none_or(|reader| reader.is_ok_and(|reader| reader.count() == 0));
            self.expect(nothing, || "seeking the record behind the last".to_owned());
        }
    }

    fn opening_refuses_or_recovers(&mut self) {
        write_image(self.scratch, &self.mutant.image);
        let last = self.mutant.image.keys().next_back().cloned().unwrap_or_default();
        let opened = open(self.scratch, self.key);
        let writer = match opened {
            Ok(writer) => writer,
            Err(error) => {
                let same = image_of(self.scratch) == self.mutant.image;
                self.expect(same, || format!("opening refuses and changes something: {error}"));
                let may = self.verdict.is_err() || self.mutant.forged;
                self.expect(may, || format!("it verifies, and opening refuses: {error}"));
                return;
            }
        };
        let report = writer.open_report().clone();
        let read = self.reading.error.as_ref();
        let may = match read {
            None | Some(WalError::Empty { .. } | WalError::Missing { .. }) => true,
            // Opening does not read those before the last.
            Some(WalError::Corrupt { segment, .. }) => format!("{segment:020}.cwal") < last,
            Some(WalError::Unsupported { path, .. }) => !path.ends_with(&last),
            Some(_) => false,
        };
        let none = matches!(read, Some(WalError::Empty { .. } | WalError::Missing { .. }));
        let reads = read.is_none() || none;
        let text = format!("opening accepts what reading refuses: {read:?}");
        self.expect(may, || text);
        let whole = self.reading.error.is_none() && !self.reading.records.is_empty();
        let same = !whole || report.sequence == self.reading.last();
        self.expect(same, || format!("recovers to another record: {report:?}"));
        if let Some(aside) = &report.quarantined {
            let name = format!("{:020}.cwal", aside.segment);
            let before = self.mutant.image.get(&name).map(Vec::as_slice).unwrap_or_default();
            let from = usize::try_from(aside.offset).unwrap_or(usize::MAX);
            let kept = std::fs::read(&aside.path).ok();
            let same = before.get(from..) == kept.as_deref();
            self.expect(same, || format!("what is set aside is not what was cut: {aside:?}"));
        }
        let receipt = match writer.append_bytes(b"appended") {
            Ok(receipt) => receipt,
            Err(WalError::SequencesUsedUp | WalError::RecordTooLarge { .. })
                if self.mutant.forged =>
            {
                return;
            }
            Err(error) => return self.broken.push(format!("opened and takes nothing: {error}")),
        };
        let closed = writer.close();
        self.expect(closed.is_ok(), || format!("opened and not closed: {closed:?}"));
        let after = Reading::of(self.scratch, self.key);
        if reads {
            let error = &after.error;
            let text = format!("opened, appended to, and then: {error:?}");
            let first = after.records.first().map_or(0, Record::sequence);
            let kept = self.reading.records.iter().filter(|record| record.sequence() >= first);
            let kept = kept.cloned().collect::<Vec<_>>();
            let same = after.records.starts_with(&kept);
            let added = after.records.len() == kept.len() + 1;
            let there = after.holds(receipt.sequence, receipt.hash);
            self.expect(error.is_none(), || text);
            self.expect(same && added && there, || "opening loses or adds records".to_owned());
        }
    }

    fn repair_keeps_what_could_be_read(&mut self, accept_beginning: bool) {
        write_image(self.scratch, &self.mutant.image);
        let options = RepairOptions::default()
            .with_key(self.key.cloned())
            .with_accept_beginning(accept_beginning);
        let done = unlocked(|| repair(self.scratch, &options));
        let image = image_of(self.scratch);
        let tampering = self.verdict.as_ref().is_err_and(WalError::is_tampering);
        let text = format!("repair ({accept_beginning}) of {:?} answers {done:?}", self.verdict);
        let Ok(Some(done)) = done else {
            let nothing_kept = self.reading.records.is_empty();
            let refused = done.is_err();
            let unchanged = image == self.mutant.image;
            self.expect(unchanged, || format!("{text} and changes something"));
            let may = refused || !tampering;
            self.expect(may, || text.clone());
            let tampers = done.as_ref().is_err_and(WalError::is_tampering);
            let must =
                tampers && tampering && accept_beginning && !nothing_kept && !self.mutant.forged;
            self.expect(!must || !refused, || format!("{text}, though records can be read"));
            return;
        };
        self.expect(tampering, || text.clone());
        let after = Reading::of(self.scratch, self.key);
        let verdict = verify_with(self.scratch, self.key, None);
        let verifies = verdict.is_ok() || matches!(verdict, Err(WalError::Empty { .. }));
        self.expect(verifies, || format!("{text}, and it then says {verdict:?}"));
        let first = after.records.first().map_or(0, Record::sequence);
        // What a retention was about to remove is no loss.
        let start = self.written(self.reading.log_id).map_or(1, |base| base.log_start);
        let lost = self.reading.records.iter().find(|record| {
            let dropped = record.sequence() < first && first <= start;
            !dropped && !after.holds(record.sequence(), record.hash())
        });
        // Where the log start itself is forged, it decides; and a file of another log may stand
        // before what is kept.
        let same_log = after.log_id == self.reading.log_id;
        let lost = lost.map(Record::sequence).filter(|_| !self.mutant.forged && same_log);
        self.expect(lost.is_none(), || format!("{text} and loses record {lost:?}"));
        let genuine = self.mutant.forged || self.is_genuine(&after);
        self.expect(genuine, || format!("{text}, and a record is there that was not written"));
        self.expect(done.sequence == after.last() || after.records.is_empty(), || text.clone());
        let bytes = |image: &crate::bases::Image| image.values().map(Vec::len).sum::<usize>();
        let all_there = bytes(&image) >= bytes(&self.mutant.image);
        self.expect(all_there, || format!("{text} and deletes bytes"));
        let again = unlocked(|| repair(self.scratch, &options));
        self.expect(!matches!(again, Ok(Some(_)) | Err(_)), || format!("{text}, again {again:?}"));
        let appended = open(self.scratch, self.key).and_then(|writer| {
            writer.append_bytes(b"appended")?;
            writer.close()
        });
        let then = verify_with(self.scratch, self.key, None);
        let goes_on = appended.is_ok() && then.is_ok() || self.mutant.forged;
        self.expect(goes_on, || format!("{text}, then {appended:?} and {then:?}"));
    }
}
