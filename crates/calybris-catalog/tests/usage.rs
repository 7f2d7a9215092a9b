//! Laws of the usage readers, judged by renderers and a JSON library that share no code with them.

use calybris_catalog::usage::{
    UsageError, from_anthropic, from_anthropic_stream, from_bedrock, from_gemini, from_openai,
};
use calybris_kernel::Usage;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};

type Reader = fn(&str) -> Result<Usage, UsageError>;

/// A count: small, middling, or as large as four others leave room for, with the boundaries of the room.
fn count() -> impl Strategy<Value = u32> {
    const ROOM: u32 = u32::MAX / 5;
    prop_oneof![
        3 => select(vec![0, 1, 2, ROOM - 1, ROOM]),
        3 => 0..1_000_u32,
        1 => 0..=ROOM,
    ]
}

fn usage() -> impl Strategy<Value = Usage> {
    (prop::array::uniform8(count()), any::<u32>()).prop_map(|(tokens, searches)| {
        let [input, read, short, long, audio_in, output, reasoning, audio_out] = tokens;
        Usage::new(input, output)
            .with_cache_read_tokens(read)
            .with_cache_write_tokens(short)
            .with_cache_write_long_tokens(long)
            .with_audio_input_tokens(audio_in)
            .with_reasoning_tokens(reasoning)
            .with_audio_output_tokens(audio_out)
            .with_searches(searches)
    })
}

/// The names of prompt, prompt details, completion and completion details in OpenAI's forms.
const OPENAI_FORMS: [[&str; 4]; 3] = [
    ["prompt_tokens", "prompt_tokens_details", "completion_tokens", "completion_tokens_details"],
    ["input_tokens", "input_tokens_details", "output_tokens", "output_tokens_details"],
    ["input_tokens", "input_token_details", "output_tokens", "output_token_details"],
];

/// Searches have no form here.
fn openai(usage: &Usage, names: [&str; 4]) -> Value {
    let [prompt, prompt_details, completion, completion_details] = names;
    json!({
        prompt: usage.prompt_tokens(),
        completion: usage.completion_tokens(),
        "total_tokens": usage.prompt_tokens() + usage.completion_tokens(),
        prompt_details: {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens":
                u64::from(usage.cache_write_tokens) + u64::from(usage.cache_write_long_tokens),
            "cache_write_tokens_details": {
                "ttl_30m_tokens": usage.cache_write_tokens,
                "ttl_12h_tokens": usage.cache_write_long_tokens,
            },
            "audio_tokens": usage.audio_input_tokens,
        },
        completion_details: {
            "reasoning_tokens": usage.reasoning_tokens,
            "audio_tokens": usage.audio_output_tokens,
        },
    })
}

/// Audio has no form here.
fn anthropic(usage: &Usage) -> Value {
    json!({
        "input_tokens": usage.input_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "cache_creation_input_tokens":
            u64::from(usage.cache_write_tokens) + u64::from(usage.cache_write_long_tokens),
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_tokens,
            "ephemeral_1h_input_tokens": usage.cache_write_long_tokens,
        },
        "output_tokens": u64::from(usage.output_tokens) + u64::from(usage.reasoning_tokens),
        "output_tokens_details": {"thinking_tokens": usage.reasoning_tokens},
        "server_tool_use": {"web_search_requests": usage.searches},
    })
}

/// Cache writes have no form here. A part of the input is that of tools.
fn gemini(usage: &Usage, tool_use: u32) -> Value {
    let tool_use = tool_use.min(usage.input_tokens);
    let prompt = usage.prompt_tokens() - u64::from(tool_use);
    let candidates = u64::from(usage.output_tokens) + u64::from(usage.audio_output_tokens);
    let audio = |tokens: u32| json!([{"modality": "AUDIO", "tokenCount": tokens}]);
    json!({
        "promptTokenCount": prompt,
        "cachedContentTokenCount": usage.cache_read_tokens,
        "toolUsePromptTokenCount": tool_use,
        "candidatesTokenCount": candidates,
        "thoughtsTokenCount": usage.reasoning_tokens,
        "totalTokenCount": usage.prompt_tokens() + usage.completion_tokens(),
        "promptTokensDetails": audio(usage.audio_input_tokens),
        "candidatesTokensDetails": audio(usage.audio_output_tokens),
    })
}

/// Reasoning, audio and searches have no form here.
fn bedrock(usage: &Usage) -> Value {
    json!({
        "inputTokens": usage.input_tokens,
        "outputTokens": usage.output_tokens,
        "totalTokens": usage.prompt_tokens() + usage.completion_tokens(),
        "cacheReadInputTokens": usage.cache_read_tokens,
        "cacheWriteInputTokens":
            u64::from(usage.cache_write_tokens) + u64::from(usage.cache_write_long_tokens),
        "cacheDetails": [
            {"inputTokens": usage.cache_write_long_tokens, "ttl": "1h"},
            {"inputTokens": usage.cache_write_tokens, "ttl": "5m"},
        ],
    })
}

const fn without_audio(usage: Usage) -> Usage {
    usage.with_audio_input_tokens(0).with_audio_output_tokens(0)
}

const fn without_writes(usage: Usage) -> Usage {
    usage.with_cache_write_tokens(0).with_cache_write_long_tokens(0)
}

/// A report of each form, its reader, its total, and the usage that should be read.
fn reports(usage: Usage, tool_use: u32) -> [(Value, Reader, Total, Usage); 6] {
    let unsearched = usage.with_searches(0);
    let (anthropic_usage, gemini_usage) = (without_audio(usage), without_writes(unsearched));
    let bedrock_usage = without_audio(unsearched).with_reasoning_tokens(0);
    let [chat, responses, realtime] = OPENAI_FORMS;
    [
        (openai(&unsearched, chat), from_openai, openai_total, unsearched),
        (openai(&unsearched, responses), from_openai, openai_total, unsearched),
        (openai(&unsearched, realtime), from_openai, openai_total, unsearched),
        (anthropic(&anthropic_usage), from_anthropic, anthropic_total, anthropic_usage),
        (gemini(&gemini_usage, tool_use), from_gemini, gemini_total, gemini_usage),
        (bedrock(&bedrock_usage), from_bedrock, bedrock_total, bedrock_usage),
    ]
}

/// The paths of all values inside a report.
fn places(value: &Value, path: &str, all: &mut Vec<String>) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                all.push(format!("{path}/{key}"));
                places(value, &format!("{path}/{key}"), all);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                all.push(format!("{path}/{index}"));
                places(value, &format!("{path}/{index}"), all);
            }
        }
        _ => {}
    }
}

/// Values that a field of a report may have by mistake, and some that it may have.
fn replacement() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => count().prop_map(Value::from),
        1 => select(vec![u64::from(u32::MAX), u64::from(u32::MAX) + 1, u64::MAX]).prop_map(Value::from),
        1 => select(vec![Value::Null, json!(-1), json!(0.5), json!(1.0), json!("7"), json!(true), json!([]), json!({})]),
    ]
}

/// The tokens that a report states in all, by the definition of its vendor; `None` if it does not say.
type Total = fn(&Value) -> Option<u64>;

fn openai_total(report: &Value) -> Option<u64> {
    report["total_tokens"].as_u64()
}

fn anthropic_total(report: &Value) -> Option<u64> {
    let beside = ["cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens"];
    let beside: u64 = beside.iter().map(|name| report[name].as_u64().unwrap_or(0)).sum();
    Some(report["input_tokens"].as_u64()? + beside)
}

fn gemini_total(report: &Value) -> Option<u64> {
    report["totalTokenCount"].as_u64()
}

fn bedrock_total(report: &Value) -> Option<u64> {
    report["totalTokens"].as_u64()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_report_of_each_form_reads_back_to_the_usage_it_was_made_from(usage in usage(), tool_use in count()) {
        for (report, read, _, expected) in reports(usage, tool_use) {
            prop_assert_eq!(read(&report.to_string()), Ok(expected), "{}", report);
            let indented = serde_json::to_string_pretty(&report).unwrap();
            prop_assert_eq!(read(&indented), Ok(expected));
        }
    }

    /// Whatever is changed in a report: if it is still read, no token is lost and none is counted twice.
    #[test]
    fn a_report_that_is_read_has_the_tokens_that_it_states(
        usage in usage(),
        tool_use in count(),
        changes in prop::collection::vec((any::<Index>(), prop::option::weighted(0.8, replacement())), 1..4),
    ) {
        for (mut report, read, total, _) in reports(usage, tool_use) {
            for (place, value) in &changes {
                let mut all = Vec::new();
                places(&report, "", &mut all);
                let Some(path) = (!all.is_empty()).then(|| place.get(&all)) else { continue };
                let (parent, key) = path.rsplit_once('/').unwrap();
                match (report.pointer_mut(parent).unwrap(), value) {
                    (Value::Object(entries), None) => drop(entries.remove(key)),
                    (_, value) => *report.pointer_mut(path).unwrap() = value.clone().unwrap_or_default(),
                }
            }
            match read(&report.to_string()) {
                Ok(usage) => if let Some(total) = total(&report) {
                    prop_assert_eq!(usage.prompt_tokens() + usage.completion_tokens(), total, "{}", report);
                },
                Err(error) => {
                    let UsageError::Field { field, .. } = &error else { panic!("{error}: {report}") };
                    prop_assert!(!field.is_empty() && error.to_string().contains(field));
                }
            }
        }
    }

    /// The first event of a stream adds what the last one lacks, and nothing else.
    #[test]
    fn a_stream_reads_as_its_report_in_one_piece(usage in usage(), kept in any::<[bool; 7]>(), early in usage()) {
        let usage = without_audio(usage);
        let whole = anthropic(&usage);
        let (mut start, mut delta) = (anthropic(&without_audio(early)), Map::new());
        for ((key, value), kept) in whole.as_object().unwrap().iter().zip(kept) {
            if kept {
                delta.insert(key.clone(), value.clone());
            } else {
                start[key] = value.clone();
            }
        }
        let read = from_anthropic_stream(&start.to_string(), &Value::Object(delta).to_string());
        prop_assert_eq!(read, Ok(usage));
    }

    /// Bytes are changed, inserted, removed and doubled.
    #[test]
    fn no_text_makes_a_reader_panic(
        usage in usage(),
        tool_use in count(),
        changes in prop::collection::vec((any::<Index>(), 0..4_u8, select(b"{}[]\":,-+.eE0123456789nulltrfas\\\n \xc3".to_vec())), 1..6),
    ) {
        for (report, read, ..) in reports(usage, tool_use) {
            let mut bytes = report.to_string().into_bytes();
            for (place, kind, byte) in &changes {
                let at = place.index(bytes.len());
                match kind {
                    0 => bytes[at] = *byte,
                    1 => bytes.insert(at, *byte),
                    2 if bytes.len() > 1 => drop(bytes.remove(at)),
                    _ => {
                        let tail = bytes[at..].to_vec();
                        bytes.extend(tail);
                    }
                }
            }
            let text = String::from_utf8_lossy(&bytes);
            if let Err(error) = read(&text) {
                prop_assert!(error.to_string().starts_with("usage report of "));
            }
        }
    }
}
