//! What can be read of a log's money without opening it for writing.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod world;

use calybris_budget::{BudgetEvent, MAX_AMOUNT, OverrunPolicy, TenantRules};
use calybris_engine::{Call, EngineError, Fallback, Ledger, Names, Record, SCHEMA_ID, Snapshot};
use calybris_kernel::{PolicySnapshot, Price};
use calybris_wal::{Key, WalError, WalOptions, WalWriter};
use proptest::prelude::*;
use world::*;

fn changed(event: BudgetEvent) -> Record<'static> {
    Record::BudgetChanged { time: UnixMillis::new(1), event, reason: "".into() }
}

fn fell_back(failed_model_id: u32, to: Option<(u32, u64)>) -> Record<'static> {
    let fallback = to.map(|(model_id, estimated_cost_microunits)| Fallback {
        model_id,
        estimated_cost: Microunits::new(estimated_cost_microunits),
        maximum_cost: Microunits::new(estimated_cost_microunits),
        expected_utility_microunits: 1,
    });
    Record::FellBack {
        time: UnixMillis::new(1),
        decision_sequence: 3,
        snapshot_sequence: 1,
        failed_model_id,
        fallback,
    }
}

/// A log of snapshot, tenant `a` with 10,000 and one open ticket for 2,000, and then these records.
fn log_with(records: &[Record<'_>]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    let ticket = engine.decide(&call("a", 1, 9_000)).unwrap().ticket.unwrap();
    assert_eq!(ticket.decision_sequence(), 3);
    drop(engine);
    let log = WalWriter::open(dir.path(), &WalOptions::new(SCHEMA_ID)).unwrap();
    for record in records {
        log.append(record).unwrap();
    }
    log.close().unwrap();
    dir
}

#[test]
fn the_ledger_of_a_log_is_the_state_of_its_engine() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    engine.ensure_tenant("b", Microunits::new(500), UnixMillis::new(1)).unwrap();
    let _open = engine.decide(&call("a", 1, 9_000)).unwrap();
    let ticket = engine.decide(&call("a", 2, 7_000)).unwrap().ticket.unwrap();
    engine.settle(ticket, Microunits::new(150), UnixMillis::new(3)).unwrap();
    let _refused = engine.decide(&call("b", 3, 9_000)).unwrap();

    let ledger = Ledger::read(dir.path(), None).unwrap();
    let accounts: Vec<_> =
        ledger.accounts.iter().map(|found| (found.tenant.clone(), found.balance)).collect();
    assert_eq!(accounts, engine.accounts());
    assert_eq!(ledger.open_tickets, engine.open_tickets());
    assert_eq!((ledger.records, ledger.decisions, ledger.last_sequence), (7, 3, 7));
    assert_eq!(ledger.installed.unwrap().sequence, 1);
    let total = ledger.conservation.unwrap();
    assert_eq!((total.granted_microunits, total.reserved_microunits), (10_500, 2_000));
    assert_eq!((total.available_microunits, total.committed_microunits), (8_350, 150));
}

const MOST: u64 = MAX_AMOUNT.get();

/// Two calls cost all but one microunit of what a tenant can have.
const DEAR: u64 = MOST / 2;

fn dear_snapshot() -> Snapshot {
    let dear =
        model(LARGE, 9_000, 0).with_price(Price::FREE.with_fixed_price(Microunits::new(DEAR)));
    Snapshot::new(PolicySnapshot::new(POLICY, [dear]).unwrap(), Names::default())
}

fn dear_call(tenant: &str) -> Call<'_> {
    let request =
        request(1, 0).with_business_value_microunits(i64::MAX).with_budget_limit(Microunits::MAX);
    Call::new(tenant, UnixMillis::new(1_001), request)
}

/// An account holds at most 2^63 - 1, so three of them and what they reserve, spend and get back pass 2^64.
#[test]
fn the_books_are_read_whatever_the_amounts_of_several_tenants_add_up_to() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.install(dear_snapshot(), UnixMillis::new(1)).unwrap();
    let mut granted = 0_u128;
    let books = |reserved: u128, committed: u128, granted: u128| {
        let ledger = Ledger::read(dir.path(), None).unwrap();
        let total = ledger.conservation.unwrap();
        assert_eq!(total.granted_microunits, granted);
        assert_eq!((total.reserved_microunits, total.committed_microunits), (reserved, committed));
        assert_eq!(total.available_microunits, granted - reserved - committed);
    };
    for (tenant, amount) in [("a", MOST - 1), ("b", MOST), ("c", 0)] {
        engine.ensure_tenant(tenant, Microunits::new(amount), UnixMillis::new(1)).unwrap();
        granted += u128::from(amount);
        books(0, 0, granted);
    }
    // 2^64 - 3 so far, and on across the boundary one by one.
    for (tenant, amount) in [("a", 1), ("c", 1), ("c", 1), ("c", MOST - 2)] {
        engine.top_up(tenant, Microunits::new(amount), UnixMillis::new(2)).unwrap();
        granted += u128::from(amount);
        books(0, 0, granted);
    }
    assert!(
        engine.top_up("c", Microunits::new(1), UnixMillis::new(3)).is_err(),
        "a single account has its limit all the same"
    );
    for tenant in ["a", "b", "c", "a", "b", "c"] {
        let _open = engine.decide(&dear_call(tenant)).unwrap().ticket.unwrap();
    }
    let reserved = 6 * u128::from(DEAR);
    assert!(reserved > u128::from(u64::MAX));
    books(reserved, 0, granted);
    engine.checkpoint(UnixMillis::new(4)).unwrap();
    books(reserved, 0, granted);
    drop(engine);
    let engine = open(dir.path());
    assert_eq!(engine.recovery().reserved_microunits, reserved);
    for open in engine.open_tickets() {
        let ticket = engine.ticket(open.decision_sequence).unwrap();
        engine.settle(ticket, Microunits::new(DEAR), UnixMillis::new(5)).unwrap();
    }
    books(0, reserved, granted);
    engine.refund("b", Microunits::new(2 * DEAR), UnixMillis::new(6)).unwrap();
    engine.refund("c", Microunits::new(1), UnixMillis::new(6)).unwrap();
    books(0, 4 * u128::from(DEAR) - 1, granted);
}

/// What the administrator of a budget may do, and calls, with amounts at the limits of the numbers.
#[derive(Clone, Copy, Debug)]
enum Step {
    Open(usize, u64),
    TopUp(usize, u64),
    Reduce(usize, u64),
    Refund(usize, u64),
    Repay(usize, u64),
    CarryOver(usize, usize, u64),
    Rules(usize, OverrunPolicy),
    Decide(usize),
    Settle(usize, u64),
    Checkpoint,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let tenant = 0..4_usize;
    let amount = prop::sample::select(vec![
        0,
        1,
        DEAR - 1,
        DEAR,
        DEAR + 1,
        MOST - 1,
        MOST,
        MOST + 1,
        u64::MAX - 1,
        u64::MAX,
    ]);
    let on = move || (tenant.clone(), amount.clone());
    let policy = prop::sample::select(vec![
        OverrunPolicy::Reject,
        OverrunPolicy::DrawThenDebt,
        OverrunPolicy::CapAtReserved,
    ]);
    prop::collection::vec(
        prop_oneof![
            3 => on().prop_map(|(tenant, amount)| Step::Open(tenant, amount)),
            3 => on().prop_map(|(tenant, amount)| Step::TopUp(tenant, amount)),
            1 => on().prop_map(|(tenant, amount)| Step::Reduce(tenant, amount)),
            2 => on().prop_map(|(tenant, amount)| Step::Refund(tenant, amount)),
            1 => on().prop_map(|(tenant, amount)| Step::Repay(tenant, amount)),
            1 => (on(), 0..4_usize).prop_map(|((from, most), to)| Step::CarryOver(from, to, most)),
            1 => (0..4_usize, policy).prop_map(|(tenant, policy)| Step::Rules(tenant, policy)),
            4 => (0..4_usize).prop_map(Step::Decide),
            4 => on().prop_map(|(ticket, cost)| Step::Settle(ticket, cost)),
            1 => Just(Step::Checkpoint),
        ],
        1..40,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever was accepted is read back: by the ledger, with its proof, and by an engine that opens the log.
    #[test]
    fn books_of_any_accepted_amounts_are_read(steps in steps()) {
        const NAMES: [&str; 4] = ["a", "b", "c", "d"];
        let dir = tempfile::tempdir().unwrap();
        let engine = open(dir.path());
        engine.install(dear_snapshot(), UnixMillis::new(1)).unwrap();
        let mut tickets = Vec::new();
        for step in steps {
            // A refusal changes nothing, so whether a step is one does not matter.
            match step {
                Step::Open(tenant, amount) => drop(engine.ensure_tenant(NAMES[tenant], Microunits::new(amount), UnixMillis::new(1))),
                Step::TopUp(tenant, amount) => drop(engine.top_up(NAMES[tenant], Microunits::new(amount), UnixMillis::new(1))),
                Step::Reduce(tenant, amount) => drop(engine.reduce(NAMES[tenant], Microunits::new(amount), UnixMillis::new(1))),
                Step::Refund(tenant, amount) => drop(engine.refund(NAMES[tenant], Microunits::new(amount), UnixMillis::new(1))),
                Step::Repay(tenant, most) => drop(engine.repay(NAMES[tenant], Microunits::new(most), UnixMillis::new(1))),
                Step::CarryOver(from, to, most) => {
                    drop(engine.carry_over(NAMES[from], NAMES[to], Microunits::new(most), UnixMillis::new(1)));
                }
                Step::Rules(tenant, overrun) => {
                    drop(engine.set_rules(NAMES[tenant], TenantRules::default().with_overrun(overrun), UnixMillis::new(1)));
                }
                Step::Decide(tenant) => {
                    tickets.extend(engine.decide(&dear_call(NAMES[tenant])).ok().and_then(|outcome| outcome.ticket));
                }
                Step::Settle(ticket, cost) if ticket < tickets.len() => {
                    if let Err(refused) = engine.settle(tickets.swap_remove(ticket), Microunits::new(cost), UnixMillis::new(1)) {
                        tickets.push(refused.ticket);
                    }
                }
                Step::Settle(..) => {}
                Step::Checkpoint => drop(engine.checkpoint(UnixMillis::new(1))),
            }
        }
        let ledger = Ledger::read(dir.path(), None).unwrap();
        let accounts: Vec<_> =
            ledger.accounts.iter().map(|found| (found.tenant.clone(), found.balance)).collect();
        prop_assert_eq!(&accounts, &engine.accounts());
        let granted = accounts.iter().map(|(_, balance)| u128::from(balance.granted.get()));
        prop_assert_eq!(ledger.conservation.unwrap().granted_microunits, granted.sum::<u128>());
        drop((tickets, engine));
        prop_assert_eq!(open(dir.path()).accounts(), accounts);
    }
}

#[test]
fn tenants_below_others_are_listed_below_them() {
    let child = |tenant: &str, parent: &str| {
        let (tenant, parent) = (tenant.to_owned(), parent.to_owned());
        changed(BudgetEvent::ChildOpened { tenant, parent, granted: Microunits::new(60) })
    };
    let root = |tenant: &str| {
        let tenant = tenant.to_owned();
        changed(BudgetEvent::TenantOpened { tenant, granted: Microunits::new(100) })
    };
    let frozen = changed(BudgetEvent::Frozen { tenant: "web".to_owned() });
    let log = log_with(&[root("z"), root("b"), child("web", "z"), child("c", "z"), frozen]);
    let ledger = Ledger::read(log.path(), None).unwrap();
    let listed: Vec<_> = ledger
        .accounts
        .iter()
        .map(|found| (found.tenant.as_str(), found.parent.as_deref(), found.depth, found.frozen))
        .collect();
    let expected = [
        ("a", None, 0, false),
        ("b", None, 0, false),
        ("z", None, 0, false),
        ("c", Some("z"), 1, false),
        ("web", Some("z"), 1, true),
    ];
    assert_eq!(listed, expected);
    // What a child was granted is part of what the one above it was granted.
    assert_eq!(ledger.conservation.unwrap().granted_microunits, 10_200);
}

#[test]
fn the_reservation_of_a_ticket_follows_it_from_model_to_model() {
    for (records, model_id, reserved) in [
        (vec![fell_back(LARGE, Some((SMALL, 200)))], SMALL, 200),
        (vec![fell_back(LARGE, Some((SMALL, 2_000)))], SMALL, 2_000),
        (vec![fell_back(LARGE, Some((SMALL, 9_000)))], SMALL, 9_000),
        (vec![fell_back(LARGE, Some((FREE, 0))), fell_back(FREE, Some((SMALL, 200)))], SMALL, 200),
        (vec![fell_back(LARGE, None), fell_back(LARGE, Some((SMALL, 200)))], SMALL, 200),
        (vec![fell_back(LARGE, None)], LARGE, 2_000),
    ] {
        let log = log_with(&records);
        let ledger = Ledger::read(log.path(), None).unwrap();
        let [ticket] = ledger.open_tickets.try_into().unwrap();
        assert_eq!((ticket.model_id, ticket.reserved.get()), (model_id, reserved));
        assert_eq!(ticket.failed_model_ids[0], LARGE);
        assert_eq!(ledger.accounts[0].balance.reserved.get(), reserved);
        ledger.conservation.unwrap();
    }
}

#[test]
fn a_record_that_contradicts_the_log_is_named() {
    let tenant = || "a".to_owned();
    for (record, words) in [
        (fell_back(SMALL, None), "model 2 failed where model 1 was tried"),
        (fell_back(LARGE, Some((LARGE, 1))), "falls back on model 1, which failed"),
        (fell_back(LARGE, Some((SMALL, 10_001))), "8001 were requested"),
        (
            changed(BudgetEvent::Extended { reservation: 2.into(), amount: Microunits::new(1) }),
            "no reservation 2 is open",
        ),
        (
            changed(BudgetEvent::Reduced { tenant: tenant(), amount: Microunits::new(8_001) }),
            "8000",
        ),
        (changed(BudgetEvent::Frozen { tenant: "b".to_owned() }), "no tenant `b`"),
    ] {
        let log = log_with(&[record]);
        let refused = Ledger::read(log.path(), None).unwrap_err();
        assert!(matches!(refused, EngineError::Contradiction { sequence: 4, .. }), "{refused}");
        assert!(refused.to_string().contains(words), "{refused}");
        let reopened = calybris_engine::Engine::open(log.path(), &Default::default());
        assert_eq!(reopened.unwrap_err().to_string(), refused.to_string());
    }
}

#[test]
fn a_cost_above_its_reservation_stands_in_the_log_only_where_the_rules_cap_it() {
    for (overrun, charged) in [
        (OverrunPolicy::CapAtReserved, Some(2_000)),
        // What is drawn or owed would stand in a record before it.
        (OverrunPolicy::DrawThenDebt, None),
        (OverrunPolicy::Reject, None),
    ] {
        let rules = TenantRules::default().with_overrun(overrun);
        let settled = Record::Settled {
            time: UnixMillis::new(1),
            decision_sequence: 3,
            actual_cost: Microunits::new(2_001),
        };
        let set = changed(BudgetEvent::RulesSet { tenant: "a".to_owned(), rules });
        let log = log_with(&[set, settled]);
        match (Ledger::read(log.path(), None), charged) {
            (Ok(ledger), Some(charged)) => {
                assert_eq!(ledger.accounts[0].balance.committed.get(), charged);
                ledger.conservation.unwrap();
            }
            (Err(EngineError::Contradiction { sequence: 5, .. }), None) => {}
            other => panic!("{overrun:?}: {other:?}"),
        }
    }
}

#[test]
fn a_log_that_is_not_an_engines_or_has_another_key_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let log = WalWriter::open(dir.path(), &WalOptions::new(42)).unwrap();
    log.append_bytes(b"not a record of ours").unwrap();
    drop(log);
    let refused = Ledger::read(dir.path(), None).unwrap_err();
    assert!(matches!(refused, EngineError::Log(WalError::SchemaMismatch { .. })), "{refused}");
    let key = Key::new(&[1; 32]).unwrap();
    let log = log_with(&[]);
    let refused = Ledger::read(log.path(), Some(&key)).unwrap_err();
    assert!(matches!(refused, EngineError::Log(WalError::NotKeyed { .. })), "{refused}");
}
