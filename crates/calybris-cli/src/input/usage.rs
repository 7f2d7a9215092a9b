//! What a row expects its request to use, and the most that the request may use.

use calybris_catalog::InputError;
use calybris_catalog::text::quoted;
use calybris_core::kernel::{Ceiling, TokenClass, TokenClassSet, Usage};

use super::row::Row;
use crate::amount::{counted, grouped};

pub(super) const U32: &str = "a whole number from 0 to 4,294,967,295";

/// The counts of a row. Those of plain input and output are required, the others are 0 if they are left out.
pub(super) fn usage(row: &Row) -> Result<Usage, InputError> {
    let mut usage = Usage::default();
    for class in TokenClass::ALL {
        let field = field_of(class);
        let tokens = row.number(field, U32)?;
        let is_required = matches!(class, TokenClass::Input | TokenClass::Output);
        if is_required && tokens.is_none() {
            return Err(row.refuse(field, "missing"));
        }
        usage = usage.with_tokens(class, tokens.unwrap_or_default());
    }
    Ok(usage.with_searches(row.number("searches", U32)?.unwrap_or_default()))
}

/// The column of a class of tokens.
pub(crate) const fn field_of(class: TokenClass) -> &'static str {
    match class {
        TokenClass::Input => "input_tokens",
        TokenClass::CacheRead => "cache_read_tokens",
        TokenClass::CacheWrite => "cache_write_tokens",
        TokenClass::CacheWriteLong => "cache_write_long_tokens",
        TokenClass::AudioInput => "audio_input_tokens",
        TokenClass::Output => "output_tokens",
        TokenClass::Reasoning => "reasoning_tokens",
        TokenClass::AudioOutput => "audio_output_tokens",
    }
}

/// The most that the request may use: what the row says of it, else the default for completions, and nowhere less than the
/// expected usage. `None` if neither the row nor the policy file says anything: then it is the expected usage.
pub(super) fn ceiling(
    row: &Row,
    usage: &Usage,
    default_completion_tokens: Option<u32>,
) -> Result<Option<Ceiling>, InputError> {
    let prompt_tokens = row.number("max_prompt_tokens", U32)?;
    let completion_tokens = row.number("max_completion_tokens", U32)?;
    let searches = row.number("max_searches", U32)?;
    let classes = classes(row, usage)?;
    let is_said = prompt_tokens.or(completion_tokens).or(searches).is_some() || classes.is_some();
    if !is_said && default_completion_tokens.is_none() {
        return Ok(None);
    }
    let classes = classes.unwrap_or(TokenClassSet::ALL);
    let most = |field: &str, said: Option<u32>, used: u64, default: u32| match said {
        Some(said) if u64::from(said) < used => {
            let what = format!(
                "found {said}, and the request is expected to use {}: the most that it may use is not less",
                grouped(used)
            );
            Err(row.refuse(field, what))
        }
        Some(said) => Ok(said),
        None => u32::try_from(used).map(|used| used.max(default)).map_err(|_| {
            let used = grouped(used);
            row.refuse(field, format!("the request is expected to use {used}, allowed is {U32}"))
        }),
    };
    let side = |field: &str, side, said, used, default| {
        let is_allowed = !classes.intersection(side).is_empty();
        let most = most(field, said, used, if is_allowed { default } else { 0 })?;
        if most > 0 && !is_allowed {
            let what = format!("found {most}, and `allowed_classes` has no class of such tokens");
            return Err(row.refuse(field, what));
        }
        Ok(most)
    };
    let default = default_completion_tokens.unwrap_or_default();
    let (prompt, completion) = (TokenClassSet::PROMPT, TokenClassSet::COMPLETION);
    let ceiling = Ceiling::new(
        side("max_prompt_tokens", prompt, prompt_tokens, usage.prompt_tokens(), 0)?,
        side(
            "max_completion_tokens",
            completion,
            completion_tokens,
            usage.completion_tokens(),
            default,
        )?,
    );
    let searches = most("max_searches", searches, usage.searches.into(), 0)?;
    Ok(Some(ceiling.with_searches(searches).with_classes(classes)))
}

/// The classes that a row allows; `None` if it says nothing. An empty list is no constraint, as with other lists.
fn classes(row: &Row, usage: &Usage) -> Result<Option<TokenClassSet>, InputError> {
    const FIELD: &str = "allowed_classes";
    let Some(names) = row.names(FIELD).filter(|names| !names.is_empty()) else { return Ok(None) };
    let class = |name: &str| {
        TokenClass::ALL.into_iter().find(|class| class.name() == name).ok_or_else(|| {
            let known = TokenClass::ALL.map(TokenClass::name).join(", ");
            row.refuse(FIELD, format!("found {}, the classes are {known}", quoted(name)))
        })
    };
    let allowed: TokenClassSet = names.into_iter().map(class).collect::<Result<_, _>>()?;
    for class in TokenClass::ALL {
        let tokens = usage.tokens(class);
        if tokens > 0 && !allowed.contains(class) {
            let tokens = counted(tokens, "token");
            let what =
                format!("without `{class}`, of which the request is expected to use {tokens}");
            return Err(row.refuse(FIELD, what));
        }
    }
    Ok(Some(allowed))
}

/// The output tokens that were generated: at most the expected ones or, under a ceiling, as many as it leaves.
pub(super) fn actual_output_tokens(
    row: &Row,
    usage: &Usage,
    ceiling: Option<&Ceiling>,
) -> Result<u32, InputError> {
    let found = row.number("actual_output_tokens", U32)?.unwrap_or(usage.output_tokens);
    let (most, source) = match ceiling {
        Some(ceiling) if ceiling.classes.contains(TokenClass::Output) => {
            let others = usage.completion_tokens() - u64::from(usage.output_tokens);
            let left = u64::from(ceiling.completion_tokens).saturating_sub(others);
            (u32::try_from(left).unwrap_or(u32::MAX), "the most that it may use")
        }
        _ => (usage.output_tokens, "`output_tokens`"),
    };
    if found > most {
        let what = format!(
            "found {found}, allowed is a whole number from 0 to {most}: the reservation is made for {source}"
        );
        return Err(row.refuse("actual_output_tokens", what));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::requests::RequestFile;

    fn row(text: &str) -> Row {
        let file = RequestFile::bundled("r", text);
        let mut rows = file.rows().unwrap();
        rows.next().unwrap().unwrap()
    }

    fn ceiling_of(text: &str, default: Option<u32>) -> Result<Option<Ceiling>, String> {
        let row = row(text);
        let usage = usage(&row).map_err(|error| error.to_string())?;
        ceiling(&row, &usage, default).map_err(|error| error.to_string())
    }

    const TEN: &str =
        r#"{"input_tokens": 4, "cache_read_tokens": 6, "output_tokens": 7, "reasoning_tokens": 3"#;

    #[test]
    fn every_count_is_read_and_those_left_out_are_0() {
        let text = r#"{"input_tokens": 1, "cache_read_tokens": 2, "cache_write_tokens": 3, "cache_write_long_tokens": 4,
            "audio_input_tokens": 5, "output_tokens": 6, "reasoning_tokens": 7, "audio_output_tokens": 8, "searches": 9}"#;
        let read = usage(&row(&text.replace('\n', " "))).unwrap();
        let counts = TokenClass::ALL.map(|class| read.tokens(class));
        assert_eq!((counts, read.searches), ([1, 2, 3, 4, 5, 6, 7, 8], 9));
        let read = usage(&row("input_tokens,output_tokens,searches\n5,0,\n")).unwrap();
        assert_eq!(read, Usage::new(5, 0));
        let text = usage(&row("input_tokens,output_tokens,reasoning_tokens\n1,1,-1\n"));
        let text = text.unwrap_err().to_string();
        assert!(text.starts_with("r:2:5: `reasoning_tokens`: found `-1`"), "{text}");
        let text = usage(&row("input_tokens,output_tokens\n1,\n")).unwrap_err().to_string();
        assert_eq!(text, "r:2:3: `output_tokens`: missing");
    }

    #[test]
    fn a_request_that_says_nothing_has_a_ceiling_only_by_default() {
        let text = format!("{TEN}}}");
        assert_eq!(ceiling_of(&text, None), Ok(None));
        for (default, completion) in [(0, 10), (9, 10), (10, 10), (11, 11), (4_096, 4_096)] {
            let ceiling = Ceiling::new(10, completion);
            assert_eq!(ceiling_of(&text, Some(default)), Ok(Some(ceiling)), "{default}");
        }
    }

    #[test]
    fn a_request_says_the_most_it_uses_and_the_rest_is_what_it_is_expected_to_use() {
        let ceiling = |more: &str, default| {
            ceiling_of(&format!("{TEN}, {more}}}"), default).unwrap().unwrap()
        };
        assert_eq!(ceiling(r#""max_completion_tokens": 10"#, Some(4_096)), Ceiling::new(10, 10));
        assert_eq!(ceiling(r#""max_prompt_tokens": 11"#, None), Ceiling::new(11, 10));
        assert_eq!(ceiling(r#""max_searches": 2"#, None), Ceiling::new(10, 10).with_searches(2));
        assert_eq!(ceiling(r#""searches": 3"#, Some(0)), Ceiling::new(10, 10).with_searches(3));
        let text: TokenClassSet =
            [TokenClass::Input, TokenClass::CacheRead, TokenClass::Output, TokenClass::Reasoning]
                .into_iter()
                .collect();
        let names = r#""allowed_classes": "input output reasoning cache_read""#;
        assert_eq!(ceiling(names, None), Ceiling::new(10, 10).with_classes(text));
        assert_eq!(ceiling(r#""allowed_classes": []"#, Some(0)), Ceiling::new(10, 10));
        let prompt_only =
            r#"{"input_tokens": 4, "output_tokens": 0, "allowed_classes": ["input"]}"#;
        let classes = TokenClassSet::EMPTY.with(TokenClass::Input);
        let expected = Ceiling::new(4, 0).with_classes(classes);
        assert_eq!(ceiling_of(prompt_only, Some(4_096)), Ok(Some(expected)));
    }

    #[test]
    fn a_ceiling_that_contradicts_its_request_is_refused_at_its_place() {
        for (more, parts) in [
            (
                r#""max_completion_tokens": 9"#,
                ["`max_completion_tokens`: found 9", "expected to use 10"],
            ),
            (r#""max_prompt_tokens": 9"#, ["`max_prompt_tokens`: found 9", "expected to use 10"]),
            (
                r#""searches": 2, "max_searches": 1"#,
                ["`max_searches`: found 1", "expected to use 2"],
            ),
            (
                r#""allowed_classes": ["sound"]"#,
                ["found `sound`", "input, cache_read, cache_write"],
            ),
            (
                r#""allowed_classes": ["input", "cache_read", "output"]"#,
                ["`allowed_classes`: without `reasoning`", "3 tokens"],
            ),
        ] {
            let text = ceiling_of(&format!("{TEN}, {more}}}"), None).unwrap_err();
            let has_place = text.starts_with("r:1:");
            assert!(has_place && parts.iter().all(|part| text.contains(part)), "{text}");
        }
        let text = r#"{"input_tokens": 0, "output_tokens": 5, "allowed_classes": ["output"], "max_prompt_tokens": 1}"#;
        let text = ceiling_of(text, None).unwrap_err();
        assert!(
            text.contains("`max_prompt_tokens`: found 1, and `allowed_classes` has no"),
            "{text}"
        );
        let text = r#"{"input_tokens": 4294967295, "cache_read_tokens": 1, "output_tokens": 5"#;
        assert_eq!(ceiling_of(&format!("{text}}}"), None), Ok(None));
        let text = ceiling_of(&format!("{text}, \"max_searches\": 1}}"), None).unwrap_err();
        assert!(text.contains("`max_prompt_tokens`: the request is expected to use 4,294,967,296"));
    }

    #[test]
    fn more_may_be_generated_than_was_expected_only_under_a_ceiling() {
        let actual = |actual: u32, ceiling: Option<Ceiling>| {
            let row = row(&format!("{TEN}, \"actual_output_tokens\": {actual}}}"));
            let usage = usage(&row).unwrap();
            actual_output_tokens(&row, &usage, ceiling.as_ref()).map_err(|error| error.to_string())
        };
        assert_eq!(actual(7, None), Ok(7));
        assert!(
            actual(8, None)
                .unwrap_err()
                .contains("from 0 to 7: the reservation is made for `output_tokens`")
        );
        let ceiling = Some(Ceiling::new(10, 20));
        assert_eq!(actual(17, ceiling), Ok(17));
        assert!(
            actual(18, ceiling)
                .unwrap_err()
                .contains("from 0 to 17: the reservation is made for the most")
        );
    }
}
