//! A device without an operating system that decides by itself which questions it answers: the
//! module `admission` needs `core` and `alloc` only. This file is the desk where it is tried out,
//! and so it prints. `cargo xtask no-std` links the same module into a library without std.

extern crate alloc;

mod admission;

use admission::{ON_DEVICE, REMOTE, admit, shipped_rules};
use calybris_kernel::{Reason, SnapshotError};

fn main() -> Result<(), SnapshotError> {
    let rules = shipped_rules()?;
    println!("rules of epoch {}", rules.policy().policy_epoch);
    println!("sequence  tokens  risk_bps  answered by  cost_microunits  reason");
    let questions = [(200, 500), (200, 4_000), (5_000, 4_000), (200, 9_500)];
    let mut answers = Vec::new();
    for (sequence, (tokens, risk_bps)) in (1..).zip(questions) {
        let decision = admit(&rules, sequence, tokens, risk_bps);
        let by = match decision.selected_model_id {
            Some(ON_DEVICE) => "the device",
            Some(_) => "the line",
            None => "nobody",
        };
        let cost = decision.estimated_cost.get();
        println!("{sequence:8}  {tokens:6}  {risk_bps:8}  {by:11}  {cost:15}  {}", decision.reason);
        answers.push((decision.selected_model_id, decision.reason));
    }
    // The model on board takes no risk above its ceiling. A long question at that risk costs more than
    // the line may. A risk above the policy's limit is rejected.
    assert_eq!(answers.first().map(|answer| answer.0), Some(Some(ON_DEVICE)));
    assert_eq!(answers.get(1).map(|answer| answer.0), Some(Some(REMOTE)));
    assert_eq!(answers.get(2).map(|answer| answer.0), Some(None));
    assert_eq!(answers.last().map(|answer| answer.1), Some(Reason::RiskHardLimit));
    Ok(())
}
