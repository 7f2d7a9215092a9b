//! What if: the sums are those of a slow reference that keeps every decision, whatever the decisions are.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod world;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use calybris_engine::{
    Admission, Comparison, Decided, Delta, MAX_BUCKETS, Microunits, Names, Side, Snapshot,
    UnixMillis, WhatIf,
};
use calybris_kernel::{Action, Decision, PolicySnapshot, Reason};
use proptest::prelude::*;
use world::*;

const TENANTS: [&str; 3] = ["search", "chat", ""];
const REJECTIONS: [Reason; 3] =
    [Reason::RiskHardLimit, Reason::BudgetConstraint, Reason::NonPositiveUtility];

/// A model with cost and utility, or a place in `REJECTIONS`.
type Choice = Result<(u32, u64, i64), usize>;

/// One decision, as the reference keeps it.
#[derive(Clone, Debug)]
struct Row {
    tenant: usize,
    before: Choice,
    after: Choice,
    /// A place in `REFUSALS`.
    refused: Option<usize>,
    pair: usize,
}

/// All that a budget refuses with.
const REFUSALS: [Admission; 4] = [
    Admission::Insufficient { available: Microunits::new(0) },
    Admission::Frozen,
    Admission::InDebt { debt: Microunits::new(7) },
    Admission::Exposed { reserved: Microunits::new(5), cap: Microunits::new(5) },
];

/// Two pairs of snapshots: in the second the ids 1 and 2 have changed their names, and 3 is called as another 3 is.
fn pairs() -> [[Arc<Snapshot>; 2]; 2] {
    let named = |names: [(u32, &str); 3], providers: [(u32, u8); 3]| {
        let models = providers.map(|(model_id, provider_id)| {
            model(model_id, 5_000, 10).with_provider_id(provider_id)
        });
        let names = Names {
            models: names.into_iter().map(|(id, name)| (id, name.to_owned())).collect(),
            providers: BTreeMap::from([(0, "p".to_owned()), (1, "q".to_owned())]),
            ..Names::default()
        };
        Arc::new(Snapshot::new(PolicySnapshot::new(POLICY, models).unwrap(), names))
    };
    let first = || named([(1, "one"), (2, "two"), (9, "none")], [(1, 0), (2, 0), (3, 0)]);
    let second = || named([(1, "two"), (2, "one"), (3, "one")], [(1, 0), (2, 0), (3, 1)]);
    [[first(), first()], [second(), second()]]
}

/// The labels that the models of a pair have by the naming above.
fn label(pair: usize, model_id: u32, seen: &BTreeSet<&'static str>) -> &'static str {
    let name = match (pair, model_id) {
        (0, 1) | (1, 2) => "one",
        (0, 2) | (1, 1) => return "two",
        (0, 3) => return "model 3",
        _ => "one/q",
    };
    let both = seen.contains("one") && seen.contains("one/q");
    match (name, both) {
        ("one", true) => "one (p)",
        ("one/q", true) => "one (q)",
        _ => "one",
    }
}

fn key(pair: usize, model_id: u32) -> &'static str {
    match (pair, model_id) {
        (0, 1) | (1, 2) => "one",
        (0, 2) | (1, 1) => "two",
        (0, 3) => "model 3",
        _ => "one/q",
    }
}

fn decision(choice: Choice) -> Decision {
    let (selected, cost, utility, reason) = match choice {
        Ok((model_id, cost, utility)) => {
            (Some(model_id), cost, utility, Reason::AlternativeMaximizesUtility)
        }
        Err(place) => (None, 0, 0, REJECTIONS[place]),
    };
    let mut decision = Decision::rejected(0, LARGE, reason);
    (decision.policy_epoch, decision.catalog_epoch) = (1, 1);
    decision.action = if selected.is_some() { Action::Substitute } else { Action::Reject };
    decision.selected_model_id = selected;
    decision.estimated_cost = Microunits::new(cost);
    decision.expected_utility_microunits = utility;
    decision.evaluated_models = 3;
    decision.eligible_models = u32::from(selected.is_some());
    decision
}

fn choice() -> impl Strategy<Value = Choice> {
    let cost = prop_oneof![Just(0), Just(1), Just(u64::MAX), 0..50_u64];
    let utility = prop_oneof![Just(1), Just(i64::MAX), 1..50_i64];
    prop_oneof![
        4 => (1..=3_u32, cost, utility).prop_map(Ok),
        1 => (0..REJECTIONS.len()).prop_map(Err),
    ]
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (
        0..TENANTS.len(),
        choice(),
        choice(),
        any::<bool>(),
        prop::option::weighted(0.1, 0..REFUSALS.len()),
        0..2_usize,
    );
    let row = row.prop_map(|(tenant, before, after, same, refused, pair)| Row {
        tenant,
        before,
        after: if same { before } else { after },
        refused: refused.filter(|_| before.is_ok()),
        pair,
    });
    prop::collection::vec(row, 0..700)
}

fn compared(rows: &[Row], largest_count: usize) -> WhatIf {
    let pairs = pairs();
    let mut comparison = Comparison::new(largest_count);
    for (row, sequence) in rows.iter().zip(10..) {
        let decided = Decided {
            time: UnixMillis::new(sequence * 2),
            tenant: Cow::Borrowed(TENANTS[row.tenant]),
            correlation_id: Cow::Borrowed("c"),
            request_key: Cow::Borrowed(""),
            snapshot_sequence: 1,
            request: request(sequence, 0),
            decision: decision(row.before),
            admission: match (row.refused, row.before) {
                (Some(refusal), _) => REFUSALS[refusal],
                (None, Ok(_)) => Admission::Reserved,
                (None, Err(_)) => Admission::NotAsked,
            },
        };
        let [recorded, proposed] = &pairs[row.pair];
        comparison.add(sequence, &decided, recorded, proposed, &decision(row.after));
    }
    comparison.finish().unwrap()
}

fn side(choices: impl Iterator<Item = Choice>) -> Side {
    let mut side = Side::default();
    for (_, cost, utility) in choices.flatten() {
        side.accepted += 1;
        side.estimated_cost_microunits += i128::from(cost);
        side.expected_utility_microunits += i128::from(utility);
    }
    side
}

fn shift(rows: &[&Row]) -> Delta {
    let count = |holds: fn(&Row) -> bool| rows.iter().filter(|row| holds(row)).count() as u64;
    let mut delta = Delta::default();
    delta.decisions = rows.len() as u64;
    delta.moved = count(|row| matches!((row.before, row.after), (Ok(a), Ok(b)) if a.0 != b.0));
    delta.newly_rejected = count(|row| row.before.is_ok() && row.after.is_err());
    delta.newly_accepted = count(|row| row.before.is_err() && row.after.is_ok());
    delta.repriced =
        count(|row| matches!((row.before, row.after), (Ok(a), Ok(b)) if a.0 == b.0 && a.1 != b.1));
    delta.recorded = side(rows.iter().map(|row| row.before));
    delta.proposed = side(rows.iter().map(|row| row.after));
    delta
}

fn cost(choice: Choice) -> u64 {
    choice.map_or(0, |(_, cost, _)| cost)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_sums_are_those_of_every_decision_kept(rows in rows(), largest_count in 0..6_usize) {
        let what_if = compared(&rows, largest_count);
        let numbered: Vec<(u64, &Row)> = (10..).zip(&rows).filter(|(_, row)| row.refused.is_none()).collect();
        let funded: Vec<&Row> = numbered.iter().map(|(_, row)| *row).collect();
        prop_assert_eq!(what_if.unfunded, (rows.len() - funded.len()) as u64);
        prop_assert_eq!(what_if.total, shift(&funded));
        prop_assert_eq!(what_if.total.changed() + what_if.total.unchanged(), what_if.total.decisions);

        let mut tenants: Vec<(String, Delta)> = Vec::new();
        for tenant in ["", "chat", "search"] {
            let of_tenant: Vec<&Row> =
                funded.iter().copied().filter(|row| TENANTS[row.tenant] == tenant).collect();
            if !of_tenant.is_empty() {
                tenants.push((tenant.to_owned(), shift(&of_tenant)));
            }
        }
        prop_assert_eq!(&what_if.tenants, &tenants);

        let chosen = |choice: Choice, pair| choice.ok().map(|(id, ..)| key(pair, id));
        let seen: BTreeSet<&str> = funded
            .iter()
            .flat_map(|row| [chosen(row.before, row.pair), chosen(row.after, row.pair)])
            .flatten()
            .collect();
        let mut models: BTreeMap<&str, [Vec<Choice>; 2]> = BTreeMap::new();
        let mut flows: BTreeMap<[Option<&str>; 2], u64> = BTreeMap::new();
        for row in &funded {
            let labelled = |choice: Choice| choice.ok().map(|(id, ..)| label(row.pair, id, &seen));
            let (from, to) = (labelled(row.before), labelled(row.after));
            *flows.entry([from, to]).or_default() += 1;
            if let Some(from) = from {
                models.entry(from).or_default()[0].push(row.before);
            }
            if let Some(to) = to {
                models.entry(to).or_default()[1].push(row.after);
            }
        }
        let of_models: Vec<(&str, Side, Side)> = models
            .into_iter()
            .map(|(label, [before, after])| (label, side(before.into_iter()), side(after.into_iter())))
            .collect();
        let found: Vec<(&str, Side, Side)> =
            what_if.models.iter().map(|model| (&*model.label, model.recorded, model.proposed)).collect();
        prop_assert_eq!(found, of_models);
        let name = |place: Option<usize>| place.map(|place| &*what_if.models[place].label);
        let found: BTreeMap<[Option<&str>; 2], u64> =
            what_if.flows.iter().map(|flow| ([name(flow.from), name(flow.to)], flow.decisions)).collect();
        prop_assert_eq!(found, flows);
        prop_assert!(what_if.flows.is_sorted_by(|a, b| a.decisions >= b.decisions));

        for (place, &reason) in REJECTIONS.iter().enumerate() {
            let count = |holds: &dyn Fn(&Row) -> bool| funded.iter().filter(|row| holds(row)).count() as u64;
            let expected = [
                count(&|row| row.before == Err(place)),
                count(&|row| row.after == Err(place)),
                count(&|row| row.before.is_ok() && row.after == Err(place)),
                count(&|row| row.before == Err(place) && row.after.is_ok()),
            ];
            let found = what_if.rejections.iter().find(|rejection| rejection.reason == reason);
            let found = found.map_or([0; 4], |found| {
                [found.recorded, found.proposed, found.newly_rejected, found.newly_accepted]
            });
            prop_assert_eq!(found, expected);
        }

        let mut changes: Vec<(u64, u64)> = numbered
            .iter()
            .filter(|(_, row)| {
                chosen(row.before, 0) != chosen(row.after, 0) || cost(row.before) != cost(row.after)
            })
            .map(|(sequence, row)| (cost(row.before).abs_diff(cost(row.after)), *sequence))
            .collect();
        changes.sort_by_key(|&(size, sequence)| (std::cmp::Reverse(size), sequence));
        changes.truncate(largest_count);
        let found: Vec<(u64, u64)> = what_if
            .largest
            .iter()
            .map(|change| (u64::try_from(change.cost_delta_microunits().unsigned_abs()).unwrap(), change.sequence))
            .collect();
        prop_assert_eq!(found, changes);

        let mut width = 1;
        while numbered.len() > MAX_BUCKETS * width {
            width *= 2;
        }
        let buckets: Vec<_> = numbered
            .chunks(width)
            .map(|chunk| {
                let sum = |of: fn(&Row) -> Choice| -> i128 {
                    chunk.iter().map(|(_, row)| i128::from(cost(of(row)))).sum()
                };
                let first_time = UnixMillis::new(chunk[0].0 * 2);
                let costs = (sum(|row| row.before), sum(|row| row.after));
                (chunk[0].0, first_time, chunk.len() as u64, costs)
            })
            .collect();
        let found = what_if.series.iter().map(|bucket| {
            let costs = (bucket.recorded_cost_microunits, bucket.proposed_cost_microunits);
            (bucket.first_sequence, bucket.first_time, bucket.decisions, costs)
        });
        prop_assert_eq!(found.collect::<Vec<_>>(), buckets);
    }
}

fn row(before: Choice, after: Choice) -> Row {
    Row { tenant: 0, before, after, refused: None, pair: 0 }
}

#[test]
fn the_same_answer_twice_changes_nothing() {
    let rows = vec![row(Ok((1, 5, 9)), Ok((1, 5, 9))), row(Err(1), Err(1))];
    let what_if = compared(&rows, 10);
    assert_eq!((what_if.total.changed(), what_if.total.repriced), (0, 0));
    assert!(what_if.largest.is_empty());
    assert_eq!(what_if.total.recorded, what_if.total.proposed);
}

#[test]
fn a_decision_without_money_stays_out_of_every_number() {
    let refused = |refusal| Row { refused: Some(refusal), ..row(Ok((1, 5, 9)), Err(0)) };
    let rows: Vec<Row> = (0..REFUSALS.len()).map(refused).collect();
    let what_if = compared(&rows, 10);
    assert_eq!(what_if.unfunded, 4);
    assert_eq!(what_if.total, Delta::default());
    assert!(what_if.tenants.is_empty() && what_if.models.is_empty() && what_if.flows.is_empty());
    assert!(what_if.rejections.is_empty() && what_if.largest.is_empty());
    assert!(what_if.series.is_empty());
}

#[test]
fn of_equally_large_changes_the_earlier_is_kept() {
    let rows: Vec<Row> = (0..5).map(|_| row(Ok((1, 5, 9)), Ok((2, 8, 9)))).collect();
    let kept: Vec<u64> = compared(&rows, 2).largest.iter().map(|change| change.sequence).collect();
    assert_eq!(kept, [10, 11]);
}

#[test]
fn another_reason_for_a_rejection_is_no_changed_decision() {
    let what_if = compared(&[row(Err(0), Err(1))], 10);
    assert_eq!(what_if.total.changed(), 0);
    assert_eq!(what_if.rejections.len(), 2);
}

#[test]
fn the_largest_amounts_add_up_exactly() {
    let rows: Vec<Row> =
        (0..300).map(|_| row(Ok((1, u64::MAX, i64::MAX)), Ok((2, 0, 1)))).collect();
    let total = compared(&rows, 1).total;
    assert_eq!(total.cost_delta_microunits(), -300 * i128::from(u64::MAX));
    assert_eq!(total.utility_delta_microunits(), -300 * i128::from(i64::MAX - 1));
}
