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

#[test]
fn a_pilot_says_what_can_be_learned_and_training_asks_that_alone() {
    let stack = Stack::full();
    let text = experiment("asks", 1, "rft")
        .replace("digits/digits=all", "digits")
        .replace("train = 16", "train = 40");
    let file = stack.file("experiment.toml", &text);
    let file = file.to_str().unwrap();
    let out = stack.dir.path().join("pilot.json");
    let out = out.to_str().unwrap();
    let pilot = [
        "pilot",
        file,
        "--rules",
        "9",
        "--samples",
        "3",
        "--out",
        out,
    ];
    let said = stack.grokctl_ok(&pilot);
    assert!(
        said.contains("out of reach") && said.contains("pass@3"),
        "{said}"
    );
    let written: Value = serde_json::from_str(&std::fs::read_to_string(out).unwrap()).unwrap();
    let rules = written["rules"].as_array().unwrap();
    assert_eq!(rules.len(), 9, "{written}");
    assert!(
        rules
            .iter()
            .all(|rule| rule["samples"] == 3 && rule["problems"] == 1),
        "{written}"
    );

    let again = stack.grokctl(&pilot);
    let error = String::from_utf8_lossy(&again.stderr).into_owned();
    assert_eq!(
        again.status.code(),
        Some(2),
        "a pilot must not overwrite another"
    );
    assert!(error.contains("it exists"), "{error}");

    // Whatever the model made of them: these three are what training asks.
    let text = text.replace("train = 40", "train = 40\nlearnable = \"pilot.json\"");
    let mut pilot = written.clone();
    let mut learnable: Vec<&str> = Vec::new();
    for (i, rule) in rules.iter().enumerate() {
        let standing = if i % 3 == 0 { "learnable" } else { "solved" };
        pilot["rules"][i]["standing"] = standing.into();
        if i % 3 == 0 {
            learnable.push(rule["rule"].as_str().unwrap());
        }
    }
    std::fs::write(out, pilot.to_string()).unwrap();
    let file = stack.file("learns.toml", &text);
    let problems = stack.grokctl_ok(&["--json", "problems", file.to_str().unwrap()]);
    let mut trained: Vec<String> = Vec::new();
    for line in problems.lines() {
        let problem: Value = serde_json::from_str(line).unwrap();
        if problem["split"] == "train" {
            let [family, rule] = ["family", "rule"].map(|key| problem[key].as_str().unwrap());
            trained.push(format!("{family}/{rule}"));
        }
    }
    trained.sort_unstable();
    trained.dedup();
    assert_eq!(trained, learnable);
}
