//! How an engine is opened.

use calybris_wal::{Durability, Key};

/// How an engine is opened. The default has no key (the log's hashes are plain SHA-256), hands each record to the
/// operating system before the call returns, remembers 4,096 request keys and writes a checkpoint every 32,768 records.
///
/// ```
/// use calybris_engine::EngineOptions;
/// use calybris_wal::Durability;
///
/// let options = EngineOptions::default()
///     .durability(Durability::Synced)
///     .request_keys(50_000)
///     .checkpoint_every_records(1_000_000);
/// ```
#[derive(Clone, Debug)]
pub struct EngineOptions {
    pub(crate) key: Option<Key>,
    pub(crate) durability: Durability,
    pub(crate) request_keys: usize,
    pub(crate) checkpoint_every_records: u64,
}

/// The most request keys that are remembered; [`EngineOptions::request_keys`].
///
/// A request key names a whole call, with its decision. The idempotency keys of a budget by itself
/// ([`calybris_budget::KEY_WINDOW`]) name a reservation; the engine uses none of them.
pub const MAX_REQUEST_KEYS: usize = 65_536;

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            key: None,
            durability: Durability::default(),
            request_keys: 4_096,
            checkpoint_every_records: 32_768,
        }
    }
}

impl EngineOptions {
    /// Authenticates the log with HMAC-SHA256 under `key`. A log keeps the kind it was created with.
    #[must_use]
    pub fn key(mut self, key: Key) -> Self {
        self.key = Some(key);
        self
    }

    /// Sets when a record counts as written, and so when [`Engine::decide`](crate::Engine::decide) and the others return.
    ///
    /// [`Durability::Os`] survives the end of the process but not a power cut, unless
    /// [`Engine::flush_and_sync`](crate::Engine::flush_and_sync) came between; [`Durability::Synced`] survives both.
    /// [`Durability::Buffered`] survives neither by itself: a call may be answered and its record lost with the process.
    /// Use it for work that can be repeated, such as an import.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Sets how many of the last decisions with a [request key](crate::Call::request_key) are remembered, 0 to
    /// [`MAX_REQUEST_KEYS`]. A repeated call gets its answer while fewer than this many keyed decisions came after it. Each
    /// takes about 400 bytes of memory and about 100 bytes of every checkpoint. With 0, a key only joins calls that are
    /// made at the same time.
    #[must_use]
    pub fn request_keys(mut self, count: usize) -> Self {
        self.request_keys = count;
        self
    }

    /// Sets after how many records the engine writes a checkpoint by itself: 0 is never, 1 is after every call. Opening the
    /// log reads the records after the last checkpoint. A checkpoint takes about 100 bytes for each open ticket, each
    /// remembered request key and each tenant.
    #[must_use]
    pub fn checkpoint_every_records(mut self, records: u64) -> Self {
        self.checkpoint_every_records = records;
        self
    }
}
