//! What a request uses and may use, and its candidates, in words.

use calybris_core::engine::Names;
use calybris_core::kernel::{Ceiling, Request, TokenClass, TokenClassSet, Usage};

use crate::amount::grouped;
use crate::bill;
use crate::log::naming::{group_name, model_name};

/// `1,000 tokens in and 200 out`, with the classes of each side that has others than plain ones.
pub(crate) fn usage_words(usage: &Usage) -> String {
    let side = |tokens: u64, classes: TokenClassSet| {
        let used = || classes.iter().filter(|class| usage.tokens(*class) > 0);
        let is_plain = |class| matches!(class, TokenClass::Input | TokenClass::Output);
        if used().all(is_plain) {
            return String::new();
        }
        let parts = used().map(|class| match usage.tokens(class) {
            all if u64::from(all) == tokens => bill::words(class),
            part => format!("{} {}", grouped(part), bill::words(class)),
        });
        format!(" ({})", parts.collect::<Vec<_>>().join(", "))
    };
    let (prompt, completion) = (usage.prompt_tokens(), usage.completion_tokens());
    format!(
        "{} tokens in{} and {} out{}{}",
        grouped(prompt),
        side(prompt, TokenClassSet::PROMPT),
        grouped(completion),
        side(completion, TokenClassSet::COMPLETION),
        match usage.searches {
            0 => String::new(),
            searches => format!(", {}", searches_words(searches)),
        }
    )
}

pub(crate) fn searches_words(searches: u32) -> String {
    format!("{} search{}", grouped(searches), if searches == 1 { "" } else { "es" })
}

/// The most that a request may use.
pub(crate) fn ceiling_words(ceiling: &Ceiling) -> String {
    let mut words = format!(
        "{} tokens in and {} out",
        grouped(ceiling.prompt_tokens),
        grouped(ceiling.completion_tokens)
    );
    if ceiling.searches > 0 {
        words.push_str(&format!(", {}", searches_words(ceiling.searches)));
    }
    if ceiling.classes != TokenClassSet::ALL {
        let classes: Vec<String> = ceiling.classes.iter().map(bill::words).collect();
        words.push_str(&format!(", only {}", classes.join(", ")));
    }
    words
}

/// The candidates of a request, if it names a group or excludes a model.
pub(crate) fn candidates_words(request: &Request, names: &Names) -> Option<String> {
    let group = request.group_id.map(|id| format!("the models of {}", group_name(names, id)));
    let excluded = request.excluded_models.model_ids().iter().map(|id| model_name(names, *id));
    let excluded: Vec<String> = excluded.collect();
    let without = (!excluded.is_empty()).then(|| format!("not {}", excluded.join(", ")));
    let parts: Vec<String> = group.into_iter().chain(without).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

#[cfg(test)]
mod tests {
    use calybris_core::kernel::ExcludedModels;

    use super::*;

    #[test]
    fn a_plain_usage_is_two_numbers_and_another_names_its_classes() {
        assert_eq!(usage_words(&Usage::new(1_000, 200)), "1,000 tokens in and 200 out");
        let usage = Usage::new(20_000, 0).with_cache_read_tokens(80_000).with_reasoning_tokens(5);
        assert_eq!(
            usage_words(&usage.with_searches(2)),
            "100,000 tokens in (20,000 input, 80,000 cache read) and 5 out (reasoning), 2 searches"
        );
    }

    #[test]
    fn a_ceiling_names_classes_only_if_it_leaves_some_out() {
        assert_eq!(ceiling_words(&Ceiling::new(5, 4_096)), "5 tokens in and 4,096 out");
        let classes = TokenClassSet::EMPTY.with(TokenClass::Input).with(TokenClass::Output);
        let ceiling = Ceiling::new(5, 6).with_searches(1).with_classes(classes);
        assert_eq!(ceiling_words(&ceiling), "5 tokens in and 6 out, 1 search, only input, output");
    }

    #[test]
    fn candidates_are_named() {
        let names = Names {
            models: [(1, "a".to_owned())].into(),
            groups: [(0, "fast".to_owned())].into(),
            ..Names::default()
        };
        let request = Request::new(1, 1, 1, 1);
        assert_eq!(candidates_words(&request, &names), None);
        let request = request.with_excluded_models(ExcludedModels::new(&[1, 5]).unwrap());
        assert_eq!(candidates_words(&request, &names).as_deref(), Some("not a, model 5"));
        let words = candidates_words(&request.with_group_id(0), &names);
        assert_eq!(words.as_deref(), Some("the models of fast, not a, model 5"));
        let words = candidates_words(&Request::new(1, 1, 1, 1).with_group_id(7), &names);
        assert_eq!(words.as_deref(), Some("the models of group 7"));
    }
}
