//! Usage reports as the vendors send them, read into the nine disjoint counts of the kernel's [`Usage`](calybris_kernel::Usage).
//!
//! | report | reader | cached tokens | reasoning tokens |
//! |---|---|---|---|
//! | OpenAI: `usage` of chat completions, responses, realtime | [`from_openai`] | in the prompt | in the completion |
//! | Anthropic: `usage` of messages | [`from_anthropic`], [`from_anthropic_stream`] | beside the input | in the output |
//! | Gemini: `usageMetadata` | [`from_gemini`] | in the prompt | beside the candidates |
//! | Bedrock: `usage` of Converse | [`from_bedrock`] | beside the input | not told apart |
//!
//! # Input
//!
//! Each reader takes the text of the usage object alone. It refuses a whole response with a message that says so;
//! [`json`](crate::json) finds the object in a response:
//!
//! ```
//! use calybris_catalog::{json, usage};
//! use calybris_kernel::Usage;
//!
//! let response = r#"{"id": "chatcmpl-1", "choices": [],
//!     "usage": {"prompt_tokens": 120, "completion_tokens": 30, "total_tokens": 150}}"#;
//! assert!(usage::from_openai(response).is_err());
//!
//! let node = json::parse(response).unwrap();
//! let report = node.value.entry("usage").unwrap().written(response);
//! assert_eq!(usage::from_openai(report), Ok(Usage::new(120, 30)));
//! ```
//!
//! The last chunk of a stream reports the whole stream. Anthropic's streams have their report in two events.
//!
//! # Refusals
//!
//! A report that does not add up is refused with the name of the field: a count that is negative, fractional, above `u32::MAX` or
//! not a number, a part above its whole, a total that differs from the sum of its parts, a missing required count, a key that
//! stands twice, a cache write of an unknown lifetime. A field that is `null` counts as absent.
//!
//! Other vendors use these names with other meanings: xAI's `completion_tokens` do not contain the reasoning. Their reports
//! are refused for their totals rather than misread.
//!
//! # Tokens without a class
//!
//! Unknown fields are ignored, because vendors add them. An unknown part of a known whole is plain input or output. So are the
//! known parts that have no class: images, video and documents, and predictions that were accepted or rejected. Cached audio
//! is a cache read. Service tiers, regions and speeds are ignored too: they choose a row of the catalog, which the caller does.
//!
//! # Searches
//!
//! Only Anthropic reports searches. Other vendors list them elsewhere in the response, and the caller adds them:
//! `usage.with_searches(2)`.

mod anthropic;
mod bedrock;
mod error;
mod gemini;
mod openai;
mod report;

pub use anthropic::{from_anthropic, from_anthropic_stream};
pub use bedrock::from_bedrock;
pub use error::UsageError;
pub use gemini::from_gemini;
pub use openai::from_openai;

#[cfg(test)]
mod tests {
    use calybris_kernel::Usage;

    use super::*;

    type Reader = fn(&str) -> Result<Usage, UsageError>;

    const READERS: [(Reader, &str); 4] = [
        (from_openai, "OpenAI"),
        (from_anthropic, "Anthropic"),
        (from_gemini, "Gemini"),
        (from_bedrock, "Bedrock"),
    ];

    #[test]
    fn a_text_that_is_no_object_has_its_place() {
        for (read, vendor) in READERS {
            for (text, words) in [
                ("", "1:1: "),
                ("{\"a\": 1", "1:7: "),
                ("{\"a\": 1,\n\"a\": 1}", "2:1: `a` appears twice in one object"),
                (" [1]", "1:2: found a list, allowed is an object"),
                ("null", "1:1: found null, allowed is an object"),
                ("\"x\"", "1:1: found the text `x`, allowed is an object"),
                ("true", "1:1: found `true`, allowed is an object"),
            ] {
                let refused = read(text).unwrap_err();
                assert!(matches!(refused, UsageError::Json { .. }), "{refused}");
                let refused = refused.to_string();
                assert!(
                    refused.starts_with(&format!("usage report of {vendor}: {words}")),
                    "{refused}"
                );
            }
        }
    }

    #[test]
    fn a_whole_response_is_refused_with_what_to_pass() {
        for (read, vendor) in READERS {
            let name = if vendor == "Gemini" { "usageMetadata" } else { "usage" };
            let refused = read(&format!("{{\"{name}\": {{}}}}")).unwrap_err().to_string();
            let words =
                format!("`{name}`: found it inside a response, allowed is the report alone");
            assert!(refused.ends_with(&words), "{refused}");
        }
    }
}
