//! What people read, word for word: every help text, the usual errors, and every command's output on
//! a coordinator that always answers the same. After a change that is meant, `INSTA_UPDATE=always
//! cargo test -p grokctl --test snapshots` writes them anew.
#![expect(
    clippy::unwrap_used,
    reason = "a test: a failure is a panic with its place"
)]

mod fake;

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use clap::CommandFactory;
use fake::FakeCoordinator;

const EXPERIMENT: &str = "name = \"quick\"\n[model]\nsource = \"org/name\"\n";

/// What differs between two runs, and what stands for it.
const REDACTIONS: [(&str, &str); 4] = [
    (r"http://127\.0\.0\.1:\d{5}\b", "http://COORDINATOR"),
    (r"\b\d\d:\d\d:\d\dZ", "HH:MM:SSZ"),
    (r"\b\d{4} d\b", "NNNN d"),
    (r"/tmp/groklab-snapshot[^/]+", "DIR"),
];

/// A folder with an experiment file to call the program in.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::Builder::new()
        .prefix("groklab-snapshot")
        .tempdir_in("/tmp")
        .unwrap();
    fs::write(folder.path().join("quick.toml"), EXPERIMENT).unwrap();
    folder
}

/// Runs grokctl and returns all that a person sees of it.
fn session(dir: &Path, args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_grokctl"));
    // Help shows the variables that are set, and a terminal's width would wrap it.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("GROKLAB_") || name == "COLUMNS" {
            command.env_remove(name);
        }
    }
    let output = command
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let mut text = format!("$ grokctl {}\n", args.join(" "));
    text.push_str(&String::from_utf8(output.stdout).unwrap());
    for line in String::from_utf8(output.stderr).unwrap().lines() {
        text.push_str(&format!("stderr: {line}\n"));
    }
    if !output.status.success() {
        text.push_str(&format!("{}\n", output.status));
    }
    text
}

/// Compares sessions with the snapshot of this name.
fn assert_sessions(name: &str, sessions: &[String]) {
    insta::with_settings!({filters => REDACTIONS, omit_expression => true}, {
        insta::assert_snapshot!(name, sessions.join("\n"));
    });
}

/// Sessions with the fake coordinator.
fn asked(dir: &Path, commands: &[&[&str]]) -> Vec<String> {
    let coordinator = FakeCoordinator::start();
    let mut sessions = Vec::new();
    for command in commands {
        let args = [&["--coordinator", &coordinator.url], *command].concat();
        sessions.push(session(dir, &args));
    }
    sessions
}

#[test]
fn help() {
    let dir = folder();
    assert_sessions("help", &[session(dir.path(), &["--help"])]);
    for command in grokctl::Cli::command().get_subcommands() {
        let name = command.get_name();
        let mut texts = vec![session(dir.path(), &[name, "--help"])];
        for inner in command.get_subcommands() {
            texts.push(session(dir.path(), &[name, inner.get_name(), "--help"]));
        }
        assert_sessions(&format!("help_{name}"), &texts);
    }
}

#[test]
fn errors() {
    let dir = folder();
    let bad_key = EXPERIMENT.replace("[model]", "iteratons = 3\n[model]");
    fs::write(dir.path().join("unknown-key.toml"), bad_key).unwrap();
    let no_model = EXPERIMENT.replace("org/name", "models/m.gguf");
    fs::write(dir.path().join("no-model.toml"), no_model).unwrap();
    fs::write(dir.path().join("gpu.toml"), "[train]\nrank = 0\n").unwrap();
    let here: [&[&str]; 12] = [
        &["validate", "nowhere.toml"],
        &["validate", "unknown-key.toml"],
        &["validate", "no-model.toml"],
        &["validate", "quick.toml", "gpu.toml"],
        &["validate", "quick.toml", "--set", "train.rnak=8"],
        &["validate", "quick.toml", "--set", "problems.families=[rpn]"],
        &[
            "validate",
            "quick.toml",
            "--set",
            "model.source=$GROKLAB_MODELS/m.gguf",
        ],
        &["shwo"],
        &["list", "--state", "lost"],
        &["rollouts", "quick", "--verdict", "wrong"],
        &["logs", "quick", "--level", "loud"],
        &["compare", "quick@last", "quick"],
    ];
    let mut sessions = Vec::new();
    for args in here {
        sessions.push(session(dir.path(), args));
    }
    let nobody = ["list", "--coordinator", "http://127.0.0.1:1"];
    sessions.push(session(dir.path(), &nobody));
    let of_the_coordinator: [&[&str]; 4] = [
        &["show", "nobody"],
        &["watch", "nobody"],
        &["compare", "quick@7", "quick"],
        &["export", "quick", "--out", "."],
    ];
    sessions.extend(asked(dir.path(), &of_the_coordinator));
    assert_sessions("errors", &sessions);
}

#[test]
fn experiments_and_workers() {
    let dir = folder();
    let commands: [&[&str]; 10] = [
        &["list"],
        &["list", "--state", "queued"],
        &["show", "quick"],
        &["show", "halted"],
        &["pause", "quick"],
        &["logs", "quick"],
        &["logs", "quick", "--level", "warn"],
        &["workers"],
        &["submit", "quick.toml"],
        &["submit", "quick.toml", "--set", "name=other"],
    ];
    assert_sessions("experiments_and_workers", &asked(dir.path(), &commands));
}

#[test]
fn names_forks_and_deletions() {
    let dir = folder();
    let commands: [&[&str]; 12] = [
        &["list", "--tag", "paper"],
        &["list", "--tag", "paper", "--tag", "other"],
        &["rename", "quick", "slow"],
        &["rename", "quick", "halted"],
        &["tag", "quick", "+draft", "-paper"],
        &["tag", "quick", "draft"],
        &["tag", "quick", "+draft", "--json"],
        &["fork", "quick@1", "--set", "train.rank=8"],
        &["fork", "quick", "--set", "train.rnk=8"],
        &["delete", "quick"],
        &["delete", "halted", "--yes"],
        &["delete", "quick", "--yes"],
    ];
    assert_sessions("names_forks_and_deletions", &asked(dir.path(), &commands));
}

#[test]
fn for_programs() {
    let dir = folder();
    let commands: [&[&str]; 12] = [
        &["--json", "list", "--state", "paused"],
        &["--json", "tag", "quick", "+draft"],
        &["--json", "fork", "quick@1"],
        &["--json", "delete", "quick", "--yes"],
        &["--json", "cancel", "halted"],
        &["--json", "logs", "quick", "--level", "warn"],
        &["--json", "workers"],
        &["--json", "compare", "quick@0", "quick"],
        &["--json", "watch", "quick"],
        &["--json", "rollouts", "quick", "--limit", "1"],
        &["--json", "validate", "quick.toml"],
        &["--json", "problems", "quick.toml", "--limit", "1"],
    ];
    assert_sessions("for_programs", &asked(dir.path(), &commands));
}

/// What files and settings say together, and the file with every key.
#[test]
fn configuration() {
    let dir = folder();
    let gpu = "[train]\nrank = 64\n[problems]\nfamilies = [\"digits\"]\n";
    fs::write(dir.path().join("gpu.toml"), gpu).unwrap();
    let show = [
        "config",
        "show",
        "quick.toml",
        "gpu.toml",
        "--set",
        "seed=7",
    ];
    let commands: [&[&str]; 3] = [
        &show,
        &["--json", "config", "show", "quick.toml", "--set", "name=x"],
        &["config", "defaults"],
    ];
    let sessions: Vec<String> = commands
        .iter()
        .map(|args| session(dir.path(), args))
        .collect();
    assert_sessions("configuration", &sessions);
}

#[test]
fn what_the_model_wrote() {
    let dir = folder();
    let commands: [&[&str]; 5] = [
        &[
            "rollouts",
            "quick",
            "--verdict",
            "wrong_answer",
            "--limit",
            "1",
        ],
        &["rollouts", "quick", "--verdict", "runtime_error"],
        &[
            "rollouts",
            "quick",
            "--verdict",
            "passed",
            "--limit",
            "1",
            "--full",
        ],
        &["rollouts", "quick", "--family", "gcd"],
        &["problems", "quick.toml", "--split", "test", "--limit", "1"],
    ];
    assert_sessions("what_the_model_wrote", &asked(dir.path(), &commands));
}

/// Curves of 24 units: train is memorised at step 40, val and test rise at step 160.
fn curves() -> String {
    let mut lines = String::new();
    for evaluation in 0..16 {
        let split = |solved: bool| vec![i32::from(solved); 24];
        let line = serde_json::json!({
            "step": 20 * evaluation,
            "train": split(evaluation >= 2),
            "val": split(evaluation >= 8),
            "test": split(evaluation >= 8),
        });
        lines.push_str(&format!("{line}\n"));
    }
    lines
}

#[test]
fn what_curves_show() {
    let dir = folder();
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    write("curves.jsonl", &curves());
    write("no-test.jsonl", &curves().replace("\"test\"", "\"dev\""));
    write(
        "two.csv",
        "step,split,unit,correct\n0,train,a,0\n0,val,a,0\n10,train,a,1\n10,val,a,3\n",
    );
    write(
        "few.csv",
        "step,split,unit,correct\n0,train,a,0\n0,val,a,0\n10,train,a,1\n10,val,a,0\n",
    );
    let mut sessions = Vec::new();
    let commands: [&[&str]; 8] = [
        &["detect", "curves.jsonl"],
        &["detect", "curves.jsonl", "--json"],
        &["detect", "few.csv", "--test-from-val"],
        &["detect", "no-test.jsonl"],
        &["detect", "two.csv"],
        &["detect", "curves.jsonl", "--test-from-val"],
        &["detect", "curves.jsonl", "--chance", "2"],
        &["detect", "nowhere.jsonl"],
    ];
    for command in commands {
        sessions.push(session(dir.path(), command));
    }
    assert_sessions("what_curves_show", &sessions);
}

#[test]
fn comparisons() {
    let dir = folder();
    let commands: [&[&str]; 3] = [
        &["compare", "quick@0", "quick"],
        &["compare", "quick@0", "halted@0"],
        &["compare", "quick", "quick", "--split", "val"],
    ];
    assert_sessions("comparisons", &asked(dir.path(), &commands));
}

/// Submitted, followed to its end in plain lines, and exported.
#[test]
fn a_run() {
    let dir = folder();
    let commands: [&[&str]; 2] = [
        &["validate", "quick.toml"],
        &["run", "quick.toml", "--out", "out"],
    ];
    assert_sessions("a_run", &asked(dir.path(), &commands));
    assert!(dir.path().join("out/report.html").exists());
}
