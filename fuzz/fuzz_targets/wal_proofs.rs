//! Any proof against any head: checking it ends, never panics, and what it proves is unique.
//!
//! `cargo +nightly fuzz run wal_proofs`
#![no_main]

use calybris_wal::{ConsistencyProof, Hash, InclusionProof, LogId, TreeHead};
use libfuzzer_sys::fuzz_target;

struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut taken = [0; N];
        let count = N.min(self.0.len());
        taken[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        taken
    }

    /// Small more often than not, and at times the extremes.
    fn number(&mut self) -> u64 {
        match self.take::<1>()[0] {
            byte @ 0..=200 => u64::from(byte % 40),
            201..=230 => u64::from_le_bytes(self.take()),
            byte => u64::MAX - u64::from(byte - 231),
        }
    }

    fn hash(&mut self) -> Hash {
        Hash::from_bytes([self.take::<1>()[0]; 32])
    }

    fn path(&mut self) -> Vec<Hash> {
        let length = self.take::<1>()[0] % 70;
        (0..length).map(|_| self.hash()).collect()
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = Bytes(bytes);
    let log_id = LogId::from_bytes([1; 16]);
    let head = TreeHead { log_id, size: bytes.number(), root: bytes.hash() };
    let old = TreeHead { log_id, size: bytes.number(), root: bytes.hash() };
    let proof = InclusionProof { sequence: bytes.number(), size: head.size, path: bytes.path() };
    let hash = bytes.hash();
    if proof.proves(hash, &head) {
        let mut other = *hash.as_bytes();
        other[0] ^= 1;
        assert!(!proof.proves(Hash::from_bytes(other), &head));
        assert!(proof.path.len() <= 64);
    }
    let proof = ConsistencyProof { old_size: old.size, new_size: head.size, path: bytes.path() };
    if proof.proves(&old, &head) {
        let other = TreeHead { root: Hash::from_bytes([0xEE; 32]), ..old };
        assert!(other == old || !proof.proves(&other, &head));
        assert!(old.size <= head.size);
    }
});
