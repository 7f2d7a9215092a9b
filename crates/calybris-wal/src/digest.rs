//! Hashes one slice at the level of blocks, without the buffer that a hash over pieces needs.

use sha2::digest::Output;
use sha2::digest::block_api::{Buffer, FixedOutputCore, UpdateCore};
use sha2::digest::consts::{U32, U64};

use crate::hash::Hash;

/// The state behind one more block.
pub(crate) fn started<C: UpdateCore<BlockSize = U64>>(mut core: C, block: [u8; 64]) -> C {
    core.update_blocks(&[block.into()]);
    core
}

/// The hash when `bytes` are the last.
#[inline]
pub(crate) fn finish<C: FixedOutputCore<OutputSize = U32>>(mut core: C, bytes: &[u8]) -> Hash {
    let mut buffer = Buffer::<C>::default();
    buffer.digest_blocks(bytes, |blocks| core.update_blocks(blocks));
    let mut hash = Output::<C>::default();
    core.finalize_fixed_core(&mut buffer, &mut hash);
    Hash::from_bytes(hash.into())
}
