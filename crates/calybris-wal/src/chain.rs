//! The hash chain: how a segment header and a frame are hashed, with a key or without.
//!
//! Every hash begins with one block of 64 bytes: a label that says what is hashed, then the log's
//! id. So no hash of one log can stand in another, nor a header's for a frame's. The block is
//! hashed once per log and the state after it is cloned, so it costs nothing per record.

use hmac::block_api::HmacCore;
use sha2::digest::block_api::EagerHash;
use sha2::{Digest, Sha256};

use crate::digest::{finish, started};
use crate::hash::{Hash, LogId};
use crate::key::Key;

/// The label of a segment header's hash, before it is padded with zeros to 48 bytes.
const SEGMENT_LABEL: &[u8] = b"calybris-wal 1 segment";

/// The label of a frame's hash, before it is padded with zeros to 48 bytes.
const FRAME_LABEL: &[u8] = b"calybris-wal 1 frame";

/// The hashes of one log.
#[derive(Clone)]
pub(crate) struct Chain {
    segment: Start,
    frame: Start,
}

impl Chain {
    /// The chain of the log with this id: HMAC-SHA-256 with a key, SHA-256 without.
    pub(crate) fn new(log_id: LogId, key: Option<&Key>) -> Self {
        Self {
            segment: Start::after(first_block(SEGMENT_LABEL, log_id), key),
            frame: Start::after(first_block(FRAME_LABEL, log_id), key),
        }
    }

    /// The hash of a segment header, over its bytes before the hash.
    pub(crate) fn segment_hash(&self, header: &[u8]) -> Hash {
        self.segment.hash(header)
    }

    /// The hash of a frame, over one slice: the 32 bytes before the frame, which are the previous
    /// hash, then the frame's header and its payload.
    pub(crate) fn frame_hash(&self, previous_hash_and_frame: &[u8]) -> Hash {
        self.frame.hash(previous_hash_and_frame)
    }
}

/// The first 8 bytes of the SHA-256 of `bytes`: a checksum, not an authentication.
pub(crate) fn checksum(bytes: &[u8]) -> [u8; 8] {
    let digest: [u8; 32] = Sha256::digest(bytes).into();
    let [a, b, c, d, e, f, g, h, ..] = digest;
    [a, b, c, d, e, f, g, h]
}

fn first_block(label: &[u8], log_id: LogId) -> [u8; 64] {
    let mut block = [0; 64];
    let parts = label.iter().chain(std::iter::repeat(&0)).take(48).chain(log_id.as_bytes());
    block.iter_mut().zip(parts).for_each(|(to, from)| *to = *from);
    block
}

/// A hash that has taken its first block.
///
/// It is kept at the level of blocks, without the buffer of a hash that takes its bytes in pieces:
/// what is hashed is always one slice.
#[derive(Clone)]
enum Start {
    Sha256(<Sha256 as EagerHash>::Core),
    Hmac(HmacCore<Sha256>),
}

impl Start {
    fn after(block: [u8; 64], key: Option<&Key>) -> Self {
        match key {
            None => Self::Sha256(started(<Sha256 as EagerHash>::Core::default(), block)),
            Some(key) => Self::Hmac(started(key.mac().clone(), block)),
        }
    }

    #[inline]
    fn hash(&self, bytes: &[u8]) -> Hash {
        match self {
            Self::Sha256(core) => finish(core.clone(), bytes),
            Self::Hmac(core) => finish(core.clone(), bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use hmac::{Hmac, KeyInit, Mac};

    use super::*;

    #[test]
    fn the_chain_is_what_the_format_says_it_is() {
        let (secret, log_id) = ([5; 40], [9; 16]);
        let key = Key::new(&secret).unwrap();
        for (label, keyed) in [(FRAME_LABEL, false), (FRAME_LABEL, true), (SEGMENT_LABEL, true)] {
            let mut block = label.to_vec();
            block.resize(48, 0);
            block.extend_from_slice(&log_id);
            for length in 0..300 {
                let bytes: Vec<u8> = (0..=255).cycle().take(length).collect();
                let expected: [u8; 32] = if keyed {
                    let mac = Hmac::<Sha256>::new_from_slice(&secret).unwrap();
                    mac.chain_update(&block).chain_update(&bytes).finalize().into_bytes().into()
                } else {
                    Sha256::new_with_prefix(&block).chain_update(&bytes).finalize().into()
                };
                let expected = Hash::from_bytes(expected);
                let chain = Chain::new(LogId::from_bytes(log_id), keyed.then_some(&key));
                let found = match label {
                    FRAME_LABEL => chain.frame_hash(&bytes),
                    _ => chain.segment_hash(&bytes),
                };
                assert_eq!(found, expected, "{length} bytes, keyed: {keyed}");
            }
        }
    }
}
