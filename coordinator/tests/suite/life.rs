//! Whole lives of experiments.

use std::collections::BTreeMap;

use groklab_domain::Digest;
use groklab_proto::v1::{self, complete_request::Result as Outcome, job::Work};

use crate::{
    harness::{Coordinator, named},
    worker::{COMMIT, Worker, crew},
};

/// 12 problems; 12 + 24 rollouts per evaluation, 24 for training.
pub const FILE: &str = r#"
name = "tiny"
seed = 7
iterations = 2
[model]
source = "m.gguf"
[problems]
families = ["digits/digits=all"]
holdout = "case"
difficulty = [2, 2]
train = 6
val = 3
test = 3
[generate]
samples = 4
rollouts_per_job = 8
max_new_tokens = 16
[train]
max_per_problem = 2
[evaluate]
samples = 2
pass_at = [1, 2]
"#;

#[tokio::test]
async fn an_experiment_runs_to_its_end_and_repeats_itself() {
    let coordinator = Coordinator::start().await;
    let _crew = crew(&coordinator).await;
    let first = coordinator.submit(FILE).await;
    let second = coordinator
        .try_submit("again", FILE)
        .await
        .unwrap()
        .experiment
        .unwrap()
        .experiment_id;
    let done = coordinator.until(&first, "completed").await;
    assert_eq!((done.iteration, done.reason.as_str()), (2, ""));
    coordinator.until(&second, "completed").await;

    let (metrics, iterations) = coordinator.lines(&first).await;
    assert_eq!(
        coordinator.lines(&second).await,
        (metrics.clone(), iterations.clone())
    );
    assert_eq!((metrics.len(), iterations.len()), (3, 2));
    // Greedily the untrained solves 0, 3, 6, 9 of 0..12; the trained one all but 1, 4, 7, 10.
    let correct =
        |line: usize, split: &str| metrics[line]["splits"][split]["correct"].as_u64().unwrap();
    assert_eq!(
        [correct(0, "train"), correct(0, "val"), correct(0, "test")],
        [2, 1, 1]
    );
    assert_eq!(
        [correct(2, "train"), correct(2, "val"), correct(2, "test")],
        [4, 2, 2]
    );
    assert_eq!(metrics[0]["splits"]["val"]["sampled"]["pass_at"]["1"], 0.5);
    assert!(metrics[0]["adapter"].is_null());
    assert_eq!(metrics[1]["adapter"], iterations[0]["adapter_out"]);
    // Samples 2 and 4 of each train problem are right and the same code: one of each is trained on.
    let counts = &iterations[1]["rollouts"];
    assert_eq!(
        (
            counts["total"].as_u64(),
            counts["correct"].as_u64(),
            counts["selected"].as_u64()
        ),
        (Some(24), Some(12), Some(6))
    );
    assert_eq!(iterations[1]["training"]["examples"], 6);
    assert_eq!(iterations[1]["training"]["last_loss"], 0.5);
    assert_eq!(
        coordinator.count("select count(*) from rollout").await,
        2 * (3 * 36 + 2 * 24)
    );
    assert_eq!(
        coordinator
            .count("select count(*) from attempt where outcome <> 'done'")
            .await,
        0
    );
    coordinator.stop().await;
}

#[tokio::test]
async fn only_the_newest_checkpoints_are_kept_where_the_file_says_so() {
    let coordinator = Coordinator::start().await;
    let _crew = crew(&coordinator).await;
    let all = coordinator.submit(FILE).await;
    let few = FILE.replace("\"tiny\"", "\"few\"\nkeep_checkpoints = 1");
    let few = coordinator.try_submit("second", &few).await.unwrap();
    let few = few.experiment.unwrap().experiment_id;
    for id in [&all, &few] {
        coordinator.until(id, "completed").await;
    }
    let ids = "select count(*) from adapter";
    assert_eq!(coordinator.count(ids).await, 4);
    let files = "select count(weights_digest) from adapter join experiment using (experiment_id) \
                 where name = 'few' and adapter.iteration = 2";
    assert_eq!(coordinator.count(files).await, 1);
    let all_files = "select count(config_digest) + count(weights_digest) from adapter";
    assert_eq!(coordinator.count(all_files).await, 2 * (2 + 1));
    // No training starts from any but the newest.
    let optimisers = "select count(optimiser_digest) from adapter where iteration = 2";
    assert_eq!(coordinator.count(optimisers).await, 2);
    let optimisers = "select count(optimiser_digest) from adapter";
    assert_eq!(coordinator.count(optimisers).await, 2);
    let (all, few) = (
        export(&coordinator, &all).await,
        export(&coordinator, &few).await,
    );
    let checkpoints = |files: &BTreeMap<String, Vec<u8>>| -> Vec<String> {
        let names = files.keys().cloned();
        names
            .filter(|name| name.ends_with(".safetensors"))
            .collect()
    };
    assert_eq!(checkpoints(&all).len(), 2);
    assert_eq!(
        checkpoints(&few),
        ["checkpoints/iter_2/adapter_model.safetensors"]
    );
    // Files are stored before the adapter is that they belong to. What is younger than all adapters
    // was let go of then, and stays for a day from that moment.
    let let_go =
        "select count(*) from artifact where created_at > (select max(created_at) from adapter)";
    assert!(coordinator.count(let_go).await > 0);
    // What was measured stays, with the ids of all adapters.
    assert_eq!(all["metrics.jsonl"], few["metrics.jsonl"]);
    coordinator.stop().await;
}

#[tokio::test]
async fn the_commit_of_the_model_is_fixed_by_the_first_result() {
    let coordinator = Coordinator::start().await;
    let source = "source = \"org/name\"\nrevision = \"v1\"";
    let id = coordinator
        .submit(&FILE.replace("source = \"m.gguf\"", source))
        .await;
    let mut worker = Worker::register(&coordinator, "generate").await;
    let revision = |job: &v1::Job| match &job.work {
        Some(Work::Generate(job)) => job.base.as_ref().unwrap().revision.clone(),
        _ => unreachable!("a generate job"),
    };
    let job = worker.lease().await;
    assert_eq!(revision(&job), "v1");
    let Outcome::Generate(mut result) = worker.work(&job).await else {
        unreachable!("a generate job")
    };
    result.base_commit = "v1".to_owned();
    let refused = worker.complete(&job, Outcome::Generate(result)).await;
    let message = refused.unwrap_err().message().to_owned();
    assert!(message.contains("`base_commit` = `v1`"), "{message}");
    coordinator.experiments().pause(named(&id)).await.unwrap();
    // Resuming forgives the failure and its waiting time.
    coordinator.experiments().resume(named(&id)).await.unwrap();
    let job = worker.lease().await;
    let result = worker.work(&job).await;
    assert!(worker.complete(&job, result).await.unwrap());
    assert_eq!(revision(&worker.lease().await), COMMIT);
    // It is shown beside what was asked for, and an export repeats exactly what was run.
    let shown = coordinator.get(&id).await;
    assert_eq!(shown.base_commit, COMMIT);
    assert!(
        shown.config_json.contains("\"v1\""),
        "{}",
        shown.config_json
    );
    let files = export(&coordinator, &id).await;
    let config: serde_json::Value = serde_json::from_slice(&files["config.json"]).unwrap();
    assert_eq!(config["model"]["revision"], COMMIT);
    coordinator.stop().await;
}

#[tokio::test]
async fn an_export_has_every_file() {
    let coordinator = Coordinator::start().await;
    let _crew = crew(&coordinator).await;
    let id = coordinator.submit(FILE).await;
    coordinator.until(&id, "completed").await;
    let files = export(&coordinator, &id[..13]).await;
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    let expected = [
        "checkpoints/iter_1/adapter_config.json",
        "checkpoints/iter_1/adapter_model.safetensors",
        "checkpoints/iter_2/adapter_config.json",
        "checkpoints/iter_2/adapter_model.safetensors",
        "config.json",
        "iterations.jsonl",
        "metrics.jsonl",
        "rollouts.jsonl",
        "test.jsonl",
        "train.jsonl",
        "val.jsonl",
    ];
    assert_eq!(names, expected);
    let lines = |name: &str| -> Vec<serde_json::Value> {
        let text = String::from_utf8(files[name].clone()).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    assert_eq!(
        (
            lines("train.jsonl").len(),
            lines("val.jsonl").len(),
            lines("test.jsonl").len()
        ),
        (6, 3, 3)
    );
    assert_eq!(
        lines("train.jsonl")[0]["cases"].as_array().unwrap().len(),
        8
    );
    let rollouts = lines("rollouts.jsonl");
    assert_eq!(rollouts.len(), 3 * 36 + 2 * 24);
    let key = |line: &serde_json::Value| {
        let number = |key: &str| line[key].as_u64().unwrap();
        (
            number("iteration"),
            line["purpose"].to_string(),
            number("problem"),
            number("sample"),
        )
    };
    assert!(rollouts.is_sorted_by_key(key));
    assert_eq!(
        (
            rollouts[0]["greedy"].as_bool(),
            rollouts[0]["verdict"].as_str()
        ),
        (Some(true), Some("passed"))
    );
    let shortcut = rollouts
        .iter()
        .find(|line| line["shortcut"] == true)
        .unwrap();
    assert_eq!(shortcut["first_failure"]["got"], "1\\0");
    let weights = Digest::of(&files["checkpoints/iter_2/adapter_model.safetensors"]).to_string();
    assert_eq!(
        coordinator
            .count("select count(*) from adapter where iteration = 2 and trained")
            .await,
        1
    );
    assert!(weights.starts_with("sha256:"));
    coordinator.stop().await;
}

pub async fn export(coordinator: &Coordinator, name: &str) -> BTreeMap<String, Vec<u8>> {
    let mut chunks = coordinator
        .experiments()
        .export(named(name))
        .await
        .unwrap()
        .into_inner();
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    while let Some(chunk) = chunks.message().await.unwrap() {
        files.entry(chunk.path).or_default().extend(chunk.data);
    }
    files
}

#[tokio::test]
async fn without_training_every_evaluated_line_is_the_same() {
    let coordinator = Coordinator::start().await;
    let _crew = crew(&coordinator).await;
    let file = FILE
        .replace("iterations = 2", "iterations = 5")
        .replace("[train]", "[train]\nmethod = \"none\"")
        .replace("[evaluate]", "[evaluate]\nevery = 2");
    let id = coordinator.submit(&file).await;
    coordinator.until(&id, "completed").await;
    let (metrics, iterations) = coordinator.lines(&id).await;
    assert!(iterations.is_empty());
    let iterations: Vec<_> = metrics
        .iter()
        .map(|line| line["iteration"].as_u64().unwrap())
        .collect();
    assert_eq!(iterations, [0, 2, 4, 5]);
    let without = |line: &serde_json::Value| {
        let mut line = line.clone();
        line.as_object_mut().unwrap().remove("iteration");
        line
    };
    assert!(
        metrics
            .iter()
            .all(|line| without(line) == without(&metrics[0]))
    );
    coordinator.stop().await;
}

#[tokio::test]
async fn nothing_to_train_on_is_said_and_ends_the_patience() {
    let coordinator = Coordinator::start().await;
    let mut generate = Worker::register(&coordinator, "generate").await;
    generate.hopeless = true;
    let _workers = [
        generate.run(),
        Worker::register(&coordinator, "verify").await.run(),
    ];
    let file = FILE
        .replace("iterations = 2", "iterations = 9")
        .replace("[evaluate]", "[stop]\npatience = 2\n[evaluate]\nevery = 9");
    let id = coordinator.submit(&file).await;
    let done = coordinator.until(&id, "completed").await;
    assert!(
        done.reason
            .contains("nothing correct to train on in 2 iterations"),
        "{}",
        done.reason
    );
    let (metrics, iterations) = coordinator.lines(&id).await;
    assert_eq!(
        (metrics.len(), iterations.len()),
        (2, 2),
        "the last adapter is evaluated"
    );
    assert_eq!(iterations[0]["training"]["examples"], 0);
    assert!(iterations[0]["adapter_out"].is_null());
    coordinator.stop().await;
}

#[tokio::test]
async fn reaching_the_target_stops_at_once() {
    let coordinator = Coordinator::start().await;
    let _crew = crew(&coordinator).await;
    let id = coordinator
        .submit(&FILE.replace("[evaluate]", "[stop]\ntarget_accuracy = 0.6\n[evaluate]"))
        .await;
    let done = coordinator.until(&id, "completed").await;
    assert!(done.reason.contains("has reached 0.6"), "{}", done.reason);
    assert_eq!(done.iteration, 1);
    assert_eq!(coordinator.lines(&id).await.0.len(), 2);
    coordinator.stop().await;
}

#[tokio::test]
async fn watching_shows_every_change_once() {
    let coordinator = Coordinator::start().await;
    let id = coordinator.submit(FILE).await;
    let mut updates = coordinator
        .experiments()
        .watch(named(&id))
        .await
        .unwrap()
        .into_inner();
    let _crew = crew(&coordinator).await;
    let (mut states, mut events, mut metrics, mut iterations) = (Vec::new(), Vec::new(), 0, 0);
    while let Some(update) = updates.message().await.unwrap() {
        states.push(update.experiment.unwrap().state);
        events.extend(update.events.iter().map(|event| event.event_id));
        metrics += update.metrics_json.len();
        iterations += update.iterations_json.len();
    }
    states.dedup();
    assert_eq!(states.last().unwrap(), "completed");
    assert!(events.is_sorted_by(|a, b| a < b));
    assert_eq!((metrics, iterations), (3, 2));
    coordinator.stop().await;
}
