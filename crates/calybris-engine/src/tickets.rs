//! The table of open tickets. Whoever changes one has it out of the table for as long as that takes; others who want the
//! same ticket wait, so that the log has its records in the order in which they were made.

use std::collections::{BTreeMap, HashMap};

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::error::EngineError;
use crate::ticket::{Hold, OpenTicket, Ticket};

type Table = HashMap<u64, Option<Hold>>;

#[derive(Debug)]
pub(crate) struct Tickets {
    /// `None` while somebody has the ticket.
    table: Mutex<Table>,
    /// Told when a ticket comes back or is closed.
    returned: Condvar,
}

/// What becomes of a ticket after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    StaysOpen,
    /// What its reservation still holds is released.
    IsClosed,
}

impl Tickets {
    pub(crate) fn new(open: BTreeMap<u64, Hold>) -> Self {
        let table = open.into_iter().map(|(sequence, hold)| (sequence, Some(hold))).collect();
        Self { table: Mutex::new(table), returned: Condvar::new() }
    }

    pub(crate) fn insert(&self, sequence: u64, hold: Hold) {
        self.table.lock().insert(sequence, Some(hold));
    }

    /// Makes a change to an open ticket. If it is refused, the ticket stays open.
    pub(crate) fn change<T>(
        &self,
        sequence: u64,
        change: impl FnOnce(&mut Hold) -> Result<(Fate, T), EngineError>,
    ) -> Result<T, EngineError> {
        let taken = self.when_in(sequence).get_mut(&sequence).and_then(Option::take);
        let Some(mut hold) = taken else {
            return Err(EngineError::TicketNotOpen { decision_sequence: sequence });
        };
        let changed = change(&mut hold);
        let mut table = self.table.lock();
        let answer = match changed {
            Ok((Fate::IsClosed, answer)) => {
                table.remove(&sequence);
                Ok(answer)
            }
            Ok((Fate::StaysOpen, answer)) => {
                table.insert(sequence, Some(hold));
                Ok(answer)
            }
            Err(error) => {
                table.insert(sequence, Some(hold));
                Err(error)
            }
        };
        drop(table);
        self.returned.notify_all();
        answer
    }

    /// The open ticket of that decision.
    pub(crate) fn ticket(&self, sequence: u64) -> Option<Ticket> {
        let table = self.when_in(sequence);
        table.get(&sequence)?.as_ref().map(|hold| hold.ticket(sequence))
    }

    /// Every ticket, oldest first. The caller sees to it that nobody has one out.
    pub(crate) fn list(&self) -> Vec<OpenTicket> {
        self.in_order(|sequence, hold| hold.open_ticket(sequence))
    }

    /// Looks at every ticket, oldest first. The caller sees to it that nobody has one out.
    pub(crate) fn in_order<T>(&self, look: impl Fn(u64, &Hold) -> T) -> Vec<T> {
        let table = self.table.lock();
        let mut open: Vec<_> =
            table.iter().filter_map(|(sequence, hold)| Some((*sequence, hold.as_ref()?))).collect();
        open.sort_unstable_by_key(|(sequence, _)| *sequence);
        open.into_iter().map(|(sequence, hold)| look(sequence, hold)).collect()
    }

    /// Runs `section` with every reservation, by the sequence of its decision.
    pub(crate) fn with_reservations<T>(
        &self,
        section: impl FnOnce(&mut dyn Iterator<Item = (u64, &calybris_budget::Reservation)>) -> T,
    ) -> T {
        let table = self.table.lock();
        let mut held = table
            .iter()
            .filter_map(|(sequence, hold)| Some((*sequence, &hold.as_ref()?.reservation)));
        section(&mut held)
    }

    /// The table, at a moment at which nobody has that ticket out.
    fn when_in(&self, sequence: u64) -> MutexGuard<'_, Table> {
        let mut table = self.table.lock();
        while let Some(None) = table.get(&sequence) {
            self.returned.wait(&mut table);
        }
        table
    }
}
