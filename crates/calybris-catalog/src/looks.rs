//! What kind of file a text looks like, so that a message can name a file that was given by mistake.

use std::fmt;
use std::path::Path;

use crate::error::InputError;
use crate::place::Place;

/// Kinds of text that people confuse.
///
/// ```
/// use calybris_catalog::text::Looks;
///
/// assert_eq!(Looks::of("<!DOCTYPE html>"), Looks::WebPage);
/// assert_eq!(Looks::of("[policy]\npolicy_epoch = 1"), Looks::Policy);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Looks {
    /// A JSON object.
    JsonObject,
    /// A JSON array.
    JsonArray,
    /// A policy file.
    Policy,
    /// A catalog with `[[model]]` tables.
    Catalog,
    /// Some other TOML.
    Toml,
    /// Lines with commas, semicolons or tabs.
    Csv,
    /// HTML.
    WebPage,
    /// Hexadecimal digits of a log's key.
    Key,
    /// A log's anchor.
    Anchor,
    /// The head of a log's tree.
    TreeHead,
    /// None of these.
    Other,
}

impl Looks {
    /// Judges by how the text begins; a file may be long.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let first = lines.clone().find(|line| !line.starts_with('#')).unwrap_or_default();
        let second = first.get(1..).and_then(|rest| {
            rest.trim_start().chars().next().or_else(|| lines.nth(1)?.chars().next())
        });
        if first.starts_with('{') {
            return Self::JsonObject;
        }
        if first.starts_with('[') {
            // A header of TOML begins with a bare word; a list of JSON does not.
            let word = first.trim_start_matches('[').trim_start().chars().next();
            let word = word.is_some_and(|letter| letter.is_ascii_alphabetic() || letter == '_');
            let is_header = word && first.contains(']') && !first.contains(',');
            if !is_header {
                return second.map_or(Self::Other, |_| Self::JsonArray);
            }
        }
        if first.starts_with('<') {
            return Self::WebPage;
        }
        if first.starts_with("cwal1-tree:") {
            return Self::TreeHead;
        }
        if first.starts_with("cwal1:") {
            return Self::Anchor;
        }
        if first.len() >= 64 && first.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Self::Key;
        }
        let has = |part: &str| {
            text.lines().take(LINES_LOOKED_AT).any(|line| line.trim().starts_with(part))
        };
        if has("[policy]") || has("policy_epoch") || has("[tenants]") {
            return Self::Policy;
        }
        if has("[[model]]") && (has("provider") || has("input_price")) {
            return Self::Catalog;
        }
        let is_bare = |letter: char| letter.is_ascii_alphanumeric() || "_-. ".contains(letter);
        let is_entry = first.split_once('=').is_some_and(|(key, _)| key.chars().all(is_bare));
        if first.starts_with('[') || is_entry {
            return Self::Toml;
        }
        if first.contains([',', ';', '\t']) { Self::Csv } else { Self::Other }
    }

    /// Refuses a text that looks like one of these kinds. `wanted` says what the file should be.
    ///
    /// # Errors
    /// [`InputError::Refused`], which says what it looks like, at the place where the text begins.
    pub fn refuse(
        file: impl AsRef<Path>,
        text: &str,
        refused: &[Self],
        wanted: &str,
    ) -> Result<(), InputError> {
        let looks = Self::of(text);
        if !refused.contains(&looks) {
            return Ok(());
        }
        let begin = text.len() - text.trim_start().len();
        let what = format!("looks like {looks}; {wanted}");
        Err(InputError::at(file, Place::of(text, begin), what))
    }
}

const LINES_LOOKED_AT: usize = 200;

impl fmt::Display for Looks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::JsonObject => "JSON",
            Self::JsonArray => "a JSON array",
            Self::Policy => "a policy file (TOML)",
            Self::Catalog => "a catalog (TOML)",
            Self::Toml => "TOML",
            Self::Csv => "CSV",
            Self::WebPage => "a web page, so the download may have failed",
            Self::Key => "a key file",
            Self::Anchor => "the line that `calybris anchor` prints",
            Self::TreeHead => "the line that `calybris anchor --tree` prints",
            Self::Other => "an unknown kind of file",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_known_by_how_it_begins() {
        for (text, looks) in [
            ("{\"a\": 1}", Looks::JsonObject),
            ("\n [\n {\"a\": 1}]", Looks::JsonArray),
            ("[]", Looks::JsonArray),
            ("[1, 2]", Looks::JsonArray),
            ("[\"a\", \"b\"]", Looks::JsonArray),
            ("# limits\n[policy]\npolicy_epoch = 1\n", Looks::Policy),
            ("[[model]]\nname = \"a\"\nprovider = \"p\"\n", Looks::Catalog),
            ("[package]\nname = \"a\"\n", Looks::Toml),
            ("time,tenant\n1,2\n", Looks::Csv),
            ("time;tenant\n", Looks::Csv),
            ("<!DOCTYPE html>\n", Looks::WebPage),
            (&"0a".repeat(32), Looks::Key),
            ("cwal1:00:1:00", Looks::Anchor),
            ("cwal1-tree:00:1:00", Looks::TreeHead),
            ("", Looks::Other),
            ("hello", Looks::Other),
        ] {
            assert_eq!(Looks::of(text), looks, "{text:?}");
        }
    }
}
