//! SHA-256 from a state in the middle, over one slice: without the buffer that a hash which takes
//! its bytes in pieces must keep, which costs a fifth of the time of a short record.

use sha2::block_api::compress256;

const BLOCK_BYTES: usize = 64;

/// The last block of a message of one block and a hash, which are 768 bits, but for the hash.
const OUTER_PADDING: [u8; BLOCK_BYTES] = {
    let mut block = [0; BLOCK_BYTES];
    block[32] = 0x80;
    [block[62], block[63]] = 768_u16.to_be_bytes();
    block
};

/// The state of a SHA-256 behind whole blocks (FIPS 180-4, section 6.2).
#[derive(Clone, Copy)]
pub(crate) struct Midstate {
    words: [u32; 8],
    /// How many bytes it has taken.
    bytes: u64,
}

impl Midstate {
    /// The state before the first block (FIPS 180-4, section 5.3.3).
    pub(crate) const START: Self = Self {
        words: [
            0x6a09_e667,
            0xbb67_ae85,
            0x3c6e_f372,
            0xa54f_f53a,
            0x510e_527f,
            0x9b05_688c,
            0x1f83_d9ab,
            0x5be0_cd19,
        ],
        bytes: 0,
    };

    /// The state behind one more block.
    pub(crate) fn then(mut self, block: &[u8; BLOCK_BYTES]) -> Self {
        compress256(&mut self.words, std::slice::from_ref(block));
        self.bytes += BLOCK_BYTES as u64;
        self
    }

    /// The hash when `bytes` are the last.
    #[inline]
    pub(crate) fn finish(&self, bytes: &[u8]) -> [u8; 32] {
        let (blocks, rest) = bytes.as_chunks::<BLOCK_BYTES>();
        // A one bit, zeros, and the length in bits fill the last block, or one more. They are put
        // together before the other blocks are hashed: what was just stored in small pieces cannot
        // be loaded as a whole at once, and hashing would have to wait for it.
        let mut last = [[0; BLOCK_BYTES]; 2];
        let padding = last.as_flattened_mut();
        if let Some(head) = padding.get_mut(..rest.len()) {
            head.copy_from_slice(rest);
        }
        if let Some(end) = padding.get_mut(rest.len()) {
            *end = 0x80;
        }
        let count = (rest.len() + 9).div_ceil(BLOCK_BYTES);
        let last = last.get_mut(..count).unwrap_or_default();
        if let Some(length) = last.last_mut().and_then(|block| block.last_chunk_mut()) {
            *length = ((self.bytes + bytes.len() as u64) * 8).to_be_bytes();
        }
        let mut words = self.words;
        compress256(&mut words, blocks);
        compress256(&mut words, last);
        bytes_of(words)
    }

    /// The hash when another hash is the last and there was one block before it, as in the outer half
    /// of an HMAC.
    #[inline]
    pub(crate) fn finish_outer(&self, hash: &[u8; 32]) -> [u8; 32] {
        let mut words = self.words;
        let mut block = OUTER_PADDING;
        block.iter_mut().zip(hash).for_each(|(to, from)| *to = *from);
        compress256(&mut words, &[block]);
        bytes_of(words)
    }

    /// The hash when the bytes from `start` on are the last. They are padded where they stand, so
    /// that all blocks are one slice and none is copied; the padding is taken away again.
    #[inline]
    pub(crate) fn finish_in_place(&self, bytes: &mut Vec<u8>, start: usize) -> [u8; 32] {
        let end = bytes.len();
        let length = end.saturating_sub(start);
        let bits = (self.bytes + length as u64) * 8;
        let padded = (length + 9).next_multiple_of(BLOCK_BYTES);
        bytes.reserve(padded - length);
        bytes.push(0x80);
        bytes.resize(start + padded - 8, 0);
        bytes.extend_from_slice(&bits.to_be_bytes());
        let mut words = self.words;
        compress256(&mut words, bytes.get(start..).unwrap_or_default().as_chunks().0);
        bytes.truncate(end);
        bytes_of(words)
    }
}

/// Never inlined: by itself it is compiled to two stores of 16 bytes, and among other code to eight
/// of four, which whoever reads the hash next has to wait for.
#[inline(never)]
fn bytes_of(words: [u32; 8]) -> [u8; 32] {
    let mut hash = [0; 32];
    for (bytes, word) in hash.as_chunks_mut().0.iter_mut().zip(words) {
        *bytes = word.to_be_bytes();
    }
    hash
}
