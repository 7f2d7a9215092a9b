//! How a log is opened for writing.

use crate::anchor::Anchor;
use crate::error::WalError;
use crate::format::header::RECORD_BYTES_CAP;
use crate::hash::LogId;

/// How a log is opened for writing; every option but the schema has a default.
///
/// ```
/// use calybris_wal::WalOptions;
///
/// let options = WalOptions::new(0x0123_4567).max_record_bytes(64 * 1024);
/// ```
#[derive(Debug, Clone)]
pub struct WalOptions {
    pub(crate) schema_id: u64,
    pub(crate) max_record_bytes: u32,
    pub(crate) log_id: Option<LogId>,
    pub(crate) anchor: Option<Anchor>,
    pub(crate) durability: Durability,
    pub(crate) segment_bytes: u64,
}

/// When an append returns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "memory, the operating system, the disk: there is no fourth place"
)]
pub enum Durability {
    /// When the operating system has the record: it survives the end of the process, and a power
    /// cut once it is synced.
    #[default]
    Os,
    /// When the record is in memory: it survives the end of the process once it is flushed, which
    /// happens by itself every 256 KiB, and a power cut once it is synced.
    Buffered,
    /// When the record is on disk. Threads that append at the same time share one sync.
    Synced,
}

/// The least segment length, in bytes.
const SEGMENT_BYTES_MIN: u64 = 1 << 10;

/// The greatest segment length, in bytes.
const SEGMENT_BYTES_MAX: u64 = 1 << 40;

impl WalOptions {
    /// Options for a log whose records have this schema. The id stands in the log's header, and a
    /// log is opened only with the id that it was created with. The caller gives it a meaning; 0 is an id like any other.
    #[must_use]
    pub fn new(schema_id: u64) -> Self {
        Self {
            schema_id,
            max_record_bytes: 4 << 20,
            log_id: None,
            anchor: None,
            durability: Durability::Os,
            segment_bytes: 64 << 20,
        }
    }

    /// The greatest payload of a record, in bytes, from 1 to 256 MiB; 4 MiB unless told. It is
    /// fixed when the log is created and stands in its header: an existing log keeps its own.
    #[must_use]
    pub fn max_record_bytes(mut self, bytes: u32) -> Self {
        self.max_record_bytes = bytes;
        self
    }

    /// The id of the log, for logs that must come out the same each time; random unless told. An
    /// existing log is opened only if it has this id.
    #[must_use]
    pub fn log_id(mut self, log_id: LogId) -> Self {
        self.log_id = Some(log_id);
        self
    }

    /// An anchor of the log, kept elsewhere. With one, no log is created: one that is missing, that
    /// ends before the anchor or that is another is refused, and left as it is. The anchored hash
    /// itself is compared if it stands in the last segment, which is all that opening reads;
    /// [`verify`](crate::verify()) compares it anywhere.
    #[must_use]
    pub fn anchor(mut self, anchor: Anchor) -> Self {
        self.anchor = Some(anchor);
        self
    }

    /// When an append returns; [`Durability::Os`] unless told.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// The length at which a segment is finished and another begun, in bytes, from 1 KiB to 1 TiB;
    /// 64 MiB unless told. A segment is longer only if a single record makes it so.
    #[must_use]
    pub fn segment_bytes(mut self, bytes: u64) -> Self {
        self.segment_bytes = bytes;
        self
    }

    /// Refuses options that are out of their range.
    pub(crate) fn check(&self) -> Result<(), WalError> {
        let (record, segment) = (u64::from(self.max_record_bytes), self.segment_bytes);
        for (option, found, least, most) in [
            ("max_record_bytes", record, 1, u64::from(RECORD_BYTES_CAP)),
            ("segment_bytes", segment, SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX),
        ] {
            if !(least..=most).contains(&found) {
                return Err(WalError::InvalidOption { option, found, least, most });
            }
        }
        Ok(())
    }
}
