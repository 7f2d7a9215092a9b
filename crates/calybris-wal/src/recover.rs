//! Opens a log for writing: finds its end, sets a torn tail aside, and refuses any other damage.

use std::sync::Arc;

use calybris_units::invariant;

use crate::codec::CODEC_BINCODE_2;
use crate::create_segment::{End, begin_segment, create_segment};
use crate::error::{Damage, WalError};
use crate::first_segment::first_of;
use crate::format::header::{Algorithm, SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::format::name::segment_name;
use crate::frame_builder::FrameBuilder;
use crate::hash::{HASH_BYTES, Hash, LogId};
use crate::key::Key;
use crate::locks::check_last;
use crate::options::WalOptions;
use crate::progress::Progress;
use crate::quarantine::{Quarantine, quarantine};
use crate::seal::sealed_end;
use crate::segment::{Opening, Position, Segment, SegmentEnd, SegmentStep, Unfinished};
use crate::segment_files::check_start;
use crate::storage::{Mode, Storage, io_error, read_up_to, write_all};
use crate::torn_tail::{Place, Verdict, judge};

/// The findings and actions of opening a log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenReport {
    /// Whether the log was created, because there was none.
    pub created: bool,
    /// The last sequence that the log holds; 0 when it holds no record.
    pub sequence: u64,
    /// The torn tail that was set aside, if there was one.
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
) -> Result<(End, OpenReport), WalError> {
    let header = first_header(storage, options, key)?;
    let end = create_segment(storage, header, None, key)?;
    let report = OpenReport { created: true, sequence: 0, quarantined: None, resynced_bytes: 0 };
    Ok((end, report))
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
) -> Result<(End, OpenReport), WalError> {
    let first = first_of(storage, key, segments)?;
    let sealed = check_seals(
        storage,
        key,
        invariant!(segments.get(first..), "the first segment is one of them")?,
    )?;
    let position = sealed.before.as_ref().map_or(Position::First, Position::Behind);
    let opened = Segment::open(storage, sealed.last, Mode::Write, key, position)?;
    check_last(storage, sealed.last)?;
    let (end, report) = match opened {
        Opening::Segment(segment) => resume(storage, options, key, &sealed, *segment)?,
        Opening::Unfinished(unfinished) => {
            begin_unfinished(storage, options, key, &sealed, unfinished)?
        }
    };
    let start = end.builder.log_start();
    // Where none begins with that record, those before are needed to reach it.
    if segments.binary_search(&start).is_ok() {
        remove_before(storage, segments, start)?;
    }
    Ok((end, report))
}

/// The state of a log whose last segment is still to be looked at.
struct Sealed {
    /// The first of them, by the sequence in its name.
    first: u64,
    /// The last of them.
    last: u64,
    /// How the last but one ended.
    before: Option<SegmentEnd>,
    /// Whether one of those before the last was written with the key at hand.
    key_was_used: bool,
}

/// Checks that each segment but the last is sealed and continued by the one after it.
fn check_seals(
    storage: &dyn Storage,
    key: Option<&Key>,
    segments: &[u64],
) -> Result<Sealed, WalError> {
    let ends = segments.first().copied().zip(segments.last().copied());
    let (first, last) = invariant!(ends, "a log that is recovered has a segment")?;
    let mut sealed = Sealed { first, last, before: None, key_was_used: false };
    let key_id = key.map_or(0, Key::id);
    for &[segment, next] in segments.array_windows() {
        let position = sealed.before.as_ref().map_or(Position::First, Position::Behind);
        let segment = match Segment::open(storage, segment, Mode::Read, key, position)? {
            Opening::Segment(segment) => segment,
            Opening::Unfinished(_) => {
                return Err(WalError::segment_damaged(segment, Damage::Header));
            }
        };
        sealed.key_was_used |= segment.header.key_id == key_id;
        sealed.before = Some(sealed_end(storage, &segment, next)?);
    }
    if let Some(before) = &sealed.before {
        check_key(storage, key, sealed.key_was_used, before.next_key_id)?;
    }
    Ok(sealed)
}

/// Refuses a key that the log has given up for the one with the id `current`, and one that cannot
/// write with it. Nothing has been written when it is asked.
pub(crate) fn check_key(
    storage: &dyn Storage,
    key: Option<&Key>,
    key_was_used: bool,
    current: u64,
) -> Result<(), WalError> {
    let Some(key) = key else { return Ok(()) };
    let (path, id) = (storage.path(""), key.id());
    if key_was_used && id != current {
        return Err(WalError::KeyReplaced { path, replaced: id, current });
    }
    if key.with_id(current).is_none() {
        return Err(WalError::WrongKey { path, expected: current, found: id });
    }
    Ok(())
}

/// Goes on behind the last frame of the last segment.
fn resume(
    storage: &dyn Storage,
    options: &WalOptions,
    key: Option<&Key>,
    sealed: &Sealed,
    mut segment: Segment,
) -> Result<(End, OpenReport), WalError> {
    check_identity(storage, options, &segment.header)?;
    if let (Some(anchor), Some(end)) = (options.anchor, &sealed.before) {
        anchor.check_record(end.sequence, end.record_hash)?;
    }
    let damage = scan_to_end(storage, options, &mut segment)?;
    let verdict =
        damage.map(|what| judge_end(storage, &segment, sealed.first, what)).transpose()?;
    check_start(sealed.first, segment.progress.log_start)?;
    if let Some(end) = segment.end() {
        let key_was_used = key.is_some_and(|key| key.id() == end.header.key_id);
        check_key(storage, key, sealed.key_was_used || key_was_used, end.next_key_id)?;
    }
    let quarantined = match verdict {
        None => None,
        Some(verdict) => cut(storage, &mut segment, verdict)?,
    };
    let resynced_bytes = rewrite_unsynced(storage, &mut segment)?;
    let sequence = segment.progress.sequence;
    let report = OpenReport { created: false, sequence, quarantined, resynced_bytes };
    let end = match segment.end() {
        // A crash came between the seal and the next segment.
        Some(end) => create_segment(storage, SegmentHeader::after(&end), Some(&end), key)?,
        None => end_of(storage, segment)?,
    };
    Ok((end, report))
}

/// Removes the segments before the one that the log is kept from, and says how many there were: what
/// a retention does when the log says so, and what opening finishes if a crash came in between.
pub(crate) fn remove_before(
    storage: &dyn Storage,
    segments: &[u64],
    log_start: u64,
) -> Result<usize, WalError> {
    let (dropped, _) = segments.split_at(segments.partition_point(|first| *first < log_start));
    for segment in dropped {
        let name = segment_name(*segment);
        storage.remove(&name).map_err(|source| io_error(storage, "remove", &name, source))?;
    }
    if !dropped.is_empty() {
        storage.sync_directory().map_err(|source| io_error(storage, "sync", "", source))?;
    }
    Ok(dropped.len())
}

/// The end of a segment that was recovered, all of which is on disk.
pub(crate) fn end_of(storage: &dyn Storage, segment: Segment) -> Result<End, WalError> {
    let name = segment.name();
    let Segment { header, chain, cursor, progress, .. } = segment;
    let (file, offset) = (Arc::clone(cursor.file()), cursor.offset());
    let mut last_hash = [0; HASH_BYTES];
    read_up_to(file.as_ref(), offset - HASH_BYTES as u64, &mut last_hash)
        .map_err(|source| io_error(storage, "read", &name, source))?;
    let last_hash = Hash::from_bytes(last_hash);
    let mut builder = FrameBuilder::new(header, chain, offset, last_hash, &progress);
    builder.note_synced(progress.sequence, offset);
    Ok(End { file, builder })
}

/// Steps over every frame that verifies, and returns the damage behind the last of them.
fn scan_to_end(
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

/// Judges the damage at the cursor: room, or torn by a crash. Anything else is an error.
fn judge_end(
    storage: &dyn Storage,
    segment: &Segment,
    first: u64,
    what: Damage,
) -> Result<Verdict, WalError> {
    let offset = segment.cursor.offset();
    let evidence = segment
        .evidence(first, false)
        .map_err(|source| io_error(storage, "read", &segment.name(), source))?;
    match judge(Place::Frames { offset }, evidence) {
        Verdict::Corrupt => Err(WalError::Corrupt {
            segment: segment.first_sequence,
            offset,
            sequence: segment.progress.next_sequence(),
            what,
        }),
        verdict => Ok(verdict),
    }
}

/// Cuts off the bytes that were judged; a torn tail is set aside.
fn cut(
    storage: &dyn Storage,
    segment: &mut Segment,
    verdict: Verdict,
) -> Result<Option<Quarantine>, WalError> {
    let (file, offset) = (segment.cursor.file().as_ref(), segment.cursor.offset());
    let quarantined = if verdict == Verdict::Room {
        let name = segment.name();
        let (cut, synced) = (file.set_length(offset), file.sync());
        cut.map_err(|source| io_error(storage, "set the length of", &name, source))?;
        synced.map_err(|source| io_error(storage, "sync", &name, source))?;
        None
    } else {
        Some(quarantine(storage, file, segment.first_sequence, offset)?)
    };
    segment.cursor.refresh();
    Ok(quarantined)
}

/// Begins a segment again whose beginning a crash interrupted: nothing was written to it yet.
fn begin_unfinished(
    storage: &dyn Storage,
    options: &WalOptions,
    key: Option<&Key>,
    sealed: &Sealed,
    unfinished: Unfinished,
) -> Result<(End, OpenReport), WalError> {
    let Unfinished { file, bytes } = unfinished;
    let before = sealed.before.as_ref();
    check_start(sealed.first, before.map_or(1, |end| end.log_start))?;
    let header = match before {
        Some(end) => SegmentHeader::after(end),
        None => first_header(storage, options, key)?,
    };
    check_identity(storage, options, &header)?;
    if let Some(anchor) = options.anchor {
        anchor.check_head(header.first_sequence - 1)?;
    }
    let quarantined = match bytes {
        0 => None,
        _ => Some(quarantine(storage, file.as_ref(), sealed.last, 0)?),
    };
    let end = begin_segment(storage, file, header, before, key)?;
    let (created, sequence) = (before.is_none(), end.builder.head().sequence);
    Ok((end, OpenReport { created, sequence, quarantined, resynced_bytes: 0 }))
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
        previous_hash: Hash::ZERO,
    })
}

fn random_log_id(storage: &dyn Storage) -> Result<LogId, WalError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        io_error(storage, "draw a random log id for", "", std::io::Error::other(error))
    })?;
    Ok(LogId::from_bytes(bytes))
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

/// Writes the frames that no mark claims to be on disk a second time, and syncs them.
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
        if count == 0 {
            return Err(failed("read")(std::io::ErrorKind::UnexpectedEof.into()));
        }
        let read = invariant!(buffer.get(..count), "no more was read than there is room for")?;
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
    Ok(end - from)
}
