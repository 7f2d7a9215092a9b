//! Anthropic's reports: a message, and the two events of a stream.

use calybris_kernel::{TokenClass, Usage};

use super::error::UsageError;
use super::report::{self, Object, Rest};
use crate::text::quoted;

const VENDOR: &str = "Anthropic";

/// Reads `usage` of a message of Anthropic's messages API.
///
/// Source: Anthropic's *Messages API reference* (`Usage`, `CacheCreation`, `ServerToolUsage`, `OutputTokensDetails`) and its
/// guides *Prompt caching* and *Compaction*.
///
/// * `input_tokens` contain neither cache reads (`cache_read_input_tokens`) nor cache writes (`cache_creation_input_tokens`).
/// * `cache_creation` divides the writes: those for five minutes are short, those for one hour are long. It must add up to
///   `cache_creation_input_tokens`. Without it all writes are short, because five minutes is the default.
/// * `output_tokens` contain the reasoning, which `output_tokens_details.thinking_tokens` counts.
/// * `server_tool_use.web_search_requests` are searches. Fetched pages cost their tokens and no fee.
/// * `iterations` of the types `message` and `fallback_message` are already in the counts above. Those of the type `compaction` are
///   not, though they are billed, so they are added. An `advisor_message` is billed at the price of another model, so a report
///   with one is refused, as is any other type.
///
/// The iterations of a response are priced as one request, whose prompt is the sum of theirs. That is never too low, because
/// no rate of a price falls from band to band. If a fallback model answered, the caller prices the usage by that model.
///
/// A report of OpenAI's responses API has the same two totals with another meaning. It is refused for its `input_tokens_details`.
///
/// The events of a stream are for [`from_anthropic_stream`]: the last one lacks the lifetimes of cache writes.
///
/// # Errors
/// [`UsageError`] if the text is no report, or does not add up.
///
/// ```
/// use calybris_catalog::usage::from_anthropic;
/// use calybris_kernel::Usage;
///
/// let usage = from_anthropic(
///     r#"{"input_tokens": 12, "cache_read_input_tokens": 80000, "cache_creation_input_tokens": 700,
///         "cache_creation": {"ephemeral_5m_input_tokens": 500, "ephemeral_1h_input_tokens": 200},
///         "output_tokens": 900, "server_tool_use": {"web_search_requests": 2}}"#,
/// )?;
/// let expected = Usage::new(12, 900)
///     .with_cache_read_tokens(80_000)
///     .with_cache_write_tokens(500)
///     .with_cache_write_long_tokens(200)
///     .with_searches(2);
/// assert_eq!(usage, expected);
/// # Ok::<(), calybris_catalog::usage::UsageError>(())
/// ```
pub fn from_anthropic(json: &str) -> Result<Usage, UsageError> {
    let node = report::parse(VENDOR, "usage", json)?;
    usage(&Object::root(VENDOR, &node))
}

/// Reads `usage` of the two events of a stream of Anthropic's messages API: `message_start`, and the last `message_delta`.
///
/// Source: as [`from_anthropic`], and Anthropic's guide *Streaming messages*.
///
/// The counts of `message_delta` are cumulative and come first. Fields that it lacks are taken from `message_start`, which
/// alone has the lifetimes of cache writes. If the stream wrote to the cache after its start, the lifetimes no longer add up
/// and the report is refused.
///
/// # Errors
/// [`UsageError`] if one of the texts is no report, or they do not add up.
///
/// ```
/// use calybris_catalog::usage::from_anthropic_stream;
/// use calybris_kernel::Usage;
///
/// let usage = from_anthropic_stream(
///     r#"{"input_tokens": 12, "cache_creation_input_tokens": 5000, "cache_read_input_tokens": 0,
///         "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 5000},
///         "output_tokens": 1}"#,
///     r#"{"input_tokens": 12, "cache_creation_input_tokens": 5000, "output_tokens": 340}"#,
/// )?;
/// assert_eq!(usage, Usage::new(12, 340).with_cache_write_long_tokens(5000));
/// # Ok::<(), calybris_catalog::usage::UsageError>(())
/// ```
pub fn from_anthropic_stream(
    message_start: &str,
    message_delta: &str,
) -> Result<Usage, UsageError> {
    let start = report::parse(VENDOR, "usage", message_start)?;
    let delta = report::parse(VENDOR, "usage", message_delta)?;
    usage(&Object::root(VENDOR, &delta).over(&start))
}

fn usage(report: &Object<'_>) -> Result<Usage, UsageError> {
    if report.has(OPENAI_DETAILS) {
        let allowed = "its absence, because OpenAI's input contains cached tokens";
        return Err(report.refused(OPENAI_DETAILS, "a field of OpenAI's form", allowed));
    }
    let searches = report.object("server_tool_use")?.count("web_search_requests")?;
    let mut usage = tokens(report)?.with_searches(searches.unwrap_or(0));
    for (index, iteration) in report.objects("iterations")?.iter().enumerate() {
        match iteration.text("type")? {
            Some("message" | "fallback_message") => {}
            Some("compaction") => {
                usage = sum(&usage, &tokens(iteration)?).ok_or_else(|| {
                    let found = "more than 4,294,967,295 tokens of one class in all";
                    report.refused(&format!("iterations[{index}]"), found, "at most that many")
                })?;
            }
            Some(other) => return Err(iteration.refused("type", quoted(other), ITERATIONS)),
            None => return Err(iteration.missing("type", ITERATIONS)),
        }
    }
    Ok(usage)
}

const OPENAI_DETAILS: &str = "input_tokens_details";

const ITERATIONS: &str = "`message`, `fallback_message` or `compaction`";

/// The tokens of a message or of one of its iterations.
fn tokens(report: &Object<'_>) -> Result<Usage, UsageError> {
    let input = report.required("input_tokens")?;
    let cached = report.count("cache_read_input_tokens")?.unwrap_or(0);
    let (short, long) = writes(report)?;
    let mut output = Rest::of("output_tokens", report.required("output_tokens")?);
    let reasoning = output.take(&report.object("output_tokens_details")?, "thinking_tokens")?;
    Ok(Usage::new(input, output.left())
        .with_cache_read_tokens(cached)
        .with_cache_write_tokens(short)
        .with_cache_write_long_tokens(long)
        .with_reasoning_tokens(reasoning))
}

/// The tokens that were written to a cache for a short time, and for a long one.
fn writes(report: &Object<'_>) -> Result<(u32, u32), UsageError> {
    let written = report.count("cache_creation_input_tokens")?;
    let lifetimes = report.object("cache_creation")?;
    if !lifetimes.is_present() {
        return Ok((written.unwrap_or(0), 0));
    }
    let short = lifetimes.required("ephemeral_5m_input_tokens")?;
    let long = lifetimes.required("ephemeral_1h_input_tokens")?;
    let parts = [
        ("cache_creation.ephemeral_5m_input_tokens", short),
        ("cache_creation.ephemeral_1h_input_tokens", long),
    ];
    report.require_total("cache_creation_input_tokens", &parts)?;
    Ok((short, long))
}

/// Both together; `None` if a class has more tokens than a count can hold.
fn sum(a: &Usage, b: &Usage) -> Option<Usage> {
    let mut usage = Usage::default().with_searches(a.searches.checked_add(b.searches)?);
    for class in TokenClass::ALL {
        usage = usage.with_tokens(class, a.tokens(class).checked_add(b.tokens(class))?);
    }
    Some(usage)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::report::tests::refusals;

    /// A message with every count.
    const MESSAGE: &str = r#"{
        "input_tokens": 21, "cache_read_input_tokens": 18432, "cache_creation_input_tokens": 2600,
        "cache_creation": {"ephemeral_5m_input_tokens": 600, "ephemeral_1h_input_tokens": 2000},
        "output_tokens": 1503, "output_tokens_details": {"thinking_tokens": 1024},
        "server_tool_use": {"web_search_requests": 3, "web_fetch_requests": 1},
        "service_tier": "standard", "inference_geo": "us"
    }"#;

    #[test]
    fn a_message_has_reads_and_writes_beside_its_input() {
        let expected = Usage::new(21, 479)
            .with_cache_read_tokens(18_432)
            .with_cache_write_tokens(600)
            .with_cache_write_long_tokens(2000)
            .with_reasoning_tokens(1024)
            .with_searches(3);
        assert_eq!(from_anthropic(MESSAGE), Ok(expected));
    }

    #[test]
    fn writes_without_a_lifetime_are_short() {
        let usage = from_anthropic(
            r#"{"input_tokens": 3, "cache_creation_input_tokens": 2600, "output_tokens": 9,
                "cache_read_input_tokens": null, "cache_creation": null, "server_tool_use": null}"#,
        );
        assert_eq!(usage, Ok(Usage::new(3, 9).with_cache_write_tokens(2600)));
        assert_eq!(
            from_anthropic(r#"{"input_tokens": 3, "output_tokens": 0}"#),
            Ok(Usage::new(3, 0))
        );
    }

    #[test]
    fn the_last_event_of_a_stream_counts_and_the_first_one_has_the_lifetimes() {
        let start = r#"{"input_tokens": 2679, "cache_creation_input_tokens": 900, "output_tokens": 3,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 900},
            "server_tool_use": {"web_search_requests": 0}}"#;
        let long = Usage::new(10_682, 510).with_cache_write_long_tokens(900).with_searches(2);
        let delta = r#"{"input_tokens": 10682, "cache_creation_input_tokens": 900, "output_tokens": 510,
            "server_tool_use": {"web_search_requests": 2}}"#;
        assert_eq!(from_anthropic_stream(start, delta), Ok(long));
        // Older models send the output only, and null is absent.
        let delta = r#"{"input_tokens": null, "output_tokens": 510}"#;
        let expected = Usage::new(2679, 510).with_cache_write_long_tokens(900);
        assert_eq!(from_anthropic_stream(start, delta), Ok(expected));
        assert_eq!(
            from_anthropic(delta).unwrap_err().to_string(),
            "usage report of Anthropic: `input_tokens`: found null, allowed is a whole number from 0 to 4,294,967,295"
        );
        // What the stream wrote after its start has no lifetime.
        let delta = r#"{"cache_creation_input_tokens": 1000, "output_tokens": 510}"#;
        let refused = from_anthropic_stream(start, delta).unwrap_err().to_string();
        assert!(
            refused.contains("`cache_creation_input_tokens`: found `1000`, allowed is 900"),
            "{refused}"
        );
    }

    #[test]
    fn a_report_of_the_responses_api_is_refused() {
        let refused = from_anthropic(
            r#"{"input_tokens": 2600, "output_tokens": 5, "total_tokens": 2605,
                "input_tokens_details": {"cached_tokens": 2000, "cache_write_tokens": 0}}"#,
        );
        let refused = refused.unwrap_err().to_string();
        assert!(
            refused.contains("`input_tokens_details`: found a field of OpenAI's form"),
            "{refused}"
        );
    }

    #[test]
    fn a_compaction_is_added_and_another_model_is_refused() {
        let with = |iterations: &str| {
            from_anthropic(&format!(
                r#"{{"input_tokens": 23000, "output_tokens": 1000, "iterations": {iterations}}}"#
            ))
        };
        let message = r#"{"type": "message", "input_tokens": 23000, "output_tokens": 1000}"#;
        let compaction = r#"{"type": "compaction", "input_tokens": 180000, "output_tokens": 3500,
            "cache_read_input_tokens": 40, "cache_creation_input_tokens": 2}"#;
        assert_eq!(with("null"), Ok(Usage::new(23_000, 1000)));
        assert_eq!(with(&format!("[{message}]")), Ok(Usage::new(23_000, 1000)));
        let served = message.replace("message", "fallback_message");
        assert_eq!(with(&format!("[{message}, {served}]")), Ok(Usage::new(23_000, 1000)));
        let expected =
            Usage::new(203_000, 4500).with_cache_read_tokens(40).with_cache_write_tokens(2);
        assert_eq!(with(&format!("[{compaction}, {message}]")), Ok(expected));
        let refused = |iterations: &str| with(iterations).unwrap_err().to_string();
        let advice = refused(
            &message.replace("message", "advisor_message").replace('{', "[{").replace('}', "}]"),
        );
        assert!(advice.contains("`iterations[0].type`: found `advisor_message`"), "{advice}");
        assert!(refused("[{}]").contains("`iterations[0].type`: found nothing"));
        assert!(refused("[1]").contains("`iterations[0]`: found `1`, allowed is an object"));
        let all = format!("[{}]", compaction.replace("180000", "4294967295"));
        assert!(refused(&all).contains("`iterations[0]`: found more than 4,294,967,295 tokens"));
    }

    #[test]
    fn what_does_not_add_up_is_refused_by_its_field() {
        refusals(
            from_anthropic,
            MESSAGE,
            &[
                ("\"input_tokens\": 21", "\"input_tokens\": -21", "`input_tokens`: found `-21`"),
                ("\"input_tokens\": 21,", "", "`input_tokens`: found nothing"),
                ("18432", "1.8e4", "`cache_read_input_tokens`: found `1.8e4`"),
                (
                    ": 2600",
                    ": 2601",
                    "`cache_creation_input_tokens`: found `2601`, allowed is 2600, the sum of \
                `cache_creation.ephemeral_5m_input_tokens` and `cache_creation.ephemeral_1h_input_tokens`",
                ),
                (": 2600", ": null", "`cache_creation_input_tokens`: found null"),
                (
                    "ephemeral_1h",
                    "ephemeral_24h",
                    "`cache_creation.ephemeral_1h_input_tokens`: found nothing",
                ),
                (
                    "2000}",
                    "2000, \"ephemeral_24h_input_tokens\": 7}, \"cache_creation_input_tokens\": 2607",
                    "appears twice",
                ),
                (
                    "1024",
                    "1504",
                    "`output_tokens_details.thinking_tokens`: found `1504`, allowed is at most 1503 of the 1503 in `output_tokens`",
                ),
                ("1503", "4294967296", "`output_tokens`: found `4294967296`"),
                (": 3,", ": \"3\",", "`server_tool_use.web_search_requests`: found the text `3`"),
                (
                    "{\"thinking_tokens\": 1024}",
                    "[]",
                    "`output_tokens_details`: found a list, allowed is an object",
                ),
            ],
        );
    }
}
