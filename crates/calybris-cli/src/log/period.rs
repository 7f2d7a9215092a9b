//! The time range of `--since` and `--until`.

use std::ops::Range;

use calybris_catalog::text::quoted;

use crate::failure::Failure;
use crate::time::parse_unix_ms;
use crate::visible::visible_within_a_line;

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
    /// The range in milliseconds since 1970; without arguments, all of time.
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
        let range = time("--since", &self.since, 0)?..time("--until", &self.until, u64::MAX)?;
        if range.is_empty() {
            let text = |text: &Option<String>, absent: &str| {
                visible_within_a_line(text.as_deref().unwrap_or(absent))
            };
            let (since, until) = (text(&self.since, "1970-01-01"), text(&self.until, "the end"));
            let what = format!("--since must be before --until: found {since} and {until}");
            return Err(Failure::refused(what));
        }
        Ok(range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_that_holds_no_time_is_refused() {
        let range = |since: Option<&str>, until: Option<&str>| {
            Period { since: since.map(str::to_owned), until: until.map(str::to_owned) }.range()
        };
        assert_eq!(range(None, None).unwrap(), 0..u64::MAX);
        assert!(range(Some("2026-11-01"), Some("2026-11-02")).is_ok());
        for since in ["2026-11-02", "2026-11-03"] {
            let failure = range(Some(since), Some("2026-11-02")).unwrap_err().to_string();
            let said = format!("--since must be before --until: found {since} and 2026-11-02");
            assert_eq!(failure, said);
        }
    }
}
