//! Recovery: budgets, open tickets and the snapshot in force, from the log alone.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use calybris_budget::{BudgetEngine, BudgetEvent, Replay, Replayed};
use calybris_wal::{Key, Reader};

use crate::engine::Installed;
use crate::error::EngineError;
use crate::record::{Admission, Decided, Record};
use crate::ticket::Hold;

/// What opening an engine found in its log.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Recovery {
    /// What the log itself had to do: a torn tail set aside, say.
    pub log: calybris_wal::Recovery,
    /// Records read.
    pub records: u64,
    /// Decisions among them.
    pub decisions: u64,
    /// Tickets found open, which now hold their reservations again.
    pub open_tickets: u64,
    /// What those hold, in microunits.
    pub held_microunits: u64,
}

/// The state that a log leads to.
pub(crate) struct Recovered {
    pub(crate) budget: BudgetEngine,
    pub(crate) open: HashMap<u64, Hold>,
    pub(crate) installed: Option<Installed>,
    pub(crate) recovery: Recovery,
}

/// A ticket as the log knows it, before its reservation is rebuilt.
struct OpenInLog {
    tenant: String,
    model_id: u32,
    reserved_microunits: u64,
}

/// The fold over the records.
struct Fold {
    budget: Replay,
    open: HashMap<u64, OpenInLog>,
    installed: Option<Installed>,
    /// Sequences of all snapshots, that a decision may name.
    snapshots: BTreeSet<u64>,
    tenants: BTreeSet<String>,
    records: u64,
    decisions: u64,
}

/// Reads the log in `dir` from its beginning. The caller has it open for writing, so nothing changes meanwhile.
pub(crate) fn recover(
    dir: &Path,
    key: Option<&Key>,
    log: calybris_wal::Recovery,
) -> Result<Recovered, EngineError> {
    let reader = Reader::open(dir, key)?;
    let mut fold = Fold {
        budget: Replay::new(),
        open: HashMap::new(),
        installed: None,
        snapshots: BTreeSet::new(),
        tenants: BTreeSet::new(),
        records: 0,
        decisions: 0,
    };
    for entry in reader {
        let entry = entry?;
        fold.apply(entry.sequence(), entry.decode::<Record<'static>>()?)?;
    }
    fold.finish(log)
}

impl Fold {
    fn apply(&mut self, sequence: u64, record: Record<'static>) -> Result<(), EngineError> {
        self.records = self.records.saturating_add(1);
        match record {
            Record::SnapshotInstalled { snapshot, .. } => {
                let snapshot = snapshot.restore(sequence)?;
                self.snapshots.insert(sequence);
                self.installed = Some(Installed { sequence, snapshot });
            }
            Record::BudgetChanged { event, .. } => {
                if let BudgetEvent::TenantOpened { tenant, .. } = &event {
                    if !self.tenants.insert(tenant.clone()) {
                        let what = format!("tenant `{tenant}` is open already");
                        return Err(contradiction(sequence, what));
                    }
                }
                self.budget(sequence, event)?;
            }
            Record::Decided(decided) => self.decided(sequence, decided)?,
            Record::Settled { decision_sequence, actual_cost_microunits, .. } => {
                let ticket = self.close(sequence, decision_sequence)?;
                if ticket.reserved_microunits > 0 {
                    let hold = decision_sequence;
                    let actual_microunits = actual_cost_microunits;
                    self.budget(sequence, BudgetEvent::Committed { hold, actual_microunits })?;
                } else if actual_cost_microunits > 0 {
                    let what =
                        format!("settles {actual_cost_microunits} where nothing was reserved");
                    return Err(contradiction(sequence, what));
                }
            }
            Record::Abandoned { decision_sequence, .. } => {
                let ticket = self.close(sequence, decision_sequence)?;
                if ticket.reserved_microunits > 0 {
                    self.budget(sequence, BudgetEvent::Released { hold: decision_sequence })?;
                }
            }
            Record::FellBack { .. } => {
                return Err(contradiction(sequence, "falling back is not known yet".to_owned()));
            }
        }
        Ok(())
    }

    fn decided(&mut self, sequence: u64, decided: Decided<'static>) -> Result<(), EngineError> {
        self.decisions = self.decisions.saturating_add(1);
        if !self.snapshots.contains(&decided.snapshot_sequence) {
            let named = decided.snapshot_sequence;
            return Err(contradiction(sequence, format!("record {named} installed no snapshot")));
        }
        if !self.tenants.contains(&*decided.tenant) {
            return Err(contradiction(
                sequence,
                format!("tenant `{}` was not opened", decided.tenant),
            ));
        }
        let model_id = match (decided.decision.selected_model_id, decided.admission) {
            (Some(model_id), Admission::Reserved) => model_id,
            (Some(_), Admission::Insufficient { .. }) | (None, Admission::NotAsked) => {
                return Ok(());
            }
            (_, admission) => {
                let what = format!("admission {admission:?} does not fit its decision");
                return Err(contradiction(sequence, what));
            }
        };
        let reserved_microunits = decided.reserved_microunits();
        let tenant = decided.tenant.into_owned();
        if reserved_microunits > 0 {
            let event = BudgetEvent::Reserved {
                tenant: tenant.clone(),
                hold: sequence,
                amount_microunits: reserved_microunits,
            };
            self.budget(sequence, event)?;
        }
        self.open.insert(sequence, OpenInLog { tenant, model_id, reserved_microunits });
        Ok(())
    }

    fn close(&mut self, sequence: u64, decision_sequence: u64) -> Result<OpenInLog, EngineError> {
        self.open.remove(&decision_sequence).ok_or_else(|| {
            contradiction(sequence, format!("decision {decision_sequence} has no open ticket"))
        })
    }

    fn budget(&mut self, sequence: u64, event: BudgetEvent) -> Result<(), EngineError> {
        self.budget.apply(event).map_err(|error| contradiction(sequence, error.to_string()))
    }

    fn finish(self, log: calybris_wal::Recovery) -> Result<Recovered, EngineError> {
        let Replayed { engine: budget, open_holds: mut reservations, .. } = self.budget.finish();
        let mut open = HashMap::with_capacity(self.open.len());
        let mut held_microunits = 0_u64;
        for (sequence, ticket) in self.open {
            let tenant = budget
                .tenant(&ticket.tenant)
                .ok_or_else(|| contradiction(sequence, format!("no tenant `{}`", ticket.tenant)))?;
            let reservation = reservations.remove(&sequence);
            held_microunits = held_microunits.saturating_add(ticket.reserved_microunits);
            open.insert(sequence, Hold { tenant, model_id: ticket.model_id, reservation });
        }
        let recovery = Recovery {
            log,
            records: self.records,
            decisions: self.decisions,
            open_tickets: u64::try_from(open.len()).unwrap_or(u64::MAX),
            held_microunits,
        };
        Ok(Recovered { budget, open, installed: self.installed, recovery })
    }
}

fn contradiction(sequence: u64, contradiction: String) -> EngineError {
    EngineError::Contradiction { sequence, contradiction }
}
