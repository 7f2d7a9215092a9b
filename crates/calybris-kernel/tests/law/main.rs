//! One test per clause of the law in `SEMANTICS.md`, worked out by hand; and the kernel against the
//! oracle, on whatever catalogs and requests.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::cast_lossless,
    reason = "a test may panic, and the oracle converts as the law does"
)]

#[path = "../cases/mod.rs"]
mod cases;
#[path = "../oracle/mod.rs"]
mod oracle;

mod allocations;
mod candidates;
mod canonical;
mod ceilings;
mod choosing;
mod codes;
mod cost_and_utility;
mod counterfactual;
mod decisions;
mod model_gates;
mod oracle_agreement;
mod prices;
mod rejecting;
mod request_gates;
mod second_law;
#[cfg(feature = "serde")]
mod serialized;
mod snapshots;
mod windows;

use calybris_kernel::{
    Action, BasisPoints, CapabilitySet, Decision, Gate, InvalidRequest, Microunits, Model, Policy,
    PolicySnapshot, Price, ProviderSet, Reason, Refusal, RegionSet, Request, SnapshotError, Usage,
    Verdict, Window,
};
use cases::{MODEL, POLICY, REQUEST, price};

/// A request of which the law rounds all it can: at full quality it is worth 999.9 microunits, and each
/// of two tokens costs next to nothing.
const ROUNDED: Request = REQUEST
    .with_business_value_microunits(1_000)
    .with_confidence(BasisPoints::new(9_999))
    .with_usage(Usage::new(1, 1))
    .with_budget_limit(Microunits::MAX);

/// The canonical bytes of a snapshot.
fn canonical_bytes(snapshot: &PolicySnapshot) -> Vec<u8> {
    let mut bytes = Vec::new();
    snapshot.write_canonical(|piece| bytes.extend_from_slice(piece));
    bytes
}

fn decide(models: &[Model], request: &Request) -> Decision {
    PolicySnapshot::new(POLICY, models).unwrap().prescribe(request)
}

fn decide_under(policy: Policy, request: &Request) -> Decision {
    PolicySnapshot::new(policy, [MODEL]).unwrap().prescribe(request)
}

/// The verdict on the one model of a catalog.
fn verdict(policy: Policy, model: Model, request: &Request) -> Verdict {
    PolicySnapshot::new(policy, [model]).unwrap().explain(request).models[0].verdict
}

fn refusal(model: Model, request: &Request) -> Refusal {
    match verdict(POLICY, model, request) {
        Verdict::Refused(refusal) => refusal,
        Verdict::Eligible { .. } => panic!("eligible"),
    }
}

fn utility(policy: Policy, model: Model, request: &Request) -> i64 {
    match verdict(policy, model, request) {
        Verdict::Refused(Refusal::Utility { utility_microunits, .. })
        | Verdict::Eligible { utility_microunits, .. } => utility_microunits,
        Verdict::Refused(refusal) => panic!("{refusal:?}"),
    }
}

fn cost(model: Model, request: &Request) -> u64 {
    match refusal(model, &request.with_budget_limit(Microunits::ZERO)) {
        Refusal::Budget { maximum_cost, .. } => maximum_cost.get(),
        refusal => panic!("{refusal:?}"),
    }
}
