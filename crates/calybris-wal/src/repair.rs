//! Makes a corrupt log usable again, up to the first damage, and sets all the rest aside.

use std::path::Path;
use std::sync::Arc;

use calybris_units::invariant;

use crate::chain::Chain;
use crate::create_segment::{End, begin_segment};
use crate::disk::Disk;
use crate::error::{Damage, WalError};
use crate::first_segment::claimed_start;
use crate::format::header::SegmentHeader;
use crate::format::name::segment_name;
use crate::key::Key;
use crate::locks::{LastSegment, check_files, lock, lock_last};
use crate::log_scan::LogScan;
use crate::quarantine::{Quarantine, copy_aside, cut, move_aside};
use crate::recover::{check_key, end_of};
use crate::segment::Segment;
use crate::segment_files::{existing_segments, segments_in};
use crate::storage::{Mode, Storage, StoredFile, copy_range, create_anew, io_error, write_all};

/// The findings and actions of a repair.
#[derive(Debug)]
#[non_exhaustive]
pub struct Repair {
    /// The last record that is kept.
    pub sequence: u64,
    /// The first damage that was found.
    pub damage: WalError,
    /// The parts that were set aside.
    pub quarantined: Vec<Quarantine>,
}

/// How a log is repaired.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct RepairOptions {
    /// The key, if the log is keyed.
    pub key: Option<Key>,
    /// Whether the log may begin with the first segment that there is, although nothing that is left
    /// says that those before it were dropped on purpose. Such a log lost its beginning, or it lost
    /// the end that said so: only its keeper can know.
    pub accept_beginning: bool,
}

impl RepairOptions {
    /// With this key, or with none.
    #[must_use]
    pub fn with_key(mut self, key: impl Into<Option<Key>>) -> Self {
        self.key = key.into();
        self
    }

    /// Accepts that the log begins with the first segment that is left, or not.
    #[must_use]
    pub fn with_accept_beginning(mut self, accept_beginning: bool) -> Self {
        self.accept_beginning = accept_beginning;
        self
    }
}

/// Cuts a corrupt log at its first damage. `None` when nothing is wrong with it, and nothing is
/// done then.
///
/// Everything from the damage on, whole records and later segments as well, is moved into `.torn`
/// files in the log's directory: nothing is deleted, and nothing is guessed. Every record that could be read before can
/// be read after, and the log that is left verifies. Where segments were dropped by
/// [`retain_from`](crate::WalWriter::retain_from) and the frame that says so is set aside, the end of
/// the log says it again. The caller judges the loss, and an anchor that lies
/// behind the damage stays contradicted.
///
/// ```
/// use calybris_wal::{RepairOptions, WalOptions, WalWriter, repair};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("log");
/// let writer = WalWriter::open(&path, &WalOptions::new(1))?;
/// writer.append("kept")?;
/// writer.append("changed below")?;
/// writer.close()?;
/// assert!(repair(&path, &RepairOptions::default())?.is_none());
///
/// let segment = path.join("00000000000000000001.cwal");
/// let mut bytes = std::fs::read(&segment)?;
/// bytes[230] ^= 1;
/// std::fs::write(&segment, bytes)?;
/// assert!(WalWriter::open(&path, &WalOptions::new(1)).is_err());
///
/// let done = repair(&path, &RepairOptions::default())?.expect("something is wrong");
/// assert_eq!(done.sequence, 1);
/// assert_eq!(WalWriter::open(&path, &WalOptions::new(1))?.open_report().sequence, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`WalError::Locked`] while a writer has the log open; what could not be checked, such as a
/// missing key; [`WalError::MissingSegment`] when the log's beginning is gone and nothing that is left
/// says that it was dropped, unless that is [accepted](RepairOptions::accept_beginning); and
/// [`WalError::Corrupt`] when not even the first record verifies, since there is nothing then that
/// could be kept. After any of these the log is as it was.
pub fn repair(
    directory: impl AsRef<Path>,
    options: &RepairOptions,
) -> Result<Option<Repair>, WalError> {
    repair_in(&(Arc::new(Disk::at(directory.as_ref())) as Arc<dyn Storage>), options)
}

pub(crate) fn repair_in(
    storage: &Arc<dyn Storage>,
    options: &RepairOptions,
) -> Result<Option<Repair>, WalError> {
    // Where there is no log, no lock is left behind.
    existing_segments(storage.as_ref())?;
    let _lock = lock(storage.as_ref())?;
    let mut repaired = None;
    let outcome = repair_locked(storage, options, &mut repaired);
    if let (Err(_), Some(begun)) = (&outcome, &repaired) {
        put_back(storage.as_ref(), &begun.quarantined)?;
    }
    outcome.map(|()| repaired)
}

/// Goes on until nothing is wrong any more, and notes what it has done.
fn repair_locked(
    storage: &Arc<dyn Storage>,
    options: &RepairOptions,
    repaired: &mut Option<Repair>,
) -> Result<(), WalError> {
    loop {
        // The last of those that the log has by now.
        let last = lock_last(storage.as_ref())?;
        check_files(storage.as_ref(), &segments_in(storage.as_ref())?)?;
        let scan = LogScan::open(Arc::clone(storage), options.key.as_ref());
        let (damage, aside) = match scan {
            // No record has this sequence, so the file belongs to no log.
            Err(damage @ WalError::Corrupt { segment: 0, .. }) => {
                (damage, Some(move_all_aside(storage.as_ref(), &[0])?))
            }
            scan => match repair_once(storage, &last, options, scan?)? {
                Round::Sound(sequence) => {
                    if let Some(repaired) = repaired {
                        repaired.sequence = sequence;
                    }
                    return Ok(());
                }
                Round::Damaged(damage, aside) => (damage, aside),
            },
        };
        match (aside, &mut *repaired) {
            (None, _) => return Err(damage),
            (Some(aside), Some(repaired)) => repaired.quarantined.extend(aside),
            (Some(quarantined), None) => {
                *repaired = Some(Repair { sequence: 0, damage, quarantined });
            }
        }
    }
}

/// The result of one scan through a log.
enum Round {
    /// Nothing is wrong up to the end, whose sequence this is.
    Sound(u64),
    /// The damage, and the parts that were set aside; `None` when the rest would not be a log.
    Damaged(WalError, Option<Vec<Quarantine>>),
}

/// Walks through a log and cuts it at its first damage.
fn repair_once(
    storage: &Arc<dyn Storage>,
    last: &LastSegment,
    options: &RepairOptions,
    mut scan: LogScan,
) -> Result<Round, WalError> {
    let damage = loop {
        match scan.advance() {
            Ok(true) => {}
            // The rest has been verified now.
            Ok(false) => return Ok(Round::Sound(scan.head().sequence)),
            Err(damage) => break damage,
        }
    };
    let place = match damage {
        // A directory, a link or a pipe is not moved: the log did not create it.
        WalError::Corrupt { what: Damage::NotAFile, .. } => return Err(damage),
        WalError::Corrupt { segment, offset: 0, what, .. } => (segment, 0, what),
        // It may be a key change before the damage that cannot be kept either.
        WalError::Corrupt { segment, what, .. } => (segment, scan.segment().cursor.offset(), what),
        WalError::MissingSegment { segment } if segment >= scan.first_sequence() => {
            (segment, 0, Damage::Header)
        }
        // The beginning is missing, as the end was reached without a word about it.
        WalError::MissingSegment { .. } => {
            let end = scan.segment();
            (end.first_sequence, end.cursor.offset(), Damage::Control)
        }
        other => return Err(other),
    };
    let aside = match place {
        (segment, _, Damage::Overlap) => {
            let mut others = segments_in(storage.as_ref())?;
            others.retain(|other| *other != segment);
            let claimed = claimed_start(storage.as_ref(), options.key.as_ref(), &others, None)?;
            check_beginning(options, &scan, claimed)?;
            Some(move_all_aside(storage.as_ref(), &[segment])?)
        }
        (segment, offset, _) => cut_log(last, storage, options, scan, segment, offset)?,
    };
    Ok(Round::Damaged(damage, aside))
}

/// Sets aside what begins at `offset` in the segment that begins with the sequence `damaged`, and all
/// later segments. The scan stands where the last frame ends that is kept. `None`, and nothing is set
/// aside, when what is kept would not be a log.
///
/// The beginning of the log comes first: where segments were dropped before it, a frame says so, and
/// where that is one of those that are set aside, the end of what is kept says it instead. A crash
/// in between leaves a log that is as corrupt as before, whose repair goes on.
fn cut_log(
    last: &LastSegment,
    shared: &Arc<dyn Storage>,
    options: &RepairOptions,
    scan: LogScan,
    damaged: u64,
    offset: u64,
) -> Result<Option<Vec<Quarantine>>, WalError> {
    let (storage, key) = (shared.as_ref(), options.key.as_ref());
    let segments = segments_in(storage)?;
    let (_, later) = segments.split_at(segments.partition_point(|first| *first < damaged));
    let (first, log_id) = (scan.first_sequence(), scan.segment().header.log_id);
    let chain = next_chain(scan.segment(), key);
    let log_start = claimed_start(storage, key, later, Some((log_id, &chain)))?;
    let kept = segments.partition_point(|segment| *segment < log_start);
    let (dropped, kept) = invariant!(segments.split_at_checked(kept), "some of them are kept")?;
    if log_start > damaged && begins_with(shared, key, kept, log_start) {
        // The damage is in segments that a retention was about to remove when a crash came.
        return move_all_aside(storage, dropped).map(Some);
    }
    check_beginning(options, &scan, log_start)?;
    let mut end = scan.into_segment();
    let lacks_start = end.progress.log_start < first;
    // Where no record is kept, there is none that the log could be kept from.
    if lacks_start && end.progress.sequence < first {
        return Ok(None);
    }
    let sealed = end.end();
    if let (true, Some(end)) = (lacks_start, &sealed) {
        check_key(storage, key, false, end.next_key_id)?;
    }
    let mut aside = Vec::new();
    if offset > 0 {
        let name = segment_name(damaged);
        let file = last.or_open(storage, damaged)?;
        let length = file
            .length()
            .map_err(|source| io_error(storage, "read the length of", &name, source))?;
        if length > offset {
            aside.push(copy_aside(storage, file.as_ref(), damaged, offset)?);
        }
        if lacks_start && sealed.is_none() {
            // Never over what says it, which may stand right behind the damage.
            replace_segment(storage, damaged, first, |part| {
                copy_range(file.as_ref(), 0..offset, part.as_ref())
                    .map_err(|source| io_error(storage, "copy", &name, source))?;
                end.cursor.replace_file(part);
                end_of(storage, end)
            })?;
        } else {
            cut(storage, file.as_ref(), damaged, offset)?;
        }
    }
    let mut later = later.to_vec();
    later.retain(|segment| offset == 0 || *segment > damaged);
    if let (true, Some(end)) = (lacks_start, sealed) {
        // Nothing follows a seal, so another segment says it.
        let next = SegmentHeader::after(&end);
        let replaced = later.iter().position(|segment| *segment == next.first_sequence);
        if let Some(replaced) = replaced.map(|position| later.remove(position)) {
            let name = segment_name(replaced);
            let file = storage
                .open(&name, Mode::Read)
                .map_err(|source| io_error(storage, "open", &name, source))?;
            aside.push(copy_aside(storage, file.as_ref(), replaced, 0)?);
        }
        replace_segment(storage, next.first_sequence, first, |part| {
            begin_segment(storage, part, next, Some(&end), key)
        })?;
    }
    aside.extend(move_all_aside(storage, &later)?);
    Ok(Some(aside))
}

/// Refuses a log that lost its beginning, unless that is accepted. `claimed` is what stands behind the scan about where the
/// log begins. Nothing has been changed when it is asked.
fn check_beginning(options: &RepairOptions, scan: &LogScan, claimed: u64) -> Result<(), WalError> {
    let said = scan.segment().progress.log_start;
    if options.accept_beginning || said.max(claimed) >= scan.first_sequence() {
        return Ok(());
    }
    Err(WalError::MissingSegment { segment: said })
}

/// Whether the log that has these segments begins with the record `first`.
fn begins_with(
    storage: &Arc<dyn Storage>,
    key: Option<&Key>,
    segments: &[u64],
    first: u64,
) -> bool {
    let scan = LogScan::at_first(segments, Arc::clone(storage), key);
    segments.first() == Some(&first)
        && scan.is_ok_and(|mut scan| matches!(scan.advance(), Ok(true)))
}

/// Moves whole segments aside.
fn move_all_aside(storage: &dyn Storage, segments: &[u64]) -> Result<Vec<Quarantine>, WalError> {
    let moved = segments.iter().map(|segment| move_aside(storage, *segment)).collect();
    storage.sync_directory().map_err(|source| io_error(storage, "sync", "", source))?;
    moved
}

/// Gives whole segments that were moved aside their names again, where a repair cannot go on.
fn put_back(storage: &dyn Storage, aside: &[Quarantine]) -> Result<(), WalError> {
    let there = segments_in(storage)?;
    for moved in aside.iter().filter(|moved| !there.contains(&moved.segment)) {
        let name = invariant!(moved.path.file_name(), "a file that was moved has a name")?;
        let name = name.to_string_lossy();
        storage
            .rename(&name, &segment_name(moved.segment))
            .map_err(|source| io_error(storage, "rename", &name, source))?;
    }
    storage.sync_directory().map_err(|source| io_error(storage, "sync", "", source))
}

/// Puts a file that ends by saying that the log is kept from `first` on in the place of a segment, or of none, at once.
/// What comes before that is for `begin` to write.
fn replace_segment(
    storage: &dyn Storage,
    segment: u64,
    first: u64,
    begin: impl FnOnce(Arc<dyn StoredFile>) -> Result<End, WalError>,
) -> Result<(), WalError> {
    let name = segment_name(segment);
    let part = format!("{name}.part");
    let failed = |action| {
        let part = part.clone();
        move |source| io_error(storage, action, &part, source)
    };
    // One may be left from a repair that a crash cut short.
    let End { file, mut builder } = begin(create_anew(storage, &part).map_err(failed("create"))?)?;
    builder.push_log_start(first)?;
    let (at, frames) = builder.pending()?;
    write_all(file.as_ref(), at, frames).map_err(failed("write"))?;
    file.sync().map_err(failed("sync"))?;
    storage.rename(&part, &name).map_err(failed("rename"))?;
    storage.sync_directory().map_err(|source| io_error(storage, "sync", "", source))
}

/// The chain of the segment behind one that ended so, if it has no header that says so.
fn next_chain(end: &Segment, key: Option<&Key>) -> Chain {
    let key_id = end.end().map_or(end.header.key_id, |end| end.next_key_id);
    Chain::new(end.header.log_id, key.and_then(|key| key.with_id(key_id)))
}
