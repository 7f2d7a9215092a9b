//! Any policy, any catalog of up to 255 models, any request: the kernel decides as the oracle does, and never panics.
//!
//! `cargo +nightly fuzz run kernel`
#![no_main]

#[path = "../../crates/calybris-kernel/tests/oracle/mod.rs"]
mod oracle;

use calybris_kernel::{
    BasisPoints, CapabilitySet, Ceiling, ExcludedModels, Group, Microunits, Model, Policy,
    PolicySnapshot, Price, ProviderSet, RankedModel, Rates, RegionSet, Request, SearchFee,
    TokenClass, TokenClassSet, Usage, Window,
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
    let groups: Vec<Group> = match bytes.u8() {
        count @ 1..=4 => (0..count).map(|_| group(&mut bytes, &models)).collect(),
        _ => Vec::new(),
    };
    let Ok(snapshot) = PolicySnapshot::with_groups(policy, models.clone(), groups.clone()) else {
        let mut ids: Vec<u32> = models.iter().map(|model| model.model_id).collect();
        ids.sort_unstable();
        ids.dedup();
        let in_range = policy.hard_risk_limit.get() <= 10_000
            && policy.minimum_confidence.get() <= 10_000
            && models
                .iter()
                .all(|model| model.quality.get() <= 10_000 && model.risk_ceiling.get() <= 10_000);
        let mut group_ids: Vec<u8> = groups.iter().map(|group| group.group_id).collect();
        group_ids.sort_unstable();
        group_ids.dedup();
        let unique = ids.len() == models.len() && group_ids.len() == groups.len();
        let known = groups
            .iter()
            .all(|group| group.model_ids.iter().all(|id| ids.binary_search(id).is_ok()));
        assert!(!(in_range && unique && known), "a good catalog was refused");
        return;
    };
    for _ in 0..4 {
        let request = request(&mut bytes, &models, &groups);
        let decision = snapshot.prescribe(&request);
        assert_eq!(decision, oracle::decide_with_groups(&policy, &models, &groups, &request));
        assert_eq!(decision.check(), Ok(()));
        assert_eq!(snapshot.explain(&request).decision, decision);
        let mut best = [RankedModel::default(); 3];
        let found = snapshot.rank(&request, &mut best);
        let order = match decision.evaluated_models {
            0 => Vec::new(),
            _ => {
                oracle::ranking(&policy, &oracle::candidates(&models, &groups, &request), &request)
            }
        };
        let places = order.iter().take(3).map(|best| (best.model_id, best.cost, best.maximum_cost));
        assert!(best[..found].iter().map(place).eq(places));
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

fn place(ranked: &RankedModel) -> (u32, u64, u64) {
    (ranked.model_id, ranked.cost.get(), ranked.maximum_cost.get())
}

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
        .with_price(price(bytes))
        .with_window(window(bytes))
}

fn price(bytes: &mut Bytes) -> Price {
    let mut rates = Rates::plain(Microunits::new(bytes.u64()), Microunits::new(bytes.u64()));
    let fixed_price = Microunits::new(bytes.u64());
    let kinds = bytes.u8();
    let mut price = Price::FREE;
    for (band, is_first) in [(0, true), (1, false), (2, false), (3, false)] {
        if band > kinds % 4 {
            break;
        }
        for class in TokenClass::ALL {
            if kinds & 4 != 0 && bytes.u8() < 64 {
                let least = if is_first { Microunits::ZERO } else { rates.of(class) };
                rates = rates.with(class, least.max(Microunits::new(bytes.u64())));
            }
        }
        price = if is_first {
            Price::new(rates)
        } else {
            // A threshold that does not ascend is refused, and the price stays as it is.
            price.with_band(bytes.u32(), rates).unwrap_or(price)
        };
    }
    price = price.with_fixed_price(fixed_price);
    match kinds & 24 {
        8 => price.with_search_fee(SearchFee::per_search(Microunits::new(bytes.u64()))),
        16 => price.with_search_fee(SearchFee::per_request(Microunits::new(bytes.u64()))),
        _ => price,
    }
}

fn window(bytes: &mut Bytes) -> Window {
    let mut window = Window::UNKNOWN;
    let kinds = bytes.u8();
    if kinds & 1 != 0 {
        window = window.with_max_prompt_tokens(bytes.u32());
    }
    if kinds & 2 != 0 {
        window = window.with_max_completion_tokens(bytes.u32());
    }
    if kinds & 4 != 0 {
        window = window.with_max_total_tokens(bytes.u32());
    }
    window
}

/// Mostly of models that there are.
fn group(bytes: &mut Bytes, models: &[Model]) -> Group {
    let (group_id, share) = (bytes.u8(), usize::from(bytes.u8() % 7) + 1);
    let mut model_ids: Vec<u32> =
        models.iter().step_by(share).map(|model| model.model_id).collect();
    if bytes.u8() == 1 {
        model_ids.push(bytes.u16().into());
    }
    Group::new(group_id, model_ids)
}

fn usage(bytes: &mut Bytes, plain: Usage) -> Usage {
    let mut usage = plain.with_searches(bytes.u32());
    for class in TokenClass::ALL {
        if bytes.u8() < 96 {
            usage = usage.with_tokens(class, bytes.u32());
        }
    }
    usage
}

/// At the usage or above it, or whatever the bytes say.
fn ceiling(bytes: &mut Bytes, usage: &Usage) -> Ceiling {
    let (kind, prompt, completion) = (bytes.u8(), bytes.u32(), bytes.u32());
    let most = |tokens: u64| u32::try_from(tokens).unwrap_or(u32::MAX);
    let classes = TokenClassSet::from_bits(if kind & 1 == 0 { u8::MAX } else { bytes.u8() });
    if kind < 32 {
        return Ceiling::new(prompt, completion).with_searches(bytes.u32()).with_classes(classes);
    }
    let prompt = most(usage.prompt_tokens()).saturating_add(if kind & 2 == 0 { 0 } else { prompt });
    let completion =
        most(usage.completion_tokens()).saturating_add(if kind & 4 == 0 { 0 } else { completion });
    Ceiling::new(prompt, completion).with_searches(usage.searches).with_classes(classes)
}

fn request(bytes: &mut Bytes, models: &[Model], groups: &[Group]) -> Request {
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
    let kinds = bytes.u8();
    if kinds & 1 != 0 {
        request.usage = usage(bytes, request.usage);
    }
    if kinds & 2 != 0 {
        request.ceiling = Some(ceiling(bytes, &request.usage));
    }
    if kinds & 4 != 0 {
        let which = usize::from(bytes.u8());
        request.group_id = match groups {
            [] => Some(bytes.u8()),
            groups => Some(groups[which % groups.len()].group_id),
        };
    }
    if kinds & 8 != 0 {
        let ids: Vec<u32> = (0..bytes.u8() % 18).map(|_| bytes.u16().into()).collect();
        match ExcludedModels::new(&ids) {
            Ok(excluded) => request.excluded_models = excluded,
            Err(_) => assert!(ids.len() > 16),
        }
    }
    // A boundary now and then: the budget is what some model may cost, give or take one.
    let (choice, which) = (bytes.u8(), usize::from(bytes.u8()));
    if choice < 96 && !models.is_empty() {
        let model = &models[which % models.len()];
        let cost = oracle::maximum_cost(&request, model).unwrap_or(u64::MAX);
        request.budget_limit =
            Microunits::new(cost.saturating_add(u64::from(choice % 3)).saturating_sub(1));
    }
    request
}
