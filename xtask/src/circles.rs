//! Files that import each other in circles, so that none of them can be read without the others.
//!
//! An import is a `use`, a path in the code or a macro call that resolves, as in Rust, to an item of another file of the same
//! crate. A re-export is followed to the definition, so a `lib.rs` of `mod` and `pub use` lines is in no circle. `mod`
//! declarations do not count, and neither do imports for tests or documentation alone. Two files may import each other (a
//! parent, and the child that does its work); a circle of more than two is a finding.

mod cfg;
mod imports;
mod names;
mod syntax;

use std::collections::HashMap;

use self::imports::{Import, Imports};

/// More than so many files are a circle.
const PAIR: usize = 2;

/// Every circle of the project's crates, a line each; `files` are all of its files.
pub(crate) fn findings(files: &[(String, String)]) -> Result<Vec<String>, String> {
    let mut findings = Vec::new();
    for (root, imports) in crates(files)? {
        findings.extend(imports.lost.iter().cloned());
        findings.extend(imports.circles().iter().map(|circle| imports.finding(&root, circle)));
    }
    Ok(findings)
}

/// All circles with every import in them.
pub(crate) fn report(files: &[(String, String)]) -> Result<String, String> {
    let mut report = String::new();
    for (root, imports) in crates(files)? {
        for circle in imports.circles() {
            report.push_str(&imports.finding(&root, &circle));
            report.push_str(&imports.within(&circle));
        }
    }
    Ok(report)
}

/// Every crate of the project by its root, and what its files import.
fn crates(files: &[(String, String)]) -> Result<Vec<(String, Imports)>, String> {
    let texts: HashMap<&str, &str> =
        files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let is_root = |name: &str| name.ends_with("/src/lib.rs") || name.ends_with("/src/main.rs");
    let roots = files.iter().map(|(name, _)| name).filter(|name| is_root(name));
    roots.map(|root| Ok((root.clone(), imports::read(root, &texts)?))).collect()
}

impl Imports {
    /// The files of each circle of more than two, the largest circle first.
    fn circles(&self) -> Vec<Vec<usize>> {
        let reached: Vec<Vec<usize>> = (0..self.files.len()).map(|file| self.reach(file)).collect();
        let reaches =
            |from: usize, to: usize| reached.get(from).is_some_and(|files| files.contains(&to));
        let mut circles: Vec<Vec<usize>> = Vec::new();
        for file in 0..self.files.len() {
            if circles.iter().any(|circle| circle.contains(&file)) {
                continue;
            }
            let circle: Vec<usize> = (file..self.files.len())
                .filter(|other| reaches(file, *other) && reaches(*other, file))
                .collect();
            if circle.len() > PAIR {
                circles.push(circle);
            }
        }
        circles.sort_by_key(|circle| std::cmp::Reverse(circle.len()));
        circles
    }

    /// The files that a file imports, and those that they import, and so on.
    fn reach(&self, file: usize) -> Vec<usize> {
        let mut reached = Vec::new();
        let mut waiting = vec![file];
        while let Some(from) = waiting.pop() {
            for import in self.imports.iter().filter(|import| import.from == from) {
                if !reached.contains(&import.to) {
                    reached.push(import.to);
                    waiting.push(import.to);
                }
            }
        }
        reached
    }

    /// The imports within a circle, a line for each two files.
    fn within(&self, circle: &[usize]) -> String {
        let mut lines = String::new();
        let mut last = None;
        for import in &self.imports {
            if !circle.contains(&import.from) || !circle.contains(&import.to) {
                continue;
            }
            let (from, to) = (self.name(import.from), self.name(import.to));
            if last != Some((from, to)) {
                lines.push_str(&format!("\n    {from} -> {to}: "));
            }
            last = Some((from, to));
            lines.push_str(&format!("{}:{} ", import.line, import.path));
        }
        lines.push('\n');
        lines
    }

    /// The fewest imports that lead from a file of this circle back to it.
    fn shortest(&self, circle: &[usize]) -> Vec<&Import> {
        let rounds = circle.iter().filter_map(|file| self.round(*file));
        rounds.min_by_key(Vec::len).unwrap_or_default()
    }

    /// The shortest way from a file back to it, breadth first.
    fn round(&self, file: usize) -> Option<Vec<&Import>> {
        let mut ways: Vec<Vec<&Import>> = vec![Vec::new()];
        let mut seen = Vec::new();
        while !ways.is_empty() {
            let mut longer = Vec::new();
            for way in ways {
                let end = way.last().map_or(file, |import| import.to);
                for import in self.imports.iter().filter(|import| import.from == end) {
                    let way: Vec<&Import> = way.iter().copied().chain([import]).collect();
                    if import.to == file {
                        return Some(way);
                    }
                    if !seen.contains(&import.to) {
                        seen.push(import.to);
                        longer.push(way);
                    }
                }
            }
            ways = longer;
        }
        None
    }

    fn finding(&self, root: &str, circle: &[usize]) -> String {
        let folder = root.trim_end_matches("lib.rs").trim_end_matches("main.rs");
        let steps: Vec<String> =
            self.shortest(circle).into_iter().map(|import| self.line(import)).collect();
        let count = circle.len();
        let steps = steps.join("; ");
        format!("{folder}: {count} files import each other in circles, the shortest: {steps}")
    }

    fn name(&self, file: usize) -> &str {
        self.files.get(file).map_or("", String::as_str)
    }

    fn line(&self, import: &Import) -> String {
        let (from, to) = (self.name(import.from), self.name(import.to));
        format!("{from}:{} takes `{}` from {to}", import.line, import.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The files of a crate, named without their folder.
    fn crate_of(files: &[(&str, &str)]) -> Vec<(String, String)> {
        files.iter().map(|(name, text)| (format!("a/src/{name}"), (*text).to_owned())).collect()
    }

    /// The files that `a/src/b.rs` imports from, if this is its code.
    fn imported_by(code: &str) -> Vec<String> {
        let files = crate_of(&[
            (
                "lib.rs",
                "mod b; mod c; mod d; mod e; pub use c::Thing; pub use d::*; pub struct Root;",
            ),
            ("b.rs", code),
            ("b/deep.rs", "pub fn down() {} pub use crate::e::far;"),
            ("c.rs", "pub struct Thing; pub enum Kind { One } pub fn make() {} pub trait Act {}"),
            (
                "d.rs",
                "pub const SIZE: u8 = 1; pub use crate::e::hidden; pub use crate::e::far as near; pub(crate) use crate::e::shout;",
            ),
            (
                "e.rs",
                "pub fn hidden() {} pub fn far() {} macro_rules! shout { () => {} } pub(crate) use shout;",
            ),
        ]);
        let (_, imports) = crates(&files).unwrap().remove(0);
        assert!(imports.lost.is_empty(), "{:?}", imports.lost);
        let of_b =
            imports.imports.iter().filter(|import| imports.name(import.from) == "a/src/b.rs");
        let mut names: Vec<String> =
            of_b.map(|import| imports.name(import.to).replace("a/src/", "")).collect();
        names.sort();
        names.dedup();
        names
    }

    #[test]
    fn every_way_of_importing_leads_to_the_file_that_defines_the_item() {
        for (code, files) in [
            ("use crate::c::Thing;", &["c.rs"][..]),
            ("use super::c::Thing;", &["c.rs"]),
            ("use super::Root;", &["lib.rs"]),
            ("use crate::c::{self, Kind}; use crate::d::SIZE as BYTES;", &["c.rs", "d.rs"]),
            ("use crate::{c::{Thing as T}, d::{SIZE}};", &["c.rs", "d.rs"]),
            // Through `pub use` in the root, by name and by glob, and through two of them.
            ("use crate::Thing;", &["c.rs"]),
            ("use crate::SIZE;", &["d.rs"]),
            ("use crate::hidden;", &["e.rs"]),
            ("mod deep; use self::deep::far;", &["e.rs"]),
            ("use crate::near;", &["e.rs"]),
            ("use crate::c::{self as see}; fn f() { see::make(); }", &["c.rs"]),
            // Names that a glob brings, and those of an enum.
            ("use crate::c::*; fn f() -> Thing { make(); Thing }", &["c.rs"]),
            ("use crate::*; fn f() -> u8 { SIZE }", &["d.rs"]),
            ("use crate::c::Kind::*;", &["c.rs"]),
            ("use crate::c::Kind::One;", &["c.rs"]),
            ("use crate::c::Act as _;", &["c.rs"]),
            // Paths in the code: of functions, types, bounds, patterns, attributes.
            ("fn f() { crate::c::make(); }", &["c.rs"]),
            ("use crate::c; fn f() { c::make(); }", &["c.rs"]),
            ("fn f(thing: super::c::Thing) where u8: crate::c::Act {}", &["c.rs"]),
            ("fn f(k: u8) { match k { crate::d::SIZE => {} _ => {} } }", &["d.rs"]),
            ("#[serde(deserialize_with = \"crate::c::make\")] struct S;", &["c.rs"]),
            ("mod deep; fn f() { deep::down(); }", &["b/deep.rs"]),
            ("mod own { pub fn g() { super::super::c::make(); } }", &["c.rs"]),
            ("fn f() { use crate::c::make; make(); }", &["c.rs"]),
            ("fn f() { use crate::c; { c::make() } }", &["c.rs"]),
            // Paths in what a macro is given and in what it is made of; the macro itself.
            ("fn f() { assert_eq!(1, crate::d::SIZE); }", &["d.rs"]),
            ("macro_rules! m { ($a:ident) => { $crate::c::make() } }", &["c.rs"]),
            ("use crate::shout; fn f() { shout!(); }", &["e.rs"]),
            ("fn f() { crate::e::shout!(); }", &["e.rs"]),
            ("fn f() { vec![crate::e::shout!()]; }", &["e.rs"]),
        ] {
            assert_eq!(imported_by(code), files, "{code}");
        }
    }

    #[test]
    fn what_is_no_import_is_none() {
        for code in [
            "mod deep;",
            "use crate::c; use crate::*;",
            "use std::fmt; use serde::Thing; use ::c::Thing; fn f() { ::c::make() }",
            "#[cfg(test)] mod tests { use crate::c::Thing; }",
            "#[cfg(test)] mod tests;",
            "#[cfg(all(test, unix))] use crate::c::Thing;",
            "#[cfg(doc)] use crate::c::Thing;",
            "#[cfg(any(test, doc))] fn f() { crate::c::make(); }",
            "struct S; impl S { #[cfg(test)] fn f() { crate::c::make(); } }",
            "fn f() { #[cfg(test)] crate::c::make(); #[cfg(test)] let a = crate::d::SIZE; }",
            "/// [`crate::c::Thing`]\nstruct S;",
            "struct Thing; fn f() -> Thing { Thing }",
            "fn f() { let c = 1; x.c.make(); }",
        ] {
            assert!(imported_by(code).is_empty(), "{code}: {:?}", imported_by(code));
        }
        for code in [
            "#[cfg(not(test))] use crate::c::Thing;",
            "#[cfg(any(test, unix))] use crate::c::Thing;",
        ] {
            assert_eq!(imported_by(code), ["c.rs"], "{code}");
        }
    }

    #[test]
    fn a_parent_macro_is_an_import_of_its_file() {
        let files = crate_of(&[
            ("lib.rs", "macro_rules! shout { () => {} } mod b;"),
            ("b.rs", "fn f() { shout!(); }"),
        ]);
        let (_, imports) = crates(&files).unwrap().remove(0);
        assert_eq!(imports.imports.len(), 1);
    }

    #[test]
    fn a_module_may_stand_in_its_folder_or_where_an_attribute_says() {
        let files = crate_of(&[
            ("lib.rs", "mod b; #[path = \"../elsewhere/c.rs\"] mod c; mod own { pub mod d; }"),
            ("b/mod.rs", "use crate::{c::Thing, own::d::SIZE};"),
            ("../elsewhere/c.rs", "pub struct Thing;"),
            ("own/d.rs", "pub const SIZE: u8 = 1;"),
        ]);
        let files: Vec<_> =
            files.into_iter().map(|(name, text)| (name.replace("src/../", ""), text)).collect();
        let (_, imports) = crates(&files).unwrap().remove(0);
        let lines: Vec<String> =
            imports.imports.iter().map(|import| imports.line(import)).collect();
        assert_eq!(
            lines,
            [
                "a/src/b/mod.rs:1 takes `crate::c::Thing` from a/elsewhere/c.rs",
                "a/src/b/mod.rs:1 takes `crate::own::d::SIZE` from a/src/own/d.rs",
            ]
        );
    }

    #[test]
    fn a_circle_of_three_is_found_with_its_lines_and_a_pair_is_none() {
        let pair = crate_of(&[
            ("lib.rs", "mod b; mod c; mod d; pub use b::B;"),
            ("b.rs", "use crate::c::C; pub struct B;"),
            ("c.rs", "use crate::B; pub struct C;"),
            ("d.rs", "use crate::c::C; pub struct D;"),
        ]);
        assert!(findings(&pair).unwrap().is_empty());
        let mut three = pair;
        three[2].1.push_str("\nuse crate::d::D;");
        assert!(findings(&three).unwrap()[0].starts_with("a/src/: 3 files"));
        three[2].1 = "\nuse crate::d::D; pub struct C;".to_owned();
        three[3].1 = "use crate::B; pub struct D;".to_owned();
        assert_eq!(
            findings(&three).unwrap(),
            ["a/src/: 3 files import each other in circles, the shortest: \
              a/src/b.rs:1 takes `crate::c::C` from a/src/c.rs; \
              a/src/c.rs:2 takes `crate::d::D` from a/src/d.rs; \
              a/src/d.rs:1 takes `crate::B` from a/src/b.rs"]
        );
    }

    #[test]
    fn a_root_of_declarations_is_in_no_circle_and_one_with_an_item_is() {
        let files = |root: &str| {
            crate_of(&[
                ("lib.rs", root),
                ("b.rs", "use crate::LIMIT; pub struct B;"),
                ("c.rs", "use crate::LIMIT; pub struct C;"),
                ("limit.rs", "pub const LIMIT: u8 = 1;"),
            ])
        };
        let declarations =
            "mod b; mod c; mod limit; pub use b::B; pub use c::C; pub use limit::LIMIT;";
        assert!(findings(&files(declarations)).unwrap().is_empty());
        let with_item = "mod b; mod c; pub use b::B; pub use c::C; pub const LIMIT: u8 = 1;";
        assert_eq!(findings(&files(with_item)).unwrap().len(), 1);
    }

    #[test]
    fn a_path_that_is_not_understood_is_a_finding() {
        let files = crate_of(&[("lib.rs", "mod b;"), ("b.rs", "use crate::c::Thing;")]);
        assert_eq!(findings(&files).unwrap(), ["a/src/b.rs:1: `crate::c::Thing` leads nowhere"]);
        let made = crate_of(&[
            ("lib.rs", "mod b; mod c;"),
            ("b.rs", "use crate::c::Thing;"),
            ("c.rs", "make_items! { Thing }"),
        ]);
        assert!(findings(&made).unwrap().is_empty());
    }
}
