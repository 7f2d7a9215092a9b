//! How a log is opened for writing.

use crate::error::WalError;
use crate::format::header::RECORD_BYTES_CAP;

/// What the creator of a log decides; every choice but the schema has a default.
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
    pub(crate) log_id: Option<[u8; 16]>,
}

impl WalOptions {
    /// Options for a log whose records have this schema. The id stands in the log's header, and a
    /// log is opened only with the id that it was created with. What it means is the caller's
    /// affair; 0 is an id like any other.
    #[must_use]
    pub fn new(schema_id: u64) -> Self {
        Self { schema_id, max_record_bytes: 4 << 20, log_id: None }
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
    pub fn log_id(mut self, log_id: [u8; 16]) -> Self {
        self.log_id = Some(log_id);
        self
    }

    /// Refuses options that are out of their range.
    pub(crate) fn check(&self) -> Result<(), WalError> {
        if self.max_record_bytes == 0 || self.max_record_bytes > RECORD_BYTES_CAP {
            return Err(WalError::InvalidOption {
                option: "max_record_bytes",
                found: self.max_record_bytes.into(),
                least: 1,
                most: RECORD_BYTES_CAP.into(),
            });
        }
        Ok(())
    }
}
