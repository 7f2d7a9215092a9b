//! The arguments of a run: its inputs, the log that it writes, and its options.

use std::path::Path;

use calybris_catalog::{Catalog, PolicyFile};
use calybris_core::wal::{Anchor, Key};

use super::clock::Clock;
use crate::input::requests::RequestFile;

/// The arguments of a run.
pub(crate) struct Job<'a> {
    pub(crate) policy: &'a PolicyFile,
    pub(crate) catalog: &'a Catalog,
    pub(crate) requests: &'a RequestFile,
    pub(crate) log: &'a Path,
    /// Continue a log that exists, instead of making a new one.
    pub(crate) append: bool,
    /// The anchor that the log must reach before it is continued.
    pub(crate) anchor: Option<Anchor>,
    /// Print each decision as a JSON line once it is in the log.
    pub(crate) each: bool,
    pub(crate) key: Option<Key>,
    /// The clock for events that no file dates.
    pub(crate) clock: Clock,
}
