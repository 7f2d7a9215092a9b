//! Opens a log for writing: finds its end, sets aside what a crash tore, and refuses the rest.

use std::sync::Arc;

use crate::begin::{End, begin_segment, create_segment};
use crate::chain::HASH_BYTES;
use crate::codec::CODEC_BINCODE_2;
use crate::error::{Damage, WalError};
use crate::format::header::{Algorithm, SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::key::Key;
use crate::options::WalOptions;
use crate::pen::Pen;
use crate::quarantine::{Quarantine, quarantine};
use crate::seal::sealed_end;
use crate::segment::{
    Opening, Progress, Segment, SegmentEnd, SegmentStep, Unfinished, check_start, io_error,
};
use crate::storage::{Mode, Storage, read_up_to, write_all};
use crate::tail::{Evidence, Place, Verdict, claims_behind, judge, only_zeros_behind};
use crate::walk::header_damage;

/// What opening a log found and did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovery {
    /// Whether the log was created, because there was none.
    pub created: bool,
    /// The last sequence that the log holds; 0 when it holds no record.
    pub sequence: u64,
    /// What was cut off the end of the log and set aside, if anything was.
    pub quarantined: Option<Quarantine>,
    /// How many bytes at the end of the log were written again and synced, because nothing said
    /// that they were on disk.
    pub resynced_bytes: u64,
}

/// Creates a log, of which no anchor can know yet.
pub(crate) fn create(
    storage: &dyn Storage,
    options: &WalOptions,
    key: Option<&Key>,
) -> Result<(End, Recovery), WalError> {
    let header = first_header(storage, options, key)?;
    let end = create_segment(storage, header, None, key)?;
    let recovery = Recovery { created: true, sequence: 0, quarantined: None, resynced_bytes: 0 };
    Ok((end, recovery))
}

/// Finds the end of an existing log and makes it fit to be written on.
///
/// Of all segments but the last only the header and the seal are read, so this takes no longer as
/// the log grows, but for a few reads per segment.
pub(crate) fn recover(
    storage: &dyn Storage,
    options: &WalOptions,
    key: Option<&Key>,
    segments: &[u64],
) -> Result<(End, Recovery), WalError> {
    let (before, last) = check_seals(storage, key, segments)?;
    let mut segment = match Segment::open(storage, last, Mode::Write, key)? {
        Opening::Segment(segment) => *segment,
        Opening::Unfinished(unfinished) => {
            if let Some(end) = &before {
                check_start(segments.first().copied().unwrap_or(1), end.log_start)?;
            }
            return begin_unfinished(storage, options, key, before, last, unfinished);
        }
    };
    check_identity(storage, options, &segment.header)?;
    if let (Some(anchor), Some(end)) = (options.anchor, &before) {
        anchor.check_record(end.sequence, end.record_hash)?;
    }
    match before {
        None => segment.check_is_first()?,
        Some(end) => {
            segment.check_continues(&end)?;
            segment.progress.record_hash = end.record_hash;
            segment.progress.log_start = end.log_start;
        }
    }
    let damage = walk_to_end(storage, options, &mut segment)?;
    check_start(segments.first().copied().unwrap_or(1), segment.progress.log_start)?;
    let quarantined = match damage {
        None => None,
        Some(damage) => cut_torn(storage, &mut segment, damage)?,
    };
    let resynced_bytes = rewrite_unsynced(storage, &mut segment)?;
    let sequence = segment.progress.sequence;
    let recovery = Recovery { created: false, sequence, quarantined, resynced_bytes };
    let end = match segment.end() {
        // A crash came between the seal and the next segment.
        Some(end) => create_segment(storage, SegmentHeader::after(&end), Some(&end), key)?,
        None => end_of(storage, segment)?,
    };
    Ok((end, recovery))
}

/// Checks that each segment but the last is sealed and continued by the one after it, and that the
/// key was not given up for another in one of them. Answers how the last but one ended, and the last.
fn check_seals(
    storage: &dyn Storage,
    key: Option<&Key>,
    segments: &[u64],
) -> Result<(Option<SegmentEnd>, u64), WalError> {
    let mut before: Option<SegmentEnd> = None;
    let key_id = key.map_or(0, Key::id);
    let mut key_was_used = false;
    for pair in segments.windows(2) {
        let &[first, next] = pair else { continue };
        let segment = match Segment::open(storage, first, Mode::Read, key)? {
            Opening::Segment(segment) => segment,
            Opening::Unfinished(_) => return Err(header_damage(first)),
        };
        match &before {
            None => segment.check_is_first()?,
            Some(end) => segment.check_continues(end)?,
        }
        key_was_used |= segment.header.key_id == key_id;
        before = Some(sealed_end(storage, &segment, next)?);
    }
    if let Some(SegmentEnd { next_key_id: current, .. }) = before
        && key_was_used
        && current != key_id
    {
        return Err(WalError::KeyReplaced { path: storage.path(""), replaced: key_id, current });
    }
    Ok((before, segments.last().copied().unwrap_or(1)))
}

/// The end of a segment that was recovered, all of which is on disk.
fn end_of(storage: &dyn Storage, segment: Segment) -> Result<End, WalError> {
    let name = segment.name();
    let Segment { header, chain, cursor, progress, .. } = segment;
    let (file, offset) = (Arc::clone(cursor.file()), cursor.offset());
    let mut last_hash = [0; HASH_BYTES];
    read_up_to(file.as_ref(), offset - HASH_BYTES as u64, &mut last_hash)
        .map_err(|source| io_error(storage, "read", &name, source))?;
    let mut pen = Pen::new(header, chain, offset, last_hash, &progress);
    pen.note_synced(progress.sequence, offset);
    Ok(End { file, pen })
}

/// Steps over every frame that verifies; what follows the last of them is the answer.
fn walk_to_end(
    storage: &dyn Storage,
    options: &WalOptions,
    segment: &mut Segment,
) -> Result<Option<Damage>, WalError> {
    loop {
        let end = match segment.step(storage)? {
            SegmentStep::Record | SegmentStep::Control => None,
            SegmentStep::End => Some(None),
            SegmentStep::Damaged(damage) => Some(Some(damage)),
        };
        let Progress { sequence, record_hash, .. } = segment.progress;
        if let Some(anchor) = options.anchor {
            anchor.check_record(sequence, record_hash)?;
            if end.is_some() {
                anchor.check_head(sequence)?;
            }
        }
        if let Some(damage) = end {
            return Ok(damage);
        }
    }
}

/// Judges the damage at the cursor and cuts it off if a crash tore it.
fn cut_torn(
    storage: &dyn Storage,
    segment: &mut Segment,
    what: Damage,
) -> Result<Option<Quarantine>, WalError> {
    let (name, offset) = (segment.name(), segment.cursor.offset());
    let chain = segment.chain;
    let claimed = claims_behind(segment.cursor.file().as_ref(), &chain, offset)
        .map_err(|source| io_error(storage, "read", &name, source))?;
    let zeros = only_zeros_behind(segment.cursor.file().as_ref(), offset)
        .map_err(|source| io_error(storage, "read", &name, source))?;
    let evidence = Evidence {
        has_successor: false,
        sealed: segment.progress.seal.is_some(),
        zeros,
        durable_offset: segment.progress.durable_offset.max(claimed),
    };
    match judge(Place::Frames { offset }, evidence) {
        Verdict::Room => {
            let file = segment.cursor.file();
            let (cut, synced) = (file.set_length(offset), file.sync());
            cut.map_err(|source| io_error(storage, "set the length of", &name, source))?;
            synced.map_err(|source| io_error(storage, "sync", &name, source))?;
            segment.cursor.refresh();
            Ok(None)
        }
        Verdict::Torn => {
            let file = segment.cursor.file().as_ref();
            let cut = quarantine(storage, file, segment.first_sequence, offset)?;
            segment.cursor.refresh();
            Ok(Some(cut))
        }
        Verdict::Corrupt => Err(WalError::Corrupt {
            segment: segment.first_sequence,
            offset,
            sequence: segment.progress.sequence.saturating_add(1),
            what,
        }),
    }
}

/// Begins a segment again whose beginning a crash interrupted: nothing was written to it yet.
fn begin_unfinished(
    storage: &dyn Storage,
    options: &WalOptions,
    key: Option<&Key>,
    before: Option<SegmentEnd>,
    first_sequence: u64,
    unfinished: Unfinished,
) -> Result<(End, Recovery), WalError> {
    let Unfinished { file, bytes } = unfinished;
    let header = match &before {
        Some(end) => SegmentHeader::after(end),
        None if first_sequence == 1 => first_header(storage, options, key)?,
        None => return Err(WalError::MissingSegment { segment: 1 }),
    };
    check_identity(storage, options, &header)?;
    if let Some(anchor) = options.anchor {
        anchor.check_head(header.first_sequence.saturating_sub(1))?;
    }
    let quarantined = match bytes {
        0 => None,
        _ => Some(quarantine(storage, file.as_ref(), first_sequence, 0)?),
    };
    let end = begin_segment(storage, file, header, before.as_ref(), key)?;
    let (created, sequence) = (before.is_none(), end.pen.head().sequence);
    Ok((end, Recovery { created, sequence, quarantined, resynced_bytes: 0 }))
}

/// The header of the first segment of a new log.
fn first_header(
    storage: &dyn Storage,
    options: &WalOptions,
    key: Option<&Key>,
) -> Result<SegmentHeader, WalError> {
    let log_id = match options.log_id {
        Some(log_id) => log_id,
        None => random_log_id(storage)?,
    };
    Ok(SegmentHeader {
        algorithm: if key.is_some() { Algorithm::HmacSha256 } else { Algorithm::Sha256 },
        codec: CODEC_BINCODE_2,
        log_id,
        index: 0,
        first_sequence: 1,
        schema_id: options.schema_id,
        key_id: key.map_or(0, Key::id),
        max_record_bytes: options.max_record_bytes,
        previous_hash: [0; HASH_BYTES],
    })
}

fn random_log_id(storage: &dyn Storage) -> Result<[u8; 16], WalError> {
    let mut log_id = [0; 16];
    getrandom::fill(&mut log_id).map_err(|error| {
        io_error(storage, "draw a random log id for", "", std::io::Error::other(error))
    })?;
    Ok(log_id)
}

/// Refuses a log that is not the one that the options describe.
fn check_identity(
    storage: &dyn Storage,
    options: &WalOptions,
    header: &SegmentHeader,
) -> Result<(), WalError> {
    if header.schema_id != options.schema_id {
        return Err(WalError::SchemaMismatch {
            path: storage.path(""),
            expected: header.schema_id,
            found: options.schema_id,
        });
    }
    if let Some(anchor) = options.anchor {
        anchor.check_log(storage, header.log_id)?;
    }
    if let Some(expected) = options.log_id.filter(|expected| *expected != header.log_id) {
        let found = header.log_id;
        return Err(WalError::LogIdMismatch { path: storage.path(""), expected, found });
    }
    Ok(())
}

/// How much is written again at once, in bytes.
const COPY_BYTES: usize = 64 << 10;

/// Writes what nothing claims to be on disk again, and syncs it.
///
/// After a failed sync the operating system may hold pages that it takes for written, and which a
/// later sync would pass over. Written again, they are written.
fn rewrite_unsynced(storage: &dyn Storage, segment: &mut Segment) -> Result<u64, WalError> {
    let name = segment.name();
    let failed = |action| {
        let name = name.clone();
        move |source| io_error(storage, action, &name, source)
    };
    let end = segment.cursor.offset();
    let from = match segment.progress.durable_offset {
        // No mark vouches for the header either, nor for the name.
        offset if offset <= SEGMENT_HEADER_BYTES as u64 => 0,
        offset => offset,
    };
    let file = segment.cursor.file().as_ref();
    let mut at = from;
    let mut buffer = vec![0; COPY_BYTES];
    while at < end {
        let count = read_up_to(file, at, &mut buffer).map_err(failed("read"))?;
        let Some(read) = buffer.get(..count).filter(|read| !read.is_empty()) else { break };
        write_all(file, at, read).map_err(failed("write"))?;
        at += count as u64;
    }
    if from < end {
        file.sync().map_err(failed("sync"))?;
    }
    if from == 0 {
        storage.sync_directory().map_err(|source| io_error(storage, "sync", "", source))?;
    }
    segment.cursor.refresh();
    Ok(end.saturating_sub(from))
}
