//! The check for machines with a GPU, rehearsed without one: every section of it runs, and what is
//! wrong is found.
#![expect(
    clippy::unwrap_used,
    reason = "tests: a failure is a panic with its place"
)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use groklab_tests::{binary, folder, root};
use serde_json::Value;

/// Runs the check on the CPU, with the model of a rehearsal; what it said, and its file's lines.
fn check(out: &Path, args: &[&str]) -> (Output, Vec<Value>) {
    let script = root().join("deploy/gpu-check/gpu_check.py");
    // Both, so that neither is an old one.
    binary("worker-gen");
    let output = Command::new("python3")
        // Without what a person has installed: the peers are left out everywhere.
        .args(["-s", "-S"])
        .env_remove("PYTHONPATH")
        .arg(script)
        .args(["--device", "cpu", "--shape", "tiny", "--work"])
        .arg(out.parent().unwrap())
        .arg("--bin")
        .arg(binary("worker-train").parent().unwrap())
        .arg("--out")
        .arg(out)
        .args(args)
        .output()
        .unwrap();
    let lines = fs::read_to_string(out).unwrap_or_default();
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    (output, lines.collect())
}

fn sections(lines: &[Value]) -> BTreeSet<&str> {
    lines
        .iter()
        .map(|line| line["section"].as_str().unwrap())
        .collect()
}

#[test]
fn every_section_runs_and_leaves_one_file() {
    let folder = folder();
    let out = folder.path().join("gpu-check.jsonl");
    let (output, lines) = check(&out, &[]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    let wanted = [
        "machine",
        "models",
        "fixtures",
        "greedy",
        "repeats",
        "generation",
        "training",
        "memory",
        "together",
        "peers",
    ];
    assert_eq!(sections(&lines), BTreeSet::from(wanted), "{said}");
    let passed = lines.iter().filter(|line| line["ok"] == true).count();
    assert!(passed >= 20, "{said}");
    assert!(said.contains(" 0 failed, 2 left out; send back"), "{said}");
    let rate = |section: &str| {
        let measured = lines.iter().find(|line| line["section"] == section);
        measured.unwrap()["tokens_per_second"].as_f64().unwrap()
    };
    assert!(rate("generation") > 0.0 && rate("training") > 0.0);
    let left: Vec<PathBuf> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(left, [out], "models are removed");
}

#[test]
fn what_is_wrong_is_found() {
    let folder = folder();
    let fixture = root().join("crates/model/tests/fixtures/tiny-llama");
    let changed = folder.path().join("fixtures/changed");
    copy(&fixture, &changed);
    let path = changed.join("reference.json");
    let mut reference: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let logit = &mut reference["logits"][0][5];
    *logit = (logit.as_f64().unwrap() + 0.5).into();
    fs::write(&path, reference.to_string()).unwrap();

    let out = folder.path().join("gpu-check.jsonl");
    let fixtures = folder.path().join("fixtures");
    let args = [
        "--only",
        "fixtures",
        "--fixtures",
        fixtures.to_str().unwrap(),
    ];
    let (output, lines) = check(&out, &args);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let found: Vec<&Value> = lines.iter().filter(|line| line["ok"] == false).collect();
    let [found] = found[..] else { panic!("{said}") };
    assert_eq!(found["what"], "changed in float32");
    assert!(found["logits"].as_f64().unwrap() > 0.01, "{found}");
    assert!(found["logits_adapter"].as_f64().unwrap() < 1e-3, "{found}");
}

#[test]
fn a_section_that_fails_and_wrong_use_are_told() {
    let folder = folder();
    let out = folder.path().join("gpu-check.jsonl");
    let empty = folder.path().join("none/tiny");
    fs::create_dir_all(&empty).unwrap();
    fs::write(empty.join("reference.json"), "{}").unwrap();
    let args = [
        "--only",
        "fixtures",
        "--fixtures",
        empty.parent().unwrap().to_str().unwrap(),
    ];
    let (output, lines) = check(&out, &args);
    assert_eq!(output.status.code(), Some(1));
    let failed = lines.iter().find(|line| line["ok"] == false).unwrap();
    assert!(
        failed["error"].as_str().unwrap().starts_with("KeyError"),
        "{failed}"
    );

    let nothing = folder.path().join("nothing");
    fs::create_dir(&nothing).unwrap();
    let args = [
        "--only",
        "fixtures",
        "--fixtures",
        nothing.to_str().unwrap(),
    ];
    let (output, lines) = check(&out, &args);
    assert_eq!(output.status.code(), Some(1));
    let failed = lines.iter().find(|line| line["ok"] == false).unwrap();
    assert!(
        failed["error"]
            .as_str()
            .unwrap()
            .contains("there is no reference"),
        "{failed}"
    );

    let (output, _) = check(&folder.path().join("gpu-check.jsonl/file"), &[]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("--out and --work"), "{said}");

    let (output, _) = check(&out, &["--only", "speed"]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("no section is called speed"), "{said}");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}
