//! A small world for the tests: three models, two tenants, one clock that the tests set.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code, and no test uses all of it"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use calybris_budget::BudgetEvent;
use calybris_engine::{Admission, Call, Engine, EngineOptions, Names, Record, Snapshot};
use calybris_kernel::{
    CapabilitySet, Model, Policy, PolicySnapshot, ProviderSet, RegionSet, Request,
};
use calybris_wal::Reader;

pub(crate) const POLICY: Policy = Policy {
    policy_epoch: 1,
    catalog_epoch: 1,
    hard_risk_limit_bps: 9_000,
    minimum_confidence_bps: 5_000,
    risk_penalty_multiplier_bps: 2_500,
    latency_penalty_microunits_per_ms: 1,
};

pub(crate) const LARGE: u32 = 1;
pub(crate) const SMALL: u32 = 2;
pub(crate) const FREE: u32 = 3;

pub(crate) fn model(
    model_id: u32,
    quality_bps: u16,
    price_microunits_per_million_tokens: u64,
) -> Model {
    Model {
        model_id,
        provider_id: 0,
        quality_bps,
        risk_ceiling_bps: 9_000,
        enabled: true,
        p95_latency_ms: 100,
        capabilities: CapabilitySet::EMPTY,
        regions: RegionSet::EMPTY,
        input_price_microunits_per_million_tokens: price_microunits_per_million_tokens,
        output_price_microunits_per_million_tokens: price_microunits_per_million_tokens,
        fixed_price_microunits: 0,
    }
}

pub(crate) fn snapshot_under(policy: Policy) -> Snapshot {
    let models =
        [model(LARGE, 9_000, 10_000_000), model(SMALL, 7_000, 1_000_000), model(FREE, 4_000, 0)];
    let names = Names {
        models: BTreeMap::from([(LARGE, "large".to_owned()), (SMALL, "small".to_owned())]),
        ..Names::default()
    };
    Snapshot::new(PolicySnapshot::new(policy, models).unwrap(), names)
}

pub(crate) fn snapshot() -> Snapshot {
    snapshot_under(POLICY)
}

pub(crate) fn open(dir: &Path) -> Engine {
    let engine = Engine::open(dir, &EngineOptions::default()).unwrap();
    engine.install(snapshot(), 0).unwrap();
    engine
}

/// A request that the model of at least that quality wins: 9,000 LARGE, 7,000 SMALL, 4,000 FREE.
///
/// With 100 tokens in and out LARGE costs 2,000 microunits, SMALL 200, FREE nothing.
pub(crate) fn request(sequence: u64, minimum_quality_bps: u16) -> Request {
    Request {
        sequence,
        requested_model_id: LARGE,
        input_tokens: 100,
        output_tokens: 100,
        business_value_microunits: 10_000,
        budget_limit_microunits: 1_000_000,
        risk_bps: 100,
        confidence_bps: 9_000,
        minimum_quality_bps,
        max_p95_latency_ms: 0,
        required_capabilities: CapabilitySet::EMPTY,
        allowed_providers: ProviderSet::ALL,
        required_regions: RegionSet::EMPTY,
    }
}

pub(crate) fn call(tenant: &str, sequence: u64, minimum_quality_bps: u16) -> Call<'_> {
    let request = request(sequence, minimum_quality_bps);
    Call { tenant, time_unix_ms: 1_000 + sequence, correlation_id: "", request_key: "", request }
}

/// Granted, available, reserved and committed microunits of a tenant.
pub(crate) type Balance = (u64, u64, u64, u64);

pub(crate) fn balances(engine: &Engine) -> BTreeMap<String, Balance> {
    let balance = |(tenant, account): (String, calybris_budget::AccountSnapshot)| {
        let balance = (
            account.granted_microunits,
            account.available_microunits,
            account.reserved_microunits,
            account.committed_microunits,
        );
        (tenant, balance)
    };
    engine.accounts().into_iter().map(balance).collect()
}

/// What a log says, added up here and by nothing of the engine: balances by tenant, and open holds by decision.
///
/// Fails if any prefix of the log spends what a tenant does not have, or closes a ticket that is not open.
pub(crate) fn fold(
    records: &[(u64, Record<'static>)],
) -> (BTreeMap<String, Balance>, BTreeMap<u64, u64>) {
    let mut balances: BTreeMap<String, Balance> = BTreeMap::new();
    let mut open: BTreeMap<u64, (String, u64)> = BTreeMap::new();
    for (sequence, record) in records {
        match record {
            Record::BudgetChanged {
                event: BudgetEvent::TenantOpened { tenant, granted_microunits },
                ..
            } => {
                let new = (*granted_microunits, *granted_microunits, 0, 0);
                assert!(balances.insert(tenant.to_string(), new).is_none());
            }
            Record::Decided(decided) if decided.admission == Admission::Reserved => {
                let cost = decided.decision.estimated_cost_microunits;
                let balance = balances.get_mut(&*decided.tenant).unwrap();
                balance.1 = balance.1.checked_sub(cost).expect("the log overspends");
                balance.2 += cost;
                open.insert(*sequence, (decided.tenant.to_string(), cost));
            }
            Record::Settled { decision_sequence, actual_cost_microunits, .. } => {
                let (tenant, cost) = open.remove(decision_sequence).expect("settled once");
                let balance = balances.get_mut(&tenant).unwrap();
                balance.1 += cost.checked_sub(*actual_cost_microunits).expect("within the hold");
                balance.2 -= cost;
                balance.3 += actual_cost_microunits;
            }
            Record::Abandoned { decision_sequence, .. } => {
                let (tenant, cost) = open.remove(decision_sequence).expect("abandoned once");
                let balance = balances.get_mut(&tenant).unwrap();
                balance.1 += cost;
                balance.2 -= cost;
            }
            _ => {}
        }
        for (granted, available, reserved, committed) in balances.values() {
            assert_eq!(*granted, available + reserved + committed);
        }
    }
    (balances, open.into_iter().map(|(sequence, (_, cost))| (sequence, cost)).collect())
}

pub(crate) fn records(dir: &Path) -> Vec<(u64, Record<'static>)> {
    let entries = Reader::open(dir, None).unwrap().map(Result::unwrap);
    entries.map(|entry| (entry.sequence(), entry.decode().unwrap())).collect()
}

pub(crate) fn segment(dir: &Path) -> PathBuf {
    let segments = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut segments: Vec<PathBuf> =
        segments.filter(|path| path.extension().is_some_and(|ending| ending == "cwal")).collect();
    assert_eq!(segments.len(), 1);
    segments.remove(0)
}
