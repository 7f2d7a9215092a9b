//! Small readings of the syntax tree: the names of a `use`, the attributes of an item, the path of a module's file.

use proc_macro2::Ident;
use syn::{Attribute, Item, ItemUse, UseTree};

/// One name of a `use` declaration; `None` for a glob.
pub(super) struct Leaf {
    pub(super) path: Vec<Ident>,
    pub(super) name: Option<String>,
}

/// The names that a `use` declaration brings, groups and renames taken apart.
pub(super) fn leaves(declared: &ItemUse) -> Vec<Leaf> {
    let mut found = Vec::new();
    take_apart(&declared.tree, &mut Vec::new(), &mut found);
    found
}

fn take_apart(tree: &UseTree, path: &mut Vec<Ident>, found: &mut Vec<Leaf>) {
    match tree {
        UseTree::Path(step) => {
            path.push(step.ident.clone());
            take_apart(&step.tree, path, found);
            path.pop();
        }
        UseTree::Group(group) => {
            group.items.iter().for_each(|tree| take_apart(tree, path, found));
        }
        UseTree::Glob(_) => found.push(Leaf { path: path.clone(), name: None }),
        // `a::{self}` is `a`.
        UseTree::Name(last) if last.ident == "self" => {
            found.push(Leaf { path: path.clone(), name: path.last().map(ToString::to_string) });
        }
        UseTree::Rename(last) if last.ident == "self" => {
            found.push(Leaf { path: path.clone(), name: Some(last.rename.to_string()) });
        }
        UseTree::Name(last) => {
            let path = path.iter().chain([&last.ident]).cloned().collect();
            found.push(Leaf { path, name: Some(last.ident.to_string()) });
        }
        UseTree::Rename(last) => {
            let path = path.iter().chain([&last.ident]).cloned().collect();
            found.push(Leaf { path, name: Some(last.rename.to_string()) });
        }
    }
}

/// The path of a macro: its last name ends in `!`.
pub(super) fn as_macro(path: &[String]) -> Vec<String> {
    let mut path = path.to_vec();
    if let Some(last) = path.last_mut() {
        last.push('!');
    }
    path
}

/// The value of `#[path = "..."]`.
pub(super) fn path_attribute(attributes: &[Attribute]) -> Option<String> {
    let attribute = attributes.iter().find(|attribute| attribute.path().is_ident("path"))?;
    let syn::Meta::NameValue(pair) = &attribute.meta else { return None };
    let syn::Expr::Lit(value) = &pair.value else { return None };
    let syn::Lit::Str(path) = &value.lit else { return None };
    Some(path.value())
}

/// A path without the steps up.
pub(super) fn without_dots(path: &str) -> String {
    let mut steps = Vec::new();
    for step in path.split('/') {
        match step {
            "." => {}
            ".." => {
                steps.pop();
            }
            step => steps.push(step),
        }
    }
    steps.join("/")
}

pub(super) fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
