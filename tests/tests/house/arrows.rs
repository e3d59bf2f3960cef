//! The arrows between packages are those of `docs/architecture.md`.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use groklab_tests::files::read;
use serde_json::Value;

use super::sources::root;

type Arrows = BTreeMap<String, BTreeSet<String>>;

/// The lines `package → package, package` of the document's block of arrows.
fn documented() -> Arrows {
    let page = read(&root().join("docs/architecture.md"));
    let (_, rest) = page.split_once("```arrows\n").expect("a block of arrows");
    let (block, _) = rest.split_once("```").expect("the block ends");
    let mut arrows = Arrows::new();
    for line in block.lines() {
        let (from, to) = line.split_once('→').expect("package → packages");
        let mut targets = BTreeSet::new();
        for target in to.split(',').map(str::trim) {
            if !target.is_empty() {
                targets.insert(target.to_owned());
            }
        }
        arrows.insert(from.trim().to_owned(), targets);
    }
    arrows
}

fn short(name: &str) -> String {
    name.trim_start_matches("groklab-").to_owned()
}

/// What the manifests say, without what only tests need.
fn real() -> (Arrows, Arrows) {
    let mut command = Command::new(env!("CARGO"));
    command.args([
        "metadata",
        "--no-deps",
        "--offline",
        "--format-version",
        "1",
    ]);
    let output = command
        .current_dir(root())
        .output()
        .expect("git and cargo answer as they do");
    assert!(output.status.success(), "cargo metadata: {output:?}");
    let metadata: Value =
        serde_json::from_slice(&output.stdout).expect("git and cargo answer as they do");
    let packages = metadata["packages"]
        .as_array()
        .expect("git and cargo answer as they do");
    let members: BTreeSet<String> = packages
        .iter()
        .map(|p| short(p["name"].as_str().expect("git and cargo answer as they do")))
        .collect();
    let (mut inner, mut outer) = (Arrows::new(), Arrows::new());
    for package in packages {
        let name = short(
            package["name"]
                .as_str()
                .expect("git and cargo answer as they do"),
        );
        for dependency in package["dependencies"]
            .as_array()
            .expect("git and cargo answer as they do")
        {
            if dependency["kind"].is_null() {
                let target = short(
                    dependency["name"]
                        .as_str()
                        .expect("git and cargo answer as they do"),
                );
                let arrows = if members.contains(&target) {
                    &mut inner
                } else {
                    &mut outer
                };
                arrows.entry(name.clone()).or_default().insert(target);
            }
        }
        inner.entry(name).or_default();
    }
    (inner, outer)
}

#[test]
fn packages_depend_on_what_the_architecture_says() {
    let (mut real, _) = real();
    // Nothing depends on these two, and they may depend on everything.
    for free in ["tests", "fuzz"] {
        real.remove(free);
        assert!(
            real.values().all(|targets| !targets.contains(free)),
            "{free}"
        );
    }
    assert_eq!(real, documented());
}

#[test]
fn only_the_coordinator_names_sqlx_and_only_models_link_libtorch() {
    let (_, outer) = real();
    let naming = |what: &str| -> Vec<&str> {
        let naming = outer.iter().filter(|(_, targets)| targets.contains(what));
        naming.map(|(name, _)| name.as_str()).collect()
    };
    assert_eq!(naming("sqlx"), ["coordinator"]);
    assert_eq!(naming("tch"), ["model"]);
}
