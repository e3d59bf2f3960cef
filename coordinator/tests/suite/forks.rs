//! Forks: where they start, what they keep, and that they outlive their parents.

use groklab_proto::v1::{self, job::Work};
use serde_json::Value;
use tonic::{Code, Status};

use crate::{
    harness::{Coordinator, eventually, named},
    life::{FILE, export},
    worker::{Worker, crew},
};

const CONTINUE: &str = "[train]\nstart = \"continue\"";

async fn fork(
    coordinator: &Coordinator,
    key: &str,
    parent: &str,
    iteration: Option<u32>,
    file: &str,
) -> Result<v1::SubmitResponse, Status> {
    let config = groklab_domain::experiment::parse(file).unwrap();
    let request = v1::ForkRequest {
        idempotency_key: key.to_owned(),
        experiment: parent.to_owned(),
        iteration,
        config_json: serde_json::to_string(&config).unwrap(),
    };
    let answer = coordinator.experiments().fork(request).await?;
    Ok(answer.into_inner())
}

fn called(name: &str) -> String {
    FILE.replace("tiny", name)
}

/// What was measured, without what depends on the number of the iteration.
fn measured(line: &Value) -> Value {
    let mut line = line.clone();
    let fields = line.as_object_mut().unwrap();
    fields.remove("iteration");
    fields.remove("grokking");
    line
}

#[tokio::test]
async fn a_fork_starts_where_its_parent_was_and_outlives_it() {
    let coordinator = Coordinator::start().await;
    let _crew = crew(&coordinator).await;
    let parent = coordinator.submit(FILE).await;
    coordinator.until(&parent, "completed").await;
    let (parents, lines) = coordinator.lines(&parent).await;
    let files = export(&coordinator, &parent).await;

    // It trains on others, so that what the parent trained is the parent's alone.
    let file = called("other").replace("max_per_problem = 2", "max_per_problem = 1");
    let answer = fork(&coordinator, "fork", "tiny", Some(1), &file)
        .await
        .unwrap();
    let made = answer.experiment.unwrap();
    let from = made.parent.clone().unwrap();
    assert_eq!((&from.experiment_id, from.iteration), (&parent, 1));
    assert_eq!(
        Value::from(from.adapter_id.as_str()),
        lines[0]["adapter_out"]
    );
    assert!(
        answer
            .warnings
            .iter()
            .any(|text| text.contains("`train.start` = \"restart\""))
    );
    let again = fork(&coordinator, "fork", "tiny", Some(1), &file)
        .await
        .unwrap();
    assert_eq!(again.experiment.unwrap().experiment_id, made.experiment_id);

    let id = made.experiment_id;
    coordinator.until(&id, "completed").await;
    let (metrics, iterations) = coordinator.lines(&id).await;
    assert_eq!((metrics.len(), iterations.len()), (3, 2));
    assert_eq!(measured(&metrics[0]), measured(&parents[1]));
    assert_eq!(iterations[0]["adapter_in"], lines[0]["adapter_out"]);
    let forks = export(&coordinator, &id).await;
    for split in ["train.jsonl", "val.jsonl", "test.jsonl"] {
        assert_eq!(forks[split], files[split]);
    }
    let weights = "adapter_model.safetensors";
    assert_eq!(
        forks[&format!("checkpoints/iter_0/{weights}")],
        files[&format!("checkpoints/iter_1/{weights}")]
    );
    let told: Value = serde_json::from_slice(&forks["parent.json"]).unwrap();
    assert_eq!(told["experiment_id"], parent.as_str());
    assert!(!files.contains_key("parent.json"));

    // The parent goes with all that is its own, and the fork has what it needs.
    let request = v1::DeleteRequest {
        experiment: parent.clone(),
        cancel: false,
    };
    coordinator.experiments().delete(request).await.unwrap();
    eventually("the parent to be gone", async || {
        coordinator.experiments().get(named(&parent)).await.err()
    })
    .await;
    let aged = "update artifact set created_at = now() - interval '25 hours'";
    coordinator.execute(aged).await;
    // Whatever may be collected is collected at the start.
    let coordinator = coordinator.restarted().await;
    assert_eq!(export(&coordinator, &id).await, forks);
    assert_eq!(coordinator.get(&id).await.parent, Some(from));
    coordinator.stop().await;
}

#[tokio::test]
async fn training_goes_on_from_the_parents_adapter_where_it_continues() {
    let coordinator = Coordinator::start().await;
    let continues = FILE.replace("[train]", CONTINUE);
    let parent = {
        let _crew = crew(&coordinator).await;
        let parent = coordinator.submit(&continues).await;
        coordinator.until(&parent, "completed").await;
        parent
    };
    let mut others = Vec::new();
    for kind in ["generate", "verify"] {
        others.push(Worker::register(&coordinator, kind).await.run());
    }
    // By default from the newest adapter; iteration 2 keeps the optimiser's state, iteration 1 not.
    let file = continues.replace("tiny", "newest");
    let newest = fork(&coordinator, "a", &parent, None, &file).await.unwrap();
    assert!(
        newest
            .warnings
            .iter()
            .all(|text| !text.contains("optimiser"))
    );
    let from = newest.experiment.unwrap().parent.unwrap();
    assert_eq!(from.iteration, 2);
    let mut worker = Worker::register(&coordinator, "train").await;
    let job = worker.lease().await;
    let Some(Work::Train(work)) = &job.work else {
        panic!("{job:?}");
    };
    assert_eq!(work.init.as_ref().unwrap().id, from.adapter_id);
    assert!(!work.optimiser_digest.is_empty());

    let file = continues.replace("tiny", "older");
    let older = fork(&coordinator, "b", &parent, Some(1), &file)
        .await
        .unwrap();
    assert!(
        older
            .warnings
            .iter()
            .any(|text| text.contains("with a fresh one")),
        "{older:?}"
    );
    for (set, key) in [
        ("rank = 8", "rank"),
        ("alpha = 1.0", "alpha"),
        ("targets = [\"q_proj\"]", "targets"),
    ] {
        let file = FILE
            .replace("tiny", "shape")
            .replace("[train]", &format!("{CONTINUE}\n{set}"));
        let refused = fork(&coordinator, "c", &parent, None, &file)
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(
            refused.message().starts_with(&format!("`train.{key}` = ")),
            "{refused}"
        );
    }
    // An adapter of its own may have any shape.
    let file = called("free").replace("[train]", "[train]\nrank = 8");
    fork(&coordinator, "d", &parent, None, &file).await.unwrap();
    coordinator.stop().await;
}

#[tokio::test]
async fn what_cannot_be_forked_is_refused_and_leaves_nothing() {
    let coordinator = Coordinator::start().await;
    let _crew = crew(&coordinator).await;
    let few = FILE.replace("seed = 7", "seed = 7\nkeep_checkpoints = 1");
    let parent = coordinator.submit(&few).await;
    coordinator.until(&parent, "completed").await;
    for (iteration, says) in [(1, "kept are those of [2]"), (9, "kept are those of [2]")] {
        let refused = fork(&coordinator, "k", &parent, Some(iteration), &called("x")).await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains(says), "{refused}");
    }
    for (from, to, key) in [
        ("seed = 7", "seed = 8", "seed"),
        ("train = 6", "train = 5", "problems.train"),
        ("m.gguf", "n.gguf", "model.source"),
    ] {
        let file = called("x").replace(from, to);
        let refused = fork(&coordinator, "k", &parent, None, &file)
            .await
            .unwrap_err();
        assert!(
            refused.message().starts_with(&format!("`{key}` = ")),
            "{refused}"
        );
        assert!(
            refused.message().contains("a fork keeps its parent's"),
            "{refused}"
        );
    }
    let refused = fork(&coordinator, "k", &parent, None, FILE)
        .await
        .unwrap_err();
    assert_eq!(
        refused.code(),
        Code::FailedPrecondition,
        "its name is taken"
    );
    let refused = fork(&coordinator, "k", "nobody", None, &called("x"))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    assert_eq!(
        coordinator.count("select count(*) from experiment").await,
        1
    );

    // Iteration 0 of what is no fork is the untrained model, which is always there.
    let start = fork(&coordinator, "k", &parent, Some(0), &called("x"))
        .await
        .unwrap();
    let start = start.experiment.unwrap();
    assert_eq!(start.parent.unwrap().adapter_id, "");
    coordinator.until(&start.experiment_id, "completed").await;
    let (parents, forks) = (
        coordinator.lines(&parent).await.0,
        coordinator.lines(&start.experiment_id).await.0,
    );
    assert_eq!(forks[0], parents[0]);
    coordinator.stop().await;
}

#[tokio::test]
async fn a_fork_of_a_fork_never_takes_a_lost_adapter_for_the_untrained_model() {
    let coordinator = Coordinator::start().await;
    let _crew = crew(&coordinator).await;
    let parent = coordinator.submit(FILE).await;
    coordinator.until(&parent, "completed").await;
    let few = called("few").replace("seed = 7", "seed = 7\nkeep_checkpoints = 1");
    let few = fork(&coordinator, "a", &parent, Some(1), &few)
        .await
        .unwrap();
    let few = few.experiment.unwrap().experiment_id;
    coordinator.until(&few, "completed").await;
    let refused = fork(&coordinator, "b", &few, Some(0), &called("b"))
        .await
        .unwrap_err();
    assert!(
        refused.message().contains("kept are those of [2]"),
        "{refused}"
    );
    let all = fork(&coordinator, "c", &parent, Some(2), &called("all"))
        .await
        .unwrap();
    let all = all.experiment.unwrap().experiment_id;
    coordinator.until(&all, "completed").await;
    let second = fork(&coordinator, "d", &all, Some(0), &called("d"))
        .await
        .unwrap();
    let from = |experiment: v1::Experiment| experiment.parent.unwrap().adapter_id;
    assert_eq!(
        from(second.experiment.unwrap()),
        from(coordinator.get(&all).await)
    );
    coordinator.stop().await;
}
