//! The arguments that all commands which read a log have in common, in the same words and the same order.

use std::path::{Path, PathBuf};

use calybris_catalog::InputError;
use calybris_core::wal::Key;

use crate::failure::Failure;
use crate::input::key::KeyArgument;
use crate::log::journal::Journal;

/// The arguments of every command that reads a log.
#[derive(clap::Args)]
pub(crate) struct LogArguments {
    /// The log's directory
    dir: PathBuf,
    #[command(flatten)]
    pub(crate) key: KeyArgument,
    /// Answer in JSON, also when it fails; amounts are in microunits
    #[arg(long, display_order = 903)]
    pub(crate) json: bool,
}

impl LogArguments {
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The key, read from its file if there is one.
    pub(crate) fn key(&self) -> Result<Option<Key>, InputError> {
        self.key.read()
    }

    /// The log's records, in order.
    pub(crate) fn journal(&self) -> Result<Journal, Failure> {
        Journal::open(&self.dir, self.key()?.as_ref())
    }
}
