//! Opens a log for writing: finds its end, sets aside what a crash tore, and refuses the rest.

use std::path::PathBuf;

use crate::chain::{Chain, HASH_BYTES};
use crate::codec::CODEC_BINCODE_2;
use crate::error::{Damage, WalError};
use crate::format::header::{Algorithm, SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::key::Key;
use crate::options::WalOptions;
use crate::segment::{Opening, Segment, SegmentStep, Unfinished, io_error, segment_name};
use crate::storage::{Mode, Storage, StoredFile, read_up_to, write_all};
use crate::tail::{Evidence, Place, Verdict, claims_behind, judge};

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

/// Bytes that a crash tore, moved out of the log into a file of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quarantine {
    /// The segment that they were cut from, by the sequence that its name says.
    pub segment: u64,
    /// Where they began, in bytes from the segment's start.
    pub offset: u64,
    /// How many there were.
    pub bytes: u64,
    /// The file that holds them now.
    pub path: PathBuf,
}

/// Creates the first segment of a log.
pub(crate) fn create(
    storage: &dyn Storage,
    options: &WalOptions,
    key: Option<&Key>,
) -> Result<(Segment, Recovery), WalError> {
    let name = segment_name(1);
    let file = storage
        .open(&name, Mode::CreateNew)
        .map_err(|source| io_error(storage, "create", &name, source))?;
    let segment = begin_log(storage, file, options, key)?;
    let (created, sequence) = (true, 0);
    Ok((segment, Recovery { created, sequence, quarantined: None, resynced_bytes: 0 }))
}

/// Opens the last segment of an existing log and makes its end fit to be written on.
pub(crate) fn recover(
    storage: &dyn Storage,
    options: &WalOptions,
    key: Option<&Key>,
    last: u64,
) -> Result<(Segment, Recovery), WalError> {
    let mut segment = match Segment::open(storage, last, Mode::Write, key)? {
        Opening::Segment(segment) => *segment,
        Opening::Unfinished(unfinished) => {
            return finish_creation(storage, options, key, unfinished);
        }
    };
    check_identity(storage, options, &segment.header)?;
    segment.check_is_first()?;
    let damage = walk_to_end(storage, &mut segment)?;
    let quarantined = match damage {
        None => None,
        Some(damage) => Some(cut_torn(storage, &mut segment, damage)?),
    };
    let resynced_bytes = rewrite_unsynced(storage, &mut segment)?;
    let sequence = segment.progress.sequence;
    Ok((segment, Recovery { created: false, sequence, quarantined, resynced_bytes }))
}

/// Steps over every frame that verifies; what follows the last of them is the answer.
fn walk_to_end(storage: &dyn Storage, segment: &mut Segment) -> Result<Option<Damage>, WalError> {
    loop {
        match segment.step(storage)? {
            SegmentStep::Record | SegmentStep::Control => {}
            SegmentStep::End => return Ok(None),
            SegmentStep::Damaged(damage) => return Ok(Some(damage)),
        }
    }
}

/// Judges the damage at the cursor and cuts it off if a crash tore it.
fn cut_torn(
    storage: &dyn Storage,
    segment: &mut Segment,
    what: Damage,
) -> Result<Quarantine, WalError> {
    let (name, offset) = (segment.name(), segment.cursor.offset());
    let chain = segment.chain.clone();
    let claimed = claims_behind(segment.cursor.file(), &chain, offset)
        .map_err(|source| io_error(storage, "read", &name, source))?;
    let evidence = Evidence {
        has_successor: false,
        sealed: segment.progress.seal.is_some(),
        durable_offset: segment.progress.durable_offset.max(claimed),
    };
    match judge(Place::Frames { offset }, evidence) {
        Verdict::Torn => {
            let file = segment.cursor.file();
            let cut = quarantine(storage, file, segment.first_sequence, offset)?;
            segment.cursor.refresh();
            Ok(cut)
        }
        Verdict::Corrupt => Err(WalError::Corrupt {
            segment: segment.first_sequence,
            offset,
            sequence: segment.progress.sequence.saturating_add(1),
            what,
        }),
    }
}

/// Completes the creation of a log that a crash interrupted: nothing was appended to it yet.
fn finish_creation(
    storage: &dyn Storage,
    options: &WalOptions,
    key: Option<&Key>,
    unfinished: Unfinished,
) -> Result<(Segment, Recovery), WalError> {
    let Unfinished { mut file, bytes } = unfinished;
    let quarantined = match bytes {
        0 => None,
        _ => Some(quarantine(storage, file.as_mut(), 1, 0)?),
    };
    let segment = begin_log(storage, file, options, key)?;
    Ok((segment, Recovery { created: true, sequence: 0, quarantined, resynced_bytes: 0 }))
}

/// Writes the header of a log's first segment into an empty file, durably.
fn begin_log(
    storage: &dyn Storage,
    mut file: Box<dyn StoredFile>,
    options: &WalOptions,
    key: Option<&Key>,
) -> Result<Segment, WalError> {
    let log_id = match options.log_id {
        Some(log_id) => log_id,
        None => random_log_id(storage)?,
    };
    let header = SegmentHeader {
        algorithm: if key.is_some() { Algorithm::HmacSha256 } else { Algorithm::Sha256 },
        codec: CODEC_BINCODE_2,
        log_id,
        index: 0,
        first_sequence: 1,
        schema_id: options.schema_id,
        key_id: key.map_or(0, Key::id),
        max_record_bytes: options.max_record_bytes,
        previous_hash: [0; HASH_BYTES],
    };
    let name = segment_name(header.first_sequence);
    let bytes = header.encode(&Chain::new(&log_id, key));
    write_all(file.as_mut(), 0, &bytes)
        .map_err(|source| io_error(storage, "write", &name, source))?;
    file.sync().map_err(|source| io_error(storage, "sync", &name, source))?;
    storage.sync_directory().map_err(|source| io_error(storage, "sync", "", source))?;
    drop(file);
    match Segment::open(storage, header.first_sequence, Mode::Write, key)? {
        Opening::Segment(segment) => Ok(*segment),
        Opening::Unfinished(_) => {
            Err(io_error(storage, "read back", &name, std::io::ErrorKind::UnexpectedEof.into()))
        }
    }
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
    if let Some(expected) = options.log_id.filter(|expected| *expected != header.log_id) {
        let found = header.log_id;
        return Err(WalError::LogIdMismatch { path: storage.path(""), expected, found });
    }
    Ok(())
}

/// How much is copied at once, in bytes.
const COPY_BYTES: usize = 64 << 10;

/// Moves the bytes of a segment from `offset` to its end into a file of their own.
///
/// They are safe there before they are cut here, so a crash in between loses nothing.
fn quarantine(
    storage: &dyn Storage,
    file: &mut dyn StoredFile,
    segment: u64,
    offset: u64,
) -> Result<Quarantine, WalError> {
    let name = segment_name(segment);
    let failed = |action, source| io_error(storage, action, &name, source);
    let (torn_name, mut torn) = create_torn(storage, segment, offset)?;
    let torn_failed = |action, source| io_error(storage, action, &torn_name, source);
    let mut bytes = 0;
    let mut buffer = vec![0; COPY_BYTES];
    loop {
        let count = read_up_to(file, offset + bytes, &mut buffer)
            .map_err(|source| failed("read", source))?;
        let read = buffer.get(..count).unwrap_or_default();
        if read.is_empty() {
            break;
        }
        write_all(torn.as_mut(), bytes, read).map_err(|source| torn_failed("write", source))?;
        bytes += count as u64;
    }
    torn.sync().map_err(|source| torn_failed("sync", source))?;
    storage.sync_directory().map_err(|source| io_error(storage, "sync", "", source))?;
    file.truncate(offset).map_err(|source| failed("truncate", source))?;
    file.sync().map_err(|source| failed("sync", source))?;
    Ok(Quarantine { segment, offset, bytes, path: storage.path(&torn_name) })
}

/// Creates a `.torn` file under the first name that is free.
fn create_torn(
    storage: &dyn Storage,
    segment: u64,
    offset: u64,
) -> Result<(String, Box<dyn StoredFile>), WalError> {
    let mut attempt = 1_u64;
    loop {
        let name = format!("{segment:020}-{offset}-{attempt}.torn");
        match storage.open(&name, Mode::CreateNew) {
            Ok(file) => return Ok((name, file)),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => attempt += 1,
            Err(source) => return Err(io_error(storage, "create", &name, source)),
        }
    }
}

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
    let (end, from) = (segment.cursor.offset(), segment.progress.durable_offset);
    let file = segment.cursor.file();
    let mut at = from.max(SEGMENT_HEADER_BYTES as u64);
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
    segment.cursor.refresh();
    Ok(end.saturating_sub(from))
}
