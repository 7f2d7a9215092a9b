//! The table of open tickets. A ticket is removed from the table while it is changed, and other callers that want it wait,
//! so its records are in the log in the order in which the changes were made.

use std::collections::{BTreeMap, HashMap};

use calybris_units::{BrokenInvariant, invariant};
use calybris_wal::LogId;
use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::error::EngineError;
use crate::ticket::{OpenTicket, Ticket, TicketEntry};

type Table = HashMap<u64, Option<TicketEntry>>;

pub(crate) struct Tickets {
    log_id_prefix: [u8; 4],
    /// `None` while the ticket is changed.
    table: Mutex<Table>,
    /// Told when a ticket comes back or is closed.
    returned: Condvar,
}

/// A ticket that is out of the table while it is changed. On drop, after a panic too, the ticket returns to the table, or is
/// closed if `entry` is `None`.
struct TicketGuard<'a> {
    tickets: &'a Tickets,
    sequence: u64,
    entry: Option<TicketEntry>,
}

/// Whether a ticket is still open after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disposition {
    StaysOpen,
    /// What is still reserved is released.
    IsClosed,
}

impl Tickets {
    /// The open tickets of the log with that id.
    pub(crate) fn new(log_id: LogId, open: BTreeMap<u64, TicketEntry>) -> Self {
        let [b0, b1, b2, b3, ..] = *log_id.as_bytes();
        let table = open.into_iter().map(|(sequence, entry)| (sequence, Some(entry))).collect();
        Self { log_id_prefix: [b0, b1, b2, b3], table: Mutex::new(table), returned: Condvar::new() }
    }

    /// Opens the ticket of the decision at that sequence.
    pub(crate) fn open(&self, sequence: u64, entry: TicketEntry) -> Ticket {
        let ticket = entry.ticket(self.log_id_prefix, sequence);
        self.table.lock().insert(sequence, Some(entry));
        ticket
    }

    /// Makes a change to an open ticket. If it is refused, the ticket stays open.
    pub(crate) fn change<T>(
        &self,
        ticket: &Ticket,
        change: impl FnOnce(&mut TicketEntry) -> Result<(Disposition, T), EngineError>,
    ) -> Result<T, EngineError> {
        let sequence = ticket.decision_sequence;
        let not_open = || EngineError::TicketNotOpen { decision_sequence: sequence };
        if ticket.log_id_prefix != self.log_id_prefix {
            return Err(not_open());
        }
        let taken = self.when_in(sequence).get_mut(&sequence).and_then(Option::take);
        let mut guard =
            TicketGuard { tickets: self, sequence, entry: Some(taken.ok_or_else(not_open)?) };
        let entry = invariant!(guard.entry.as_mut(), "a ticket that was just taken is at hand")?;
        let (disposition, answer) = change(entry)?;
        if disposition == Disposition::IsClosed {
            guard.entry = None;
        }
        Ok(answer)
    }

    /// The open ticket of that decision.
    pub(crate) fn ticket(&self, sequence: u64) -> Option<Ticket> {
        let table = self.when_in(sequence);
        table.get(&sequence)?.as_ref().map(|entry| entry.ticket(self.log_id_prefix, sequence))
    }

    /// Every ticket, oldest first. Waits until all are in the table.
    pub(crate) fn list(&self) -> Vec<OpenTicket> {
        let mut table = self.table.lock();
        while table.values().any(Option::is_none) {
            self.returned.wait(&mut table);
        }
        let open_ticket = |(sequence, entry): (&u64, &Option<TicketEntry>)| {
            Some(entry.as_ref()?.open_ticket(*sequence))
        };
        let mut open: Vec<_> = table.iter().filter_map(open_ticket).collect();
        open.sort_unstable_by_key(|ticket| ticket.decision_sequence);
        open
    }

    /// Runs `section` with every ticket, oldest first.
    ///
    /// # Errors
    /// A ticket is not in the table. The caller holds `in_force` in write mode: INVARIANT (quiet).
    pub(crate) fn with_all<T>(
        &self,
        section: impl FnOnce(&[(u64, &TicketEntry)]) -> T,
    ) -> Result<T, BrokenInvariant> {
        let table = self.table.lock();
        let mut open = Vec::with_capacity(table.len());
        for (sequence, entry) in table.iter() {
            let entry =
                invariant!(entry.as_ref(), "all is quiet, so every open ticket is in the table")?;
            open.push((*sequence, entry));
        }
        open.sort_unstable_by_key(|(sequence, _)| *sequence);
        Ok(section(&open))
    }

    /// The table, once that ticket is in it or closed.
    fn when_in(&self, sequence: u64) -> MutexGuard<'_, Table> {
        let mut table = self.table.lock();
        while let Some(None) = table.get(&sequence) {
            self.returned.wait(&mut table);
        }
        table
    }
}

impl Drop for TicketGuard<'_> {
    fn drop(&mut self) {
        let mut table = self.tickets.table.lock();
        match self.entry.take() {
            Some(entry) => table.insert(self.sequence, Some(entry)),
            None => table.remove(&self.sequence),
        };
        drop(table);
        self.tickets.returned.notify_all();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "test code")]
mod tests {
    use super::*;
    use crate::ticket::TicketState;
    use calybris_budget::BudgetEngine;
    use calybris_kernel::{BasisPoints, Microunits, Request};

    const REQUEST: Request = Request::new(1, 1, 0, 0)
        .with_budget_limit(Microunits::ZERO)
        .with_confidence(BasisPoints::ZERO);

    #[test]
    fn a_ticket_comes_back_from_whoever_panics() {
        let tenant = BudgetEngine::new().ensure_tenant("a", Microunits::new(100)).unwrap();
        let reservation = tenant.try_reserve_allowing_zero(Microunits::new(70)).unwrap();
        let entry = TicketEntry { reservation, state: TicketState::new(1, REQUEST) };
        let tickets = Tickets::new(LogId::from_bytes([7; 16]), BTreeMap::new());
        let ticket = tickets.open(3, entry);
        let looked_at_while_out = tickets.change(&ticket, |_| {
            assert!(tickets.with_all(|open| open.len()).is_err());
            Ok((Disposition::StaysOpen, ()))
        });
        looked_at_while_out.unwrap();
        assert_eq!(tickets.with_all(|open| open.len()), Ok(1));
        let panics = || tickets.change::<()>(&ticket, |_| panic!("on purpose"));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).is_err());
        // It would wait for ever if the ticket were still out.
        assert_eq!(tickets.ticket(3).unwrap().reserved().get(), 70);
        tickets.change(&ticket, |_| Ok((Disposition::IsClosed, ()))).unwrap();
        assert!(tickets.ticket(3).is_none());
        assert_eq!(tenant.snapshot().available.get(), 100);
    }
}
