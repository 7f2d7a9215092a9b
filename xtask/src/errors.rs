//! The page of every error that the crates can answer with, from the words beside the code.

use std::fmt::Write as _;

use crate::shell::read;

/// The enums, in the order in which a user meets them: crate, file, name.
const ENUMS: [(&str, &str, &str); 7] = [
    ("calybris-kernel", "src/error.rs", "SnapshotError"),
    ("calybris-budget", "src/error.rs", "BudgetError"),
    ("calybris-budget", "src/error.rs", "AuditError"),
    ("calybris-budget", "src/error.rs", "StateError"),
    ("calybris-wal", "src/error.rs", "WalError"),
    ("calybris-engine", "src/error.rs", "EngineError"),
    ("calybris-catalog", "src/error.rs", "InputError"),
];

const HEAD: &str = "\
# What can go wrong

Every error of the crates, with the words that stand beside its code: what it means and what to do. The message of each
carries the thing, the limit and what was found. After a refused call the state is the state before it. An ordinary no
is no error: a request that is rejected and a budget that does not suffice are answers, with a
[reason](../crates/calybris-kernel/SEMANTICS.md) and an admission.

`cargo xtask pages` writes this page; continuous integration fails when it is not what the code says.
";

/// The page.
pub(crate) fn page() -> Result<String, String> {
    let mut page = HEAD.to_owned();
    for (package, file, name) in ENUMS {
        let file = format!("crates/{package}/{file}");
        let rows = variants(&read(&file)?, name);
        if rows.is_empty() {
            return Err(format!("{file}: there is no `pub enum {name}`"));
        }
        // Writing to a `String` does not fail.
        let _ = writeln!(
            page,
            "\n## `{package}`: `{name}`\n\n| error | when, and what to do |\n|---|---|"
        );
        for (variant, words) in rows {
            let _ = writeln!(page, "| `{variant}` | {words} |");
        }
    }
    Ok(page)
}

/// The variants of an enum in formatted source, with the text of their doc comments.
fn variants(source: &str, name: &str) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    let mut words: Vec<&str> = Vec::new();
    let opening = format!("pub enum {name} {{");
    let body = source.lines().skip_while(|line| *line != opening).skip(1);
    for line in body.take_while(|line| *line != "}") {
        let Some(line) = line.strip_prefix("    ").filter(|line| !line.starts_with(' ')) else {
            continue;
        };
        if let Some(text) = line.strip_prefix("///") {
            words.push(text.trim());
        } else if line.starts_with(char::is_alphabetic) {
            let end = line.find(|letter: char| !letter.is_alphanumeric()).unwrap_or(line.len());
            rows.push((line[..end].to_owned(), plain(&words.join(" "))));
            words.clear();
        }
    }
    rows
}

/// Text without the brackets and targets of rustdoc's links, and without what would end a table's cell.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.replace('|', "\\|");
    while let Some((before, after)) = rest.split_once("[`") {
        let Some((link, after)) = after.split_once("`]") else { break };
        let after = match after.strip_prefix('(').and_then(|after| after.split_once(')')) {
            Some((_, after)) => after,
            None => after,
        };
        plain.push_str(before);
        plain.push('`');
        plain.push_str(link);
        plain.push('`');
        rest = after.to_owned();
    }
    plain + &rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_may_get_new_variants() {
        for (package, file, name) in ENUMS {
            let source = read(&format!("crates/{package}/{file}")).unwrap();
            let open = format!("#[non_exhaustive]\npub enum {name} {{");
            assert!(source.contains(&open), "{package}: {name}");
        }
    }

    #[test]
    fn a_variant_has_the_words_beside_it() {
        let source = "\
pub enum E {
    /// The log refused; see [`Log`](crate::Log)
    /// and a|b.
    #[error(
        \"no {what}\"
    )]
    Log {
        /// Not this.
        what: u64,
    },
    /// Nothing.
    Empty,
}
/// Not this either.
";
        let expected = [("Log", "The log refused; see `Log` and a\\|b."), ("Empty", "Nothing.")];
        let expected = expected.map(|(name, words)| (name.to_owned(), words.to_owned()));
        assert_eq!(variants(source, "E"), expected);
        assert!(variants(source, "F").is_empty());
    }
}
