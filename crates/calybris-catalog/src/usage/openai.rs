//! OpenAI's reports: chat completions, responses, realtime.

use calybris_kernel::Usage;

use super::error::UsageError;
use super::report::{self, Object, Rest};

const VENDOR: &str = "OpenAI";

/// The names of one form; all else is common to them.
struct Form {
    prompt: &'static str,
    prompt_details: &'static str,
    completion: &'static str,
    completion_details: &'static str,
}

const CHAT: Form = Form {
    prompt: "prompt_tokens",
    prompt_details: "prompt_tokens_details",
    completion: "completion_tokens",
    completion_details: "completion_tokens_details",
};

const RESPONSES: Form = Form {
    prompt: "input_tokens",
    prompt_details: "input_tokens_details",
    completion: "output_tokens",
    completion_details: "output_tokens_details",
};

const REALTIME: Form = Form {
    prompt_details: "input_token_details",
    completion_details: "output_token_details",
    ..RESPONSES
};

/// Reads `usage` of OpenAI's chat completions, responses or realtime API; the fields tell which it is.
///
/// Source: OpenAI's *API Reference* (`CompletionUsage`, `ResponseUsage`, `RealtimeResponseUsage`) and its guide *Prompt
/// caching*.
///
/// * The prompt contains cache reads (`cached_tokens`) and cache writes (`cache_write_tokens`), which are disjoint. Writes
///   with a lifetime of twelve hours (`cache_write_tokens_details.ttl_12h_tokens`) are long ones, all others are short.
/// * `audio_tokens` of the prompt may be cached. `cached_tokens_details.audio_tokens` says how many are; without it, they count
///   as uncached as far as the prompt has room beside the cached and written tokens. Cached audio is a cache read.
/// * The completion contains `reasoning_tokens` and `audio_tokens`, which are disjoint. Predictions that were accepted or
///   rejected are output. Text and image tokens have no class of their own.
/// * `total_tokens` is the sum of prompt and completion.
/// * Searches are not in the report: the responses API lists them as output items (`web_search_call`).
///
/// The last chunk of a stream of chat completions has the report if the request asked for it (`stream_options.include_usage`).
///
/// # Errors
/// [`UsageError`] if the text is no report, or does not add up.
///
/// ```
/// use calybris_catalog::usage::from_openai;
/// use calybris_kernel::Usage;
///
/// let chat = from_openai(
///     r#"{"prompt_tokens": 2600, "completion_tokens": 500, "total_tokens": 3100,
///         "prompt_tokens_details": {"cached_tokens": 2000, "cache_write_tokens": 400},
///         "completion_tokens_details": {"reasoning_tokens": 320}}"#,
/// )?;
/// let responses = from_openai(
///     r#"{"input_tokens": 2600, "output_tokens": 500, "total_tokens": 3100,
///         "input_tokens_details": {"cached_tokens": 2000, "cache_write_tokens": 400},
///         "output_tokens_details": {"reasoning_tokens": 320}}"#,
/// )?;
/// let usage = Usage::new(200, 180)
///     .with_cache_read_tokens(2000)
///     .with_cache_write_tokens(400)
///     .with_reasoning_tokens(320);
/// assert_eq!((chat, responses), (usage, usage));
/// # Ok::<(), calybris_catalog::usage::UsageError>(())
/// ```
pub fn from_openai(json: &str) -> Result<Usage, UsageError> {
    let node = report::parse(VENDOR, "usage", json)?;
    let report = Object::root(VENDOR, &node);
    let form = form(&report)?;
    let prompt = report.required(form.prompt)?;
    let completion = report.required(form.completion)?;
    report
        .require_total("total_tokens", &[(form.prompt, prompt), (form.completion, completion)])?;

    let details = report.object(form.prompt_details)?;
    check_parts(&details, KINDS, form.prompt, prompt)?;
    let mut input = Rest::of(form.prompt, prompt);
    let cached = input.take(&details, "cached_tokens")?;
    let (short, long) = writes(&details, &mut input)?;
    let audio = details.count("audio_tokens")?.unwrap_or(0);
    let cached_audio = cached_audio(&details, cached)?;
    let audio_input = input.take_audio(&details, "audio_tokens", audio, cached_audio)?;

    let details = report.object(form.completion_details)?;
    let predictions = ["accepted_prediction_tokens", "rejected_prediction_tokens"];
    check_parts(&details, predictions, form.completion, completion)?;
    check_parts(&details, KINDS, form.completion, completion)?;
    let mut output = Rest::of(form.completion, completion);
    let reasoning = output.take(&details, "reasoning_tokens")?;
    let audio_output = output.take(&details, "audio_tokens")?;

    Ok(Usage::new(input.left(), output.left())
        .with_cache_read_tokens(cached)
        .with_cache_write_tokens(short)
        .with_cache_write_long_tokens(long)
        .with_audio_input_tokens(audio_input)
        .with_reasoning_tokens(reasoning)
        .with_audio_output_tokens(audio_output))
}

fn form(report: &Object<'_>) -> Result<&'static Form, UsageError> {
    let is_realtime =
        report.has(REALTIME.prompt_details) || report.has(REALTIME.completion_details);
    match (report.has(CHAT.prompt), report.has(RESPONSES.prompt)) {
        (true, true) => {
            let found = format!("it beside `{}`", CHAT.prompt);
            Err(report.refused(RESPONSES.prompt, found, "the fields of one form"))
        }
        (true, false) => Ok(&CHAT),
        (false, true) if is_realtime => Ok(&REALTIME),
        (false, true) => Ok(&RESPONSES),
        (false, false) => {
            let allowed = format!("a count here or in `{}`", RESPONSES.prompt);
            Err(report.missing(CHAT.prompt, &allowed))
        }
    }
}

/// Refuses disjoint parts that are more than their whole.
fn check_parts<const N: usize>(
    details: &Object<'_>,
    names: [&str; N],
    whole: &'static str,
    tokens: u32,
) -> Result<(), UsageError> {
    let mut rest = Rest::of(whole, tokens);
    names.into_iter().try_for_each(|name| rest.take(details, name).map(drop))
}

/// The tokens that were written to a cache for a short time, and for a long one.
fn writes(details: &Object<'_>, input: &mut Rest) -> Result<(u32, u32), UsageError> {
    let lifetimes = details.object("cache_write_tokens_details")?;
    if !lifetimes.is_present() {
        return Ok((input.take(details, "cache_write_tokens")?, 0));
    }
    let short = input.take(&lifetimes, "ttl_30m_tokens")?;
    let long = input.take(&lifetimes, "ttl_12h_tokens")?;
    let parts = [
        ("cache_write_tokens_details.ttl_30m_tokens", short),
        ("cache_write_tokens_details.ttl_12h_tokens", long),
    ];
    details.require_total("cache_write_tokens", &parts)?;
    Ok((short, long))
}

/// How much of the cached tokens is audio, if the report says so.
fn cached_audio(details: &Object<'_>, cached: u32) -> Result<Option<u32>, UsageError> {
    let kinds = details.object("cached_tokens_details")?;
    check_parts(&kinds, KINDS, "cached_tokens", cached)?;
    kinds.count("audio_tokens")
}

const KINDS: [&str; 3] = ["audio_tokens", "image_tokens", "text_tokens"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::report::tests::refusals;

    /// The last chunk of a stream of a reasoning model that wrote and read a cache.
    const CHAT: &str = r#"{
        "prompt_tokens": 2600, "completion_tokens": 500, "total_tokens": 3100,
        "prompt_tokens_details": {"cached_tokens": 2000, "cache_write_tokens": 400, "audio_tokens": 0, "image_tokens": 85},
        "completion_tokens_details": {"reasoning_tokens": 320, "audio_tokens": 0,
            "accepted_prediction_tokens": 19, "rejected_prediction_tokens": 10}
    }"#;

    #[test]
    fn cached_written_and_reasoning_tokens_stand_within_their_sides() {
        let expected = Usage::new(200, 180)
            .with_cache_read_tokens(2000)
            .with_cache_write_tokens(400)
            .with_reasoning_tokens(320);
        assert_eq!(from_openai(CHAT), Ok(expected));
        let responses = CHAT
            .replace("prompt_tokens", "input_tokens")
            .replace("completion_tokens", "output_tokens");
        assert_eq!(from_openai(&responses), Ok(expected));
    }

    #[test]
    fn absent_details_are_none() {
        let plain = Ok(Usage::new(9, 12));
        assert_eq!(
            from_openai(r#"{"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21}"#),
            plain
        );
        assert_eq!(
            from_openai(
                r#"{"input_tokens": 9, "output_tokens": 12, "total_tokens": 21,
                    "input_tokens_details": null, "output_tokens_details": {"reasoning_tokens": null}}"#
            ),
            plain
        );
        // The completion has the rate of output, whatever a vendor adds to the details.
        assert_eq!(
            from_openai(
                r#"{"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21, "cost": 0.5,
                    "prompt_tokens_details": {"video_tokens": 4}}"#
            ),
            plain
        );
    }

    #[test]
    fn writes_of_twelve_hours_are_long() {
        let report = r#"{"input_tokens": 9000, "output_tokens": 5, "total_tokens": 9005,
            "input_tokens_details": {"cached_tokens": 1000, "cache_write_tokens": 7000,
                "cache_write_tokens_details": {"ttl_30m_tokens": 3000, "ttl_12h_tokens": 4000}}}"#;
        let expected = Usage::new(1000, 5)
            .with_cache_read_tokens(1000)
            .with_cache_write_tokens(3000)
            .with_cache_write_long_tokens(4000);
        assert_eq!(from_openai(report), Ok(expected));
        refusals(
            from_openai,
            report,
            &[
                (
                    "7000",
                    "7001",
                    "`input_tokens_details.cache_write_tokens`: found `7001`, allowed is 7000",
                ),
                (
                    ": 7000",
                    ": null",
                    "`input_tokens_details.cache_write_tokens`: found null, allowed is the sum of",
                ),
                // A lifetime that is not known here has no price here.
                (
                    "ttl_12h",
                    "ttl_24h",
                    "`input_tokens_details.cache_write_tokens`: found `7000`, allowed is 3000",
                ),
            ],
        );
    }

    #[test]
    fn audio_counts_as_uncached_where_the_report_does_not_say() {
        let chat = |cached: u32, audio: u32| {
            from_openai(&format!(
                r#"{{"prompt_tokens": 1000, "completion_tokens": 300, "total_tokens": 1300,
                    "prompt_tokens_details": {{"cached_tokens": {cached}, "audio_tokens": {audio}}},
                    "completion_tokens_details": {{"audio_tokens": 250, "text_tokens": 50}}}}"#
            ))
        };
        let usage = |input, cached, audio| {
            Ok(Usage::new(input, 50)
                .with_cache_read_tokens(cached)
                .with_audio_input_tokens(audio)
                .with_audio_output_tokens(250))
        };
        assert_eq!(chat(0, 600), usage(400, 0, 600));
        assert_eq!(chat(399, 600), usage(1, 399, 600));
        assert_eq!(chat(400, 600), usage(0, 400, 600));
        assert_eq!(chat(401, 600), usage(0, 401, 599));
        assert_eq!(chat(1000, 1000), usage(0, 1000, 0));
    }

    #[test]
    fn a_realtime_report_says_how_much_of_its_audio_is_cached() {
        let report = r#"{"total_tokens": 541, "input_tokens": 521, "output_tokens": 20,
            "input_token_details": {"text_tokens": 292, "audio_tokens": 229, "cached_tokens": 192,
                "cached_tokens_details": {"text_tokens": 128, "audio_tokens": 64}},
            "output_token_details": {"text_tokens": 6, "audio_tokens": 14}}"#;
        let expected = Usage::new(164, 6)
            .with_cache_read_tokens(192)
            .with_audio_input_tokens(165)
            .with_audio_output_tokens(14);
        assert_eq!(from_openai(report), Ok(expected));
        refusals(
            from_openai,
            report,
            &[
                (
                    "\"audio_tokens\": 64",
                    "\"audio_tokens\": 65",
                    "`input_token_details.cached_tokens_details.text_tokens`: found `128`, allowed is at most 127",
                ),
                (
                    "\"text_tokens\": 292, \"audio_tokens\": 229",
                    "\"audio_tokens\": 63",
                    "`input_token_details.audio_tokens`: found 63 tokens of audio, allowed is at least 64",
                ),
                (
                    "\"text_tokens\": 292, \"audio_tokens\": 229",
                    "\"audio_tokens\": 394",
                    "`input_token_details.audio_tokens`: found `330`, allowed is at most 329",
                ),
            ],
        );
    }

    #[test]
    fn a_vendor_whose_completion_lacks_the_reasoning_is_refused_for_its_total() {
        let refused = from_openai(
            r#"{"prompt_tokens": 12, "completion_tokens": 2, "total_tokens": 331,
                "completion_tokens_details": {"reasoning_tokens": 317}}"#,
        );
        assert_eq!(
            refused.unwrap_err().to_string(),
            "usage report of OpenAI: `total_tokens`: found `331`, \
             allowed is 14, the sum of `prompt_tokens` and `completion_tokens`"
        );
    }

    #[test]
    fn what_does_not_add_up_is_refused_by_its_field() {
        refusals(
            from_openai,
            CHAT,
            &[
                ("3100", "3101", "`total_tokens`: found `3101`, allowed is 3100"),
                ("3100", "3100.0", "`total_tokens`: found `3100.0`"),
                (
                    ", \"total_tokens\": 3100",
                    "",
                    "`total_tokens`: found nothing, allowed is the sum of",
                ),
                (
                    "\"prompt_tokens\": 2600",
                    "\"prompt_tokens\": null",
                    "`prompt_tokens`: found null, allowed is a count here or in `input_tokens`",
                ),
                (
                    "\"prompt_tokens\": 2600",
                    "\"prompt_tokens\": 4294967296",
                    "`prompt_tokens`: found `4294967296`",
                ),
                (
                    "\"prompt_tokens\": 2600",
                    "\"prompt_tokens\": 2600, \"input_tokens\": 2600",
                    "`input_tokens`: found it beside `prompt_tokens`",
                ),
                (
                    "\"completion_tokens\": 500",
                    "\"completion_tokens\": \"500\"",
                    "`completion_tokens`: found the text `500`",
                ),
                ("\"completion_tokens\": 500,", "", "`completion_tokens`: found nothing"),
                (
                    "2000",
                    "2601",
                    "`prompt_tokens_details.cached_tokens`: found `2601`, allowed is at most 2600",
                ),
                (
                    "400",
                    "601",
                    "`prompt_tokens_details.cache_write_tokens`: found `601`, allowed is at most 600 of the 2600 in `prompt_tokens`",
                ),
                ("85", "2601", "`prompt_tokens_details.image_tokens`: found `2601`"),
                ("320", "501", "`completion_tokens_details.reasoning_tokens`: found `501`"),
                (
                    "\"audio_tokens\": 0,\n",
                    "\"audio_tokens\": 181,\n",
                    "`completion_tokens_details.audio_tokens`: found `181`, allowed is at most 180",
                ),
                (
                    "19",
                    "491",
                    "`completion_tokens_details.rejected_prediction_tokens`: found `10`, allowed is at most 9",
                ),
                ("320", "-1", "`completion_tokens_details.reasoning_tokens`: found `-1`"),
                ("320", "320.5", "`completion_tokens_details.reasoning_tokens`: found `320.5`"),
                ("320", "true", "`completion_tokens_details.reasoning_tokens`: found `true`"),
                (
                    "\"image_tokens\": 85",
                    "\"cached_tokens\": 2000",
                    "`cached_tokens` appears twice",
                ),
            ],
        );
    }
}
