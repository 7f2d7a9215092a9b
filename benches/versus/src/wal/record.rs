//! A record as a gateway logs it: about 150 bytes in bincode.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    pub decision: u64,
    pub tenant: String,
    pub correlation_id: String,
    pub action: u8,
    pub requested_model: String,
    pub selected_model: String,
    pub provider: String,
    pub region: String,
    pub time_unix_ms: u64,
    pub input_tokens: u32,
    pub output_tokens: u32,
    pub estimated_cost_microunits: u64,
    pub expected_utility_microunits: i64,
    pub reserved_microunits: u64,
    pub p95_latency_ms: u32,
    pub quality_bps: u16,
    pub risk_bps: u16,
    pub snapshot: u64,
}

impl Record {
    /// Some that differ.
    pub fn many() -> Vec<Self> {
        (0..1024).map(Self::new).collect()
    }

    fn new(number: u64) -> Self {
        let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Self {
            decision: number,
            tenant: format!("tenant-{:04}", number % 977),
            correlation_id: format!("{mixed:016x}{number:016x}"),
            action: (number % 3) as u8,
            requested_model: "anthropic/claude-sonnet-4".to_owned(),
            selected_model: "openai/gpt-4.1-mini".to_owned(),
            provider: "openai".to_owned(),
            region: "eu-west-1".to_owned(),
            time_unix_ms: 1_760_000_000_000 + number,
            input_tokens: (mixed >> 50) as u32,
            output_tokens: (mixed >> 54) as u32,
            estimated_cost_microunits: mixed >> 44,
            expected_utility_microunits: (mixed >> 40) as i64,
            reserved_microunits: mixed >> 44,
            p95_latency_ms: (mixed >> 52) as u32,
            quality_bps: (mixed >> 51) as u16,
            risk_bps: (mixed >> 53) as u16,
            snapshot: mixed,
        }
    }
}
