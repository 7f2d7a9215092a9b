//! Synthetic catalogs: random, and the same on every run.

use calybris_kernel::{CapabilitySet, Model, RegionSet};

/// A deterministic stream of numbers (SplitMix64, Steele, Lea and Flood 2014).
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from `low` up to, but not including, `high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + ((u128::from(self.roll()) * u128::from(high - low)) >> 64) as u64
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.between(0, 100) < percent
    }
}

/// The catalog of the published crate's own benchmark. Its quality formula exceeds 10,000 from the
/// 24th model on, which is out of range; it is cut there, for everybody.
pub fn seed(n: usize) -> Vec<Model> {
    (0..n as u32)
        .map(|i| Model {
            model_id: i,
            provider_id: (i % 6) as u8,
            quality_bps: (3_000 + i * 300).min(10_000) as u16,
            risk_ceiling_bps: 9_500,
            enabled: true,
            p95_latency_ms: 100 + i * 50,
            capabilities: CapabilitySet::EMPTY,
            regions: RegionSet::ALL,
            input_price_microunits_per_million_tokens: 10 + u64::from(i) * 50,
            output_price_microunits_per_million_tokens: 40 + u64::from(i) * 200,
            fixed_price_microunits: 0,
        })
        .collect()
}

/// Models of a gateway: independent random qualities, latencies and prices; eight capabilities
/// and four regions, each had by about two thirds of the models; sixteen providers.
pub fn random(n: usize, seed: u64) -> Vec<Model> {
    let dice = &mut Dice(seed);
    (0..n as u32)
        .map(|model_id| {
            let input_price = dice.between(50_000, 15_000_000);
            Model {
                model_id,
                provider_id: dice.between(0, 16) as u8,
                quality_bps: dice.between(3_000, 10_001) as u16,
                risk_ceiling_bps: dice.between(4_000, 10_001) as u16,
                enabled: true,
                p95_latency_ms: dice.between(50, 4_000) as u32,
                capabilities: CapabilitySet((dice.roll() | dice.roll()) & 0xff),
                regions: RegionSet(dice.roll() & 0xf | 1 << dice.between(0, 4)),
                input_price_microunits_per_million_tokens: input_price,
                output_price_microunits_per_million_tokens: input_price * dice.between(2, 6),
                fixed_price_microunits: 0,
            }
        })
        .collect()
}
