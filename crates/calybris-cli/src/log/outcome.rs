//! The outcome of a decision: later records are joined to it in a stream with bounded memory.

use std::collections::VecDeque;

use calybris_core::budget::BudgetEvent;
use calybris_core::engine::{Admission, Decided, Fallback, Names, Record};
use calybris_core::wal::Hash;

use crate::log::naming::model_name;

/// The outcome of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The kernel rejected the request.
    Rejected,
    /// The budget refused: too little money, a frozen tenant, a cap.
    Unfunded(Admission),
    /// Neither settled nor abandoned, as far as was read.
    Open,
    /// Carried out.
    Settled { sequence: u64, time_unix_ms: u64, cost_microunits: u64 },
    /// Not carried out.
    Abandoned { sequence: u64, time_unix_ms: u64 },
}

/// A model that failed, and where the ticket went. Models are kept by name, because each record has the ids of its own snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failed {
    pub(crate) sequence: u64,
    pub(crate) model: String,
    pub(crate) next: Option<(String, Fallback)>,
}

/// A decision and its outcome.
#[derive(Clone, Debug)]
pub(crate) struct Followed {
    pub(crate) sequence: u64,
    pub(crate) hash: Hash,
    pub(crate) decided: Decided<'static>,
    /// The model that was chosen, by name; `None` for a rejection.
    selected: Option<String>,
    pub(crate) failed: Vec<Failed>,
    /// By how much its reservation grew beyond the maximum cost.
    pub(crate) extended_microunits: u128,
    pub(crate) ending: Ending,
}

impl Followed {
    /// A decision without any later record.
    pub(crate) fn new(sequence: u64, hash: Hash, decided: Decided<'static>, names: &Names) -> Self {
        let selected = decided.decision.selected_model_id.map(|id| model_name(names, id));
        let ending = match (decided.decision.selected_model_id, decided.admission) {
            (None, _) | (_, Admission::NotAsked) => Ending::Rejected,
            (Some(_), Admission::Reserved) => Ending::Open,
            (Some(_), refusal) => Ending::Unfunded(refusal),
        };
        Self {
            sequence,
            hash,
            decided,
            selected,
            failed: Vec::new(),
            extended_microunits: 0,
            ending,
        }
    }

    /// The model that the ticket stands for now; `None` for a rejection.
    pub(crate) fn model(&self) -> Option<&str> {
        let fallback = self.last_fallback().map(|(model, _)| model.as_str());
        fallback.or(self.selected.as_deref())
    }

    /// The models that the ticket went to, the chosen one first; none for a rejection.
    pub(crate) fn models(&self) -> impl Iterator<Item = &str> {
        let later = self.failed.iter().filter_map(|failed| failed.next.as_ref());
        self.selected.as_deref().into_iter().chain(later.map(|(model, _)| model.as_str()))
    }

    /// The estimated cost of that model.
    pub(crate) fn estimated_cost_microunits(&self) -> u64 {
        let first = self.decided.decision.estimated_cost.get();
        self.last_fallback().map_or(first, |(_, fallback)| fallback.estimated_cost.get())
    }

    /// The maximum cost of that model.
    pub(crate) fn maximum_cost_microunits(&self) -> u64 {
        let first = self.decided.decision.maximum_cost.get();
        self.last_fallback().map_or(first, |(_, fallback)| fallback.maximum_cost.get())
    }

    /// What is reserved for it, or was until it ended: the maximum cost.
    pub(crate) fn reserved_microunits(&self) -> u128 {
        u128::from(self.maximum_cost_microunits()) + self.extended_microunits
    }

    fn last_fallback(&self) -> Option<&(String, Fallback)> {
        self.failed.iter().rev().find_map(|failed| failed.next.as_ref())
    }

    /// Applies a later record about this decision. `names` are those of that record's snapshot.
    pub(crate) fn take(&mut self, sequence: u64, record: &Record<'_>, names: &Names) {
        match *record {
            Record::BudgetChanged {
                event:
                    BudgetEvent::Extended { amount: more, .. }
                    | BudgetEvent::Overdrawn { extra: more, .. },
                ..
            } => self.extended_microunits += u128::from(more.get()),
            Record::Settled { time, actual_cost, .. } => {
                let (time_unix_ms, cost_microunits) = (time.get(), actual_cost.get());
                self.ending = Ending::Settled { sequence, time_unix_ms, cost_microunits };
            }
            Record::Abandoned { time, .. } => {
                let time_unix_ms = time.get();
                self.ending = Ending::Abandoned { sequence, time_unix_ms };
            }
            Record::FellBack { fallback, failed_model_id, .. } => {
                let unknown = || model_name(names, failed_model_id);
                let model = self.model().map_or_else(unknown, str::to_owned);
                let next = fallback.map(|next| (model_name(names, next.model_id), next));
                if next.is_some() {
                    // The reservation is the next model's maximum cost from here on.
                    self.extended_microunits = 0;
                }
                self.failed.push(Failed { sequence, model, next });
            }
            _ => {}
        }
    }
}

/// The sequence of the decision that a later record refers to.
pub(crate) const fn decision_of(record: &Record<'_>) -> Option<u64> {
    match record {
        Record::Settled { decision_sequence, .. }
        | Record::Abandoned { decision_sequence, .. }
        | Record::FellBack { decision_sequence, .. } => Some(*decision_sequence),
        Record::BudgetChanged {
            event:
                BudgetEvent::Extended { reservation, .. } | BudgetEvent::Overdrawn { reservation, .. },
            ..
        } => Some(reservation.as_u64()),
        _ => None,
    }
}

/// Decisions that wait for their outcome, oldest first.
#[derive(Default)]
pub(crate) struct Waiting(VecDeque<Followed>);

impl Waiting {
    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds a decision.
    pub(crate) fn push(&mut self, followed: Followed) {
        self.0.push_back(followed);
    }

    /// Applies a later record to its decision. Returns whether that decision waits here.
    pub(crate) fn take(&mut self, sequence: u64, record: &Record<'_>, names: &Names) -> bool {
        let Some(decision) = decision_of(record) else { return false };
        let Ok(at) = self.0.binary_search_by_key(&decision, |followed| followed.sequence) else {
            return false;
        };
        let Some(followed) = self.0.get_mut(at) else { return false };
        followed.take(sequence, record, names);
        true
    }

    /// Takes the oldest if its outcome is known, or if more than [`LONGEST_WAIT_DECISIONS`] wait.
    pub(crate) fn pop_ready(&mut self) -> Option<Followed> {
        let oldest = self.0.front()?;
        let ready = oldest.ending != Ending::Open || self.len() > LONGEST_WAIT_DECISIONS;
        if ready { self.0.pop_front() } else { None }
    }

    /// Takes the oldest, whatever is known of it.
    pub(crate) fn pop(&mut self) -> Option<Followed> {
        self.0.pop_front()
    }
}

/// The most decisions that wait behind an open one. It bounds the memory (about 30 MB) however long the log is; an outcome
/// that comes later is shown on a line of its own.
pub(crate) const LONGEST_WAIT_DECISIONS: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;
    use calybris_core::engine::UnixMillis;
    use calybris_core::kernel::{BasisPoints, Microunits, Policy, PolicySnapshot, Request};

    fn decided(selected_model_id: Option<u32>, admission: Admission) -> Decided<'static> {
        let request = Request::new(1, 1, 1, 1)
            .with_business_value_microunits(1)
            .with_budget_limit(Microunits::new(1))
            .with_risk(BasisPoints::new(1))
            .with_confidence(BasisPoints::percent(90));
        let policy = Policy::new()
            .with_policy_epoch(1)
            .with_catalog_epoch(1)
            .with_hard_risk_limit(BasisPoints::percent(90));
        let mut decision = PolicySnapshot::new(policy, vec![]).unwrap().prescribe(&request);
        decision.selected_model_id = selected_model_id;
        Decided {
            time: UnixMillis::EPOCH,
            tenant: "t".into(),
            correlation_id: "".into(),
            request_key: "".into(),
            snapshot_sequence: 1,
            request,
            decision,
            admission,
        }
    }

    fn open(sequence: u64) -> Followed {
        let names = Names { models: [(1, "one".to_owned())].into(), ..Names::default() };
        Followed::new(
            sequence,
            Hash::from_bytes([0; 32]),
            decided(Some(1), Admission::Reserved),
            &names,
        )
    }

    fn settled(decision_sequence: u64) -> Record<'static> {
        Record::Settled {
            time: UnixMillis::new(7),
            decision_sequence,
            actual_cost: Microunits::new(5),
        }
    }

    #[test]
    fn a_decision_waits_for_its_ending_and_those_behind_it_wait_too() {
        let (mut waiting, names) = (Waiting::default(), Names::default());
        waiting.push(open(2));
        waiting.push(open(3));
        assert!(waiting.take(4, &settled(3), &names));
        assert!(waiting.pop_ready().is_none());
        assert!(waiting.take(5, &settled(2), &names));
        let endings = [waiting.pop_ready(), waiting.pop_ready()].map(|found| {
            let found = found.unwrap();
            (found.sequence, found.ending)
        });
        let ending = |sequence| Ending::Settled { sequence, time_unix_ms: 7, cost_microunits: 5 };
        assert_eq!(endings, [(2, ending(5)), (3, ending(4))]);
    }

    #[test]
    fn no_more_wait_than_memory_is_meant_for_and_what_ends_later_is_told_apart() {
        let (mut waiting, names) = (Waiting::default(), Names::default());
        let one = open(1);
        for sequence in (1..).take(LONGEST_WAIT_DECISIONS) {
            waiting.push(Followed { sequence, ..one.clone() });
            assert!(waiting.pop_ready().is_none());
        }
        waiting.push(open(1_000_000));
        let first = waiting.pop_ready().unwrap();
        assert_eq!((first.sequence, first.ending), (1, Ending::Open));
        assert!(!waiting.take(1_000_001, &settled(1), &names));
        assert!(waiting.take(1_000_002, &settled(2), &names));
    }

    #[test]
    fn what_asks_for_no_settlement_waits_for_none() {
        let names = Names::default();
        let followed = |model, admission| {
            Followed::new(1, Hash::from_bytes([0; 32]), decided(model, admission), &names)
        };
        assert_eq!(followed(None, Admission::NotAsked).ending, Ending::Rejected);
        let frozen = followed(Some(1), Admission::Frozen);
        assert_eq!(frozen.ending, Ending::Unfunded(Admission::Frozen));
    }

    #[test]
    fn a_fallback_is_called_by_the_names_of_its_own_snapshot() {
        let mut followed = open(1);
        let other = Names {
            models: [(1, "uno".to_owned()), (2, "due".to_owned())].into(),
            ..Names::default()
        };
        let next = Fallback {
            model_id: 2,
            estimated_cost: Microunits::new(9),
            maximum_cost: Microunits::new(11),
            expected_utility_microunits: 1,
        };
        let fell_back = |fallback| Record::FellBack {
            time: UnixMillis::EPOCH,
            decision_sequence: 1,
            snapshot_sequence: 5,
            failed_model_id: 1,
            fallback,
        };
        followed.take(6, &fell_back(Some(next)), &other);
        assert_eq!((followed.model(), followed.estimated_cost_microunits()), (Some("due"), 9));
        assert_eq!(followed.reserved_microunits(), 11);
        assert_eq!(followed.failed[0].model, "one");
        followed.take(7, &fell_back(None), &other);
        assert_eq!((followed.model(), followed.failed[1].model.as_str()), (Some("due"), "due"));
    }
}
