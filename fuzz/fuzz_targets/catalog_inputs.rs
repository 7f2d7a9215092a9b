//! Any bytes as a policy, a catalog or a price list: read or refused at a place that is in them, never a panic.
//!
//! `cargo +nightly fuzz run catalog_inputs`
#![no_main]

use calybris_catalog::{CatalogFile, InputError, PolicyFile};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Err(error) = PolicyFile::parse("f", bytes) {
        check(&error, bytes);
    }
    let catalog = match CatalogFile::parse("f", bytes) {
        Ok(catalog) => catalog,
        Err(error) => return check(&error, bytes),
    };
    let policy = PolicyFile::parse("p", POLICY).unwrap();
    match catalog.join(&policy) {
        Ok(catalog) => {
            let listed = catalog.listed.candidates().len();
            assert_eq!(catalog.snapshot.policy_snapshot().models().len(), listed);
            assert_eq!(catalog.snapshot.names().models.len(), listed);
        }
        Err(error) => check(&error, bytes),
    }
});

fn check(error: &InputError, bytes: &[u8]) {
    let InputError::Refused { problem, .. } = error else { panic!("{error}") };
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
    if let Some(place) = problem.place {
        assert!((1..=u64::try_from(lines).unwrap()).contains(&place.line), "{error}");
    }
}

const POLICY: &str = "\
[policy]
policy_epoch = 1
catalog_epoch = 1
hard_risk_limit_bps = 9_500
minimum_confidence_bps = 5_000
risk_penalty_multiplier_bps = 2_500
latency_penalty_microunits_per_ms = 1
[tenants]
t = 1
[[model]]
name = \"*\"
set = { quality_bps = 5_000, risk_ceiling_bps = 9_000, p95_latency_ms = 500 }
";
