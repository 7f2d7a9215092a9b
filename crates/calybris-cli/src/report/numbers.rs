//! The numbers of a policy by their names: to be shown side by side, and to be varied.

use calybris_core::kernel::{BasisPoints, Microunits, Policy};

/// One number of a policy.
#[derive(Clone, Copy)]
pub(crate) struct PolicyNumber {
    /// Its name in the policy file, unit last.
    pub(crate) key: &'static str,
    /// The most it may be; the least is 0.
    pub(crate) limit: u64,
    pub(crate) of: fn(&Policy) -> u64,
    /// A policy with another value, which is 0 up to the limit.
    pub(crate) with: fn(Policy, u64) -> Policy,
}

/// Every number of a policy that decides something. The epochs decide nothing.
pub(crate) const POLICY_NUMBERS: [PolicyNumber; 4] = [
    PolicyNumber {
        key: "hard_risk_limit_bps",
        limit: 10_000,
        of: |policy| policy.hard_risk_limit.get().into(),
        with: |policy, value| policy.with_hard_risk_limit(BasisPoints::new(small(value))),
    },
    PolicyNumber {
        key: "minimum_confidence_bps",
        limit: 10_000,
        of: |policy| policy.minimum_confidence.get().into(),
        with: |policy, value| policy.with_minimum_confidence(BasisPoints::new(small(value))),
    },
    PolicyNumber {
        key: "risk_penalty_multiplier_bps",
        limit: 65_535,
        of: |policy| policy.risk_penalty_multiplier.get().into(),
        with: |policy, value| policy.with_risk_penalty_multiplier(BasisPoints::new(small(value))),
    },
    PolicyNumber {
        key: "latency_penalty_microunits_per_ms",
        limit: u64::MAX,
        of: |policy| policy.latency_penalty_per_ms.get(),
        with: |policy, value| policy.with_latency_penalty_per_ms(Microunits::new(value)),
    },
];

/// A value within the limit of a number that a `u16` holds.
fn small(value: u64) -> u16 {
    u16::try_from(value).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_read_where_it_was_put() {
        let none = Policy::new()
            .with_policy_epoch(1)
            .with_catalog_epoch(1)
            .with_hard_risk_limit(BasisPoints::ZERO);
        for (at, number) in POLICY_NUMBERS.iter().enumerate() {
            let changed = (number.with)(none, number.limit);
            for (other, read) in POLICY_NUMBERS.iter().enumerate() {
                let expected = if at == other { number.limit } else { 0 };
                assert_eq!((read.of)(&changed), expected, "{} {}", number.key, read.key);
            }
        }
    }
}
