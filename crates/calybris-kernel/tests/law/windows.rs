//! The window gate.

use calybris_kernel::{Ceiling, WindowPart};

use super::*;

/// The refusal of a model with this window, if it is refused.
fn refused(window: Window, request: &Request) -> Option<(WindowPart, u64, u32)> {
    match verdict(POLICY, MODEL.with_window(window), request) {
        Verdict::Refused(Refusal::Window { part, tokens, maximum }) => {
            Some((part, tokens, maximum))
        }
        Verdict::Refused(refusal) => panic!("{refusal:?}"),
        Verdict::Eligible { .. } => None,
    }
}

#[test]
fn tokens_at_a_maximum_pass_and_one_more_does_not() {
    // The request has 1,000 tokens in and 500 out.
    for (part, tokens) in
        [(WindowPart::Prompt, 1_000), (WindowPart::Completion, 500), (WindowPart::Total, 1_500)]
    {
        let window = |maximum| match part {
            WindowPart::Prompt => Window::UNKNOWN.with_max_prompt_tokens(maximum),
            WindowPart::Completion => Window::UNKNOWN.with_max_completion_tokens(maximum),
            WindowPart::Total => Window::UNKNOWN.with_max_total_tokens(maximum),
        };
        assert_eq!(refused(window(tokens + 1), &REQUEST), None);
        assert_eq!(refused(window(tokens), &REQUEST), None);
        let evidence = Some((part, tokens.into(), tokens - 1));
        assert_eq!(refused(window(tokens - 1), &REQUEST), evidence);
        assert_eq!(refused(window(0), &REQUEST), Some((part, tokens.into(), 0)));
        let nothing = REQUEST.with_usage(Usage::new(0, 0));
        assert_eq!(refused(window(0), &nothing), None);
    }
}

#[test]
fn every_class_counts_and_searches_do_not() {
    let usage = Usage::new(1, 1)
        .with_cache_read_tokens(1)
        .with_cache_write_tokens(1)
        .with_cache_write_long_tokens(1)
        .with_audio_input_tokens(1)
        .with_reasoning_tokens(1)
        .with_audio_output_tokens(1)
        .with_searches(1_000);
    let request = REQUEST.with_usage(usage);
    let prompt = Window::UNKNOWN.with_max_prompt_tokens(4);
    assert_eq!(refused(prompt, &request), Some((WindowPart::Prompt, 5, 4)));
    let completion = Window::UNKNOWN.with_max_completion_tokens(2);
    assert_eq!(refused(completion, &request), Some((WindowPart::Completion, 3, 2)));
    let total = Window::UNKNOWN.with_max_total_tokens(7);
    assert_eq!(refused(total, &request), Some((WindowPart::Total, 8, 7)));
}

#[test]
fn the_first_maximum_that_is_exceeded_is_named() {
    let mut window = Window::UNKNOWN
        .with_max_prompt_tokens(10)
        .with_max_completion_tokens(10)
        .with_max_total_tokens(10);
    assert_eq!(refused(window, &REQUEST), Some((WindowPart::Prompt, 1_000, 10)));
    window.max_prompt_tokens = None;
    assert_eq!(refused(window, &REQUEST), Some((WindowPart::Completion, 500, 10)));
    window.max_completion_tokens = None;
    assert_eq!(refused(window, &REQUEST), Some((WindowPart::Total, 1_500, 10)));
    window.max_total_tokens = None;
    assert_eq!(refused(window, &REQUEST), None);
}

#[test]
fn a_ceiling_is_compared_instead_of_the_usage() {
    let request = REQUEST.with_ceiling(Ceiling::new(2_000, 600));
    let window = Window::UNKNOWN.with_max_prompt_tokens(1_999);
    assert_eq!(refused(window, &request), Some((WindowPart::Prompt, 2_000, 1_999)));
    assert_eq!(refused(window, &REQUEST), None);
    let window = Window::UNKNOWN.with_max_completion_tokens(599);
    assert_eq!(refused(window, &request), Some((WindowPart::Completion, 600, 599)));
    let window = Window::UNKNOWN.with_max_total_tokens(2_599);
    assert_eq!(refused(window, &request), Some((WindowPart::Total, 2_600, 2_599)));
}

#[test]
fn sums_beyond_u32_are_compared_exactly_and_an_unknown_window_takes_them() {
    let usage = Usage::new(u32::MAX, u32::MAX).with_cache_read_tokens(1);
    let request = REQUEST.with_usage(usage);
    let most = u64::from(u32::MAX);
    let prompt = Window::UNKNOWN.with_max_prompt_tokens(u32::MAX);
    assert_eq!(refused(prompt, &request), Some((WindowPart::Prompt, most + 1, u32::MAX)));
    let total = Window::UNKNOWN.with_max_total_tokens(u32::MAX);
    assert_eq!(refused(total, &request), Some((WindowPart::Total, 2 * most + 1, u32::MAX)));
    assert_eq!(refused(Window::UNKNOWN, &request), None);
    // Two sides that a u32 counts each, and not together.
    let request = REQUEST.with_ceiling(Ceiling::new(u32::MAX, 600));
    assert_eq!(refused(total, &request), Some((WindowPart::Total, most + 600, u32::MAX)));
    assert_eq!(refused(prompt, &request), None);
}

#[test]
fn windows_decide_the_winner_and_the_reason() {
    let short = MODEL.with_window(Window::UNKNOWN.with_max_prompt_tokens(999));
    let long = MODEL.with_model_id(2).with_quality(BasisPoints::percent(70));
    assert_eq!(decide(&[short, long], &REQUEST).selected_model_id, Some(2));
    assert_eq!(decide(&[short], &REQUEST).reason, Reason::WindowConstraint);
}
