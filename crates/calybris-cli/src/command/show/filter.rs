//! Which records `show` shows.

use std::collections::HashSet;
use std::ops::{Range, RangeInclusive};

use calybris_core::engine::{Decided, Entry, Record};
use calybris_core::kernel::{Action, Reason};
use clap::ValueEnum;

use super::Arguments;
use crate::failure::Failure;
use crate::input::error::quoted;
use crate::log::columns::time_of;
use crate::log::fate::decision_of;
use crate::log::journal::Journal;
use crate::log::naming::model_name;
use crate::time::parse_unix_ms;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ActionFilter {
    Execute,
    Substitute,
    Reject,
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
    sequences: RangeInclusive<u64>,
    times: Range<u64>,
    kinds: Vec<Kind>,
}

impl Filter {
    pub(super) fn new(arguments: &Arguments) -> Result<Self, Failure> {
        let time = |option: &str, text: &Option<String>, absent: u64| match text {
            None => Ok(absent),
            Some(text) => parse_unix_ms(text).map_err(|allowed| {
                Failure::refused(format_args!(
                    "{option}: found {}, allowed is {allowed}",
                    quoted(text)
                ))
            }),
        };
        let action = arguments.action.map(|action| match action {
            ActionFilter::Execute => Action::ExecuteRequested,
            ActionFilter::Substitute => Action::Substitute,
            ActionFilter::Reject => Action::Reject,
        });
        Ok(Self {
            tenant: arguments.tenant.clone(),
            action,
            reasons: arguments.reason.as_deref().map(reasons).transpose()?,
            model: arguments.model.clone(),
            sequences: arguments.from_sequence..=arguments.to_sequence,
            times: time("--since", &arguments.since, 0)?
                ..time("--until", &arguments.until, u64::MAX)?,
            kinds: arguments.kind.clone(),
        })
    }

    pub(super) fn place(&self, sequence: u64, time_unix_ms: u64) -> bool {
        self.sequences.contains(&sequence) && self.times.contains(&time_unix_ms)
    }

    pub(super) fn decision(&self, decided: &Decided<'_>, journal: &Journal) -> bool {
        let decision = &decided.decision;
        let model = |wanted: &String| {
            let names = journal.names(decided.snapshot_sequence);
            decision.selected_model_id.is_some_and(|id| model_name(names, id) == *wanted)
        };
        self.tenant.as_ref().is_none_or(|tenant| decided.tenant == *tenant)
            && self.action.is_none_or(|action| decision.action == action)
            && self.reasons.as_ref().is_none_or(|reasons| reasons.contains(&decision.reason))
            && self.model.as_ref().is_none_or(model)
    }

    /// Whether it asks for something that only decisions have.
    fn of_decisions(&self) -> bool {
        self.tenant.is_some()
            || self.action.is_some()
            || self.reasons.is_some()
            || self.model.is_some()
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

/// The reasons with that code, or with that text in their name.
fn reasons(text: &str) -> Result<Vec<Reason>, Failure> {
    let wanted = text.to_lowercase().replace(['-', '_', ' '], "");
    let code = wanted.parse::<u16>().ok();
    let named = |reason: &Reason| format!("{reason:?}").to_lowercase().contains(&wanted);
    let fits = |reason: &Reason| code.map_or_else(|| named(reason), |code| reason.code() == code);
    let found: Vec<Reason> = Reason::ALL.into_iter().filter(fits).collect();
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
}

impl Matching {
    pub(super) fn takes(&mut self, entry: &Entry, filter: &Filter, journal: &Journal) -> bool {
        let matches = match &entry.record {
            Record::Decided(decided) => {
                let matches = filter.decision(decided, journal);
                if matches && filter.of_decisions() {
                    self.open.insert(entry.sequence);
                }
                matches
            }
            _ if !filter.of_decisions() => true,
            record @ (Record::Settled { .. } | Record::Abandoned { .. }) => {
                decision_of(record).is_some_and(|decision| self.open.remove(&decision))
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
        for bad in ["", " ", "99", "spite"] {
            assert!(reasons(bad).is_err(), "{bad}");
        }
    }
}
