//! Amounts that were each accepted are read back, however much they come to together.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod program;

use calybris_core::budget::MAX_AMOUNT;
use calybris_core::engine::{Engine, EngineOptions, Microunits, UnixMillis};
use program::*;

/// Three tenants that have all that one can have: 3 * (2^63 - 1) microunits together, which no 64 bits hold.
#[test]
fn budgets_are_shown_to_the_last_digit_whatever_their_total() {
    let dir = tempfile::tempdir().unwrap();
    let (log, policy) = (dir.path().join("log"), dir.path().join("policy.toml"));
    let text = std::fs::read_to_string(input("policy.toml")).unwrap();
    let most = MAX_AMOUNT.get();
    let lines = format!("chat = {most}\na = {most}\nb = 0");
    let text = text.replace("chat = 1_000_000", &lines);
    std::fs::write(&policy, text).unwrap();
    let mut command = program();
    command.arg("route").arg("--policy").arg(&policy).arg("--catalog").arg(input("catalog.toml"));
    command.arg("--requests").arg(input("trace.csv")).arg("--log").arg(&log);
    let routed = run(&mut command);
    assert_eq!(routed.code, 0, "{}", routed.err);
    // In steps across 2^64, which is two more than the first two have.
    let mut added = 0;
    for more in [0, 1, 1, 1, most - 3] {
        let engine = Engine::open(&log, &EngineOptions::default()).unwrap();
        if more > 0 {
            engine.top_up("b", Microunits::new(more), UnixMillis::new(1_793_610_000_000)).unwrap();
        }
        engine.close().unwrap();
        added += more;
        let granted = 2 * u128::from(most) + u128::from(added);
        let shown = run(program().arg("budget").arg(&log));
        assert_eq!(shown.code, 0, "{}", shown.err);
        let all = shown.out.lines().find(|line| line.contains("(all)")).unwrap();
        assert_eq!(
            all.split_whitespace().nth(1).unwrap().replace([',', '.'], ""),
            granted.to_string()
        );
        assert!(shown.out.contains("The money adds up."), "{}", shown.out);
        // The digits themselves: many readers of JSON round a number of this size.
        let lines = run(program().arg("budget").arg(&log).arg("--json"));
        assert_eq!(lines.code, 0, "{}", lines.err);
        let total = lines.out.split_once("\"total\": {").unwrap().1;
        assert!(total.contains(&format!("\"granted_microunits\": {granted},")), "{total}");
        assert!(
            total.contains(&format!("\"available_microunits\": {},", granted - 375)),
            "{total}"
        );
    }
    for command in ["verify", "replay", "show", "spend", "report"] {
        assert_eq!(run(program().arg(command).arg(&log)).code, 0, "{command}");
    }
}
