//! The bytes of a log, as `FORMAT.md` sets them out: pure arithmetic, no input or output.

pub(crate) mod control;
mod crc16;
pub(crate) mod frame;
pub(crate) mod header;
pub(crate) mod name;

/// The `N` bytes of `bytes` that begin at `at`; `None` when there are not so many.
fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}
