//! Compares the kernel with the oracle on as many generated cases as asked for, and says how many
//! it compared: `cargo run --release --example differential -- <requests> [<first seed>]`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::cast_lossless,
    reason = "the cases and the oracle are those of the tests"
)]

#[path = "../tests/cases/mod.rs"]
mod cases;
#[path = "../tests/oracle/mod.rs"]
mod oracle;

use calybris_kernel::{PolicySnapshot, RankedModel};
use cases::Case;

fn main() {
    let mut arguments = std::env::args().skip(1).filter_map(|argument| argument.parse().ok());
    let wanted: u64 = arguments.next().unwrap_or(100_000);
    let mut seed: u64 = arguments.next().unwrap_or(0);
    let (mut compared, mut evaluated, mut eligible) = (0_u64, 0_u64, 0_u64);
    while compared < wanted {
        // Most catalogs are small, some have up to 3,000 models.
        let most = if seed.is_multiple_of(64) { 3_000 } else { 150 };
        let case = match seed % 8 {
            1 | 5 => Case::of_margins(seed, most, 64),
            3 | 7 => Case::about_the_guards(seed, most, 64),
            2 | 6 => Case::of_second_law(seed, most, 64),
            _ => Case::generate(seed, most, 64),
        };
        let (models, groups) = (case.models.clone(), case.groups.clone());
        let snapshot = PolicySnapshot::with_groups(case.policy, models, groups).unwrap();
        for request in &case.requests {
            let decision = snapshot.prescribe(request);
            let expected =
                oracle::decide_with_groups(&case.policy, &case.models, &case.groups, request);
            assert_eq!(decision, expected, "seed {seed}: {request:?}");
            if compared.is_multiple_of(16) && decision.evaluated_models > 0 {
                let mut best = [RankedModel::default(); 5];
                let found = snapshot.rank(request, &mut best);
                let candidates = oracle::candidates(&case.models, &case.groups, request);
                let ranking = oracle::ranking(&case.policy, &candidates, request);
                let expected = ranking.iter().take(5).map(|eligible| eligible.model_id);
                assert!(best[..found].iter().map(|ranked| ranked.model_id).eq(expected));
            }
            evaluated += u64::from(decision.evaluated_models);
            eligible += u64::from(decision.eligible_models);
            compared += 1;
        }
        seed += 1;
    }
    println!(
        "{compared} decisions over {evaluated} models, {eligible} of them eligible: all agree"
    );
}
