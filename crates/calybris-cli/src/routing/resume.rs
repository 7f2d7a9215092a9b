//! What an earlier run left in a log that is continued: a torn end, another policy, open tickets.

use std::collections::{BTreeMap, BTreeSet};

use calybris_core::engine::{Engine, Names, Record, Snapshot, UnixMillis};
use calybris_core::kernel::Policy;
use calybris_core::units::invariant;

use super::job::Job;
use crate::failure::Failure;
use crate::log::intact::torn_tail;
use crate::log::journal::Journal;

/// What opening found.
pub(crate) struct Resumed {
    pub(crate) records: u64,
    pub(crate) decisions: u64,
    /// The torn tail that opening set aside after a crash, in words; `None` if the log ended cleanly.
    pub(crate) torn: Option<String>,
    /// Tickets that an earlier run left open and whose requests did not come again. This program sends no requests to models, so
    /// the tickets are abandoned, with a record.
    pub(crate) abandoned_tickets: u64,
    pub(crate) abandoned_microunits: u128,
    /// The snapshot that this run installed in place of the earlier run's; `None` if it is the same.
    pub(crate) replaced: Option<Replaced>,
}

/// A policy and a catalog that were installed in place of others.
pub(crate) struct Replaced {
    /// The record that installed them.
    pub(crate) sequence: u64,
    /// The numbers or the groups of the policy changed, and `policy_epoch` is not higher.
    pub(crate) policy_epoch_not_raised: bool,
    /// The models changed, and `catalog_epoch` is not higher.
    pub(crate) catalog_epoch_not_raised: bool,
}

impl Resumed {
    /// What opening the log found, before any ticket is abandoned.
    pub(super) fn found_by(engine: &Engine) -> Self {
        let recovery = engine.recovery();
        Self {
            records: recovery.records,
            decisions: recovery.decisions,
            torn: torn_tail(engine),
            abandoned_tickets: 0,
            abandoned_microunits: 0,
            replaced: None,
        }
    }
}

/// The groups of a snapshot by name, without the names that only an earlier one had.
fn names_of_groups(snapshot: &Snapshot) -> BTreeMap<u8, Option<&String>> {
    let groups = snapshot.policy_snapshot().groups().iter();
    groups.map(|group| (group.group_id, snapshot.names().groups.get(&group.group_id))).collect()
}

/// The names of a snapshot without those of groups, which the policy has, and of models that its catalog does not list.
fn names_of_catalog(snapshot: &Snapshot) -> Names {
    let mut names = Names { groups: BTreeMap::new(), ..snapshot.names().clone() };
    names.models.retain(|model_id, _| snapshot.policy_snapshot().model(*model_id).is_some());
    names
}

impl Job<'_> {
    /// Compares the snapshot that the record at `sequence` installs with the one before it; `None` if it is the first.
    pub(super) fn replaced_by(&self, sequence: u64) -> Result<Option<Replaced>, Failure> {
        let mut journal = Journal::open(self.log, self.key.as_ref())?;
        let mut before = None;
        while let Some(entry) = journal.next()? {
            if entry.sequence >= sequence {
                break;
            }
            before = journal.snapshot(entry.sequence).or(before);
        }
        let Some(before) = before else { return Ok(None) };
        let (old, new) = (before.policy_snapshot(), self.catalog.snapshot.policy_snapshot());
        let numbers = |policy: &Policy| policy.with_policy_epoch(0).with_catalog_epoch(0);
        let (was, is) = (old.policy(), new.policy());
        let same_catalog = old.models().eq(new.models())
            && names_of_catalog(&before) == names_of_catalog(&self.catalog.snapshot);
        // With another catalog, the same patterns may have other models.
        let same_groups = names_of_groups(&before) == names_of_groups(&self.catalog.snapshot)
            && (!same_catalog || old.groups() == new.groups());
        Ok(Some(Replaced {
            sequence,
            policy_epoch_not_raised: !(numbers(was) == numbers(is) && same_groups)
                && is.policy_epoch <= was.policy_epoch,
            catalog_epoch_not_raised: !same_catalog && is.catalog_epoch <= was.catalog_epoch,
        }))
    }

    /// The decisions with an open ticket and a request key.
    pub(super) fn keyed_tickets(&self, engine: &Engine) -> Result<BTreeSet<u64>, Failure> {
        let open: BTreeSet<u64> =
            engine.open_tickets().iter().map(|ticket| ticket.decision_sequence).collect();
        let mut keyed = BTreeSet::new();
        let Some(&last) = open.last() else { return Ok(keyed) };
        let mut journal = Journal::open(self.log, self.key.as_ref())?;
        while let Some(entry) = journal.next()? {
            if let Record::Decided(decided) = &entry.record
                && open.contains(&entry.sequence)
                && !decided.request_key.is_empty()
            {
                keyed.insert(entry.sequence);
            }
            if entry.sequence >= last {
                break;
            }
        }
        Ok(keyed)
    }

    /// Abandons the open tickets, except those of the decisions in `kept`, so that their reservations go back.
    pub(super) fn give_back(
        &self,
        engine: &Engine,
        kept: &BTreeSet<u64>,
        resumed: &mut Resumed,
    ) -> Result<(), Failure> {
        for open in engine.open_tickets() {
            if kept.contains(&open.decision_sequence) {
                continue;
            }
            let ticket = engine.ticket(open.decision_sequence);
            let ticket = invariant!(ticket, "nobody else takes the tickets of this engine")?;
            let abandoned = engine.abandon(ticket, UnixMillis::new(self.clock.unix_ms()));
            let returned =
                abandoned.map_err(|refused| Failure::of_settlement(self.log, &refused))?;
            resumed.abandoned_tickets += 1;
            resumed.abandoned_microunits += u128::from(returned.returned.get());
        }
        Ok(())
    }
}
