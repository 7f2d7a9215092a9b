//! Two hashes: one for names, which may come from strangers, and one for numbers of our own.

use std::hash::{BuildHasher, Hasher, RandomState};

/// A secret under which names are hashed, so that nobody outside can choose names that meet.
///
/// Each step multiplies by a secret number and folds the upper half of the product into the lower,
/// eight bytes at a time: a name costs two or three multiplications.
#[derive(Debug)]
pub(crate) struct NameHash {
    start: u64,
    factor: u64,
}

impl NameHash {
    pub(crate) fn new() -> Self {
        let random = RandomState::new();
        // An even factor would forget a bit at each step.
        Self { start: random.hash_one(0_u8), factor: random.hash_one(1_u8) | 1 }
    }

    #[inline]
    pub(crate) fn of(&self, name: &str) -> u64 {
        let (words, rest) = name.as_bytes().as_chunks::<8>();
        let mut state = self.start;
        for word in words {
            state = self.fold(state ^ u64::from_le_bytes(*word));
        }
        let rest = rest.iter().fold(0, |tail, byte| (tail << 8) | u64::from(*byte));
        // The length tells a name from the same one with zero bytes at its end.
        let length = name.len() as u64;
        self.fold(self.fold(state ^ rest) ^ length)
    }

    #[inline]
    fn fold(&self, number: u64) -> u64 {
        let product = u128::from(number) * u128::from(self.factor);
        let [a, b, c, d, e, f, g, h, high @ ..] = product.to_le_bytes();
        u64::from_le_bytes([a, b, c, d, e, f, g, h]) ^ u64::from_le_bytes(high)
    }
}

/// Spreads numbers over a table with one multiplication. It has no secret, so it is for numbers
/// that no stranger chooses.
#[derive(Default)]
pub(crate) struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(self.0 ^ u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        // The low bits of the product choose the bucket, the high ones the tag within it. The
        // lowest four bits of all ids of a shard are equal, hence the rotation.
        self.0 = number.rotate_right(4).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_that_differ_in_one_place_spread_over_a_table() {
        let hash = NameHash::new();
        let mut buckets = [0_u32; 256];
        let mut hashes = BTreeSet::new();
        for index in 0..25_600 {
            let found = hash.of(&format!("tenant-{index:05}"));
            hashes.insert(found);
            buckets[usize::try_from(found & 255).unwrap()] += 1;
        }
        assert_eq!(hashes.len(), 25_600);
        // A hundred on average; a fair spread has none so far off.
        assert!(buckets.iter().all(|found| (40..180).contains(found)), "{buckets:?}");
    }

    #[test]
    fn zero_bytes_and_lengths_count() {
        let hash = NameHash::new();
        let names = ["", "\0", "\0\0", "a", "a\0", "\0a", "aaaaaaaa", "aaaaaaaa\0", "aaaaaaaaa"];
        let found: BTreeSet<u64> = names.iter().map(|name| hash.of(name)).collect();
        assert_eq!(found.len(), names.len());
    }
}
