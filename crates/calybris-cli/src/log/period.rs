//! The time range of `--since` and `--until`.

use std::ops::Range;

use crate::failure::Failure;
use crate::input::error::quoted;
use crate::time::parse_unix_ms;

/// From a time on, and before another.
#[derive(clap::Args)]
pub(crate) struct Period {
    /// Only from this time on (2026-11-02, 2026-11-02T09:00:00Z)
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Only before this time
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
}

impl Period {
    /// The range in milliseconds since 1970; all there is where nothing was asked for.
    pub(crate) fn range(&self) -> Result<Range<u64>, Failure> {
        let time = |option: &str, text: &Option<String>, absent: u64| match text {
            None => Ok(absent),
            Some(text) => parse_unix_ms(text).map_err(|allowed| {
                Failure::refused(format_args!(
                    "{option}: found {}, allowed is {allowed}",
                    quoted(text)
                ))
            }),
        };
        Ok(time("--since", &self.since, 0)?..time("--until", &self.until, u64::MAX)?)
    }
}
