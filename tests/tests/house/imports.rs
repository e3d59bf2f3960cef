//! Which file of a package imports which: `use` and paths, with re-exports followed to where a name is
//! declared.

use std::collections::{BTreeMap, BTreeSet};

use syn::{
    Attribute, Item, ItemMod, ItemUse, UseTree,
    visit::{self, Visit},
};

use super::sources::Source;

/// A module's path below the package's root; the root is empty.
pub type Module = Vec<String>;
type Path = Vec<String>;

/// What one file says.
#[derive(Default)]
struct File {
    /// Whether it may only list and re-export: `mod.rs` and `lib.rs`.
    lists: bool,
    /// Paths imported, with the name each has here.
    uses: Vec<(Path, String)>,
    /// Paths written in the code.
    paths: Vec<Path>,
}

/// The modules of a package and which of them import which.
pub fn imports(sources: &[&Source]) -> BTreeMap<Module, BTreeSet<Module>> {
    let mut files: BTreeMap<Module, File> = BTreeMap::new();
    for source in sources {
        let (_, below) = source.parts();
        if let Some(module) = module(below) {
            files.insert(module, read(source));
        }
    }
    let mut graph = BTreeMap::new();
    for (module, file) in &files {
        let mut targets = BTreeSet::new();
        let reexported = if file.lists { &[][..] } else { &file.uses[..] };
        let paths = reexported.iter().map(|(path, _)| path).chain(&file.paths);
        for path in paths {
            if let Some(target) = resolve(&files, module, path, 0)
                && target != *module
            {
                targets.insert(target);
            }
        }
        graph.insert(module.clone(), targets);
    }
    graph
}

/// None: a program, which nothing imports.
fn module(below: &str) -> Option<Module> {
    let mut parts: Module = below
        .trim_end_matches(".rs")
        .split('/')
        .map(str::to_owned)
        .collect();
    if parts[0] == "bin" || parts == ["main"] {
        return None;
    }
    if matches!(parts.last().map(String::as_str), Some("mod" | "lib")) {
        parts.pop();
    }
    Some(parts)
}

fn read(source: &Source) -> File {
    let syntax =
        syn::parse_file(&source.text).unwrap_or_else(|error| panic!("{}: {error}", source.path));
    let mut file = File {
        lists: source.path.ends_with("/mod.rs") || source.path.ends_with("/lib.rs"),
        ..File::default()
    };
    file.visit_file(&syntax);
    file
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .meta
                .require_list()
                .is_ok_and(|list| list.tokens.to_string() == "test")
    })
}

impl<'a> Visit<'a> for File {
    fn visit_item(&mut self, item: &'a Item) {
        match item {
            Item::Mod(ItemMod { attrs, .. }) if is_test(attrs) => {}
            Item::Use(ItemUse { attrs, .. }) if is_test(attrs) => {}
            _ => visit::visit_item(self, item),
        }
    }

    fn visit_item_use(&mut self, item: &'a ItemUse) {
        expand(&item.tree, Vec::new(), &mut self.uses);
    }

    /// `pub(in path)` imports nothing.
    fn visit_visibility(&mut self, _: &'a syn::Visibility) {}

    fn visit_path(&mut self, path: &'a syn::Path) {
        let parts = path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string());
        let parts: Path = parts.collect();
        if parts.len() > 1 {
            self.paths.push(parts);
        }
        visit::visit_path(self, path);
    }
}

fn expand(tree: &UseTree, mut prefix: Path, uses: &mut Vec<(Path, String)>) {
    match tree {
        UseTree::Path(path) => {
            prefix.push(path.ident.to_string());
            expand(&path.tree, prefix, uses);
        }
        UseTree::Name(name) => {
            if name.ident != "self" {
                prefix.push(name.ident.to_string());
            }
            let known_as = prefix.last().cloned().unwrap_or_default();
            uses.push((prefix, known_as));
        }
        UseTree::Rename(rename) => {
            if rename.ident != "self" {
                prefix.push(rename.ident.to_string());
            }
            uses.push((prefix, rename.rename.to_string()));
        }
        UseTree::Glob(_) => uses.push((prefix, "*".to_owned())),
        UseTree::Group(group) => {
            for tree in &group.items {
                expand(tree, prefix.clone(), uses);
            }
        }
    }
}

/// The module that declares what `path` names in `from`; None where that is not of this package.
fn resolve(
    files: &BTreeMap<Module, File>,
    from: &Module,
    path: &[String],
    depth: usize,
) -> Option<Module> {
    let (mut at, mut rest) = start(files, from, path)?;
    while let Some((next, below)) = rest.split_first() {
        let mut inner = at.clone();
        inner.push(next.clone());
        if !files.contains_key(&inner) {
            break;
        }
        (at, rest) = (inner, below);
    }
    // A name that the module has from elsewhere is followed there.
    if let Some(name) = rest.first()
        && depth < 8
    {
        for (imported, known_as) in &files.get(&at)?.uses {
            if known_as == name
                && let Some(target) = resolve(files, &at, imported, depth + 1)
            {
                return Some(target);
            }
        }
    }
    files.contains_key(&at).then_some(at)
}

/// The module where a path begins, and what follows.
fn start<'a>(
    files: &BTreeMap<Module, File>,
    from: &Module,
    path: &'a [String],
) -> Option<(Module, &'a [String])> {
    let (first, rest) = path.split_first()?;
    match first.as_str() {
        "crate" => Some((Module::new(), rest)),
        "self" => Some((from.clone(), rest)),
        "super" => {
            let (mut at, mut rest) = (from.clone(), path);
            while let Some((first, below)) = rest.split_first()
                && first == "super"
            {
                at.pop()?;
                rest = below;
            }
            Some((at, rest))
        }
        name => {
            let mut child = from.clone();
            child.push(name.to_owned());
            files.contains_key(&child).then_some((child, rest))
        }
    }
}
