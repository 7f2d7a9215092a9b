//! A log made again from its first decision to its last, with a bar on a terminal; and where the page about it goes.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use calybris_core::engine::{
    EngineError, ReplayOptions, ReplayProgress, ReplayReport, Replayed, Snapshot, replay,
};

use crate::failure::Failure;
use crate::input::error::InputError;
use crate::log::arguments::LogArguments;
use crate::page::Page;
use crate::terminal::progress_bar;

/// The arguments of every command that makes decisions again.
#[derive(clap::Args)]
pub(crate) struct ReplayArguments {
    #[command(flatten)]
    pub(crate) log: LogArguments,
    /// Write the report as one page that loads nothing
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Decide with that many threads at once
    #[arg(long, value_name = "N", display_order = 901)]
    threads: Option<NonZeroUsize>,
}

impl ReplayArguments {
    /// Makes every decision again, once as recorded and once under each snapshot that `propose` answers for a recorded
    /// one. `visit` sees them in the order of the log.
    pub(crate) fn replay(
        &self,
        mut propose: impl FnMut(&Arc<Snapshot>) -> Result<Vec<Arc<Snapshot>>, InputError>,
        visit: impl FnMut(&Replayed<'_>),
    ) -> Result<ReplayReport, Failure> {
        let dir = self.log.dir();
        let key = self.log.key()?;
        let bar =
            progress_bar("{bar:30} {binary_bytes} of {binary_total_bytes} replayed, {eta} left");
        let progress = |at: ReplayProgress| {
            bar.set_length(at.bytes_in_log);
            bar.set_position(at.bytes);
        };
        let options = ReplayOptions { threads: self.threads, progress: Some(&progress) };
        // Why a proposal was refused; the engine only hears that it is to stop.
        let mut refused = None;
        let proposed = |recorded: &Arc<Snapshot>| {
            propose(recorded).map_err(|error| {
                refused = Some(error);
                EngineError::NoSnapshot
            })
        };
        let replayed = replay(dir, key.as_ref(), &options, proposed, visit);
        bar.finish_and_clear();
        replayed
            .map_err(|error| refused.map_or_else(|| Failure::of_engine(dir, &error), Failure::from))
    }

    /// The file of `--html`, which may be written; `None` if no page was asked for.
    pub(crate) fn page_file(&self) -> Result<Option<PageFile<'_>>, Failure> {
        self.html.as_deref().map(PageFile::at).transpose()
    }
}

/// A file for a page.
pub(crate) struct PageFile<'a>(&'a Path);

impl<'a> PageFile<'a> {
    /// A page may be written again, but nothing else is overwritten.
    fn at(file: &'a Path) -> Result<Self, Failure> {
        match std::fs::read(file) {
            Ok(found) if found.is_empty() || found.starts_with(b"<!DOCTYPE html>") => {
                Ok(Self(file))
            }
            Ok(_) => {
                let what = "exists and is no page; only a page is overwritten: name another file";
                Err(Failure::at(file, what))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self(file)),
            Err(error) => Err(Failure::at(file, error)),
        }
    }

    pub(crate) fn write(&self, html: &str) -> Result<(), Failure> {
        std::fs::write(self.0, html).map_err(|error| Failure::at(self.0, error))
    }

    /// Says where the page is.
    pub(crate) fn announce(&self, page: &mut Page) {
        page.line(format_args!("page     {}", self.0.display()));
    }
}
