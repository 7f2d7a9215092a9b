//! Bedrock's reports.

use calybris_kernel::Usage;

use super::error::UsageError;
use super::report::{self, Object, Rest};
use crate::text::quoted;

const VENDOR: &str = "Bedrock";

/// Reads `usage` of Bedrock's Converse, and of the last event (`metadata`) of ConverseStream.
///
/// Source: the *Amazon Bedrock API Reference* (`TokenUsage`, `CacheDetail`) and the *Amazon Bedrock User Guide* (*Prompt
/// caching for faster model inference*).
///
/// * `inputTokens` contain neither cache reads (`cacheReadInputTokens`) nor cache writes (`cacheWriteInputTokens`).
/// * `cacheDetails` divides the writes by lifetime: `5m` is short, `1h` is long. It must add up to `cacheWriteInputTokens`.
///   Without it all writes are short.
/// * `totalTokens` is the sum of input, cache reads, cache writes and output.
/// * Reasoning and audio are not told apart: they count as plain input and output.
///
/// Some models on Bedrock have been seen to report cached tokens in `inputTokens` as well. Such a report adds up, so it is read
/// as it stands, and the cached tokens are counted twice.
///
/// A model that is called through `InvokeModel` answers in the form of its own vendor.
///
/// # Errors
/// [`UsageError`] if the text is no report, or does not add up.
///
/// ```
/// use calybris_catalog::usage::from_bedrock;
/// use calybris_kernel::Usage;
///
/// let usage = from_bedrock(
///     r#"{"inputTokens": 4, "cacheReadInputTokens": 1490, "cacheWriteInputTokens": 300,
///         "cacheDetails": [{"inputTokens": 200, "ttl": "1h"}, {"inputTokens": 100, "ttl": "5m"}],
///         "outputTokens": 832, "totalTokens": 2626}"#,
/// )?;
/// let expected = Usage::new(4, 832)
///     .with_cache_read_tokens(1490)
///     .with_cache_write_tokens(100)
///     .with_cache_write_long_tokens(200);
/// assert_eq!(usage, expected);
/// # Ok::<(), calybris_catalog::usage::UsageError>(())
/// ```
pub fn from_bedrock(json: &str) -> Result<Usage, UsageError> {
    let node = report::parse(VENDOR, "usage", json)?;
    let report = Object::root(VENDOR, &node);
    let input = report.required("inputTokens")?;
    let output = report.required("outputTokens")?;
    let read = report.count("cacheReadInputTokens")?.unwrap_or(0);
    let written = report.count(WRITTEN)?.unwrap_or(0);
    let parts = [
        ("inputTokens", input),
        ("cacheReadInputTokens", read),
        (WRITTEN, written),
        ("outputTokens", output),
    ];
    report.require_total("totalTokens", &parts)?;
    let (short, long) = writes(&report, written)?;
    Ok(Usage::new(input, output)
        .with_cache_read_tokens(read)
        .with_cache_write_tokens(short)
        .with_cache_write_long_tokens(long))
}

const WRITTEN: &str = "cacheWriteInputTokens";

/// The tokens that were written to a cache for a short time, and for a long one.
fn writes(report: &Object<'_>, written: u32) -> Result<(u32, u32), UsageError> {
    let lifetimes = report.objects("cacheDetails")?;
    if lifetimes.is_empty() {
        return Ok((written, 0));
    }
    let (mut short, mut long) = (0, 0);
    let mut rest = Rest::of(WRITTEN, written);
    for lifetime in &lifetimes {
        let tokens = lifetime.required("inputTokens")?;
        rest.take_exactly(lifetime, "inputTokens", tokens)?;
        match lifetime.text("ttl")? {
            Some("5m") => short += tokens,
            Some("1h") => long += tokens,
            Some(other) => return Err(lifetime.refused("ttl", quoted(other), LIFETIMES)),
            None => return Err(lifetime.missing("ttl", LIFETIMES)),
        }
    }
    if rest.left() > 0 {
        let allowed = format!("{}, the sum of `cacheDetails`", short + long);
        return Err(report.refused(WRITTEN, format!("`{written}`"), allowed));
    }
    Ok((short, long))
}

const LIFETIMES: &str = "`5m` or `1h`";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::report::tests::refusals;

    const CONVERSE: &str = r#"{
        "inputTokens": 4, "outputTokens": 832, "totalTokens": 2826,
        "cacheReadInputTokens": 1490, "cacheWriteInputTokens": 500,
        "cacheDetails": [{"inputTokens": 200, "ttl": "1h"}, {"inputTokens": 300, "ttl": "5m"}],
        "cacheReadInputTokenCount": 1490, "serverToolUsage": {}
    }"#;

    #[test]
    fn reads_and_writes_stand_beside_the_input() {
        let expected = Usage::new(4, 832)
            .with_cache_read_tokens(1490)
            .with_cache_write_tokens(300)
            .with_cache_write_long_tokens(200);
        assert_eq!(from_bedrock(CONVERSE), Ok(expected));
        let plain = r#"{"inputTokens": 30, "outputTokens": 628, "totalTokens": 658}"#;
        assert_eq!(from_bedrock(plain), Ok(Usage::new(30, 628)));
    }

    #[test]
    fn writes_without_a_lifetime_are_short() {
        for lifetimes in ["[]", "null"] {
            let report = format!(
                r#"{{"inputTokens": 3, "outputTokens": 1, "totalTokens": 204,
                    "cacheWriteInputTokens": 200, "cacheDetails": {lifetimes}}}"#
            );
            assert_eq!(from_bedrock(&report), Ok(Usage::new(3, 1).with_cache_write_tokens(200)));
        }
    }

    #[test]
    fn what_does_not_add_up_is_refused_by_its_field() {
        refusals(
            from_bedrock,
            CONVERSE,
            &[
                (
                    "2826",
                    "836",
                    "`totalTokens`: found `836`, allowed is 2826, the sum of `inputTokens`, \
                `cacheReadInputTokens`, `cacheWriteInputTokens` and `outputTokens`",
                ),
                (", \"totalTokens\": 2826", "", "`totalTokens`: found nothing"),
                ("\"inputTokens\": 4", "\"inputTokens\": null", "`inputTokens`: found null"),
                ("\"outputTokens\": 832,", "", "`outputTokens`: found nothing"),
                (
                    "\"cacheReadInputTokens\": 1490",
                    "\"cacheReadInputTokens\": -1490",
                    "`cacheReadInputTokens`: found `-1490`",
                ),
                (
                    "200",
                    "199",
                    "`cacheWriteInputTokens`: found `500`, allowed is 499, the sum of `cacheDetails`",
                ),
                (
                    "200",
                    "201",
                    "`cacheDetails[1].inputTokens`: found `300`, allowed is at most 299 of the 500",
                ),
                (
                    "\"1h\"",
                    "\"24h\"",
                    "`cacheDetails[0].ttl`: found `24h`, allowed is `5m` or `1h`",
                ),
                (", \"ttl\": \"5m\"", "", "`cacheDetails[1].ttl`: found nothing"),
                (
                    "{\"inputTokens\": 200",
                    "{\"tokens\": 200",
                    "`cacheDetails[0].inputTokens`: found nothing",
                ),
                ("\"serverToolUsage\"", "\"totalTokens\"", "`totalTokens` appears twice"),
            ],
        );
    }
}
