//! The whole loop on the real binaries, a real Postgres, nsjail and a tiny model, by one command as on a laptop.
#![expect(
    clippy::unwrap_used,
    reason = "a test: a failure is a panic with its place"
)]

use std::{path::Path, process::Command};

use groklab_tests::binary;
use groklab_tests::files::{experiment, lines, read, without_seconds};
use serde_json::Value;

/// Runs `grokctl run --local` on a folder of its own; what it printed.
fn run_local(dir: &Path, file: &str) -> String {
    run_local_with(dir, file, &[])
}

fn run_local_with(dir: &Path, file: &str, env: &[(&str, &str)]) -> String {
    std::fs::write(dir.join("experiment.toml"), file).unwrap();
    let output = Command::new(binary("grokctl"))
        .args([
            "run",
            "--local",
            "experiment.toml",
            "--data",
            "data",
            "--out",
            "out",
        ])
        .envs(env.iter().copied())
        .current_dir(dir)
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{}\n{out}\n{err}", output.status);
    out.into_owned()
}

#[test]
fn a_model_improves_itself_and_everything_is_exported() {
    let dir = groklab_tests::folder();
    let printed = run_local(dir.path(), &experiment("loop", 2, "rft"));
    assert!(printed.contains("test"), "{printed}");

    let out = dir.path().join("out");
    let metrics = lines(&out.join("metrics.jsonl"));
    assert_eq!(
        metrics
            .iter()
            .map(|line| line["iteration"].as_u64().unwrap())
            .collect::<Vec<_>>(),
        [0, 1, 2]
    );
    assert_eq!(metrics[0]["adapter"], Value::Null);
    let test = |line: &Value| line["splits"]["test"].clone();
    assert_eq!(test(&metrics[0])["total"], 8);
    let pass_at_1 = |line: &Value| test(line)["sampled"]["pass_at"]["1"].as_f64().unwrap();
    assert!(
        pass_at_1(&metrics[2]) > pass_at_1(&metrics[0]) + 0.2,
        "{} then {}",
        pass_at_1(&metrics[0]),
        pass_at_1(&metrics[2])
    );

    let iterations = lines(&out.join("iterations.jsonl"));
    assert_eq!(iterations.len(), 2);
    assert_eq!(iterations[0]["adapter_in"], Value::Null);
    assert_eq!(iterations[1]["adapter_in"], iterations[0]["adapter_out"]);
    assert_eq!(iterations[1]["adapter_out"], metrics[2]["adapter"]);
    assert_eq!(iterations[0]["rollouts"]["total"], 16 * 4);
    assert!(
        iterations[0]["training"]["last_loss"].as_f64().unwrap()
            < iterations[0]["training"]["first_loss"].as_f64().unwrap()
    );

    // 28 problems, each greedy once and sampled 4 times at 3 iterations, and 4 training samples of 16 problems at 2.
    let rollouts = lines(&out.join("rollouts.jsonl"));
    assert_eq!(rollouts.len(), 28 * 5 * 3 + 16 * 4 * 2);
    assert!(
        rollouts
            .iter()
            .all(|rollout| rollout["verdict"] != "infrastructure_error")
    );
    assert!(
        rollouts
            .iter()
            .any(|rollout| rollout["verdict"] == "passed")
    );
    for (split, count) in [("train", 16), ("val", 4), ("test", 8)] {
        assert_eq!(lines(&out.join(format!("{split}.jsonl"))).len(), count);
    }
    for iteration in [1, 2] {
        let folder = out.join(format!("checkpoints/iter_{iteration}"));
        let config: Value =
            serde_json::from_str(&read(&folder.join("adapter_config.json"))).unwrap();
        assert_eq!(config["peft_type"], "LORA");
        assert_eq!(
            config["base_model_name_or_path"],
            Value::Null,
            "a folder's path says nothing elsewhere"
        );
        let card = read(&folder.join("README.md"));
        assert!(
            card.contains("`tiny-coder`, a model that has no name on the hub"),
            "{card}"
        );
        assert!(folder.join("chat_template.jinja").exists());
        assert!(
            folder
                .join("adapter_model.safetensors")
                .metadata()
                .unwrap()
                .len()
                > 10_000
        );
    }
    assert_eq!(
        serde_json::from_str::<Value>(&read(&out.join("config.json"))).unwrap()["name"],
        "loop"
    );
    assert!(
        read(&out.join("report.html")).len() > 100_000,
        "the report carries its JavaScript"
    );
}

#[test]
fn two_runs_of_one_file_are_the_same_but_for_seconds() {
    let run = |takes_turns: bool| {
        let dir = groklab_tests::folder();
        let lock = dir.path().join("device");
        let lock = if takes_turns {
            lock.to_str().unwrap()
        } else {
            "none"
        };
        let env = [("GROKLAB_DEVICE_LOCK", lock)];
        run_local_with(dir.path(), &experiment("twice", 1, "rft"), &env);
        // Generation, training, generation: each gives the device up for the other one.
        for worker in ["worker-gen", "worker-train"] {
            let log = read(&dir.path().join(format!("data/logs/{worker}.log")));
            assert_eq!(log.contains("giving up the device"), takes_turns, "{log}");
        }
        let adapter = std::fs::read(
            dir.path()
                .join("out/checkpoints/iter_1/adapter_model.safetensors"),
        )
        .unwrap();
        (
            without_seconds(&dir.path().join("out/metrics.jsonl")),
            without_seconds(&dir.path().join("out/iterations.jsonl")),
            adapter,
        )
    };
    assert!(run(false) == run(true));
}

#[test]
fn without_training_every_evaluated_line_is_the_same() {
    let dir = groklab_tests::folder();
    run_local(dir.path(), &experiment("baseline", 2, "none"));
    let mut metrics = lines(&dir.path().join("out/metrics.jsonl"));
    for line in &mut metrics {
        let fields = line.as_object_mut().unwrap();
        fields.remove("iteration").unwrap();
        fields.remove("seconds").unwrap();
    }
    assert_eq!(metrics.len(), 3);
    assert_eq!(metrics[0], metrics[1]);
    assert_eq!(metrics[1], metrics[2]);
    assert!(
        metrics[0]["splits"]["test"]["sampled"]["pass_at"]["1"]
            .as_f64()
            .unwrap()
            > 0.0
    );
    assert_eq!(lines(&dir.path().join("out/iterations.jsonl")).len(), 0);
}
