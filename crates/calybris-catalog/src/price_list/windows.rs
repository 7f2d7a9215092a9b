//! How many tokens a model of a price list takes.

use std::collections::BTreeSet;

use calybris_kernel::Window;

use crate::error::InputError;
use crate::note::Note;

use super::entry::Entry;

/// The window of an entry. A maximum of 0 is unknown. Where the output may be as long as the input, the figure for input is
/// that of the whole window; else the list does not say how long both may be together.
pub(super) fn window(entry: Entry<'_>, notes: &mut BTreeSet<Note>) -> Result<Window, InputError> {
    let mut maximum = |key| {
        let stated = entry.tokens(key)?;
        if stated == Some(0) {
            notes.insert(Note::ZeroMaximum);
        }
        Ok::<_, InputError>(stated.filter(|tokens| *tokens > 0))
    };
    let mut window = Window::UNKNOWN;
    match (maximum("max_input_tokens")?, maximum("max_output_tokens")?) {
        (Some(input), Some(output)) if output >= input => window.max_total_tokens = Some(input),
        (input, output) => {
            window.max_prompt_tokens = input;
            window.max_completion_tokens = output;
        }
    }
    Ok(window)
}
