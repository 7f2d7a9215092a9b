//! A hash for keys that are numbers already: ids of our own, and hashes.

use std::hash::Hasher;

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
