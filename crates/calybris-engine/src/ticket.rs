//! Tickets: the right to carry a decision out, and what stands behind it.

use calybris_budget::{Reservation, Tenant};

/// The right to carry out one decision and the duty to say how it went.
///
/// Give it to [`Engine::settle`](crate::Engine::settle) or [`Engine::abandon`](crate::Engine::abandon). A ticket that is dropped leaves its reservation standing, in
/// the budget as in the log; [`Engine::open_tickets`](crate::Engine::open_tickets) lists it, and [`Engine::ticket`](crate::Engine::ticket) makes it anew.
#[derive(Debug)]
#[must_use = "an unsettled ticket holds its reservation until it is settled or abandoned"]
pub struct Ticket {
    pub(crate) decision_sequence: u64,
    model_id: u32,
    reserved_microunits: u64,
}

/// What a settlement did to the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// Sequence of the settlement's record in the log.
    pub sequence: u64,
    /// What was spent.
    pub committed_microunits: u64,
    /// What went back to the tenant.
    pub returned_microunits: u64,
}

/// A ticket that is neither settled nor abandoned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenTicket {
    /// Sequence of the decision.
    pub decision_sequence: u64,
    /// Who pays.
    pub tenant: String,
    /// The model that was chosen.
    pub model_id: u32,
    /// What is reserved.
    pub reserved_microunits: u64,
}

/// What stands behind an open ticket.
#[derive(Debug)]
pub(crate) struct Hold {
    pub(crate) tenant: Tenant,
    pub(crate) model_id: u32,
    /// `None` when the model is free: there is nothing to hold.
    pub(crate) reservation: Option<Reservation>,
}

impl Ticket {
    /// Sequence of the decision's record in the log: the ticket's identity, across restarts too.
    #[must_use]
    pub fn decision_sequence(&self) -> u64 {
        self.decision_sequence
    }

    /// The model to call.
    #[must_use]
    pub fn model_id(&self) -> u32 {
        self.model_id
    }

    /// What is reserved, in microunits; 0 for a free model.
    #[must_use]
    pub fn reserved_microunits(&self) -> u64 {
        self.reserved_microunits
    }
}

impl Hold {
    pub(crate) fn reserved_microunits(&self) -> u64 {
        self.reservation.as_ref().map_or(0, Reservation::amount_microunits)
    }

    pub(crate) fn ticket(&self, decision_sequence: u64) -> Ticket {
        let reserved_microunits = self.reserved_microunits();
        Ticket { decision_sequence, model_id: self.model_id, reserved_microunits }
    }
}
