//! The imports of each file of a crate from its other files: by `use`, by a path in the code, by a macro.

use std::collections::HashMap;

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Block, ImplItem, Item, ItemMod, ItemUse, Macro, Path, Stmt, TraitItem};

use super::cfg::is_built;
use super::names::{Found, Names};
use super::syntax::{as_macro, attributes, leaves};

/// A line of a file that takes something from another file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Import {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) line: usize,
    pub(super) path: String,
}

/// The imports between the files of one crate.
pub(super) struct Imports {
    pub(super) files: Vec<String>,
    pub(super) imports: Vec<Import>,
    /// Paths into this crate that did not resolve, because this reading of Rust does not understand them.
    pub(super) lost: Vec<String>,
}

/// Reads the crate whose root is this file.
pub(super) fn read(root: &str, texts: &HashMap<&str, &str>) -> Result<Imports, String> {
    let (mut names, parsed) = Names::read(root, texts)?;
    let (mut imports, mut lost) = (Vec::new(), Vec::new());
    for (module, file) in &parsed {
        let mut reader = Reader { names: &mut names, module: *module, imports, lost };
        reader.visit_file(file);
        (imports, lost) = (reader.imports, reader.lost);
    }
    imports.sort();
    imports.dedup();
    Ok(Imports { files: names.files, imports, lost })
}

struct Reader<'a> {
    names: &'a mut Names,
    /// The module or block that is being read.
    module: usize,
    imports: Vec<Import>,
    lost: Vec<String>,
}

/// Keys of serde's attributes that name a function or a type in a string.
const SERDE_KEYS: [&str; 8] = [
    "with",
    "serialize_with",
    "deserialize_with",
    "skip_serializing_if",
    "default",
    "from",
    "try_from",
    "into",
];

impl Reader<'_> {
    fn note(&mut self, found: &Found, written: &[String], line: usize) {
        let from = self.names.file_of(self.module);
        let path = written.join("::");
        for to in found.files.iter().copied().filter(|to| *to != from) {
            self.imports.push(Import { from, to, line, path: path.clone() });
        }
        if found.is_lost {
            let file = self.names.files.get(from).map_or("", String::as_str);
            self.lost.push(format!("{file}:{line}: `{path}` leads nowhere"));
        }
    }

    fn path(&mut self, path: &[Ident]) {
        let Some(first) = path.first() else { return };
        let names: Vec<String> = path.iter().map(ToString::to_string).collect();
        let found = self.names.find(&names, self.module);
        self.note(&found, &names, line(first));
    }

    fn macro_path(&mut self, path: &[Ident]) {
        let Some(first) = path.first() else { return };
        let names = as_macro(&path.iter().map(ToString::to_string).collect::<Vec<_>>());
        let found = match names.as_slice() {
            [name] => self.names.find_macro(name, self.module),
            _ => self.names.find(&names, self.module),
        };
        self.note(&found, &names, line(first));
    }

    /// Finds paths among the tokens of a macro call or definition, which are not parsed as code.
    fn tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut rest = tokens.as_slice();
        let mut before = None;
        while let Some((token, after)) = rest.split_first() {
            rest = after;
            match token {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Ident(first) => {
                    let (path, after) = path_in(first, rest);
                    rest = after;
                    // A field or method, a lifetime, a path into another crate, a parameter of the macro.
                    let is_path = !matches!(before, Some('.' | '\'' | ':'))
                        && (before != Some('$') || first == "crate");
                    let is_macro = matches!(rest, [bang, TokenTree::Group(_), ..] if is(bang, '!'));
                    if is_path && is_macro {
                        self.macro_path(&path);
                    } else if is_path {
                        self.path(&path);
                    }
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
            before = match token {
                TokenTree::Punct(punct) => Some(punct.as_char()),
                _ => None,
            };
        }
    }

    /// Paths in the strings of serde's attributes.
    fn strings(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        for token in &tokens {
            if let TokenTree::Group(group) = token {
                self.strings(group.stream());
            }
        }
        for three in tokens.windows(3) {
            let [TokenTree::Ident(key), equals, TokenTree::Literal(text)] = three else { continue };
            if is(equals, '=') && SERDE_KEYS.iter().any(|known| key == known) {
                let text = text.to_string();
                let path = text.trim_matches('"').split("::");
                let names: Vec<String> = path.map(str::to_owned).collect();
                let mut found = self.names.find(&names, self.module);
                // `with` names a module, whose functions are called.
                for function in ["serialize", "deserialize"] {
                    let names: Vec<String> =
                        names.iter().cloned().chain([function.to_owned()]).collect();
                    found.files.extend(self.names.find(&names, self.module).files);
                }
                self.note(&found, &names, line(key));
            }
        }
    }

    fn within(&mut self, module: usize, read: impl FnOnce(&mut Self)) {
        let around = std::mem::replace(&mut self.module, module);
        read(self);
        self.module = around;
    }
}

impl Visit<'_> for Reader<'_> {
    fn visit_item(&mut self, item: &Item) {
        if is_built(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &ItemMod) {
        // The file of a module is read by itself.
        if item.content.is_none() {
            return;
        }
        if let Some(child) = self.names.child(self.module, &item.ident.to_string()) {
            self.within(child, |reader| visit::visit_item_mod(reader, item));
        }
    }

    fn visit_item_use(&mut self, item: &ItemUse) {
        if item.leading_colon.is_some() {
            return;
        }
        for leaf in leaves(item) {
            let Some(first) = leaf.path.first() else { continue };
            let names: Vec<String> = leaf.path.iter().map(ToString::to_string).collect();
            let mut found = self.names.find(&names, self.module);
            let of_macro = self.names.find(&as_macro(&names), self.module);
            found.is_lost &= of_macro.files.is_empty();
            found.files.extend(of_macro.files);
            self.note(&found, &names, line(first));
        }
    }

    fn visit_impl_item(&mut self, item: &ImplItem) {
        let attributes = match item {
            ImplItem::Const(item) => &item.attrs,
            ImplItem::Fn(item) => &item.attrs,
            ImplItem::Type(item) => &item.attrs,
            ImplItem::Macro(item) => &item.attrs,
            _ => return,
        };
        if is_built(attributes) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_trait_item(&mut self, item: &TraitItem) {
        let attributes = match item {
            TraitItem::Const(item) => &item.attrs,
            TraitItem::Fn(item) => &item.attrs,
            TraitItem::Type(item) => &item.attrs,
            TraitItem::Macro(item) => &item.attrs,
            _ => return,
        };
        if is_built(attributes) {
            visit::visit_trait_item(self, item);
        }
    }

    fn visit_stmt(&mut self, statement: &Stmt) {
        let is_built = match statement {
            Stmt::Local(local) => is_built(&local.attrs),
            Stmt::Macro(called) => is_built(&called.attrs),
            Stmt::Expr(syn::Expr::Block(block), _) => is_built(&block.attrs),
            Stmt::Expr(syn::Expr::Call(call), _) => is_built(&call.attrs),
            Stmt::Expr(syn::Expr::MethodCall(call), _) => is_built(&call.attrs),
            Stmt::Expr(..) | Stmt::Item(_) => true,
        };
        if is_built {
            visit::visit_stmt(self, statement);
        }
    }

    fn visit_block(&mut self, block: &Block) {
        let items: Vec<&Item> = block
            .stmts
            .iter()
            .filter_map(|statement| match statement {
                Stmt::Item(item) => Some(item),
                _ => None,
            })
            .collect();
        if items.is_empty() {
            return visit::visit_block(self, block);
        }
        let module = self.names.block(self.module, &items);
        self.within(module, |reader| visit::visit_block(reader, block));
    }

    fn visit_path(&mut self, path: &Path) {
        if path.leading_colon.is_none() {
            let names: Vec<Ident> =
                path.segments.iter().map(|segment| segment.ident.clone()).collect();
            self.path(&names);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &Macro) {
        if called.path.leading_colon.is_none() {
            let names: Vec<Ident> =
                called.path.segments.iter().map(|segment| segment.ident.clone()).collect();
            self.macro_path(&names);
        }
        self.tokens(called.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &Attribute) {
        if let syn::Meta::List(list) = &attribute.meta
            && ["serde", "cfg_attr"].iter().any(|name| list.path.is_ident(name))
        {
            self.strings(list.tokens.clone());
        }
    }
}

/// The names of a path that begins with this one, and what follows it.
fn path_in<'t>(first: &Ident, mut rest: &'t [TokenTree]) -> (Vec<Ident>, &'t [TokenTree]) {
    let mut path = vec![first.clone()];
    while let [one, two, TokenTree::Ident(next), after @ ..] = rest {
        if !is(one, ':') || !is(two, ':') {
            break;
        }
        path.push(next.clone());
        rest = after;
    }
    (path, rest)
}

fn is(token: &TokenTree, wanted: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == wanted)
}

fn line(name: &Ident) -> usize {
    name.span().start().line
}
