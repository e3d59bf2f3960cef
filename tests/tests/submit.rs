//! A coordinator and workers as separate processes: submit, watch, list, show, export, and read the files back.

use groklab_tests::Stack;
use groklab_tests::files::{experiment, lines};
use serde_json::Value;

#[test]
fn submit_watch_and_export() {
    let stack = Stack::full();
    let file = stack.file("experiment.toml", &experiment("remote", 1, "rft"));

    let updates = stack.grokctl_ok(&["--json", "submit", "--watch", file.to_str().unwrap()]);
    let updates: Vec<Value> = updates.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let states: Vec<_> = updates.iter().filter_map(|update| update["experiment"]["state"].as_str()).collect();
    assert_eq!(states.last(), Some(&"completed"), "{states:?}");

    let listed = stack.grokctl_ok(&["list"]);
    assert!(listed.contains("remote") && listed.contains("completed"), "{listed}");
    let shown = stack.grokctl_ok(&["show", "remote"]);
    assert!(shown.contains("test") && shown.contains("train"), "{shown}");
    let workers = stack.grokctl_ok(&["workers"]);
    assert!(["generate", "verify", "train"].iter().all(|kind| workers.contains(kind)), "{workers}");

    let out = stack.dir.path().join("out");
    stack.grokctl_ok(&["export", "remote", "--out", out.to_str().unwrap()]);
    let metrics = lines(&out.join("metrics.jsonl"));
    assert_eq!(metrics.len(), 2);
    assert_eq!(lines(&out.join("iterations.jsonl")).len(), 1);
    let correct = |name: &str| {
        lines(&out.join("rollouts.jsonl"))
            .iter()
            .filter(|r| r["iteration"] == 1 && r["purpose"] == "eval" && r["split"] == name && r["greedy"] == true && r["correct"] == true)
            .count()
    };
    for split in ["train", "val", "test"] {
        assert_eq!(metrics[1]["splits"][split]["correct"], correct(split), "{split}");
    }

    let again = stack.grokctl(&["export", "remote", "--out", out.to_str().unwrap()]);
    assert!(!again.status.success(), "an export must not overwrite another");
    let unknown = stack.grokctl(&["show", "nobody"]);
    assert_eq!(unknown.status.code(), Some(3), "{}", String::from_utf8_lossy(&unknown.stderr));
}

#[test]
fn bad_files_are_refused_before_anything_starts() {
    let dir = tempfile::tempdir().unwrap();
    let grokctl = |text: &str| {
        let path = dir.path().join("bad.toml");
        std::fs::write(&path, text).unwrap();
        let output = std::process::Command::new(groklab_tests::binary("grokctl")).arg("validate").arg(path).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let good = experiment("bad", 1, "rft");
    let table = [
        (good.replace("method", "methd"), "did you mean `method`"),
        (good.replace("epochs = 4", "epochs = 0"), "`train.epochs` = 0"),
        (good.replace("sum_digits", "sum_digit"), "sum_digits"),
        (good.replace("tiny-coder", "no-such-folder"), "no-such-folder"),
        (good.replace("train = 16", "train = 99999"), "train"),
    ];
    for (text, expected) in table {
        let message = grokctl(&text);
        assert!(message.contains(expected), "{message}");
    }
}
