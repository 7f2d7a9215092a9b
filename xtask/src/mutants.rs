//! Every line of `.cargo/mutants.toml` leaves out mutants that there are.
//!
//! A pattern whose code is gone says nothing; worse, it may leave out a mutant of code that takes the name one day. So each
//! alternative of each pattern must fit a mutant, named as cargo-mutants names it: `replace + with - in Type::function`,
//! `replace match guard text with true in function`, `replace <impl Trait for Type>::function -> Type with value`. What a
//! function's value is replaced by is not looked at.

use quote::ToTokens;
use regex::Regex;
use syn::visit::{self, Visit};
use syn::{
    BinOp, ImplItemFn, ItemFn, ItemImpl, ItemTrait, PatGuard, ReturnType, Signature, TraitItemFn,
};

/// The file with the patterns.
pub(crate) const FILE: &str = ".cargo/mutants.toml";

/// Every pattern and glob of the file (`text`) that fits nothing in the sources; `files` are all of the project's.
pub(crate) fn findings(text: &str, files: &[(String, String)]) -> Result<Vec<String>, String> {
    let table: toml::Table = text.parse().map_err(|error| format!("{FILE}: {error}"))?;
    let mut findings = Vec::new();
    for glob in strings(&table, "exclude_globs") {
        let path = regex(&format!("^{}$", path_pattern(glob)))?;
        if !files.iter().any(|(name, _)| path.is_match(name)) {
            findings.push(format!("{FILE}: `{glob}` fits no file"));
        }
    }
    let mutants = mutants(files)?;
    for pattern in strings(&table, "exclude_re") {
        // As cargo-mutants reads it, before it is taken apart.
        regex(pattern)?;
        for alternative in alternatives(without_value(pattern)) {
            let name = regex(&alternative)?;
            if !mutants.iter().any(|mutant| name.is_match(mutant)) {
                findings.push(format!("{FILE}: `{alternative}` fits no mutant (of `{pattern}`)"));
            }
        }
    }
    Ok(findings)
}

fn strings<'t>(table: &'t toml::Table, key: &str) -> Vec<&'t str> {
    let list = table.get(key).and_then(toml::Value::as_array);
    list.into_iter().flatten().filter_map(toml::Value::as_str).collect()
}

fn regex(pattern: &str) -> Result<Regex, String> {
    Regex::new(pattern).map_err(|error| format!("{FILE}: {error}"))
}

/// A glob as a regular expression: `*` is any name, `**` any path.
fn path_pattern(glob: &str) -> String {
    regex::escape(glob).replace(r"\*\*", ".*").replace(r"\*", "[^/]*")
}

/// The pattern up to the value that replaces a function's; all of it where something in a function is replaced.
fn without_value(pattern: &str) -> &str {
    let outside = outside_of_groups(pattern);
    let at = |word: &str| outside.iter().copied().find(|at| pattern[*at..].starts_with(word));
    match (at(" in "), at(" with")) {
        (None, Some(end)) => pattern.get(..end).unwrap_or(pattern),
        _ => pattern,
    }
}

/// The places of a pattern that stand in no group.
fn outside_of_groups(pattern: &str) -> Vec<usize> {
    let mut depth = 0_usize;
    let mut is_escaped = false;
    let mut places = Vec::new();
    for (at, letter) in pattern.char_indices() {
        match letter {
            _ if is_escaped => {}
            '(' => depth = depth.saturating_add(1),
            ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 => places.push(at),
            _ => {}
        }
        is_escaped = letter == '\\' && !is_escaped;
    }
    places
}

/// The pattern once for each choice of its groups: `a(b|c)` is `ab` and `ac`.
fn alternatives(pattern: &str) -> Vec<String> {
    let Some((before, group, after)) = first_group(pattern) else {
        return vec![pattern.to_owned()];
    };
    let rest = alternatives(after);
    let mut found = Vec::new();
    for choice in group {
        for choice in alternatives(choice) {
            found.extend(rest.iter().map(|rest| format!("{before}{choice}{rest}")));
        }
    }
    found
}

/// What stands before the first group, its choices, and what stands behind it.
fn first_group(pattern: &str) -> Option<(&str, Vec<&str>, &str)> {
    let mut depth = 0_usize;
    let mut is_escaped = false;
    let (mut start, mut choice) = (0, 0);
    let mut choices = Vec::new();
    for (at, letter) in pattern.char_indices() {
        let next = at.saturating_add(1);
        match letter {
            _ if is_escaped => {}
            '(' => {
                depth = depth.saturating_add(1);
                if depth == 1 {
                    (start, choice) = (at, next);
                }
            }
            '|' if depth == 1 => {
                choices.push(pattern.get(choice..at)?);
                choice = next;
            }
            ')' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    choices.push(pattern.get(choice..at)?);
                    return Some((pattern.get(..start)?, choices, pattern.get(next..)?));
                }
            }
            _ => {}
        }
        is_escaped = letter == '\\' && !is_escaped;
    }
    None
}

/// The mutants of the product's sources, as cargo-mutants names them, without the values of functions.
fn mutants(files: &[(String, String)]) -> Result<Vec<String>, String> {
    let mut reader = Reader { mutants: Vec::new(), within: Vec::new() };
    let is_source =
        |name: &str| name.starts_with("crates/") && name.contains("/src/") && name.ends_with(".rs");
    for (name, text) in files.iter().filter(|(name, _)| is_source(name)) {
        let file = syn::parse_file(text).map_err(|error| format!("{name}: {error}"))?;
        reader.visit_file(&file);
    }
    Ok(reader.mutants)
}

struct Reader {
    mutants: Vec<String>,
    /// The type or trait that is being read, and the function.
    within: Vec<String>,
}

impl Reader {
    fn function(&mut self, signature: &Signature, read: impl FnOnce(&mut Self)) {
        self.within.push(signature.ident.to_string());
        let name = self.within.join("::");
        self.mutants.push(match &signature.output {
            ReturnType::Default => format!("replace {name}"),
            ReturnType::Type(_, value) => format!("replace {name} -> {}", written(value)),
        });
        read(self);
        self.within.pop();
    }

    fn inside(&mut self, replaced: &str) {
        self.mutants.push(format!("replace {replaced} in {}", self.within.join("::")));
    }
}

impl Visit<'_> for Reader {
    fn visit_item_impl(&mut self, item: &ItemImpl) {
        let own = written(&item.self_ty);
        self.within.push(match &item.trait_ {
            Some((of, _)) => format!("<impl {} for {own}>", written(of)),
            None => own,
        });
        visit::visit_item_impl(self, item);
        self.within.pop();
    }

    fn visit_item_trait(&mut self, item: &ItemTrait) {
        self.within.push(item.ident.to_string());
        visit::visit_item_trait(self, item);
        self.within.pop();
    }

    fn visit_item_fn(&mut self, item: &ItemFn) {
        self.function(&item.sig, |reader| visit::visit_item_fn(reader, item));
    }

    fn visit_impl_item_fn(&mut self, item: &ImplItemFn) {
        self.function(&item.sig, |reader| visit::visit_impl_item_fn(reader, item));
    }

    fn visit_trait_item_fn(&mut self, item: &TraitItemFn) {
        self.function(&item.sig, |reader| visit::visit_trait_item_fn(reader, item));
    }

    fn visit_bin_op(&mut self, operator: &BinOp) {
        let operator = operator.to_token_stream().to_string();
        for other in replacements(&operator) {
            self.inside(&format!("{operator} with {other}"));
        }
    }

    fn visit_pat_guard(&mut self, pattern: &PatGuard) {
        for value in ["true", "false"] {
            self.inside(&format!("match guard {} with {value}", written(&pattern.guard)));
        }
        visit::visit_pat_guard(self, pattern);
    }
}

/// What cargo-mutants puts in the place of an operator.
fn replacements(operator: &str) -> &'static [&'static str] {
    match operator {
        "==" => &["!="],
        "!=" => &["=="],
        "&&" => &["||"],
        "||" => &["&&"],
        "<" => &["==", ">", "<="],
        ">" => &["==", "<", ">="],
        "<=" => &[">"],
        ">=" => &["<"],
        "+" => &["-", "*"],
        "-" => &["+", "/"],
        "*" => &["+", "/"],
        "/" => &["%", "*"],
        "%" => &["/", "+"],
        "<<" => &[">>"],
        ">>" => &["<<"],
        "&" => &["|", "^"],
        "|" => &["&", "^"],
        "^" => &["|", "&"],
        "+=" => &["-=", "*="],
        "-=" => &["+=", "/="],
        "*=" => &["+=", "/="],
        "/=" => &["%=", "*="],
        "%=" => &["/=", "+="],
        "<<=" => &[">>="],
        ">>=" => &["<<="],
        "&=" => &["|="],
        "|=" => &["&="],
        "^=" => &["|=", "&="],
        _ => &[],
    }
}

/// Code in one line, with spaces only where it is read with them.
fn written(code: &impl ToTokens) -> String {
    let mut text = String::new();
    let spaced = code.to_token_stream().to_string();
    let mut words = spaced.split(' ').peekable();
    while let Some(word) = words.next() {
        text.push_str(word);
        let Some(next) = words.peek() else { break };
        let both_are_words = word.ends_with(is_of_word) && next.starts_with(is_of_word);
        let is_spaced = |word: &str| matches!(word, "+" | "->" | "=" | "==" | "&&" | "||" | "dyn");
        if both_are_words || word == "," || is_spaced(word) || is_spaced(next) {
            text.push(' ');
        }
    }
    text
}

fn is_of_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "
        fn free(a: u8) -> Option<u64> { match a { 1 if a.is_level() => a | 2, _ => 3 } }
        impl<'a> Search<'a, u8> { fn group(&self) { if self.a < self.b {} } }
        impl fmt::Debug for Key { fn fmt(&self) -> fmt::Result { Ok(()) } }
        trait Ranking { fn places(&self) -> usize { 1 } }
    ";

    fn found(pattern: &str) -> Vec<String> {
        let text = format!("exclude_globs = ['crates/*/src/**']\nexclude_re = ['''{pattern}''']");
        let file = ("crates/a/src/b.rs".to_owned(), CODE.to_owned());
        findings(&text, &[file]).unwrap()
    }

    #[test]
    fn a_pattern_that_fits_a_mutant_is_no_finding() {
        for pattern in [
            "impl fmt::Debug for",
            "replace free -> Option<u64> with None",
            r"replace \| with [&^] in free",
            r"replace match guard a.is_level\(\) with false in free",
            r"replace Search<.*>::group with \(\)",
            "replace (< with (==|<=)) in Search<.*>::group$",
            "replace <impl fmt::Debug for Key>::fmt -> fmt::Result with",
            "replace Ranking::places -> usize with 0",
            r"replace .* in free$",
        ] {
            assert!(found(pattern).is_empty(), "{:?}", found(pattern));
        }
    }

    #[test]
    fn code_that_is_gone_is_found_in_each_alternative() {
        for (pattern, gone) in [
            ("replace freed -> Option<u64> with None", "replace freed -> Option<u64>"),
            ("replace free -> Option<u8> with None", "replace free -> Option<u8>"),
            (r"replace \| with \^ in (free|gone)", r"replace \| with \^ in gone"),
            ("replace > with >= in free", "replace > with >= in free"),
            ("replace < with (==|<=) in (Search<.*>::group|free)", "replace < with == in free"),
            (
                "replace match guard b with false in free",
                "replace match guard b with false in free",
            ),
            ("replace (Ranking|Gone)::places -> usize with 0", "replace Gone::places -> usize"),
            ("impl fmt::Display for", "impl fmt::Display for"),
        ] {
            let found = found(pattern);
            assert_eq!(
                found.first(),
                Some(&format!("{FILE}: `{gone}` fits no mutant (of `{pattern}`)")),
            );
        }
    }

    #[test]
    fn a_glob_that_fits_no_file_is_found() {
        let file = ("crates/a/src/b.rs".to_owned(), CODE.to_owned());
        let found = |glob: &str| {
            findings(&format!("exclude_globs = ['{glob}']"), std::slice::from_ref(&file)).unwrap()
        };
        assert!(found("crates/*/src/**").is_empty());
        assert!(found("crates/*/src/b.rs").is_empty());
        assert_eq!(found("crates/*/b.rs"), [format!("{FILE}: `crates/*/b.rs` fits no file")]);
    }
}
