//! The kernel in a static library without the standard library: it links, or `cargo xtask no-std` fails.
#![no_std]
#![forbid(unsafe_code)]

use calybris_kernel::{
    CapabilitySet, Model, Policy, PolicySnapshot, ProviderSet, RegionSet, Request,
};

/// A snapshot allocates; the memory comes from here.
#[global_allocator]
static ALLOCATOR: emballoc::Allocator<65_536> = emballoc::Allocator::new();

/// A second handler beside that of the standard library would be a compile error: that is the proof.
#[panic_handler]
fn stop(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}

/// One decision, reachable from C, so that the whole kernel is part of the library.
pub extern "C" fn decide(input_tokens: u32, output_tokens: u32) -> u64 {
    let policy = Policy {
        policy_epoch: 1,
        catalog_epoch: 1,
        hard_risk_limit_bps: 9_000,
        minimum_confidence_bps: 5_000,
        risk_penalty_multiplier_bps: 2_500,
        latency_penalty_microunits_per_ms: 1,
    };
    let model = Model {
        model_id: 1,
        provider_id: 0,
        quality_bps: 8_000,
        risk_ceiling_bps: 9_000,
        enabled: true,
        p95_latency_ms: 400,
        capabilities: CapabilitySet::EMPTY,
        regions: RegionSet::EMPTY,
        input_price_microunits_per_million_tokens: 2_500_000,
        output_price_microunits_per_million_tokens: 10_000_000,
        fixed_price_microunits: 0,
    };
    let request = Request {
        sequence: 1,
        requested_model_id: 1,
        input_tokens,
        output_tokens,
        business_value_microunits: 1_000_000,
        budget_limit_microunits: 1_000_000,
        risk_bps: 500,
        confidence_bps: 9_000,
        minimum_quality_bps: 7_000,
        max_p95_latency_ms: 0,
        required_capabilities: CapabilitySet::EMPTY,
        allowed_providers: ProviderSet::ALL,
        required_regions: RegionSet::EMPTY,
    };
    match PolicySnapshot::new(policy, [model]) {
        Ok(snapshot) => snapshot.prescribe(&request).estimated_cost_microunits,
        Err(_) => 0,
    }
}
