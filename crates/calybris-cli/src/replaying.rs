//! A log made again from its first decision to its last, with a bar on a terminal; and where the report about it goes.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use calybris_core::engine::{
    EngineError, ReplayOptions, ReplayProgress, ReplayReport, Replayed, Snapshot, replay,
};

use serde_json::Value;

use crate::failure::{Failure, noting_failure};
use crate::input::error::InputError;
use crate::log::arguments::LogArguments;
use crate::new_file::{NewFile, Readers, Replaces};
use crate::page::Page;
use crate::terminal::progress_bar;

/// The arguments of every command that makes decisions again.
#[derive(clap::Args)]
pub(crate) struct ReplayArguments {
    #[command(flatten)]
    pub(crate) log: LogArguments,
    /// Write the report as one page that loads nothing; `-` is standard output, in place of the tables
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

    /// Where `--html` asks for the page; `None` if no page was asked for. It can be written there.
    pub(crate) fn html(&self) -> Result<Option<Html>, Failure> {
        match self.html.as_deref() {
            None => Ok(None),
            Some(path) if path == Path::new("-") && self.log.json => {
                let what =
                    "--html - and --json both ask for standard output: name a file for the page";
                Err(Failure::refused(what))
            }
            Some(path) if path == Path::new("-") => Ok(Some(Html::Stdout)),
            // A page may be written again, but nothing else is overwritten.
            Some(path) => {
                NewFile::at(path, Replaces::Page, Readers::Usual).map(|file| Some(Html::File(file)))
            }
        }
    }

    /// Writes the page where it was asked for, and answers what is to be printed: the report, also if the page cannot be
    /// written.
    pub(crate) fn report(
        &self,
        html: Option<&Html>,
        page: impl FnOnce() -> String,
        object: impl FnOnce() -> Value,
        tables: impl FnOnce() -> Page,
    ) -> Result<Page, Failure> {
        let mut shown = Page::default();
        let written = match html {
            None => Ok(()),
            Some(Html::Stdout) => {
                shown.text(&page());
                return Ok(shown);
            }
            Some(Html::File(file)) => file.write(&page()),
        };
        if self.log.json {
            shown.line(format_args!("{:#}", noting_failure(object(), written.as_ref().err())));
        } else {
            shown.append(&tables());
            if let (Ok(()), Some(Html::File(file))) = (&written, html) {
                shown.line(format_args!("page     {}", file.path().display()));
            }
        }
        shown.despite(written)
    }
}

/// Where a page goes.
pub(crate) enum Html {
    /// To standard output, in place of the report for a terminal.
    Stdout,
    File(NewFile),
}
