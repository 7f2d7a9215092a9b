//! Any policy, any catalog of up to 255 models, any request: the kernel decides as the oracle does, and never panics.
//!
//! `cargo +nightly fuzz run kernel`
#![no_main]

#[path = "../../crates/calybris-kernel/tests/oracle/mod.rs"]
mod oracle;

use calybris_kernel::{
    BasisPoints, CapabilitySet, Microunits, Model, Price, Policy, PolicySnapshot, ProviderSet,
    RankedModel, RegionSet, Request,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = Bytes(bytes);
    let policy = policy(&mut bytes);
    let count = bytes.u8();
    let mut models: Vec<Model> = (0..count).map(|_| model(&mut bytes)).collect();
    // Ids by chance collide, and are all 0 once the bytes are used up.
    if policy.policy_epoch % 2 == 1 {
        for (model, id) in models.iter_mut().zip(0..) {
            model.model_id = id;
        }
    }
    let Ok(snapshot) = PolicySnapshot::new(policy, models.clone()) else {
        let mut ids: Vec<u32> = models.iter().map(|model| model.model_id).collect();
        ids.sort_unstable();
        ids.dedup();
        let in_range = policy.hard_risk_limit.get() <= 10_000
            && policy.minimum_confidence.get() <= 10_000
            && models
                .iter()
                .all(|model| model.quality.get() <= 10_000 && model.risk_ceiling.get() <= 10_000);
        assert!(!in_range || ids.len() < models.len(), "a good catalog was refused");
        return;
    };
    for _ in 0..4 {
        let request = request(&mut bytes, &models);
        let decision = snapshot.prescribe(&request);
        assert_eq!(decision, oracle::decide(&policy, &models, &request));
        assert_eq!(snapshot.explain(&request).decision, decision);
        let mut best = [RankedModel::default(); 3];
        let found = snapshot.rank(&request, &mut best);
        let order = match decision.evaluated_models {
            0 => Vec::new(),
            _ => oracle::ranking(&policy, &models, &request),
        };
        let ids = order.iter().take(3).map(|eligible| eligible.model_id);
        assert!(best[..found].iter().map(|ranked| ranked.model_id).eq(ids));
        if let Some(id) = decision.selected_model_id {
            let changes = snapshot.what_would_win(&request, id).expect("the catalog has it");
            let present = snapshot.model(id).map(|model| model.quality);
            assert_eq!(changes.quality, present);
        }
        assert_eq!(
            snapshot.margin(&request).map(|margin| margin.model_id),
            decision.selected_model_id
        );
    }
});

/// Reads numbers from the fuzzer's bytes; 0 once they are used up.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn u8(&mut self) -> u8 {
        match self.0 {
            [first, rest @ ..] => {
                self.0 = rest;
                *first
            }
            [] => 0,
        }
    }

    fn u16(&mut self) -> u16 {
        u16::from_le_bytes([self.u8(), self.u8()])
    }

    /// A bps that is mostly in range.
    fn bps(&mut self) -> u16 {
        let bps = self.u16();
        if bps < 60_000 { bps % 10_001 } else { bps }
    }

    /// A number of any magnitude in two bytes: leading digits, and how far they are shifted.
    fn u64(&mut self) -> u64 {
        let digits = u64::from(self.u8());
        match self.u8() {
            shift @ 0..=56 => digits << shift,
            128.. => u64::MAX - digits,
            _ => digits,
        }
    }

    fn u32(&mut self) -> u32 {
        u32::try_from(self.u64()).unwrap_or(u32::MAX)
    }
}

fn policy(bytes: &mut Bytes) -> Policy {
    Policy::new()
        .with_policy_epoch(bytes.u8().into())
        .with_catalog_epoch(2)
        .with_hard_risk_limit(BasisPoints::new(bytes.bps()))
        .with_minimum_confidence(BasisPoints::new(bytes.bps()))
        .with_risk_penalty_multiplier(BasisPoints::new(bytes.u16()))
        .with_latency_penalty_per_ms(Microunits::new(bytes.u64()))
}

fn model(bytes: &mut Bytes) -> Model {
    Model::new(u32::from(bytes.u16()), bytes.u8(), BasisPoints::new(bytes.bps()))
        .with_risk_ceiling(BasisPoints::new(bytes.bps()))
        .with_enabled(bytes.u8() < 230)
        .with_p95_latency_ms(bytes.u32())
        .with_capabilities(CapabilitySet::from_bits(bytes.u64()))
        .with_regions(RegionSet::from_bits(bytes.u64()))
        .with_price(Price::per_million_tokens(Microunits::new(bytes.u64()), Microunits::new(bytes.u64())).with_fixed_price(Microunits::new(bytes.u64())))
}

fn request(bytes: &mut Bytes, models: &[Model]) -> Request {
    let value = bytes.u64();
    let mut request = Request::new(9, u32::from(bytes.u16()), bytes.u32(), bytes.u32())
        .with_business_value_microunits(i64::from_le_bytes(value.to_le_bytes()))
        .with_budget_limit(Microunits::new(bytes.u64()))
        .with_risk(BasisPoints::new(bytes.bps()))
        .with_confidence(BasisPoints::new(bytes.bps()))
        .with_minimum_quality(BasisPoints::new(bytes.bps()))
        .with_max_p95_latency_ms(bytes.u32())
        .with_required_capabilities(CapabilitySet::from_bits(bytes.u64()))
        .with_allowed_providers(ProviderSet::from_words([
            bytes.u64(),
            bytes.u64(),
            bytes.u64(),
            bytes.u64(),
        ]))
        .with_required_regions(RegionSet::from_bits(bytes.u64()));
    // A boundary now and then: the budget is what some model costs, give or take one.
    let (choice, which) = (bytes.u8(), usize::from(bytes.u8()));
    if choice < 96 && !models.is_empty() {
        let cost = oracle::cost(&request, &models[which % models.len()]);
        request.budget_limit =
            Microunits::new(cost.saturating_add(u64::from(choice % 3)).saturating_sub(1));
    }
    request
}
