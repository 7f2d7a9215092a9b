//! Tickets: the right to carry a decision out, and its reservation.

use calybris_budget::Reservation;
use calybris_kernel::Request;
use calybris_units::Microunits;

/// The right to carry out one decision and the duty to say how it went.
///
/// Give it to [`Engine::settle`](crate::Engine::settle) or [`Engine::abandon`](crate::Engine::abandon) of the engine that it
/// came from. A ticket that is dropped leaves its reservation standing, in the budget as in the log;
/// [`Engine::open_tickets`](crate::Engine::open_tickets) lists it, and [`Engine::ticket`](crate::Engine::ticket) makes it
/// anew.
#[derive(Debug)]
#[must_use = "its cost stays reserved until it is settled or abandoned"]
pub struct Ticket {
    /// The first bytes of the id of the decision's log: another log may have a ticket with the same number. Ids are random
    /// and this only catches mistakes, so four bytes are enough.
    pub(crate) log_id_prefix: [u8; 4],
    pub(crate) decision_sequence: u64,
    pub(crate) model_id: u32,
    pub(crate) reserved: Microunits,
}

/// What a settlement did to the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settlement {
    /// Sequence of the settlement's record in the log.
    pub sequence: u64,
    /// What was spent.
    pub committed: Microunits,
    /// What went back to the tenant.
    pub returned: Microunits,
    /// The part of the cost above the reservation that was charged to no tenant, under
    /// [`CapAtReserved`](calybris_budget::OverrunPolicy::CapAtReserved); 0 under the other policies.
    pub uncharged: Microunits,
}

/// A ticket that is neither settled nor abandoned.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenTicket {
    /// Sequence of the decision.
    pub decision_sequence: u64,
    /// Who pays.
    pub tenant: String,
    /// The model that is to be called: the one that was chosen, or the one that the ticket fell back on.
    pub model_id: u32,
    /// The models that failed, in order.
    pub failed_model_ids: Vec<u32>,
    /// What is reserved; 0 for a free model.
    pub reserved: Microunits,
}

impl OpenTicket {
    /// A ticket whose model did not fail.
    #[must_use]
    pub fn new(
        decision_sequence: u64,
        tenant: impl Into<String>,
        model_id: u32,
        reserved: Microunits,
    ) -> Self {
        let tenant = tenant.into();
        Self { decision_sequence, tenant, model_id, failed_model_ids: Vec::new(), reserved }
    }
}

/// An open ticket in the table: its reservation and its state.
pub(crate) struct TicketEntry {
    /// It is 0 microunits if the model is free.
    pub(crate) reservation: Reservation,
    pub(crate) state: TicketState,
}

/// The state of an open ticket, apart from its reservation.
pub(crate) struct TicketState {
    pub(crate) model_id: u32,
    pub(crate) failed_model_ids: Vec<u32>,
    /// The request of the decision; falling back ranks the models for it again.
    pub(crate) request: Request,
}

impl Ticket {
    /// Sequence of the decision's record in its log: the ticket's identity there, across restarts too.
    #[must_use]
    pub fn decision_sequence(&self) -> u64 {
        self.decision_sequence
    }

    /// The model to call.
    #[must_use]
    pub fn model_id(&self) -> u32 {
        self.model_id
    }

    /// What is reserved; 0 for a free model.
    #[must_use]
    pub fn reserved(&self) -> Microunits {
        self.reserved
    }
}

impl TicketEntry {
    pub(crate) fn reserved(&self) -> Microunits {
        self.reservation.amount()
    }

    pub(crate) fn ticket(&self, log_id_prefix: [u8; 4], decision_sequence: u64) -> Ticket {
        let (model_id, reserved) = (self.state.model_id, self.reserved());
        Ticket { log_id_prefix, decision_sequence, model_id, reserved }
    }

    /// As a listing shows it.
    pub(crate) fn open_ticket(&self, decision_sequence: u64) -> OpenTicket {
        OpenTicket {
            decision_sequence,
            tenant: self.reservation.tenant().name().to_owned(),
            model_id: self.state.model_id,
            failed_model_ids: self.state.failed_model_ids.clone(),
            reserved: self.reserved(),
        }
    }
}

impl TicketState {
    pub(crate) fn new(model_id: u32, request: Request) -> Self {
        Self { model_id, failed_model_ids: Vec::new(), request }
    }

    /// Notes that the model failed that was to be called. It may have failed before, when there was none to go on to.
    pub(crate) fn fail(&mut self) {
        if !self.has_failed(self.model_id) {
            self.failed_model_ids.push(self.model_id);
        }
    }

    pub(crate) fn has_failed(&self, model_id: u32) -> bool {
        self.failed_model_ids.contains(&model_id)
    }
}
