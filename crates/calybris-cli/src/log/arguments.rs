//! The arguments that commands which read a log, or change one by hand, have in common, in the same words and the same order.

use std::path::{Path, PathBuf};

use calybris_catalog::InputError;
use calybris_catalog::text::quoted;
use calybris_core::units::UnixMillis;
use calybris_core::wal::Key;

use crate::failure::Failure;
use crate::input::key::KeyArgument;
use crate::log::journal::Journal;
use crate::routing::clock::Clock;
use crate::time::parse_unix_ms;

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

/// The arguments of every command that changes a log by hand.
#[derive(clap::Args)]
pub(crate) struct ChangeArguments {
    /// Say what would be done, and change nothing: no record, and no byte of a file
    #[arg(long, display_order = 900)]
    pub(crate) dry_run: bool,
    /// The time of the record (2026-11-02, 2026-11-02T09:00:00Z); by default the system's clock
    #[arg(long, value_name = "TIME", display_order = 901)]
    at: Option<String>,
}

impl ChangeArguments {
    /// The time of the record.
    pub(crate) fn time(&self) -> Result<UnixMillis, Failure> {
        time_or_now("--at", self.at.as_deref())
    }
}

/// The time that an option names, or that of the system's clock.
pub(crate) fn time_or_now(option: &str, text: Option<&str>) -> Result<UnixMillis, Failure> {
    let unix_ms = match text {
        Some(text) => parse_unix_ms(text).map_err(|allowed| {
            Failure::refused(format_args!("{option}: found {}, allowed is {allowed}", quoted(text)))
        })?,
        None => Clock::System.unix_ms(),
    };
    Ok(UnixMillis::new(unix_ms))
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
