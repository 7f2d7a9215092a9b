//! The log of an engine, edited by somebody who can write authentic records: reading, opening, replaying and proving never
//! panic, and where the ledger reads it the engine opens it with the same money.
//!
//! `cargo +nightly fuzz run engine_log`
#![no_main]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use calybris_budget::{OverrunPolicy, TenantRules};
use calybris_engine::{
    Call, DecisionProof, Engine, EngineError, EngineOptions, Ledger, Names, RecordedDecision,
    ReplayOptions, SCHEMA_ID, Snapshot, UnixMillis, replay,
};
use calybris_kernel::{
    BasisPoints, Ceiling, ExcludedModels, Group, Microunits, Model, Policy, PolicySnapshot, Price,
    Rates, RegionSet, Request, SearchFee, TokenClass, Usage, Window,
};
use calybris_wal::{Reader, WalOptions, WalWriter};
use libfuzzer_sys::fuzz_target;

/// The first bytes of a checkpoint's record, of its first and its second version.
const CHECKPOINTS: [u8; 2] = [6, 10];

/// The records of a session in which everything happens that an engine writes down.
static SESSION: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let directory = tempfile::tempdir().expect("a temporary directory");
    session(directory.path()).expect("a session that goes well");
    let records = Reader::open(directory.path(), None).expect("the session's log");
    records.map(|record| record.expect("it verifies").payload().to_vec()).collect()
});

fn session(path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let engine = Engine::open(path, &EngineOptions::default())?;
    engine.install(snapshot(1)?, UnixMillis::new(1))?;
    engine.ensure_tenant("a", Microunits::new(100_000), UnixMillis::new(2))?;
    engine.ensure_child("b", "a", Microunits::new(40_000), UnixMillis::new(3))?;
    engine.ensure_tenant("c", Microunits::new(5_000), UnixMillis::new(4))?;
    engine.top_up("a", Microunits::new(1_000), UnixMillis::new(5))?;
    engine.reduce("a", Microunits::new(500), UnixMillis::new(5))?;
    engine.set_rules(
        "b",
        TenantRules::default().with_overrun(OverrunPolicy::DrawThenDebt),
        UnixMillis::new(6),
    )?;
    let mut tickets = Vec::new();
    for (number, tenant) in ["a", "b", "b", "c", "c", "a"].into_iter().enumerate() {
        if number == 3 {
            engine.checkpoint(UnixMillis::new(10))?;
        }
        let call = Call::new(tenant, UnixMillis::new(11), request(number as u64))
            .with_correlation_id("trace")
            .with_request_key(if number % 2 == 0 { "" } else { tenant });
        tickets.extend(engine.decide(&call)?.ticket);
    }
    let mut tickets = tickets.into_iter();
    let mut next = || tickets.next().ok_or("a ticket");
    engine.settle(next()?, Microunits::new(10), UnixMillis::new(12))?;
    engine.abandon(next()?, UnixMillis::new(13))?;
    let mut ticket = next()?;
    engine.extend(&mut ticket, Microunits::new(77), UnixMillis::new(14))?;
    engine.settle(ticket, Microunits::new(60_000), UnixMillis::new(15))?;
    engine.freeze("c", UnixMillis::new(16))?;
    engine.install(snapshot(2)?, UnixMillis::new(17))?;
    drop(engine.fall_back(next()?, UnixMillis::new(18))?);
    engine.checkpoint(UnixMillis::new(18))?;
    let call = Call::new("a", UnixMillis::new(19), request_by_class(7)?).with_request_key("class");
    let ticket = engine.decide(&call)?.ticket.ok_or("a ticket")?;
    drop(engine.fall_back(ticket, UnixMillis::new(19))?);
    engine.checkpoint(UnixMillis::new(19))?;
    engine.repay("b", Microunits::new(5), UnixMillis::new(19))?;
    engine.close()?;
    Ok(())
}

fn snapshot(policy_epoch: u64) -> Result<Snapshot, Box<dyn std::error::Error>> {
    let policy = Policy::new()
        .with_policy_epoch(policy_epoch)
        .with_catalog_epoch(1)
        .with_hard_risk_limit(BasisPoints::percent(90))
        .with_minimum_confidence(BasisPoints::percent(50))
        .with_risk_penalty_multiplier(BasisPoints::percent(25))
        .with_latency_penalty_per_ms(Microunits::new(1));
    let model = |model_id, price| {
        Model::new(model_id, 0, BasisPoints::percent(80))
            .with_risk_ceiling(BasisPoints::percent(90))
            .with_p95_latency_ms(400)
            .with_regions(RegionSet::EMPTY)
            .with_price(Price::FREE.with_fixed_price(Microunits::new(price)))
    };
    let mut models = [model(1, 2_000), model(2, 2_500), model(3, 3_000)];
    if policy_epoch == 1 {
        return Ok(Snapshot::new(PolicySnapshot::new(policy, models)?, Names::default()));
    }
    let rates = |rate| {
        let plain = Rates::plain(Microunits::new(rate), Microunits::new(rate));
        plain.with(TokenClass::CacheWrite, Microunits::new(2 * rate))
    };
    models[0].price = Price::new(rates(1_000_000))
        .with_band(2_000, rates(2_000_000))?
        .with_search_fee(SearchFee::per_request(Microunits::new(5)));
    models[1].window = Window::UNKNOWN.with_max_prompt_tokens(50_000);
    let groups = [Group::new(0, [1, 2]), Group::new(9, [2, 3])];
    let names = Names { groups: [(0, "fast".to_owned())].into(), ..Names::default() };
    Ok(Snapshot::new(PolicySnapshot::with_groups(policy, models, groups)?, names))
}

fn request_by_class(sequence: u64) -> Result<Request, Box<dyn std::error::Error>> {
    Ok(request(sequence)
        .with_usage(Usage::new(400, 500).with_cache_write_tokens(100))
        .with_ceiling(Ceiling::new(1_000, 600).with_searches(1))
        .with_group_id(0)
        .with_excluded_models(ExcludedModels::new(&[3, 300])?))
}

fn request(sequence: u64) -> Request {
    Request::new(sequence, 1, 1_000, 500)
        .with_business_value_microunits(20_000)
        .with_budget_limit(Microunits::new(10_000))
        .with_risk(BasisPoints::percent(5))
        .with_confidence(BasisPoints::percent(90))
        .with_minimum_quality(BasisPoints::percent(70))
}

/// Six bytes are one edit of the records.
fn edit(records: &mut Vec<Vec<u8>>, [what, at, to, offset, low, high]: [u8; 6]) {
    if records.is_empty() {
        return;
    }
    let (at, to) = (usize::from(at) % records.len(), usize::from(to) % records.len());
    let place = usize::from(u16::from_le_bytes([offset, high])) % (records[at].len() + 1);
    match what % 7 {
        0 => drop(records.remove(at)),
        1 => records.insert(to, records[at].clone()),
        2 => records.swap(at, to),
        3 => records.truncate(at + 1),
        4 => records[at].iter_mut().skip(place).take(1).for_each(|byte| *byte = low),
        5 => records[at].insert(place, low),
        _ => records[at].truncate(place),
    }
}

/// The balances that the log leads to.
fn read(path: &Path) -> Result<Ledger, EngineError> {
    let ledger = Ledger::read(path, None)?;
    let conserved = ledger.conservation.as_ref();
    conserved.expect("what the fold accepts, the audit accepts");
    Ok(ledger)
}

fuzz_target!(|bytes: &[u8]| {
    let mut records = SESSION.clone();
    let (edits, _) = bytes.as_chunks::<6>();
    edits.iter().take(8).for_each(|one| edit(&mut records, *one));

    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path();
    let writer = WalWriter::open(path, &WalOptions::new(SCHEMA_ID)).expect("a new log");
    for record in &records {
        if record.first().is_some_and(|variant| CHECKPOINTS.contains(variant)) {
            writer.rotate().expect("a new segment");
        }
        writer.append_bytes(record).expect("a record");
    }
    drop(writer);

    let options = ReplayOptions::default();
    let replayed = replay(path, None, &options, |_| Ok(Vec::new()), |_| ());
    for sequence in 1..=records.len() as u64 {
        let found = RecordedDecision::find(path, None, sequence);
        if replayed.is_ok() && found.is_ok_and(|found| found.replay().is_ok()) {
            let proof = DecisionProof::of(path, None, sequence).expect("a decision is proven");
            proof.check(&proof.head(), None).expect("a proof that was made holds");
        }
    }

    let ledger = read(path);
    let opened = Engine::open(path, &EngineOptions::default());
    let Ok(ledger) = ledger else { return };
    let engine = opened.expect("what can be read can be opened");
    let balances: BTreeMap<_, _> = engine.accounts().into_iter().collect();
    let accounts = ledger.accounts.iter().map(|account| (account.tenant.clone(), account.balance));
    assert_eq!(accounts.collect::<BTreeMap<_, _>>(), balances);
    assert_eq!(engine.open_tickets(), ledger.open_tickets);

    // Every ticket that is open can be closed, and then nothing is held.
    for open in ledger.open_tickets {
        let ticket = engine.ticket(open.decision_sequence).expect("an open ticket");
        engine.abandon(ticket, UnixMillis::new(99)).expect("it is given back");
    }
    engine.close().expect("a sync");
    let ledger = read(path).expect("what the engine went on with");
    assert!(ledger.accounts.iter().all(|account| account.balance.reserved.is_zero()));
});
