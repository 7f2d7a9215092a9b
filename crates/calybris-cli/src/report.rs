//! Reports of a log, and of what another policy would have changed: for a terminal, as JSON and as an HTML page.

pub(crate) mod axis;
pub(crate) mod changes;
pub(crate) mod chart;
pub(crate) mod flow;
pub(crate) mod html;
pub(crate) mod markup;
pub(crate) mod numbers;
pub(crate) mod object;
pub(crate) mod overview;
pub(crate) mod overview_object;
pub(crate) mod overview_page;
pub(crate) mod overview_tables;
pub(crate) mod page;
pub(crate) mod proposal;
pub(crate) mod spend;
pub(crate) mod sweep;
pub(crate) mod sweep_page;
pub(crate) mod tables;
pub(crate) mod timeline;
pub(crate) mod words;

use std::path::Path;

use calybris_core::engine::{ReplayReport, WhatIf};

use crate::report::proposal::Proposal;

/// The results of one comparison.
pub(crate) struct Report<'a> {
    /// The log's directory, as the user called it.
    pub(crate) log: &'a Path,
    pub(crate) replayed: &'a ReplayReport,
    pub(crate) proposal: &'a Proposal,
    pub(crate) what_if: &'a WhatIf,
}

/// The first sentence of every form of the report.
pub(crate) const NOT_A_FORECAST: &str = "This is a replay, not a forecast.";

/// What a replay is, and what it is not.
pub(crate) const METHOD: &str = "Each recorded request is decided again, as it was asked then. Costs are the \
     estimates for the tokens of the request, utilities are measured by the policy that decides. Budgets are not \
     replayed: a decision that a tenant's budget refused is left out, and whatever the proposed policy chooses is taken \
     to be affordable. Fallbacks and settled costs are not compared.";
