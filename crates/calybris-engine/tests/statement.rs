//! What a statement says was spent is what the ledger says is committed, whatever happened.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod world;

use std::collections::BTreeMap;
use std::path::Path;

use calybris_budget::{OverrunPolicy, TenantRules};
use calybris_engine::{Engine, EngineOptions, Ledger, Posting, PostingKind, Record, Statement};
use calybris_wal::RetentionAction;
use proptest::prelude::*;
use world::*;

/// Every posting of a log with the time of its record, and its ledger.
fn read(dir: &Path) -> (Vec<(u64, Posting)>, Ledger) {
    let mut statement = Statement::open(dir, None).unwrap();
    let mut postings = Vec::new();
    for line in statement.by_ref() {
        let line = line.unwrap();
        let time = match &line.entry.record {
            Record::Settled { time, .. } | Record::BudgetChanged { time, .. } => *time,
            _ => UnixMillis::EPOCH,
        };
        postings.extend(line.postings.into_iter().map(|posting| (time.get(), posting)));
    }
    (postings, statement.finish().unwrap())
}

/// What every tenant has spent, with what the tenants below it have spent.
fn spent_with_those_below(postings: &[(u64, Posting)], ledger: &Ledger) -> BTreeMap<String, i128> {
    let parent = |name: &str| {
        let account = ledger.accounts.iter().find(|account| account.tenant == name).unwrap();
        account.parent.clone()
    };
    let mut spent: BTreeMap<String, i128> =
        ledger.accounts.iter().map(|account| (account.tenant.clone(), 0)).collect();
    for (_, posting) in postings {
        let mut tenant = Some(posting.tenant.clone());
        while let Some(name) = tenant {
            *spent.get_mut(&name).unwrap() += posting.amount_microunits;
            tenant = parent(&name);
        }
    }
    spent
}

fn assert_adds_up(dir: &Path) {
    let (postings, ledger) = read(dir);
    let spent = spent_with_those_below(&postings, &ledger);
    for account in &ledger.accounts {
        let committed = i128::from(account.balance.committed.get());
        assert_eq!(spent[&account.tenant], committed, "{}", account.tenant);
    }
    let total: i128 = postings.iter().map(|(_, posting)| posting.amount_microunits).sum();
    let expected = ledger.conservation.unwrap().committed_microunits;
    assert_eq!(u128::try_from(total), Ok(expected));
}

#[test]
fn each_posting_is_of_its_own_tenant_and_at_the_time_of_its_record() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.ensure_tenant("a", Microunits::new(100_000), UnixMillis::new(1)).unwrap();
    engine.ensure_child("b", "a", Microunits::new(50_000), UnixMillis::new(1)).unwrap();
    let capped = TenantRules::default().with_overrun(OverrunPolicy::CapAtReserved);
    engine.set_rules("b", capped, UnixMillis::new(2)).unwrap();
    let ticket = |tenant, sequence| engine.decide(&call(tenant, sequence, 9_000)).unwrap().ticket;
    engine.settle(ticket("a", 1).unwrap(), Microunits::new(1_500), UnixMillis::new(10)).unwrap();
    // More than the 2,000 that are reserved: the tenant is charged what its rules let it be charged.
    engine.settle(ticket("b", 2).unwrap(), Microunits::new(9_999), UnixMillis::new(20)).unwrap();
    engine.abandon(ticket("b", 3).unwrap(), UnixMillis::new(30)).unwrap();
    engine.refund("a", Microunits::new(300), UnixMillis::new(40)).unwrap();
    drop(engine);
    let (postings, _) = read(dir.path());
    let told: Vec<_> = postings
        .iter()
        .map(|(time, of)| (*time, of.tenant.as_str(), of.kind, of.amount_microunits))
        .collect();
    assert_eq!(
        told,
        [
            (10, "a", PostingKind::Settled, 1_500),
            (20, "b", PostingKind::Settled, 2_000),
            (40, "a", PostingKind::Refunded, -300),
        ]
    );
    assert_adds_up(dir.path());
}

#[test]
fn what_was_spent_before_the_first_record_is_brought_forward_for_each_tenant() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.ensure_tenant("a", Microunits::new(100_000), UnixMillis::new(1)).unwrap();
    engine.ensure_child("b", "a", Microunits::new(50_000), UnixMillis::new(1)).unwrap();
    let ticket = |tenant, sequence| engine.decide(&call(tenant, sequence, 9_000)).unwrap().ticket;
    engine.settle(ticket("b", 1).unwrap(), Microunits::new(1_500), UnixMillis::new(10)).unwrap();
    // A refund to a tenant that spent nothing itself.
    engine.refund("a", Microunits::new(400), UnixMillis::new(11)).unwrap();
    let open_over_the_checkpoint = ticket("a", 2).unwrap();
    engine.checkpoint(UnixMillis::new(12)).unwrap();
    engine.retain_from_checkpoint(RetentionAction::Remove).unwrap();
    engine.settle(open_over_the_checkpoint, Microunits::new(700), UnixMillis::new(13)).unwrap();
    drop(engine);
    let (postings, _) = read(dir.path());
    let told: Vec<_> = postings
        .iter()
        .map(|(_, of)| (of.tenant.as_str(), of.kind, of.amount_microunits))
        .collect();
    assert_eq!(
        told,
        [
            ("a", PostingKind::BroughtForward, -400),
            ("b", PostingKind::BroughtForward, 1_500),
            ("a", PostingKind::Settled, 700),
        ]
    );
    assert_adds_up(dir.path());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// For any history, with checkpoints, restarts and a beginning that was dropped.
    #[test]
    fn postings_add_up_to_what_the_ledger_says_is_committed(
        steps in prop::collection::vec((0_u8..14, any::<prop::sample::Index>(), 0_u64..=2_500), 1..50),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut engine = open(dir.path());
        engine.ensure_tenant("a", Microunits::new(20_000), UnixMillis::new(1)).unwrap();
        engine.ensure_child("b", "a", Microunits::new(9_000), UnixMillis::new(1)).unwrap();
        engine.ensure_child("c", "b", Microunits::new(6_000), UnixMillis::new(1)).unwrap();
        for (sequence, (kind, which, amount)) in (1_u64..).zip(steps) {
            let open_tickets = engine.open_tickets();
            let chosen = (!open_tickets.is_empty()).then(|| which.get(&open_tickets).decision_sequence);
            let ticket = chosen.and_then(|chosen| engine.ticket(chosen));
            let tenant = ["a", "b", "c"][usize::try_from(amount % 3).unwrap()];
            match (kind, ticket) {
                (0..=2, _) => {
                    let quality = [9_000, 7_000, 0][usize::from(kind)];
                    let _kept_open = engine.decide(&call(tenant, sequence, quality)).unwrap();
                }
                (3 | 4, Some(ticket)) => drop(engine.settle(ticket, Microunits::new(amount), UnixMillis::new(sequence))),
                (5, Some(ticket)) => drop(engine.abandon(ticket, UnixMillis::new(sequence))),
                (6, Some(mut ticket)) => drop(engine.extend(&mut ticket, Microunits::new(amount), UnixMillis::new(sequence))),
                (7, Some(ticket)) => drop(engine.fall_back(ticket, UnixMillis::new(sequence))),
                (8, _) => drop(engine.top_up(tenant, Microunits::new(amount), UnixMillis::new(sequence))),
                (9, _) => drop(engine.refund(tenant, Microunits::new(amount), UnixMillis::new(sequence))),
                (10, _) => {
                    let overrun = [
                        OverrunPolicy::Reject,
                        OverrunPolicy::DrawThenDebt,
                        OverrunPolicy::CapAtReserved,
                    ][usize::try_from(amount / 3 % 3).unwrap()];
                    let rules = TenantRules::default().with_overrun(overrun);
                    engine.set_rules(tenant, rules, UnixMillis::new(sequence)).unwrap();
                }
                (11, _) => drop(engine.checkpoint(UnixMillis::new(sequence))),
                (12, _) => drop(engine.retain_from_checkpoint(RetentionAction::Remove)),
                (13, _) => {
                    drop(engine);
                    engine = Engine::open(dir.path(), &EngineOptions::default()).unwrap();
                }
                _ => {}
            }
        }
        let balances = balances(&engine);
        drop(engine);
        assert_adds_up(dir.path());
        let (_, ledger) = read(dir.path());
        for account in &ledger.accounts {
            prop_assert_eq!(account.balance.committed.get(), balances[&account.tenant].3);
        }
    }
}
