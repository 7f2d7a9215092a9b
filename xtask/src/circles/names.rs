//! The modules of one crate, and the resolution of paths in them, as Rust does it.
//!
//! Only what another file can be imported by is kept: modules, items, `use` declarations and `macro_rules!`. Paths into
//! other crates, the prelude and generic parameters lead nowhere here.

use std::collections::{BTreeMap, HashMap};

use syn::{Item, ItemUse};

use super::cfg::is_built;
use super::syntax::{as_macro, attributes, leaves, path_attribute, without_dots};

/// A module, or a block that has items of its own.
struct Module {
    /// The file that it stands in, as an index into [`Names::files`].
    file: usize,
    /// The module that `super` means here; the root has none.
    parent: Option<usize>,
    /// The scope around a block: names that the block does not declare are looked up there.
    around: Option<usize>,
    /// A macro stands as `name!`.
    names: BTreeMap<String, Vec<Meaning>>,
    globs: Vec<usize>,
    /// Items are made by a macro here, so a name that is not known may still be one of this file.
    has_made_items: bool,
}

#[derive(Clone, Copy)]
enum Meaning {
    Module(usize),
    Item(Definition),
    /// An index into [`Names::uses`].
    Use(usize),
}

/// An item that is no module.
#[derive(Clone, Copy)]
pub(super) struct Definition {
    pub(super) file: usize,
    /// A type or trait: names can follow it in a path.
    has_names: bool,
}

/// One name of a `use` declaration.
struct Use {
    module: usize,
    path: Vec<String>,
}

/// The result of resolving a path.
#[derive(Default)]
pub(super) struct Found {
    /// The files that define it.
    pub(super) files: Vec<usize>,
    /// The path enters a module of this crate that has no such name.
    pub(super) is_lost: bool,
}

#[derive(Clone, Copy)]
enum Place {
    Module(usize),
    Item(Definition),
}

/// The names of one crate.
#[derive(Default)]
pub(super) struct Names {
    pub(super) files: Vec<String>,
    modules: Vec<Module>,
    uses: Vec<Use>,
}

/// A file of the crate, and the module that it is.
pub(super) type Parsed = (usize, syn::File);

/// The root of every crate.
const ROOT: usize = 0;

impl Names {
    /// Reads the crate whose root is this file: the modules of its tree and what they declare.
    pub(super) fn read(
        root: &str,
        texts: &HashMap<&str, &str>,
    ) -> Result<(Self, Vec<Parsed>), String> {
        let mut names = Self::default();
        let mut parsed = Vec::new();
        let folder = root.rsplit_once('/').map_or("", |(folder, _)| folder);
        let module = names.module(0, None);
        names.read_file(module, root, folder, texts, &mut parsed)?;
        Ok((names, parsed))
    }

    fn module(&mut self, file: usize, parent: Option<usize>) -> usize {
        self.modules.push(Module {
            file,
            parent,
            around: None,
            names: BTreeMap::new(),
            globs: Vec::new(),
            has_made_items: false,
        });
        self.modules.len().saturating_sub(1)
    }

    /// Reads the file of a module; `folder` is where the files of its children are.
    fn read_file(
        &mut self,
        module: usize,
        name: &str,
        folder: &str,
        texts: &HashMap<&str, &str>,
        parsed: &mut Vec<Parsed>,
    ) -> Result<(), String> {
        let text = texts.get(name).ok_or_else(|| format!("{name}: there is no such file"))?;
        let file = syn::parse_file(text).map_err(|error| format!("{name}: {error}"))?;
        self.files.push(name.to_owned());
        let index = self.files.len().saturating_sub(1);
        if let Some(module) = self.modules.get_mut(module) {
            module.file = index;
        }
        self.declare(module, &file.items);
        self.read_children(module, &file.items, folder, texts, parsed)?;
        parsed.push((module, file));
        Ok(())
    }

    /// Reads the modules that these items declare.
    fn read_children(
        &mut self,
        module: usize,
        items: &[Item],
        folder: &str,
        texts: &HashMap<&str, &str>,
        parsed: &mut Vec<Parsed>,
    ) -> Result<(), String> {
        for item in items {
            let Item::Mod(declared) = item else { continue };
            if !is_built(&declared.attrs) {
                continue;
            }
            let name = declared.ident.to_string();
            let child = self.module(self.file_of(module), Some(module));
            self.add(module, name.clone(), Meaning::Module(child));
            let inside = format!("{folder}/{name}");
            if let Some((_, items)) = &declared.content {
                self.declare(child, items);
                self.read_children(child, items, &inside, texts, parsed)?;
                continue;
            }
            let file = match path_attribute(&declared.attrs) {
                Some(path) => without_dots(&format!("{folder}/{path}")),
                None => format!("{inside}.rs"),
            };
            let file = if texts.contains_key(&*file) { file } else { format!("{inside}/mod.rs") };
            self.read_file(child, &file, &inside, texts, parsed)?;
        }
        Ok(())
    }

    /// A block with items of its own, in which names are looked up first.
    pub(super) fn block(&mut self, around: usize, items: &[&Item]) -> usize {
        let block = self.module(self.file_of(around), None);
        if let Some(module) = self.modules.get_mut(block) {
            module.around = Some(around);
        }
        self.declare(block, items.iter().copied());
        block
    }

    /// Notes the names of these items. Modules are noted where their files are read.
    fn declare<'i>(&mut self, module: usize, items: impl IntoIterator<Item = &'i Item>) {
        let file = self.file_of(module);
        let value = Meaning::Item(Definition { file, has_names: false });
        let named = Meaning::Item(Definition { file, has_names: true });
        for item in items.into_iter().filter(|item| is_built(attributes(item))) {
            let (name, meaning) = match item {
                Item::Const(item) => (&item.ident, value),
                Item::Fn(item) => (&item.sig.ident, value),
                Item::Static(item) => (&item.ident, value),
                Item::Enum(item) => (&item.ident, named),
                Item::Struct(item) => (&item.ident, named),
                Item::Trait(item) => (&item.ident, named),
                Item::TraitAlias(item) => (&item.ident, named),
                Item::Type(item) => (&item.ident, named),
                Item::Union(item) => (&item.ident, named),
                Item::Use(declared) => {
                    self.declare_use(module, declared);
                    continue;
                }
                Item::Macro(item) => {
                    if let Some(name) = &item.ident {
                        let exported = item
                            .attrs
                            .iter()
                            .any(|attribute| attribute.path().is_ident("macro_export"));
                        self.add(module, format!("{name}!"), value);
                        if exported && module != ROOT {
                            self.add(ROOT, format!("{name}!"), value);
                        }
                    } else if let Some(module) = self.modules.get_mut(module) {
                        module.has_made_items = true;
                    }
                    continue;
                }
                _ => continue,
            };
            self.add(module, name.to_string(), meaning);
        }
    }

    fn declare_use(&mut self, module: usize, declared: &ItemUse) {
        if declared.leading_colon.is_some() {
            return;
        }
        for leaf in leaves(declared) {
            let index = self.uses.len();
            let path: Vec<String> = leaf.path.iter().map(ToString::to_string).collect();
            match leaf.name {
                None => {
                    self.uses.push(Use { module, path });
                    if let Some(module) = self.modules.get_mut(module) {
                        module.globs.push(index);
                    }
                }
                // A trait that only lends its methods.
                Some(name) if name == "_" => {}
                // The name may be that of an item, of a macro, or of both.
                Some(name) => {
                    let macro_path = as_macro(&path);
                    self.uses.push(Use { module, path });
                    self.uses.push(Use { module, path: macro_path });
                    self.add(module, name.clone(), Meaning::Use(index));
                    self.add(module, format!("{name}!"), Meaning::Use(index.saturating_add(1)));
                }
            }
        }
    }

    fn add(&mut self, module: usize, name: String, meaning: Meaning) {
        if let Some(module) = self.modules.get_mut(module) {
            module.names.entry(name).or_default().push(meaning);
        }
    }

    pub(super) fn file_of(&self, module: usize) -> usize {
        self.modules.get(module).map_or(0, |module| module.file)
    }

    /// The module that a `mod` with a body in this one declares.
    pub(super) fn child(&self, module: usize, name: &str) -> Option<usize> {
        let meanings = self.modules.get(module)?.names.get(name)?;
        meanings.iter().find_map(|meaning| match meaning {
            Meaning::Module(child) => Some(*child),
            _ => None,
        })
    }

    /// Resolves a path that is written in this module or block.
    pub(super) fn find(&self, path: &[String], from: usize) -> Found {
        let (places, is_lost) = self.resolve(path, from, &mut Vec::new());
        let mut files: Vec<usize> = places
            .iter()
            .filter_map(|place| match place {
                Place::Item(item) => Some(item.file),
                Place::Module(_) => None,
            })
            .collect();
        files.sort_unstable();
        files.dedup();
        Found { files, is_lost: is_lost && places.is_empty() }
    }

    /// The macro of that name which is in textual scope: declared in this module or in one around it.
    pub(super) fn find_macro(&self, name: &str, from: usize) -> Found {
        let mut scope = Some(from);
        while let Some(module) = scope {
            let found = self.find(&[name.to_owned()], module);
            if !found.files.is_empty() {
                return found;
            }
            scope = self.modules.get(module).and_then(|module| module.around.or(module.parent));
        }
        Found::default()
    }

    /// The places that a path leads to, and whether a module of this crate was asked for a name that it does not have.
    /// `busy` are the `use` declarations that are being followed: one that leads to itself leads nowhere.
    fn resolve(&self, path: &[String], from: usize, busy: &mut Vec<usize>) -> (Vec<Place>, bool) {
        let Some((first, rest)) = path.split_first() else { return (Vec::new(), false) };
        let mut places = match first.as_str() {
            "crate" => vec![Place::Module(ROOT)],
            "self" => vec![Place::Module(self.home(from))],
            "super" => self.above(self.home(from)),
            name => self.look_around(name, from, busy),
        };
        let mut ends = Vec::new();
        let mut is_lost = false;
        for name in rest {
            let mut next = Vec::new();
            for place in places {
                match place {
                    Place::Module(module) if name == "super" => next.extend(self.above(module)),
                    Place::Module(module) => match self.look_in(module, name, busy) {
                        Some(found) => next.extend(found),
                        None => is_lost = true,
                    },
                    // A variant, an associated function: it stands where its type stands, or is not imported.
                    Place::Item(item) if item.has_names => ends.push(place),
                    Place::Item(_) => {}
                }
            }
            places = next;
        }
        ends.extend(places);
        (ends, is_lost)
    }

    /// The module that a block is part of; a module itself.
    fn home(&self, mut module: usize) -> usize {
        while let Some(around) = self.modules.get(module).and_then(|module| module.around) {
            module = around;
        }
        module
    }

    fn above(&self, module: usize) -> Vec<Place> {
        let parent = self.modules.get(module).and_then(|module| module.parent);
        parent.map(Place::Module).into_iter().collect()
    }

    /// Resolves the first name of a path: in the block, then in the blocks around it, then in the module.
    fn look_around(&self, name: &str, from: usize, busy: &mut Vec<usize>) -> Vec<Place> {
        let mut scope = Some(from);
        while let Some(module) = scope {
            if let Some(found) = self.look_in(module, name, busy) {
                return found;
            }
            scope = self.modules.get(module).and_then(|module| module.around);
        }
        Vec::new()
    }

    /// Resolves a name in a module. Empty: it is of another crate. `None`: there is no such name.
    fn look_in(&self, module: usize, name: &str, busy: &mut Vec<usize>) -> Option<Vec<Place>> {
        let module = self.modules.get(module)?;
        let mut found = Vec::new();
        let mut is_known = false;
        for meaning in module.names.get(name).into_iter().flatten() {
            match meaning {
                Meaning::Module(child) => found.push(Place::Module(*child)),
                Meaning::Item(item) => found.push(Place::Item(*item)),
                Meaning::Use(index) => {
                    let Some(places) = self.follow(*index, busy) else { continue };
                    found.extend(places);
                }
            }
            is_known = true;
        }
        if is_known {
            return Some(found);
        }
        // A name of the module itself comes before those of a glob.
        for index in &module.globs {
            for place in self.follow(*index, busy).into_iter().flatten() {
                match place {
                    Place::Module(other) => {
                        found.extend(self.look_in(other, name, busy).into_iter().flatten());
                    }
                    // A variant of an enum: the declaration is an import of its file already.
                    Place::Item(_) => {}
                }
            }
            // A glob of another crate may have any name.
            is_known |= self.follow(*index, busy).is_some_and(|places| places.is_empty());
        }
        if found.is_empty() && module.has_made_items {
            found.push(Place::Item(Definition { file: module.file, has_names: true }));
        }
        (is_known || !found.is_empty()).then_some(found)
    }

    /// Resolves a `use` declaration, unless it is being followed already.
    fn follow(&self, index: usize, busy: &mut Vec<usize>) -> Option<Vec<Place>> {
        let declared = self.uses.get(index).filter(|_| !busy.contains(&index))?;
        busy.push(index);
        let (places, _) = self.resolve(&declared.path, declared.module, busy);
        busy.pop();
        Some(places)
    }
}
