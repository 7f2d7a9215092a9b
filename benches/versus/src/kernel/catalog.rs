//! Synthetic catalogs: random, and the same on every run.

use calybris_kernel::{BasisPoints, CapabilitySet, Microunits, Model, Price, RegionSet};

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
        .map(|i| {
            Model::new(i, (i % 6) as u8, BasisPoints::new((3_000 + i * 300).min(10_000) as u16))
                .with_risk_ceiling(BasisPoints::percent(95))
                .with_p95_latency_ms(100 + i * 50)
                .with_price(Price::per_million_tokens(
                    Microunits::new(10 + u64::from(i) * 50),
                    Microunits::new(40 + u64::from(i) * 200),
                ))
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
            Model::new(
                model_id,
                dice.between(0, 16) as u8,
                BasisPoints::new(dice.between(3_000, 10_001) as u16),
            )
            .with_risk_ceiling(BasisPoints::new(dice.between(4_000, 10_001) as u16))
            .with_p95_latency_ms(dice.between(50, 4_000) as u32)
            .with_capabilities(CapabilitySet::from_bits((dice.roll() | dice.roll()) & 0xff))
            .with_regions(RegionSet::from_bits(dice.roll() & 0xf | 1 << dice.between(0, 4)))
            .with_price(Price::per_million_tokens(
                Microunits::new(input_price),
                Microunits::new(input_price * dice.between(2, 6)),
            ))
        })
        .collect()
}
