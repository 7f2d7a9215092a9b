//! The errors of the log, each a variant with its evidence.

use std::path::PathBuf;

use calybris_units::BrokenInvariant;

use crate::anchor::Anchor;
use crate::format::name::segment_name;
use crate::hash::{Hash, LogId};

/// Why a log was not opened, read, written or verified.
///
/// [`WalError::is_tampering`] divides the variants in two: the log was checked and contradicts
/// itself or an anchor, or it could not be checked at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WalError {
    /// The operating system refused an operation. Mend the cause (space, permissions, device)
    /// and open the log again.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// The operation that failed, as a verb phrase.
        action: &'static str,
        /// The file or directory concerned.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// There is no log at this path. Check the path; opening for writing creates a log.
    #[error("there is no log in `{}`", path.display())]
    Missing {
        /// The directory that was looked into.
        path: PathBuf,
    },
    /// The log exists and holds no record, so there is nothing that a check could confirm. If
    /// records are expected, the log was replaced or cut: compare with an anchor or a copy.
    #[error("the log in `{}` holds no record", path.display())]
    Empty {
        /// The log's directory.
        path: PathBuf,
    },
    /// Another writer, in this process or another, has the log open. Close it first; a log has
    /// one writer at a time and any number of readers.
    #[error("another writer has the log in `{}` open", path.display())]
    Locked {
        /// The log's directory.
        path: PathBuf,
    },
    /// The log was written by a newer version of the format. Read it with a newer release.
    #[error("`{}` uses {feature} {found}, which this version does not know", path.display())]
    Unsupported {
        /// The segment.
        path: PathBuf,
        /// Which part of the format is newer.
        feature: &'static str,
        /// The value that was found.
        found: u64,
    },
    /// The log is keyed and no key was supplied. Supply the key that it was written with.
    #[error("the log in `{}` is keyed and no key was supplied", path.display())]
    KeyRequired {
        /// The log's directory.
        path: PathBuf,
    },
    /// A key was supplied for a log that has none. Such a log proves nothing about the holder of
    /// the key: find out who wrote it before reading it without a key.
    #[error("a key was supplied and the log in `{}` is not keyed", path.display())]
    NotKeyed {
        /// The log's directory.
        path: PathBuf,
    },
    /// The supplied key is not the one that the log names. Supply the key with this id.
    #[error(
        "the log in `{}` was written with key {expected:016x}, the supplied key is {found:016x}",
        path.display()
    )]
    WrongKey {
        /// The log's directory.
        path: PathBuf,
        /// The id of the key that the log names.
        expected: u64,
        /// The id of the supplied key.
        found: u64,
    },
    /// The log would go on under a key that it has given up for another. A key is replaced because it may be known to
    /// somebody: supply the newest one, which names those that it replaces.
    #[error(
        "the log in `{}` has replaced key {replaced:016x} and is now written with key {current:016x}",
        path.display()
    )]
    KeyReplaced {
        /// The log's directory.
        path: PathBuf,
        /// The id of the key that was supplied to write with.
        replaced: u64,
        /// The id of the key of the last segment.
        current: u64,
    },
    /// The key is shorter than is safe. Use at least 16 bytes from a random source.
    #[error("a key of {found} bytes is too short, at least {minimum} are needed")]
    KeyTooShort {
        /// The least length, in bytes.
        minimum: usize,
        /// The supplied length, in bytes.
        found: usize,
    },
    /// An option is out of its range.
    #[error("option `{option}` is {found}, it must be between {least} and {most}")]
    InvalidOption {
        /// The option's name.
        option: &'static str,
        /// The value supplied.
        found: u64,
        /// The least value allowed.
        least: u64,
        /// The greatest value allowed.
        most: u64,
    },
    /// The log holds records of another schema: another version of the program wrote it, or another program. Open it with the
    /// schema that it was created with.
    #[error("the log in `{}` has records of schema {expected}, and those of schema {found} were asked for", path.display())]
    SchemaMismatch {
        /// The log's directory.
        path: PathBuf,
        /// The schema id in the log's header.
        expected: u64,
        /// The schema id asked for.
        found: u64,
    },
    /// The log is another one than the options name. Check the path.
    #[error("the log in `{}` has another log id than the options name", path.display())]
    LogIdMismatch {
        /// The log's directory.
        path: PathBuf,
        /// The id expected.
        expected: LogId,
        /// The id in the log's header.
        found: LogId,
    },
    /// The record is longer than the log allows. Nothing was written; make the record smaller.
    #[error("the record is longer than the {limit} bytes that this log allows")]
    RecordTooLarge {
        /// The greatest payload length, in bytes.
        limit: u32,
    },
    /// The record could not be encoded. Nothing was written; the source says why.
    #[error("the record cannot be encoded: {source}")]
    Encode {
        /// The error of the codec or of the record's own `Serialize`.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The record is intact and is not of the type asked for. Decode it as the type it was
    /// written as.
    #[error("record {sequence} cannot be decoded as the type asked for: {source}")]
    Decode {
        /// The record's sequence.
        sequence: u64,
        /// The error of the codec.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The record is intact and could not be written as a line of JSON: it has no form in JSON, such
    /// as a map whose keys are no text, or the output failed. The lines before it are whole.
    #[cfg(feature = "json")]
    #[error("record {sequence} cannot be written as a line of JSON: {source}")]
    Export {
        /// The record's sequence.
        sequence: u64,
        /// The error of the serialiser or of the output.
        source: std::io::Error,
    },
    /// The log is not what was written: edited, damaged, spliced or incomplete. Nothing was
    /// changed. Keep the files as they are, and restore from a copy that verifies.
    #[error(
        "segment `{}` is corrupt at byte {offset}, where record {sequence} is expected: {what}",
        segment_name(*segment)
    )]
    Corrupt {
        /// The segment, by the sequence that its name says.
        segment: u64,
        /// Where in the segment, in bytes from its start.
        offset: u64,
        /// The sequence of the record that should be there.
        sequence: u64,
        /// The damage.
        what: Damage,
    },
    /// A segment is gone from the middle or the beginning of the log. Restore it from a copy.
    #[error("segment `{}` is missing from the log", segment_name(*segment))]
    MissingSegment {
        /// The segment, by the sequence that its name would say.
        segment: u64,
    },
    /// The anchor names a record that the log no longer holds: its end was cut off. Restore the
    /// log from a copy that reaches the anchor.
    #[error("the log ends at record {head}, before the anchor {anchor}")]
    AnchorAhead {
        /// The anchor that was supplied.
        anchor: Anchor,
        /// The last sequence in the log; 0 when it holds no record.
        head: u64,
    },
    /// The record that the anchor names has another hash: the log was rewritten.
    #[error("record {} is not the one that the anchor {anchor} names", anchor.sequence)]
    AnchorContradicted {
        /// The anchor that was supplied.
        anchor: Anchor,
        /// The hash that the log has at the anchor's sequence.
        found: Hash,
    },
    /// The anchor is of another log: this one stands in for it. Check the path, then where the
    /// log came from.
    #[error("the anchor {anchor} is of another log than the one in `{}`", path.display())]
    AnchorOfAnotherLog {
        /// The log's directory.
        path: PathBuf,
        /// The anchor that was supplied.
        anchor: Anchor,
        /// The id in the log's header.
        found: LogId,
    },
    /// There is no log at this path, and the anchor names a record of one: the log was removed, or it stands elsewhere.
    /// Check the path first, then restore the log from a copy that reaches the anchor.
    #[error("there is no log in `{}`, and the anchor {anchor} names a record of one", path.display())]
    AnchoredLogMissing {
        /// The directory that was looked into.
        path: PathBuf,
        /// The anchor that was supplied.
        anchor: Anchor,
    },
    /// The record asked for is not in the log, or not in the part of it that was asked about.
    #[error("there is no record {sequence} among {head} records")]
    NoSuchRecord {
        /// The sequence asked for.
        sequence: u64,
        /// How many records there are.
        head: u64,
    },
    /// The records up to some sequence were dropped from the log, and what was asked for needs
    /// them. Ask for it where they are archived.
    #[error("record {sequence} was dropped: the log is kept from record {first} on")]
    Dropped {
        /// The sequence that is needed.
        sequence: u64,
        /// The first sequence that the log still holds.
        first: u64,
    },
    /// The archive has this name already, and what has it is no copy of the segment: it is of another
    /// log, or the archive is the log's own directory. Nothing was dropped. Give each log an archive
    /// of its own.
    #[error("`{}` is in the archive already and is no copy of the log's segment", path.display())]
    ArchiveTaken {
        /// Where the copy would stand.
        path: PathBuf,
    },
    /// The text is not an anchor.
    #[error("`{text}` is not an anchor: {expected}")]
    InvalidAnchor {
        /// The text supplied.
        text: String,
        /// The part of the form that the text lacks.
        expected: &'static str,
    },
    /// The text is not a tree head.
    #[error("`{text}` is not a tree head: it is written `cwal1-tree:<log id>:<size>:<root>`")]
    InvalidTreeHead {
        /// The text supplied.
        text: String,
    },
    /// The log holds a record of the last sequence that there is, 2^64 - 1, and takes no more. Nothing
    /// was written; begin another log.
    #[error("the log has used up its sequences")]
    SequencesUsedUp,
    /// A defect of this crate: something that always holds did not. A writer takes nothing more, and
    /// acknowledges nothing that it did not write. Report it, and open the log again.
    #[error("internal error: {0}")]
    Internal(#[from] BrokenInvariant),
    /// An earlier write or sync failed and the writer takes nothing more, because what reached
    /// the disk is no longer known. Open the log again: opening finds out.
    #[error("the writer stopped after an earlier failure: {cause}")]
    Poisoned {
        /// The failure that stopped it.
        cause: String,
    },
}

impl WalError {
    /// Damage that concerns a whole segment, placed at its first byte.
    pub(crate) fn segment_damaged(segment: u64, what: Damage) -> Self {
        Self::Corrupt { segment, offset: 0, sequence: segment, what }
    }

    /// Whether the log was checked and is not what was written (`true`), or could not be checked
    /// (`false`: a missing key, an unreadable file, an empty log).
    #[must_use]
    pub fn is_tampering(&self) -> bool {
        matches!(
            self,
            Self::Corrupt { .. }
                | Self::MissingSegment { .. }
                | Self::AnchorAhead { .. }
                | Self::AnchorContradicted { .. }
                | Self::AnchorOfAnotherLog { .. }
                | Self::AnchoredLogMissing { .. }
        )
    }
}

/// The damage at the place that [`WalError::Corrupt`] names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// The segment's header is cut short, or its checksum or hash does not match.
    #[error("the segment header does not verify")]
    Header,
    /// The segment's header verifies and does not continue the segment before it.
    #[error("the segment does not continue the one before it")]
    Discontinuity,
    /// The segment's file has the name of an earlier segment as well (a hard link). Copy the log with plain copies, and
    /// remove the name that is too many from the copy.
    #[error("the file is another segment as well, under a second name")]
    SharedFile,
    /// A directory, a link, a pipe or a device has the segment's name.
    #[error("the segment's name belongs to a directory, a link, a pipe or a device")]
    NotAFile,
    /// The segment ends without a seal although another follows.
    #[error("the segment ends without its seal")]
    Unsealed,
    /// The file has a segment's name, and another segment holds the records that it would hold.
    #[error("another segment holds the records that its name claims")]
    Overlap,
    /// Bytes follow the frame that should be the segment's last.
    #[error("bytes follow the seal")]
    AfterSeal,
    /// The file ends inside a frame.
    #[error("the frame is cut short")]
    CutShort,
    /// A frame header's checksum does not match.
    #[error("the frame header's checksum does not match")]
    FrameHeader,
    /// A frame is longer than the log allows.
    #[error("the frame's length is over the limit")]
    Length,
    /// A frame's hash does not match its bytes and the hash before it.
    #[error("the frame's hash does not match")]
    Hash,
    /// A frame verifies and its sequence does not follow the one before.
    #[error("the sequence does not follow the one before")]
    Sequence,
    /// A control frame verifies and contradicts the log before it.
    #[error("the control frame contradicts the log")]
    Control,
}
