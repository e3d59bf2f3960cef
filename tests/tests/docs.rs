//! The documents name tests; this one checks that they are there.

use std::{fs, path::Path};

/// Every ``file.rs: test`` in backquotes.
fn named(text: &str) -> Vec<(&str, &str)> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted
        .filter_map(|code| code.split_once(".rs: "))
        .filter(|(_, test)| test.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
        .collect()
}

/// Every ``path/file.rs: test`` in backquotes.
#[test]
fn every_test_that_compatibility_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = groklab_tests::files::read(&root.join("docs/compatibility.md"));
    let rows: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| form |"))
        .collect();
    assert!(rows.len() > 50, "{}", rows.len());
    for row in rows {
        let quoted = row
            .split('`')
            .skip(1)
            .step_by(2)
            .filter_map(|code| code.split_once(".rs: "));
        let tests: Vec<(&str, &str)> = quoted.collect();
        assert!(!tests.is_empty(), "no test is named in: {row}");
        for (file, test) in tests {
            let text = groklab_tests::files::read(&root.join(format!("{file}.rs")));
            assert!(
                text.contains(&format!("fn {test}(")),
                "{file}.rs has no test `{test}`"
            );
        }
    }
}

#[test]
fn every_test_that_operations_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let operations = groklab_tests::files::read(&root.join("../docs/operations.md"));
    let named = named(&operations);
    assert!(named.len() > 20, "{named:?}");
    for (file, test) in &named {
        let text = groklab_tests::files::read(&root.join(format!("tests/{file}.rs")));
        assert!(
            text.contains(&format!("#[test]\nfn {test}()")),
            "{file}.rs has no test `{test}`"
        );
    }
    // And the failures that are tested are in the table.
    for file in [
        "survive",
        "coordinators",
        "sharing",
        "leases",
        "faults",
        "bad_input",
        "together",
        "shutdown",
        "moving",
        "life",
    ] {
        let text = fs::read_to_string(root.join(format!("tests/{file}.rs"))).unwrap_or_default();
        let tests: Vec<&str> = text
            .split("#[test]\nfn ")
            .skip(1)
            .map(|rest| rest.split_once('(').map_or(rest, |(name, _)| name))
            .collect();
        assert!(!tests.is_empty(), "{file}");
        for test in tests {
            assert!(
                named.contains(&(file, test)),
                "docs/operations.md does not name `{file}.rs: {test}`"
            );
        }
    }
}

/// What is written in several places and must be raised in all of them.
#[test]
fn versions_are_the_same_everywhere() {
    let file = |name: &str| groklab_tests::files::read(&groklab_tests::root().join(name));
    let version = env!("CARGO_PKG_VERSION");
    for (name, text) in [
        ("CITATION.cff", format!("\nversion: {version}\n")),
        (
            "README.md",
            format!("groklab-{version}-x86_64-linux.tar.xz"),
        ),
        ("CHANGELOG.md", version.to_owned()),
    ] {
        assert!(file(name).contains(&text), "{name}: `{}`", text.trim());
    }
    // The oldest Rust that builds it, the one that is developed with, and the image's.
    let oldest = env!("CARGO_PKG_RUST_VERSION");
    for (name, text) in [
        ("rust-toolchain.toml", format!("channel = \"{oldest}.")),
        ("deploy/Dockerfile", format!("RUST_IMAGE=rust:{oldest}-")),
    ] {
        assert!(file(name).contains(&text), "{name}: `{text}`");
    }
}
