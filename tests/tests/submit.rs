//! A coordinator and workers as separate processes: submit, watch, list, show, export, and read the files back.

use groklab_tests::Stack;
use groklab_tests::files::{experiment, lines};
use serde_json::Value;

#[test]
fn submit_watch_and_export() {
    let stack = Stack::full();
    let file = stack.file("experiment.toml", &experiment("remote", 1, "rft"));

    let updates = stack.grokctl_ok(&["--json", "submit", "--watch", file.to_str().unwrap()]);
    let updates: Vec<Value> = updates
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let states: Vec<_> = updates
        .iter()
        .filter_map(|update| update["experiment"]["state"].as_str())
        .collect();
    assert_eq!(states.last(), Some(&"completed"), "{states:?}");

    let listed = stack.grokctl_ok(&["list"]);
    assert!(
        listed.contains("remote") && listed.contains("completed"),
        "{listed}"
    );
    let shown = stack.grokctl_ok(&["show", "remote"]);
    assert!(shown.contains("test") && shown.contains("train"), "{shown}");
    let workers = stack.grokctl_ok(&["workers"]);
    assert!(
        ["generate", "verify", "train"]
            .iter()
            .all(|kind| workers.contains(kind)),
        "{workers}"
    );

    let out = stack.dir.path().join("out");
    stack.grokctl_ok(&["export", "remote", "--out", out.to_str().unwrap()]);
    let metrics = lines(&out.join("metrics.jsonl"));
    assert_eq!(metrics.len(), 2);
    assert_eq!(lines(&out.join("iterations.jsonl")).len(), 1);
    let correct = |name: &str| {
        lines(&out.join("rollouts.jsonl"))
            .iter()
            .filter(|r| {
                r["iteration"] == 1
                    && r["purpose"] == "eval"
                    && r["split"] == name
                    && r["greedy"] == true
                    && r["correct"] == true
            })
            .count()
    };
    for split in ["train", "val", "test"] {
        assert_eq!(
            metrics[1]["splits"][split]["correct"],
            correct(split),
            "{split}"
        );
    }

    let again = stack.grokctl(&["export", "remote", "--out", out.to_str().unwrap()]);
    assert!(
        !again.status.success(),
        "an export must not overwrite another"
    );
    let unknown = stack.grokctl(&["show", "nobody"]);
    assert_eq!(
        unknown.status.code(),
        Some(3),
        "{}",
        String::from_utf8_lossy(&unknown.stderr)
    );
}
