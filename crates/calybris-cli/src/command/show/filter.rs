//! Which records `show` shows.

use std::collections::HashSet;
use std::ops::{Range, RangeInclusive};

use calybris_catalog::text::quoted;
use calybris_core::engine::{Decided, Entry, Names, Record};
use calybris_core::kernel::{Action, Reason};
use clap::ValueEnum;

use super::Arguments;
use crate::failure::Failure;
use crate::log::arguments::LogArguments;
use crate::log::columns::time_of;
use crate::log::journal::Journal;
use crate::log::naming::model_name;
use crate::log::outcome::{Ending, Followed, decision_of};
use crate::log::spending::Spending;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ActionFilter {
    Execute,
    Substitute,
    Reject,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum OutcomeFilter {
    Settled,
    Abandoned,
    Open,
    Rejected,
    Unfunded,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    All,
    Decision,
    Settled,
    Abandoned,
    Fellback,
    Snapshot,
    Budget,
    Checkpoint,
}

/// What is to be shown.
pub(super) struct Filter {
    tenant: Option<String>,
    action: Option<Action>,
    reasons: Option<Vec<Reason>>,
    model: Option<String>,
    outcome: Option<OutcomeFilter>,
    correlation_id: Option<String>,
    request_key: Option<String>,
    sequences: RangeInclusive<u64>,
    times: Range<u64>,
    kinds: Vec<Kind>,
}

impl Filter {
    pub(super) fn new(arguments: &Arguments) -> Result<Self, Failure> {
        let action = arguments.action.map(|action| match action {
            ActionFilter::Execute => Action::ExecuteRequested,
            ActionFilter::Substitute => Action::Substitute,
            ActionFilter::Reject => Action::Reject,
        });
        let (from, to) = (arguments.from_sequence, arguments.to_sequence);
        if from > to {
            let what =
                format!("--from-sequence must not be above --to-sequence: found {from} and {to}");
            return Err(Failure::refused(what));
        }
        Ok(Self {
            tenant: arguments.tenant.clone(),
            action,
            reasons: arguments.reason.as_deref().map(reasons).transpose()?,
            model: arguments.model.clone(),
            outcome: arguments.outcome,
            correlation_id: arguments.correlation_id.clone(),
            request_key: arguments.request_key.clone(),
            sequences: from..=to,
            times: arguments.period.range()?,
            kinds: arguments.kind.clone(),
        })
    }

    pub(super) fn place(&self, sequence: u64, time_unix_ms: u64) -> bool {
        self.sequences.contains(&sequence) && self.times.contains(&time_unix_ms)
    }

    /// Whether a decision matches in all that its own record says, the model aside.
    pub(super) fn decision(&self, decided: &Decided<'_>) -> bool {
        let decision = &decided.decision;
        let is = |wanted: &Option<String>, found: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted == found)
        };
        is(&self.tenant, &decided.tenant)
            && is(&self.correlation_id, &decided.correlation_id)
            && is(&self.request_key, &decided.request_key)
            && self.action.is_none_or(|action| decision.action == action)
            && self.reasons.as_ref().is_none_or(|reasons| reasons.contains(&decision.reason))
    }

    /// Whether it asks for what later records say of a decision.
    pub(super) fn needs_outcome(&self) -> bool {
        self.outcome.is_some() || self.model.is_some()
    }

    /// Whether a decision matches in what became of it: the models it went to, and its end.
    pub(super) fn followed(&self, followed: &Followed) -> bool {
        let outcome = |wanted: OutcomeFilter| match followed.ending {
            Ending::Settled { .. } => wanted == OutcomeFilter::Settled,
            Ending::Abandoned { .. } => wanted == OutcomeFilter::Abandoned,
            Ending::Open => wanted == OutcomeFilter::Open,
            Ending::Rejected => wanted == OutcomeFilter::Rejected,
            Ending::Unfunded(_) => wanted == OutcomeFilter::Unfunded,
        };
        self.outcome.is_none_or(outcome)
            && self.model.as_ref().is_none_or(|model| followed.models().any(|name| name == model))
    }

    /// Whether it is this model that is asked for, or any.
    fn model(&self, model_id: Option<u32>, names: &Names) -> bool {
        let is = |wanted: &String| model_id.is_some_and(|id| model_name(names, id) == *wanted);
        self.model.as_ref().is_none_or(is)
    }

    /// Refuses a tenant or a model that the log does not have; to be asked when nothing matched, for it reads the log again.
    pub(super) fn check_names(&self, log: &LogArguments) -> Result<(), Failure> {
        if self.tenant.is_none() && self.model.is_none() {
            return Ok(());
        }
        let is = |wanted: &Option<String>, found: &str| wanted.as_deref() == Some(found);
        let (mut tenant_is_there, mut model_is_there) = (false, false);
        let mut spending = Spending::open(log)?;
        while let Some(line) = spending.next()? {
            let snapshot = match &line.entry.record {
                Record::SnapshotInstalled { snapshot, .. } => Some(snapshot),
                Record::Checkpoint(checkpoint) => checkpoint.snapshot.as_ref(),
                Record::Decided(decided) => {
                    tenant_is_there |= is(&self.tenant, &decided.tenant);
                    None
                }
                _ => None,
            };
            model_is_there |= snapshot.is_some_and(|snapshot| {
                snapshot.names.models.values().any(|name| is(&self.model, name))
            });
        }
        let accounts = spending.finish()?.ledger.accounts;
        tenant_is_there |= accounts.iter().any(|account| is(&self.tenant, &account.tenant));
        let wanted =
            [("tenant", &self.tenant, tenant_is_there), ("model", &self.model, model_is_there)];
        for (what, name, is_there) in wanted {
            if let (Some(name), false) = (name, is_there) {
                return Err(Failure::at(
                    log.dir(),
                    format!("no {what} {} in this log", quoted(name)),
                ));
            }
        }
        Ok(())
    }

    /// Whether it asks for something that only decisions have.
    fn of_decisions(&self) -> bool {
        self.tenant.is_some()
            || self.action.is_some()
            || self.reasons.is_some()
            || self.model.is_some()
            || self.correlation_id.is_some()
            || self.request_key.is_some()
    }

    fn kind(&self, record: &Record<'_>) -> bool {
        let kind = match record {
            Record::Decided(_) => Kind::Decision,
            Record::Settled { .. } => Kind::Settled,
            Record::Abandoned { .. } => Kind::Abandoned,
            Record::FellBack { .. } => Kind::Fellback,
            Record::SnapshotInstalled { .. } => Kind::Snapshot,
            Record::BudgetChanged { .. } => Kind::Budget,
            Record::Checkpoint(_) => Kind::Checkpoint,
            _ => Kind::All,
        };
        self.kinds.is_empty() || self.kinds.contains(&Kind::All) || self.kinds.contains(&kind)
    }
}

/// The reasons with that code, or with that text in their name, or else in what the table says of them.
fn reasons(text: &str) -> Result<Vec<Reason>, Failure> {
    let letters = |text: &str| text.to_lowercase().replace(['-', '_', ' ', '~'], "");
    let wanted = letters(text);
    let code = wanted.parse::<u16>().ok();
    let named = |reason: &Reason| letters(&format!("{reason:?}")).contains(&wanted);
    let fits = |reason: &Reason| code.map_or_else(|| named(reason), |code| reason.code() == code);
    let mut found: Vec<Reason> = Reason::ALL.into_iter().filter(fits).collect();
    if found.is_empty() && code.is_none() {
        let said = |reason: &Reason| letters(&reason.to_string()).contains(&wanted);
        found = Reason::ALL.into_iter().filter(said).collect();
    }
    if found.is_empty() || wanted.is_empty() {
        let all = Reason::ALL.map(|reason| format!("{reason:?} ({})", reason.code())).join(", ");
        let what = format!("--reason: found {}, allowed are {all}", quoted(text));
        return Err(Failure::refused(what));
    }
    Ok(found)
}

/// Which records match: a decision by itself, and what became of it together with it.
#[derive(Default)]
pub(super) struct Matching {
    /// Decisions that matched and have not ended.
    open: HashSet<u64>,
    /// Decisions that would match but for their model, and may fall back on the one that is asked for.
    elsewhere: HashSet<u64>,
}

impl Matching {
    pub(super) fn takes(&mut self, entry: &Entry, filter: &Filter, journal: &Journal) -> bool {
        let matches = match &entry.record {
            Record::Decided(decided) => {
                let names = journal.names(decided.snapshot_sequence);
                let matches = filter.decision(decided);
                let of_model = filter.model(decided.decision.selected_model_id, names);
                if matches && filter.of_decisions() {
                    let open = if of_model { &mut self.open } else { &mut self.elsewhere };
                    open.insert(entry.sequence);
                }
                matches && of_model
            }
            _ if !filter.of_decisions() => true,
            record @ (Record::Settled { .. } | Record::Abandoned { .. }) => decision_of(record)
                .is_some_and(|decision| {
                    self.elsewhere.remove(&decision);
                    self.open.remove(&decision)
                }),
            record @ Record::FellBack { decision_sequence, fallback, .. } => {
                let model_id = fallback.map(|fallback| fallback.model_id);
                if self.elsewhere.contains(decision_sequence)
                    && filter.model(model_id, journal.names_of(record))
                {
                    self.elsewhere.remove(decision_sequence);
                    self.open.insert(*decision_sequence);
                }
                self.open.contains(decision_sequence)
            }
            record => decision_of(record).is_some_and(|decision| self.open.contains(&decision)),
        };
        matches
            && filter.kind(&entry.record)
            && filter.place(entry.sequence, time_of(&entry.record))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_named_by_its_code_or_a_part_of_its_name() {
        assert_eq!(reasons("103").unwrap(), [Reason::QualityConstraint]);
        assert_eq!(reasons("quality").unwrap(), [Reason::QualityConstraint]);
        assert_eq!(reasons("Risk-Ceiling").unwrap(), [Reason::RiskCeilingConstraint]);
        let risk = [Reason::RiskHardLimit, Reason::RiskCeilingConstraint];
        assert_eq!(reasons("risk").unwrap(), risk);
        let said = "Quality turned away the most~";
        assert_eq!(reasons(said).unwrap(), [Reason::QualityConstraint]);
        assert_eq!(reasons("utility turned away").unwrap(), [Reason::NonPositiveUtility]);
        for bad in ["", " ", "99", "spite"] {
            assert!(reasons(bad).is_err(), "{bad}");
        }
    }
}
