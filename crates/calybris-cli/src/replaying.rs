//! Replaying a log from its first decision to its last, with a progress bar on a terminal.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use calybris_catalog::InputError;
use calybris_core::engine::{
    EngineError, ReplayOptions, ReplayProgress, ReplayReport, Replayed, Snapshot, replay,
};

use crate::failure::Failure;
use crate::input::whole::at_least_one;
use crate::log::arguments::LogArguments;
use crate::log::beginning::check_records;
use crate::report::html::Html;
use crate::terminal::progress_bar;

/// The arguments of the commands that replay decisions.
#[derive(clap::Args)]
pub(crate) struct ReplayArguments {
    #[command(flatten)]
    pub(crate) log: LogArguments,
    /// Write the report as one page that loads nothing; `-` is standard output, in place of the tables
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Use this many threads
    #[arg(long, value_name = "N", display_order = 901, value_parser = at_least_one)]
    threads: Option<NonZeroUsize>,
}

impl ReplayArguments {
    /// Makes every decision again, once as recorded and once under each snapshot that `propose` returns for a recorded one.
    /// `visit` sees them in the order of the log.
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
        // The reason why a proposal was refused; the engine is only told to stop.
        let mut refused = None;
        let proposed = |recorded: &Arc<Snapshot>| {
            propose(recorded).map_err(|error| {
                refused = Some(error);
                EngineError::NoSnapshot
            })
        };
        let replayed = replay(dir, key.as_ref(), &options, proposed, visit);
        bar.finish_and_clear();
        let replayed = replayed.map_err(|error| {
            refused.map_or_else(|| Failure::of_engine(dir, &error), Failure::from)
        })?;
        check_records(dir, replayed.records)?;
        Ok(replayed)
    }

    /// The place that `--html` names, which was checked to be writable; `None` if no page was asked for.
    pub(crate) fn html(&self) -> Result<Option<Html>, Failure> {
        Html::asked(self.html.as_deref(), self.log.json)
    }
}
