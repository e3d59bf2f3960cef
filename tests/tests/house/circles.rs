//! No file imports, over however many others, one that imports it.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    imports::{Module, imports},
    sources::{Source, sources},
};

/// Everything that a module imports, over others too.
fn reached(graph: &BTreeMap<Module, BTreeSet<Module>>, from: &Module) -> BTreeSet<Module> {
    let mut reached = BTreeSet::new();
    let mut waiting: Vec<&Module> = graph[from].iter().collect();
    while let Some(next) = waiting.pop() {
        if reached.insert(next.clone()) {
            waiting.extend(&graph[next]);
        }
    }
    reached
}

#[test]
fn no_file_imports_one_that_imports_it() {
    let all = sources();
    let mut packages: BTreeMap<&str, Vec<&Source>> = BTreeMap::new();
    for source in &all {
        packages.entry(source.parts().0).or_default().push(source);
    }
    let (mut circles, mut arrows) = (Vec::new(), 0);
    for (package, sources) in packages {
        let graph = imports(&sources);
        for (module, targets) in &graph {
            arrows += targets.len();
            if reached(&graph, module).contains(module) {
                circles.push(format!("{package}: {}", module.join("/")));
            }
        }
    }
    // A rule that sees no imports would find no circles.
    assert!(arrows > 400, "{arrows} imports were seen");
    assert!(circles.is_empty(), "in circles:\n{}", circles.join("\n"));
}
