//! Gemini's reports.

use calybris_kernel::Usage;

use super::error::UsageError;
use super::report::{self, Object, Rest};

const VENDOR: &str = "Gemini";

/// Reads `usageMetadata` of Gemini's `generateContent` and `streamGenerateContent`, from Google AI or Vertex AI.
///
/// Source: Google's *Gemini API reference* (`UsageMetadata`, `ModalityTokenCount`) and *Vertex AI API reference*
/// (`GenerateContentResponse.UsageMetadata`).
///
/// * `promptTokenCount` contains cache reads (`cachedContentTokenCount`). `toolUsePromptTokenCount` is not in it, and is input
///   as well. Google bills the storage of a cache by the hour, which is in no report.
/// * `promptTokensDetails` counts `AUDIO`, of which some may be cached. `cacheTokensDetails` says how much; without it, audio
///   counts as uncached as far as the prompt has room beside the cached tokens. Cached audio is a cache read.
/// * `candidatesTokenCount` is the output, and contains the `AUDIO` of `candidatesTokensDetails`. `thoughtsTokenCount` is not in
///   it, and is the reasoning.
/// * `totalTokenCount` is the sum of prompt, tool use, candidates and thoughts. Zeros are not sent: an absent
///   `candidatesTokenCount` is 0 if a total confirms it, and a report without both is refused.
/// * Text, images, video and documents have no class of their own.
/// * Searches are not in the report: the response lists them (`groundingMetadata.webSearchQueries`).
///
/// The live API has other names (`responseTokenCount`), and its reports are refused.
///
/// # Errors
/// [`UsageError`] if the text is no report, or does not add up.
///
/// ```
/// use calybris_catalog::usage::from_gemini;
/// use calybris_kernel::Usage;
///
/// let usage = from_gemini(
///     r#"{"promptTokenCount": 1000, "cachedContentTokenCount": 800, "candidatesTokenCount": 60,
///         "thoughtsTokenCount": 240, "totalTokenCount": 1300}"#,
/// )?;
/// assert_eq!(usage, Usage::new(200, 60).with_cache_read_tokens(800).with_reasoning_tokens(240));
/// # Ok::<(), calybris_catalog::usage::UsageError>(())
/// ```
pub fn from_gemini(json: &str) -> Result<Usage, UsageError> {
    let node = report::parse(VENDOR, "usageMetadata", json)?;
    let report = Object::root(VENDOR, &node);
    let prompt = report.required(PROMPT)?;
    let tool_use = report.count(TOOL_USE)?.unwrap_or(0);
    let candidates = report.count(CANDIDATES)?;
    let thoughts = report.count(THOUGHTS)?.unwrap_or(0);
    let parts = [
        (PROMPT, prompt),
        (TOOL_USE, tool_use),
        (CANDIDATES, candidates.unwrap_or(0)),
        (THOUGHTS, thoughts),
    ];
    let has_total = report.check_total("totalTokenCount", &parts)?;
    if candidates.is_none() && !has_total {
        return Err(report.missing(CANDIDATES, "a count here or in `totalTokenCount`"));
    }
    let candidates = candidates.unwrap_or(0);

    let mut input = Rest::of(PROMPT, prompt);
    let cached = input.take(&report, CACHED)?;
    let cached_audio = audio(&report, "cacheTokensDetails", CACHED, cached)?;
    let prompt_audio = audio(&report, PROMPT_KINDS, PROMPT, prompt)?.unwrap_or(0);
    let audio_input = input.take_audio(&report, PROMPT_KINDS, prompt_audio, cached_audio)?;

    let mut tool_input = Rest::of(TOOL_USE, tool_use);
    let tool_audio = audio(&report, TOOL_USE_KINDS, TOOL_USE, tool_use)?.unwrap_or(0);
    tool_input.take_exactly(&report, TOOL_USE_KINDS, tool_audio)?;

    let mut output = Rest::of(CANDIDATES, candidates);
    let audio_output = audio(&report, CANDIDATES_KINDS, CANDIDATES, candidates)?.unwrap_or(0);
    output.take_exactly(&report, CANDIDATES_KINDS, audio_output)?;

    let with_tool_use = |prompt: u32, tool_use: u32| {
        prompt.checked_add(tool_use).ok_or_else(|| {
            let allowed = format!("at most {} beside `{PROMPT}`", u32::MAX - prompt);
            report.refused(TOOL_USE, format!("`{tool_use}`"), allowed)
        })
    };
    Ok(Usage::new(with_tool_use(input.left(), tool_input.left())?, output.left())
        .with_cache_read_tokens(cached)
        .with_audio_input_tokens(with_tool_use(audio_input, tool_audio)?)
        .with_reasoning_tokens(thoughts)
        .with_audio_output_tokens(audio_output))
}

const PROMPT: &str = "promptTokenCount";
const CACHED: &str = "cachedContentTokenCount";
const TOOL_USE: &str = "toolUsePromptTokenCount";
const CANDIDATES: &str = "candidatesTokenCount";
const THOUGHTS: &str = "thoughtsTokenCount";

const PROMPT_KINDS: &str = "promptTokensDetails";
const TOOL_USE_KINDS: &str = "toolUsePromptTokensDetails";
const CANDIDATES_KINDS: &str = "candidatesTokensDetails";

/// The tokens of audio in a list of kinds, which are parts of `whole`; `None` if the list is absent or empty.
fn audio(
    report: &Object<'_>,
    kinds: &str,
    whole: &'static str,
    tokens: u32,
) -> Result<Option<u32>, UsageError> {
    let mut rest = Rest::of(whole, tokens);
    let mut audio = 0;
    let kinds = report.objects(kinds)?;
    for kind in &kinds {
        let tokens = rest.take(kind, "tokenCount")?;
        if kind.text("modality")?.is_some_and(|name| name.eq_ignore_ascii_case("AUDIO")) {
            audio += tokens;
        }
    }
    Ok((!kinds.is_empty()).then_some(audio))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::report::tests::refusals;

    /// The last chunk of a stream with audio on both sides, a cache, a tool and thoughts.
    const METADATA: &str = r#"{
        "promptTokenCount": 1000, "cachedContentTokenCount": 500, "toolUsePromptTokenCount": 90,
        "candidatesTokenCount": 310, "thoughtsTokenCount": 240, "totalTokenCount": 1640,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 320}, {"modality": "AUDIO", "tokenCount": 680}],
        "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 400}, {"modality": "TEXT", "tokenCount": 100}],
        "toolUsePromptTokensDetails": [{"modality": "TEXT", "tokenCount": 83}, {"modality": "AUDIO", "tokenCount": 7}],
        "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 300}],
        "trafficType": "ON_DEMAND"
    }"#;

    #[test]
    fn thoughts_and_tool_use_stand_beside_and_the_cache_within() {
        let expected = Usage::new(220 + 83, 10)
            .with_cache_read_tokens(500)
            .with_audio_input_tokens(280 + 7)
            .with_reasoning_tokens(240)
            .with_audio_output_tokens(300);
        assert_eq!(from_gemini(METADATA), Ok(expected));
    }

    #[test]
    fn audio_counts_as_uncached_where_the_report_does_not_say() {
        let with = |cached: u32| {
            from_gemini(&format!(
                r#"{{"promptTokenCount": 1000, "cachedContentTokenCount": {cached}, "candidatesTokenCount": 1,
                    "cacheTokensDetails": [],
                    "promptTokensDetails": [{{"modality": "AUDIO", "tokenCount": 600}},
                        {{"modality": "IMAGE", "tokenCount": 258}}, {{"tokenCount": 142}}, {{}}]}}"#
            ))
        };
        let usage = |input, cached, audio| {
            Ok(Usage::new(input, 1).with_cache_read_tokens(cached).with_audio_input_tokens(audio))
        };
        assert_eq!(with(0), usage(400, 0, 600));
        assert_eq!(with(400), usage(0, 400, 600));
        assert_eq!(with(401), usage(0, 401, 599));
    }

    #[test]
    fn an_absent_answer_is_zero_if_the_total_confirms_it() {
        let thoughts = from_gemini(
            r#"{"promptTokenCount": 21, "thoughtsTokenCount": 60, "totalTokenCount": 81}"#,
        );
        assert_eq!(thoughts, Ok(Usage::new(21, 0).with_reasoning_tokens(60)));
        let refused = from_gemini(r#"{"promptTokenCount": 21, "thoughtsTokenCount": 60}"#);
        assert_eq!(
            refused.unwrap_err().to_string(),
            "usage report of Gemini: `candidatesTokenCount`: found nothing, \
             allowed is a count here or in `totalTokenCount`"
        );
        // The live API has other names: what it generated is missing in the sum.
        let live = from_gemini(
            r#"{"promptTokenCount": 509, "responseTokenCount": 11, "totalTokenCount": 520}"#,
        );
        assert!(
            live.unwrap_err()
                .to_string()
                .contains("`totalTokenCount`: found `520`, allowed is 509")
        );
    }

    #[test]
    fn tool_use_has_room_beside_the_prompt_or_is_refused() {
        let with = |tool_use: u32| {
            from_gemini(&format!(
                r#"{{"promptTokenCount": 4294967290, "toolUsePromptTokenCount": {tool_use}, "candidatesTokenCount": 0}}"#
            ))
        };
        assert_eq!(with(5), Ok(Usage::new(u32::MAX, 0)));
        let refused = with(6).unwrap_err().to_string();
        assert!(
            refused.contains("`toolUsePromptTokenCount`: found `6`, allowed is at most 5 beside"),
            "{refused}"
        );
    }

    #[test]
    fn what_does_not_add_up_is_refused_by_its_field() {
        refusals(
            from_gemini,
            METADATA,
            &[
                (
                    "1640",
                    "1400",
                    "`totalTokenCount`: found `1400`, allowed is 1640, the sum of `promptTokenCount`, \
                `toolUsePromptTokenCount`, `candidatesTokenCount` and `thoughtsTokenCount`",
                ),
                ("\"promptTokenCount\": 1000,", "", "`promptTokenCount`: found nothing"),
                (
                    "Count\": 500",
                    "Count\": 1001",
                    "`cachedContentTokenCount`: found `1001`, allowed is at most 1000",
                ),
                (
                    "Count\": 500",
                    "Count\": 499",
                    "`cacheTokensDetails[1].tokenCount`: found `100`, allowed is at most 99 of the 499",
                ),
                (
                    "680",
                    "681",
                    "`promptTokensDetails[1].tokenCount`: found `681`, allowed is at most 680 of the 1000",
                ),
                (
                    "680",
                    "399",
                    "`promptTokensDetails`: found 399 tokens of audio, allowed is at least 400",
                ),
                (
                    "83",
                    "84",
                    "`toolUsePromptTokensDetails[1].tokenCount`: found `7`, allowed is at most 6",
                ),
                ("300", "311", "`candidatesTokensDetails[0].tokenCount`: found `311`"),
                ("240", "-240", "`thoughtsTokenCount`: found `-240`"),
                ("240", "2.4e2", "`thoughtsTokenCount`: found `2.4e2`"),
                (
                    "\"AUDIO\", \"tokenCount\": 300",
                    "4, \"tokenCount\": 300",
                    "`candidatesTokensDetails[0].modality`: found `4`, allowed is a text",
                ),
                (
                    "[{\"modality\": \"AUDIO\", \"tokenCount\": 300}]",
                    "{}",
                    "`candidatesTokensDetails`: found an object, allowed is a list",
                ),
                ("\"trafficType\"", "\"thoughtsTokenCount\"", "`thoughtsTokenCount` appears twice"),
            ],
        );
    }
}
