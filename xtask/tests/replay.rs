//! All crates together: whatever is decided, the log alone is enough to decide it again, bit for bit.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::collections::{BTreeMap, HashMap};

use calybris_core::budget::BudgetEvent;
use calybris_core::engine::{
    Admission, Call, Engine, EngineOptions, Names, Record, Snapshot, UnixMillis,
};
use calybris_core::kernel::{
    BasisPoints, CapabilitySet, Microunits, Model, Policy, PolicySnapshot, Price, RegionSet,
    Request,
};
use calybris_core::wal::{Key, Reader, VerifyOptions, verify};
use proptest::prelude::*;

fn model(model_id: u32) -> impl Strategy<Value = Model> {
    let price = prop_oneof![0_u64..20_000_000, Just(u64::MAX)];
    let bps = 0_u16..=10_000;
    (0_u8..3, bps.clone(), bps, any::<bool>(), 0_u32..2_000, 0_u64..4, 0_u64..4, price).prop_map(
        move |(
            provider_id,
            quality_bps,
            risk_ceiling_bps,
            disabled,
            latency,
            caps,
            regions,
            price,
        )| {
            Model::new(model_id, provider_id, BasisPoints::new(quality_bps))
                .with_risk_ceiling(BasisPoints::new(risk_ceiling_bps))
                .with_enabled(!disabled || quality_bps % 4 != 0)
                .with_p95_latency_ms(latency)
                .with_capabilities(CapabilitySet::from_bits(caps))
                .with_regions(RegionSet::from_bits(regions))
                .with_price(
                    Price::per_million_tokens(Microunits::new(price), Microunits::new(price / 2))
                        .with_fixed_price(Microunits::new(u64::from(latency % 3))),
                )
        },
    )
}

fn catalog() -> impl Strategy<Value = Vec<Model>> {
    (0_u32..8).prop_flat_map(|count| (0..count).map(model).collect::<Vec<_>>())
}

fn policy() -> impl Strategy<Value = Policy> {
    (8_000_u16..=10_000, 0_u16..3_000, any::<u16>(), 0_u64..5).prop_map(
        |(hard_risk_limit_bps, minimum_confidence_bps, risk_penalty_multiplier_bps, latency)| {
            Policy::new()
                .with_policy_epoch(1)
                .with_catalog_epoch(1)
                .with_hard_risk_limit(BasisPoints::new(hard_risk_limit_bps))
                .with_minimum_confidence(BasisPoints::new(minimum_confidence_bps))
                .with_risk_penalty_multiplier(BasisPoints::new(risk_penalty_multiplier_bps))
                .with_latency_penalty_per_ms(Microunits::new(latency))
        },
    )
}

fn request() -> impl Strategy<Value = Request> {
    let bps = 0_u16..=10_001;
    let amounts = (0_u32..5_000, 0_u32..5_000, -10_i64..2_000_000, 0_u64..200_000);
    (0_u32..9, amounts, bps.clone(), bps, 0_u16..8_000, 0_u64..4, 0_u64..4).prop_map(
        |(
            requested_model_id,
            (input, output, value, limit),
            risk,
            confidence,
            quality,
            caps,
            regions,
        )| {
            Request::new(1, requested_model_id, input, output)
                .with_business_value_microunits(value)
                .with_budget_limit(Microunits::new(limit))
                .with_risk(BasisPoints::new(risk / 4))
                .with_confidence(BasisPoints::new(confidence))
                .with_minimum_quality(BasisPoints::new(quality))
                .with_required_capabilities(CapabilitySet::from_bits(caps & 1))
                .with_required_regions(RegionSet::from_bits(regions))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_log_alone_decides_every_request_again(
        catalogs in prop::collection::vec((policy(), catalog()), 1..4),
        requests in prop::collection::vec((request(), 0_usize..4, 0_u64..=100), 1..40),
        granted in 1_u64..500_000,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let key = Key::new(&[7; 32]).unwrap();
        let options = EngineOptions::default().key(key.clone());
        let snapshots: Vec<Snapshot> = catalogs
            .into_iter()
            .map(|(policy, models)| Snapshot::new(PolicySnapshot::new(policy, models).unwrap(), Names::default()))
            .collect();
        let engine = Engine::open(dir.path(), &options).unwrap();
        engine.install(snapshots.first().unwrap().clone(), UnixMillis::new(1)).unwrap();
        engine.ensure_tenant("t", Microunits::new(granted), UnixMillis::new(1)).unwrap();
        for (request, install, percent) in requests {
            if let Some(snapshot) = snapshots.get(install) {
                engine.install(snapshot.clone(), UnixMillis::new(2)).unwrap();
            }
            let call = Call::new("t", UnixMillis::new(3), request);
            if let Some(ticket) = engine.decide(&call).unwrap().ticket {
                let cost = u128::from(ticket.reserved().get()) * u128::from(percent) / 100;
                match percent {
                    0..10 => {}
                    10..20 => { engine.abandon(ticket, UnixMillis::new(4)).unwrap(); },
                    _ => { engine.settle(ticket, Microunits::new(u64::try_from(cost).unwrap()), UnixMillis::new(4)).unwrap(); },
                }
            }
        }
        let live = engine.account("t").unwrap();
        let anchor = engine.close().unwrap();
        let verified = VerifyOptions::default().with_key(key.clone()).with_anchor(anchor);
        prop_assert!(verify(dir.path(), &verified).unwrap().anchored);

        // From here on there is only the log.
        let mut installed: BTreeMap<u64, PolicySnapshot> = BTreeMap::new();
        let mut open: HashMap<u64, u64> = HashMap::new();
        let (mut available, mut committed) = (0_u64, 0_u64);
        for entry in Reader::open(dir.path(), Some(&key)).unwrap() {
            let entry = entry.unwrap();
            match Record::decode(entry.sequence(), entry.payload()).unwrap() {
                Record::SnapshotInstalled { snapshot, .. } => {
                    let models = snapshot.models.into_owned();
                    let snapshot = PolicySnapshot::new(snapshot.policy, models).unwrap();
                    installed.insert(entry.sequence(), snapshot);
                }
                Record::BudgetChanged { event, .. } => {
                    let BudgetEvent::TenantOpened { granted: granted_microunits, .. } = event else {
                        prop_assert!(false, "no such event was written: {:?}", event);
                        continue;
                    };
                    available = granted_microunits.get();
                }
                Record::Decided(decided) => {
                    let snapshot = &installed[&decided.snapshot_sequence];
                    prop_assert_eq!(snapshot.prescribe(&decided.request), decided.decision);
                    let cost = decided.decision.estimated_cost.get();
                    match decided.admission {
                        Admission::Reserved => {
                            available = available.checked_sub(cost).unwrap();
                            open.insert(entry.sequence(), cost);
                        }
                        Admission::Insufficient { available: left } => {
                            let available_microunits = left.get();
                            prop_assert_eq!(available_microunits, available);
                            prop_assert!(cost > available);
                        }
                        Admission::NotAsked => prop_assert_eq!(decided.decision.selected_model_id, None),
                        other => prop_assert!(false, "no rule refuses here: {other:?}"),
                    }
                }
                Record::Settled { decision_sequence, actual_cost, .. } => {
                    let actual_cost_microunits = actual_cost.get();
                    available += open.remove(&decision_sequence).unwrap() - actual_cost_microunits;
                    committed += actual_cost_microunits;
                }
                Record::Abandoned { decision_sequence, .. } => {
                    available += open.remove(&decision_sequence).unwrap();
                }
                other => panic!("{other:?}"),
            }
        }
        prop_assert_eq!(live.available.get(), available);
        prop_assert_eq!(live.committed.get(), committed);
        prop_assert_eq!(live.reserved.get(), open.values().sum::<u64>());
    }
}
