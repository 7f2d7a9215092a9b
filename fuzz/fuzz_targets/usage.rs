//! Any text as a usage report: refused with the name of its field, or read with as many tokens as it states; never a panic.
//!
//! `cargo +nightly fuzz run usage`
#![no_main]

use calybris_catalog::json::{self, Value};
use calybris_catalog::usage::{
    UsageError, from_anthropic, from_anthropic_stream, from_bedrock, from_gemini, from_openai,
};
use calybris_kernel::Usage;
use libfuzzer_sys::fuzz_target;

type Reader = fn(&str) -> Result<Usage, UsageError>;

fuzz_target!(|text: &str| {
    let readers: [(Reader, &str); 3] = [
        (from_openai, "total_tokens"),
        (from_gemini, "totalTokenCount"),
        (from_bedrock, "totalTokens"),
    ];
    for (read, total) in readers {
        match read(text) {
            Ok(usage) => check_total(text, total, &usage),
            Err(error) => check_refusal(&error),
        }
    }
    if let Err(error) = from_anthropic(text) {
        check_refusal(&error);
    }
    // A stream whose events are equal is its report.
    assert_eq!(from_anthropic_stream(text, text), from_anthropic(text));
});

fn check_total(text: &str, total: &str, usage: &Usage) {
    let node = json::parse(text).unwrap();
    let stated = node.value.entry(total).and_then(|node| match node.value {
        Value::Number(digits) => Some(digits.parse::<u64>().unwrap()),
        _ => None,
    });
    let read = usage.prompt_tokens() + usage.completion_tokens();
    assert!(stated.is_none_or(|stated| stated == read), "{text}");
}

fn check_refusal(error: &UsageError) {
    if let UsageError::Field { field, .. } = error {
        assert!(!field.is_empty(), "{error}");
    }
    assert!(error.to_string().starts_with("usage report of "));
}
