//! Notes on the models of a price list, by note: how many models, and their names.

use std::collections::BTreeMap;

use calybris_catalog::{Candidate, Note};
use serde_json::Value;

use crate::amount::grouped;
use crate::terminal::fitted;

/// The names of the models that have a note, for each note.
pub(crate) fn of<'a>(models: impl Iterator<Item = &'a Candidate>) -> BTreeMap<Note, Vec<&'a str>> {
    let mut notes: BTreeMap<Note, Vec<&str>> = BTreeMap::new();
    for model in models {
        for note in &model.notes {
            notes.entry(*note).or_default().push(&model.name);
        }
    }
    notes
}

/// `gpt-4o and 2 more: each has prices for images, which are not modelled`.
pub(crate) fn sentence(note: Note, models: &[&str]) -> String {
    match models {
        [only] => format!("{} {note}", fitted(only, MOST_NAME_LETTERS)),
        _ => format!("{}: each {note}", such_as(models)),
    }
}

/// The first of these names, and how many more there are.
pub(crate) fn such_as(names: &[&str]) -> String {
    let first = names.first().map_or_else(String::new, |name| fitted(name, MOST_NAME_LETTERS));
    match names.len().saturating_sub(1) {
        0 => first,
        more => format!("{first} and {} more", grouped(more)),
    }
}

const MOST_NAME_LETTERS: usize = 50;

/// The names under the keys of the notes.
pub(crate) fn json(notes: &BTreeMap<Note, Vec<&str>>) -> Value {
    notes
        .iter()
        .map(|(note, models)| (note.name().to_owned(), Value::from(models.as_slice())))
        .collect()
}
