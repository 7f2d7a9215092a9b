//! Works on a log as a session says, and tells what the log acknowledges.

use calybris_wal::{Durability, Receipt, RetentionAction, WalError, WalWriter};
use serde::ser::{Serialize, SerializeTuple, Serializer};

use crate::plan::{Beforehand, Plan, Retention, Session, Step};
use crate::transcript::{Line, RecordId, Teller};

/// How many times a thread tries again after an error: nothing may be acknowledged any more.
const TRIES_AFTER_ERROR: u32 = 2;

/// The whole plan: what there is beforehand, then one session after the other.
pub fn write(plan: &Plan, teller: &Teller) {
    if let Err(error) = prepare(plan) {
        return teller.tell(Line::Error(format!("preparing: {error}")));
    }
    for session in &plan.sessions {
        if let Err(error) = open(plan, session, teller)
            .and_then(|writer| use_and_give_up(plan, session, writer, teller))
        {
            return teller.tell(Line::Error(error.to_string()));
        }
    }
}

/// Creates what there is beforehand, and syncs none of it.
fn prepare(plan: &Plan) -> std::io::Result<()> {
    for folder in [plan.log(), plan.archive()] {
        match plan.beforehand {
            Beforehand::Nothing => {}
            Beforehand::FoldersAbove => {
                std::fs::create_dir_all(folder.parent().unwrap_or(&folder))?;
            }
            Beforehand::Folders => {
                std::fs::create_dir_all(&folder)?;
                std::fs::write(folder.join("notes"), "not the log's")?;
            }
        }
    }
    Ok(())
}

/// Opens the log.
pub fn open(plan: &Plan, session: &Session, teller: &Teller) -> Result<WalWriter, WalError> {
    teller.tell(Line::Opening { key: session.key });
    let options = plan.options(session);
    match plan.key(session.key)? {
        Some(key) => WalWriter::open_keyed(plan.log(), &options, &key),
        None => WalWriter::open(plan.log(), &options),
    }
}

/// Tells what opening has found, then does what the session says, and gives the log up.
pub fn use_and_give_up(
    plan: &Plan,
    session: &Session,
    writer: WalWriter,
    teller: &Teller,
) -> Result<(), WalError> {
    teller.tell(Line::Opened { sequence: writer.open_report().sequence });
    let outcomes: Vec<Result<(), WalError>> = std::thread::scope(|scope| {
        let start = |thread| {
            let writer = &writer;
            scope.spawn(move || Worker::new(plan, session, thread, writer, teller).run())
        };
        let threads: Vec<_> = (0..session.threads).map(start).collect();
        let ended = threads.into_iter().map(|thread| match thread.join() {
            Ok(outcome) => outcome,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        ended.collect()
    });
    outcomes.into_iter().collect::<Result<(), WalError>>()?;
    if session.closed {
        let anchor = writer.close()?;
        teller.tell(Line::Synced { sequence: anchor.sequence });
    }
    Ok(())
}

/// One thread of a session.
struct Worker<'a> {
    plan: &'a Plan,
    session: &'a Session,
    thread: u32,
    writer: &'a WalWriter,
    teller: &'a Teller,
    appended: u32,
}

impl<'a> Worker<'a> {
    fn new(
        plan: &'a Plan,
        session: &'a Session,
        thread: u32,
        writer: &'a WalWriter,
        teller: &'a Teller,
    ) -> Self {
        Self { plan, session, thread, writer, teller, appended: 0 }
    }

    fn run(&mut self) -> Result<(), WalError> {
        for step in self.plan.steps(self.session, self.thread) {
            if let Err(error) = self.step(step) {
                for _ in 0..TRIES_AFTER_ERROR {
                    drop(self.step(Step::Append).and_then(|()| self.step(Step::Sync)));
                }
                return Err(error);
            }
        }
        Ok(())
    }

    fn step(&mut self, step: Step) -> Result<(), WalError> {
        match step {
            Step::Append => self.append(|payload| self.writer.append_bytes(payload)),
            Step::AppendFirst => self.append(|payload| self.writer.append_first(&Plain(payload))),
            Step::Flush => self.writer.flush(),
            Step::Rotate => self.writer.rotate(),
            Step::Sync => {
                let sequence = self.writer.head().sequence;
                self.writer.flush_and_sync()?;
                self.teller.tell(Line::Synced { sequence });
                Ok(())
            }
            Step::Retain(percent) => self.retain(percent),
        }
    }

    fn append(
        &mut self,
        append: impl FnOnce(&[u8]) -> Result<Receipt, WalError>,
    ) -> Result<(), WalError> {
        let Session { number: session, durability, .. } = *self.session;
        let id = RecordId { session, thread: self.thread, counter: self.appended };
        let Receipt { sequence, hash, .. } = append(&id.payload(self.plan.seed))?;
        self.appended += 1;
        let hash = hash.to_string();
        self.teller.tell(Line::Appended { sequence, hash, id });
        if durability == Durability::Synced {
            self.teller.tell(Line::Synced { sequence });
        }
        Ok(())
    }

    fn retain(&self, percent: u64) -> Result<(), WalError> {
        let archive = self.plan.archive();
        let action = match self.plan.retention {
            Retention::None => return Ok(()),
            Retention::Remove => RetentionAction::Remove,
            Retention::Archive => RetentionAction::Archive(&archive),
        };
        let sequence = self.writer.head().sequence * percent / 100;
        self.teller.tell(Line::Retaining { sequence });
        self.writer.retain_from(sequence, action).map(drop)
    }
}

/// Bytes that are encoded as they are, without their length.
struct Plain<'a>(&'a [u8]);

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(self.0.len())?;
        for byte in self.0 {
            tuple.serialize_element(byte)?;
        }
        tuple.end()
    }
}
