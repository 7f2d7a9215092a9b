//! Checkpoints: all that an engine is, in one record at the beginning of a segment, so that recovery does not take longer
//! as the log grows and older segments can be dropped.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use calybris_budget::{Audit, Replay};
use calybris_units::{UnixMillis, invariant};
use calybris_wal::RetentionAction;

use crate::active_snapshot::ActiveSnapshot;
use crate::engine::Engine;
use crate::error::{EngineError, contradiction, refused_by_state};
use crate::fold::Fold;
use crate::history::name_of;
#[cfg(doc)]
use crate::ledger::Ledger;
use crate::record::{Checkpoint, LoggedTicket, Record};
use crate::recorded::record_at;
use crate::snapshot::Installed;
use crate::ticket::TicketState;

impl Engine {
    /// Writes a checkpoint now, as the first record of a new segment, and answers its sequence. Other calls wait while
    /// it is written. If nothing was logged since the last one but a snapshot, nothing is appended and its sequence is the
    /// answer. Behind it the snapshot in force is installed once more, and later decisions name that record.
    ///
    /// It happens by itself every so many records, see
    /// [`EngineOptions::checkpoint_every_records`](crate::EngineOptions::checkpoint_every_records); should that fail, the
    /// call that it came with is not undone, [`checkpoint_failure`](Self::checkpoint_failure) says why, and it is tried
    /// again after as many records.
    ///
    /// # Errors
    /// [`EngineError::Log`] if the log cannot be written, or, with
    /// [`RecordTooLarge`](calybris_wal::WalError::RecordTooLarge), if the state is too large for a record (64 MiB: some
    /// hundred thousand tenants and open tickets): then the log is as it was and goes on, and opening it takes as long as
    /// it takes to read what came after the last checkpoint.
    ///
    /// ```
    /// # use calybris_engine::{Engine, EngineOptions, Microunits, UnixMillis};
    /// # let dir = tempfile::tempdir()?;
    /// # let dir = dir.path().join("log");
    /// let engine = Engine::open(&dir, &EngineOptions::default())?;
    /// engine.ensure_tenant("acme", Microunits::new(1_000_000), UnixMillis::new(1))?;
    /// assert_eq!(engine.checkpoint(UnixMillis::new(2))?, 2);
    /// drop(engine);
    /// let engine = Engine::open(&dir, &EngineOptions::default())?;
    /// assert_eq!(engine.recovery().first_sequence, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn checkpoint(&self, time: UnixMillis) -> Result<u64, EngineError> {
        let _admin = self.admin.lock();
        self.while_sound(|| self.checkpoint_as_admin(time))
    }

    /// Why the last checkpoint that was due by itself was not written; `None` if it was, or if one was written since.
    ///
    /// An operator asks now and then: calls go on without checkpoints, but opening the log takes longer each day.
    ///
    /// ```
    /// # use calybris_engine::{Engine, EngineOptions, Microunits, UnixMillis};
    /// # let dir = tempfile::tempdir()?;
    /// # let engine = Engine::open(dir.path().join("log"), &EngineOptions::default())?;
    /// if let Some(error) = engine.checkpoint_failure() {
    ///     eprintln!("the log goes on without a checkpoint: {error}");
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn checkpoint_failure(&self) -> Option<Arc<EngineError>> {
        self.checkpoint_failure.lock().clone()
    }

    /// Drops the segments before the last checkpoint and says how many there were: nothing after it needs them, but what
    /// they say can no longer be replayed. Without a checkpoint nothing is dropped.
    ///
    /// # Errors
    /// [`EngineError::Log`].
    ///
    /// ```
    /// # use calybris_engine::{Engine, EngineOptions, Microunits, UnixMillis};
    /// # let dir = tempfile::tempdir()?;
    /// # let dir = dir.path().join("log");
    /// use calybris_wal::RetentionAction;
    ///
    /// let engine = Engine::open(&dir, &EngineOptions::default())?;
    /// engine.ensure_tenant("acme", Microunits::new(1_000_000), UnixMillis::new(1))?;
    /// assert_eq!(engine.retain_from_checkpoint(RetentionAction::Remove)?, 0);
    /// engine.checkpoint(UnixMillis::new(2))?;
    /// assert_eq!(engine.retain_from_checkpoint(RetentionAction::Remove)?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn retain_from_checkpoint(
        &self,
        action: RetentionAction<'_>,
    ) -> Result<usize, EngineError> {
        self.while_sound(|| {
            let checkpoint_sequence = self.in_force.read().checkpoint_sequence;
            Ok(self.log.retain_from(checkpoint_sequence, action)?)
        })
    }

    /// Drops the segments before an earlier checkpoint, as
    /// [`retain_from_checkpoint`](Self::retain_from_checkpoint) does before the last one. [`Ledger::checkpoints`] lists them with
    /// their times.
    ///
    /// # Errors
    /// [`EngineError::NotACheckpoint`], or [`EngineError::Log`], also if the log has no such record: then nothing is dropped.
    ///
    /// ```
    /// # use calybris_engine::{Engine, EngineOptions, Ledger, Microunits, UnixMillis};
    /// # let dir = tempfile::tempdir()?;
    /// # let dir = dir.path().join("log");
    /// use calybris_wal::RetentionAction;
    ///
    /// let engine = Engine::open(&dir, &EngineOptions::default())?;
    /// for day in 1..=3 {
    ///     engine.ensure_tenant(&format!("acme/{day}"), Microunits::new(1_000_000), UnixMillis::new(day))?;
    ///     engine.checkpoint(UnixMillis::new(day))?;
    /// }
    /// let checkpoints = Ledger::read(&dir, None)?.checkpoints;
    /// let last = checkpoints.iter().rfind(|checkpoint| checkpoint.time <= UnixMillis::new(2)).ok_or("none")?;
    /// assert_eq!(engine.retain_from(last.sequence, RetentionAction::Remove)?, 2);
    /// assert_eq!(Ledger::read(&dir, None)?.checkpoints.len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn retain_from(
        &self,
        checkpoint_sequence: u64,
        action: RetentionAction<'_>,
    ) -> Result<usize, EngineError> {
        self.while_sound(|| {
            let (_, record) = record_at(&self.dir, self.key.as_ref(), checkpoint_sequence)?;
            match record {
                Record::Checkpoint(_) => Ok(self.log.retain_from(checkpoint_sequence, action)?),
                other => {
                    let found = name_of(&other);
                    Err(EngineError::NotACheckpoint { sequence: checkpoint_sequence, found })
                }
            }
        })
    }

    /// Writes a checkpoint if it is time for one. The caller holds no lock, and has logged up to `sequence`.
    pub(crate) fn checkpoint_if_due(&self, sequence: u64, time: UnixMillis) {
        if sequence < self.checkpoint_due_at.load(Relaxed) {
            return;
        }
        // If the lock is taken, its holder logs something next and checks again afterwards.
        let Some(_admin) = self.admin.try_lock() else { return };
        if sequence < self.checkpoint_due_at.load(Relaxed) {
            return;
        }
        if let Err(error) = self.while_sound(|| self.checkpoint_as_admin(time)) {
            // The caller's own change is done and logged, so the caller gets no error. If the log cannot be written, the next
            // call gets it.
            *self.checkpoint_failure.lock() = Some(Arc::new(error));
            self.checkpoint_due_again_after(sequence);
        }
    }

    fn checkpoint_due_again_after(&self, sequence: u64) {
        if self.checkpoint_every_records > 0 {
            let due_at = sequence.saturating_add(self.checkpoint_every_records);
            self.checkpoint_due_at.store(due_at, Relaxed);
        }
    }

    /// The caller holds `admin`.
    fn checkpoint_as_admin(&self, time: UnixMillis) -> Result<u64, EngineError> {
        // INVARIANT (quiet).
        let mut in_force = self.in_force.write();
        let head_sequence = self.log.head().sequence;
        if in_force.nothing_since_checkpoint(head_sequence) {
            return Ok(in_force.checkpoint_sequence);
        }
        let checkpoint = Record::Checkpoint(self.state(&in_force, head_sequence, time)?);
        self.check_sound()?;
        let sequence = self.log.append_first(&checkpoint)?.sequence;
        in_force.checkpoint_sequence = sequence;
        if let Some(installed) = &mut in_force.installed {
            installed.sequence = sequence;
        }
        self.install_behind_checkpoint(&mut in_force, time)?;
        self.checkpoint_due_again_after(self.log.head().sequence);
        *self.checkpoint_failure.lock() = None;
        Ok(sequence)
    }

    /// Installs the snapshot in force once more if a checkpoint put it in force. A proof of a decision shows the record
    /// that the decision names, and that must not show every tenant's balance.
    pub(crate) fn install_behind_checkpoint(
        &self,
        in_force: &mut ActiveSnapshot,
        time: UnixMillis,
    ) -> Result<(), EngineError> {
        if let Some(installed) = &mut in_force.installed
            && installed.sequence == in_force.checkpoint_sequence
        {
            let snapshot = installed.snapshot.logged();
            installed.sequence =
                self.append(&Record::SnapshotInstalled { time, snapshot })?.sequence;
        }
        Ok(())
    }

    fn state<'a>(
        &self,
        in_force: &'a ActiveSnapshot,
        head_sequence: u64,
        time: UnixMillis,
    ) -> Result<Checkpoint<'a>, EngineError> {
        let (budget, tickets) = self.tickets.with_all(|open| {
            let reservations = open.iter().map(|(id, entry)| ((*id).into(), &entry.reservation));
            let tickets = open.iter().map(|(sequence, entry)| entry.state.logged(*sequence));
            (self.budget.state(reservations), tickets.collect())
        })?;
        Ok(Checkpoint {
            time,
            snapshot: in_force.installed.as_ref().map(|installed| installed.snapshot.logged()),
            // Reservations are numbered by their records.
            budget: budget?.numbered_up_to(head_sequence.into()),
            tickets: Cow::Owned(tickets),
            keyed_decisions: Cow::Owned(self.keys.remembered()),
            decisions: self.decisions.load(Relaxed),
        })
    }
}

impl Fold {
    /// Begins with a checkpoint, whose state it takes as it is.
    pub(crate) fn begin(
        &mut self,
        sequence: u64,
        checkpoint: Checkpoint<'static>,
    ) -> Result<(), EngineError> {
        let refused = |what: String| contradiction(sequence, what);
        self.budget = Replay::from_state(&checkpoint.budget)
            .map_err(|error| refused_by_state(sequence, error))?;
        if self.audit.is_some() {
            let audit = Audit::from_state(&checkpoint.budget)
                .map_err(|error| refused(error.to_string()))?;
            self.audit = Some(Ok(audit));
        }
        for ticket in checkpoint.tickets.into_owned() {
            let LoggedTicket { decision_sequence, model_id, failed_model_ids, request } = ticket;
            let ticket = TicketState { model_id, failed_model_ids, request };
            let twice = self.tickets.insert(decision_sequence, ticket).is_some();
            if twice || decision_sequence >= sequence {
                return Err(refused(format!("its ticket {decision_sequence} cannot be")));
            }
        }
        for decision in checkpoint.keyed_decisions.into_owned() {
            if decision.decision_sequence >= sequence {
                let decision_sequence = decision.decision_sequence;
                return Err(refused(format!("its keyed decision {decision_sequence} cannot be")));
            }
            self.keys.add(decision);
        }
        if checkpoint.decisions >= sequence {
            let decisions = checkpoint.decisions;
            return Err(refused(format!("{decisions} decisions cannot be before it")));
        }
        self.decisions = checkpoint.decisions;
        self.checkpoint_sequence = sequence;
        self.checkpoint_time = checkpoint.time;
        if let Some(snapshot) = checkpoint.snapshot {
            self.put_in_force(Installed { sequence, snapshot: snapshot.restore(sequence)? });
        }
        Ok(())
    }

    /// Compares a checkpoint with the state that the records before it lead to, and goes on.
    pub(crate) fn check(
        &mut self,
        sequence: u64,
        checkpoint: Checkpoint<'static>,
    ) -> Result<(), EngineError> {
        let before = invariant!(sequence.checked_sub(1), "sequences begin with 1")?;
        let budget = self
            .budget
            .state()
            .map_err(|error| refused_by_state(sequence, error))?
            .numbered_up_to(before.into());
        let tickets: Vec<LoggedTicket> =
            self.tickets.iter().map(|(sequence, state)| state.logged(*sequence)).collect();
        let snapshot = self.installed.as_ref().map(|installed| installed.snapshot.logged());
        // An engine remembers as many as it was told to, and the fold has more.
        let known = self.keys.decisions().rev().take(checkpoint.keyed_decisions.len());
        let same_keys = known.eq(checkpoint.keyed_decisions.iter().rev());
        for (same, part) in [
            (snapshot == checkpoint.snapshot, "snapshot in force"),
            (budget == checkpoint.budget, "budget"),
            (*tickets == *checkpoint.tickets, "open tickets"),
            (same_keys, "decisions with a request key"),
            (self.decisions == checkpoint.decisions, "number of decisions"),
        ] {
            if !same {
                let what = format!("its {part} is not what the records before it lead to");
                return Err(contradiction(sequence, what));
            }
        }
        self.checkpoint_sequence = sequence;
        self.checkpoint_time = checkpoint.time;
        if let Some(Installed { snapshot, .. }) = self.installed.take() {
            self.put_in_force(Installed { sequence, snapshot });
        }
        Ok(())
    }
}

impl TicketState {
    fn logged(&self, decision_sequence: u64) -> LoggedTicket {
        LoggedTicket {
            decision_sequence,
            model_id: self.model_id,
            failed_model_ids: self.failed_model_ids.clone(),
            request: self.request,
        }
    }
}
