//! Recovery: budgets, open tickets and the snapshot in force, from the log alone.

use std::collections::HashMap;
use std::path::Path;

use calybris_budget::{BudgetEngine, Replayed};
use calybris_wal::{Key, Reader};

use crate::error::EngineError;
use crate::fold::{Fold, contradiction};
use crate::record::Record;
use crate::snapshot::Installed;
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

/// Reads the log in `dir` from its beginning. The caller has it open for writing, so nothing changes meanwhile.
pub(crate) fn recover(
    dir: &Path,
    key: Option<&Key>,
    log: calybris_wal::Recovery,
) -> Result<Recovered, EngineError> {
    let mut fold = Fold::new();
    for entry in Reader::open(dir, key)? {
        let entry = entry?;
        fold.apply(entry.sequence(), entry.decode::<Record<'static>>()?)?;
    }
    resume(fold, log)
}

fn resume(fold: Fold, log: calybris_wal::Recovery) -> Result<Recovered, EngineError> {
    let Replayed { engine: budget, open_holds: mut reservations, .. } = fold.budget.finish();
    let mut open = HashMap::with_capacity(fold.tickets.len());
    let mut held_microunits = 0_u64;
    for (sequence, state) in fold.tickets {
        // INVARIANT (one hold a ticket).
        let reservation = reservations
            .remove(&sequence)
            .ok_or_else(|| contradiction(sequence, "its ticket has no hold".to_owned()))?;
        held_microunits = held_microunits.saturating_add(reservation.amount_microunits());
        open.insert(sequence, Hold { reservation, state });
    }
    let recovery = Recovery {
        log,
        records: fold.records,
        decisions: fold.decisions,
        open_tickets: u64::try_from(open.len()).unwrap_or(u64::MAX),
        held_microunits,
    };
    Ok(Recovered { budget, open, installed: fold.installed, recovery })
}
