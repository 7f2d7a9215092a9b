//! What a run is given: its inputs, checked, the log it writes, and how.

use std::path::Path;

use calybris_catalog::{Catalog, PolicyFile};
use calybris_core::wal::{Anchor, Key};

use super::clock::Clock;
use crate::input::requests::RequestFile;

/// Checked inputs of a run.
pub(crate) struct Job<'a> {
    pub(crate) policy: &'a PolicyFile,
    pub(crate) catalog: &'a Catalog,
    pub(crate) requests: &'a RequestFile,
    pub(crate) log: &'a Path,
    /// Continue a log that exists, instead of making a new one.
    pub(crate) append: bool,
    /// What the log must reach before it is continued.
    pub(crate) anchor: Option<Anchor>,
    /// Print each decision, a JSON line, when it is in the log.
    pub(crate) each: bool,
    pub(crate) key: Option<Key>,
    /// The time of what no file dates.
    pub(crate) clock: Clock,
}
