//! The compose files by themselves: every combination that the documents name is valid for both
//! Composes.

use std::{fs, process::Command};

use groklab_tests::root;

use crate::{
    engine::{engine, output},
    installation::Installation,
};

/// Compose 1.29 and 2, as far as they are here.
pub fn composes() -> Vec<&'static str> {
    let mut found = Vec::new();
    for compose in ["docker compose", "docker-compose"] {
        let mut words = compose.split(' ');
        let mut command = Command::new(words.next().unwrap());
        if output(command.args(words).arg("version")).is_ok() {
            found.push(compose);
        }
    }
    found
}

#[test]
fn every_combination_of_files_is_valid() {
    let Some(_alone) = engine() else {
        return;
    };
    let combinations = [
        "compose.yaml",
        "compose.yaml:compose.gpu.yaml",
        "compose.yaml:compose.gpu-split.yaml",
        "compose.yaml:compose.cgroup.yaml",
        "compose.yaml:compose.gpu.yaml:compose.cgroup.yaml",
        "compose.yaml:compose.monitoring.yaml",
        "compose.yaml:compose.s3.yaml",
        "compose.worker.yaml",
        "compose.worker.yaml:compose.gpu.yaml",
        "compose.worker.yaml:compose.cgroup.yaml",
    ];
    let composes = composes();
    for compose in composes {
        for files in combinations {
            let mut installation = Installation::new("files", compose).with("COMPOSE_FILE", files);
            if files.contains("s3") {
                installation = installation.with("GROKLAB_ARTIFACTS", "s3://bucket/prefix");
            }
            fs::write(installation.deploy().join("worker.env"), "").unwrap();
            let config = installation.compose(&["config"]);
            // What is not set must have been given its default.
            assert!(
                config.contains("groklab/worker-verify:test"),
                "{compose} {files}: {config}"
            );
        }
    }
}

/// `NAME=` of each `${NAME…}` in the compose files, and of .env.
#[test]
fn every_setting_stands_in_env_with_the_same_default() {
    let deploy = root().join("deploy");
    let env = fs::read_to_string(deploy.join(".env")).unwrap();
    let mut seen = 0;
    for file in fs::read_dir(&deploy).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !(name.starts_with("compose.") && name.ends_with(".yaml")) {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for setting in text.split("${").skip(1) {
            let setting = setting.split('}').next().unwrap();
            let Some((variable, default)) = setting.split_once(":-") else {
                // What has no default stands there as a comment.
                let (variable, _) = setting.split_once(":?").unwrap();
                let line = format!("# {variable}=");
                assert!(
                    env.lines().any(|found| found.starts_with(&line)),
                    "{name}: .env has no line `{line}`"
                );
                continue;
            };
            // The wrapper sets this one.
            if variable == "GROKLAB_LOCAL_SETTINGS" {
                continue;
            }
            seen += 1;
            let line = format!("{variable}={default}");
            assert!(
                env.lines()
                    .any(|found| found.trim_start_matches("# ") == line),
                "{name}: .env has no line `{line}`"
            );
        }
    }
    assert!(seen > 40, "{seen}");
}

/// `check.sh`, `gpus.sh` and the rest, with stand-ins for Docker.
#[test]
fn the_scripts_do_what_they_say() {
    let mut tests = Command::new(root().join("deploy/testing/scripts.sh"));
    output(&mut tests).unwrap();
}

#[test]
fn the_tag_is_the_version() {
    let env = fs::read_to_string(root().join("deploy/.env")).unwrap();
    let version = format!("GROKLAB_TAG={}", env!("CARGO_PKG_VERSION"));
    assert!(env.lines().any(|line| line == version), "{version}");
}

/// What programs are not compiled from. Images have a Rust of their own, which `rust-toolchain.toml` would
/// exchange for another.
const NOT_COMPILED: [&str; 19] = [
    ".ci",
    ".dockerignore",
    ".editorconfig",
    ".git-blame-ignore-revs",
    ".github",
    ".gitignore",
    "CHANGELOG.md",
    "CITATION.cff",
    "CONTRIBUTING.md",
    "Makefile",
    "README.md",
    "SECURITY.md",
    "bench",
    "clippy.toml",
    "deny.toml",
    "docs",
    "examples",
    "rust-toolchain.toml",
    "rustfmt.toml",
];

#[test]
fn images_are_built_from_all_that_is_compiled() {
    let context = fs::read_to_string(root().join(".dockerignore")).unwrap();
    let mut list = Command::new("git");
    let tracked = output(list.arg("-C").arg(root()).arg("ls-files")).unwrap();
    for file in tracked.lines() {
        let top = file.split('/').next().unwrap();
        let given = context.lines().any(|line| line == format!("!{top}"));
        assert!(
            given || NOT_COMPILED.contains(&top),
            "{top}: put it into .dockerignore or into NOT_COMPILED"
        );
    }
}
