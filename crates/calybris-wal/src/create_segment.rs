//! Begins a segment: its header on disk, and its name, before a frame follows.

use std::sync::Arc;

use crate::chain::Chain;
use crate::error::WalError;
use crate::format::header::{SEGMENT_HEADER_BYTES, SegmentHeader, hash_in};
use crate::format::name::segment_name;
use crate::frame_builder::FrameBuilder;
use crate::key::Key;
use crate::progress::Progress;
use crate::segment::SegmentEnd;
use crate::storage::{Mode, Storage, StoredFile, io_error, write_all};

/// The end of a log: the file that is written, and the builder of the next frames.
pub(crate) struct End {
    pub(crate) file: Arc<dyn StoredFile>,
    pub(crate) builder: FrameBuilder,
}

/// Creates the file of a segment and begins it.
pub(crate) fn create_segment(
    storage: &dyn Storage,
    header: SegmentHeader,
    before: Option<&SegmentEnd>,
    key: Option<&Key>,
) -> Result<End, WalError> {
    let name = segment_name(header.first_sequence);
    let file = storage
        .open(&name, Mode::CreateNew)
        .map_err(|source| io_error(storage, "create", &name, source))?;
    begin_segment(storage, file, header, before, key)
}

/// Writes the header of a segment into its empty file, durably.
pub(crate) fn begin_segment(
    storage: &dyn Storage,
    file: Arc<dyn StoredFile>,
    header: SegmentHeader,
    before: Option<&SegmentEnd>,
    key: Option<&Key>,
) -> Result<End, WalError> {
    let name = segment_name(header.first_sequence);
    let chain = Chain::new(header.log_id, header.key_among(storage, key)?);
    let bytes = header.encode(&chain)?;
    write_all(file.as_ref(), 0, &bytes)
        .map_err(|source| io_error(storage, "write", &name, source))?;
    file.sync().map_err(|source| io_error(storage, "sync", &name, source))?;
    storage.sync_directory().map_err(|source| io_error(storage, "sync", "", source))?;
    let header_hash = hash_in(&bytes)?;
    let record_hash = before.map_or(header_hash, |end| end.record_hash);
    let mut progress = Progress::at_start(&header, record_hash);
    progress.log_start = before.map_or(1, |end| end.log_start);
    let builder =
        FrameBuilder::new(header, chain, SEGMENT_HEADER_BYTES as u64, header_hash, &progress);
    Ok(End { file, builder })
}
