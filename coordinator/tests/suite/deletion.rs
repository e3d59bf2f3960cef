//! Deleting experiments: exactly what is theirs goes, whoever works on them meanwhile.

use std::time::Duration;

use groklab_proto::v1;
use sqlx::{Connection as _, PgConnection};
use tonic::{Code, Status};

use crate::{
    harness::{Coordinator, eventually, named},
    life::{FILE, export},
    worker::{Worker, crew},
};

async fn delete(
    coordinator: &Coordinator,
    id: &str,
    cancel: bool,
) -> Result<v1::Experiment, Status> {
    let experiment = id.to_owned();
    let request = v1::DeleteRequest { experiment, cancel };
    let answer = coordinator.experiments().delete(request).await?;
    Ok(answer.into_inner())
}

async fn until_gone(coordinator: &Coordinator, id: &str) {
    eventually("it to be gone", async || {
        let found = coordinator.experiments().get(named(id)).await;
        found.err().filter(|status| status.code() == Code::NotFound)
    })
    .await;
}

async fn footprint(coordinator: &Coordinator, id: &str) -> v1::FootprintResponse {
    let answer = coordinator.experiments().footprint(named(id)).await;
    answer.unwrap().into_inner()
}

async fn submitted(coordinator: &Coordinator, key: &str, file: &str) -> String {
    let answer = coordinator.try_submit(key, file).await.unwrap();
    answer.experiment.unwrap().experiment_id
}

/// Everything that is stored but of these experiments, table by table.
async fn rows(coordinator: &Coordinator) -> Vec<String> {
    let mut digests = Vec::new();
    for table in [
        "experiment",
        "problem",
        "problem_case",
        "job",
        "attempt",
        "rollout",
        "verdict",
        "adapter",
        "iteration",
        "metric",
        "training_step",
        "event",
    ] {
        digests.push(coordinator.digest(table).await);
    }
    digests
}

#[tokio::test]
async fn what_is_deleted_leaves_everything_else_as_it_was() {
    let coordinator = Coordinator::start().await;
    let crew = crew(&coordinator).await;
    let kept = submitted(&coordinator, "kept", FILE).await;
    coordinator.until(&kept, "completed").await;
    let before = rows(&coordinator).await;
    let files = export(&coordinator, &kept).await;
    // The same numbers, so all its artifacts are shared; and one that shares some.
    let twin = submitted(&coordinator, "twin", &FILE.replace("tiny", "twin")).await;
    let other = FILE
        .replace("tiny", "other")
        .replace("seed = 7", "seed = 8");
    let other = submitted(&coordinator, "other", &other).await;
    for id in [&twin, &other] {
        coordinator.until(id, "completed").await;
    }
    drop(crew);
    let shared = footprint(&coordinator, &twin).await;
    assert_eq!((shared.artifacts, shared.artifact_bytes), (0, 0));
    let alone = footprint(&coordinator, &other).await;
    assert_eq!((alone.rollouts, alone.jobs > 20), (3 * 36 + 2 * 24, true));
    // The training set of both iterations, and the weights of two adapters; configuration and
    // optimiser are those of all.
    assert_eq!((alone.artifacts, alone.artifact_bytes > 100), (3, true));

    for id in [&twin, &other] {
        assert_eq!(
            delete(&coordinator, id, false).await.unwrap().state,
            "deleting"
        );
        until_gone(&coordinator, id).await;
    }
    assert_eq!(rows(&coordinator).await, before);
    let names = "select count(*) from experiment";
    assert_eq!(coordinator.count(names).await, 1);
    // Whoever took a backup has a day to copy what it names.
    let young = "select count(*) from artifact where created_at > now() - interval '1 minute'";
    assert!(coordinator.count(young).await >= 3);
    let aged = "update artifact set created_at = now() - interval '25 hours'";
    coordinator.execute(aged).await;
    let artifacts = coordinator.count("select count(*) from artifact").await;
    let coordinator = coordinator.restarted().await;
    eventually("its artifacts to be collected", async || {
        let left = coordinator.count("select count(*) from artifact").await;
        (left == artifacts - 3).then_some(())
    })
    .await;
    assert_eq!(export(&coordinator, &kept).await, files);
    coordinator.stop().await;
}

#[tokio::test]
async fn a_worker_of_what_is_deleted_is_refused_and_goes_on() {
    let coordinator = Coordinator::start().await;
    let mut worker = Worker::register(&coordinator, "generate").await;
    let id = submitted(&coordinator, "first", FILE).await;
    let job = worker.lease().await;
    let refused = delete(&coordinator, &id, false).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(
        refused.message().contains("is running: cancel it first"),
        "{refused}"
    );
    coordinator.until(&id, "running").await;

    delete(&coordinator, &id, true).await.unwrap();
    // Whether its row is there still or not: nothing is stored.
    let result = worker.work(&job).await;
    let answer = worker.complete(&job, result.clone()).await;
    assert!(
        answer.as_ref().is_ok_and(|accepted| !accepted)
            || answer
                .as_ref()
                .is_err_and(|status| status.code() == Code::NotFound),
        "{answer:?}"
    );
    until_gone(&coordinator, &id).await;
    let answer = worker.complete(&job, result).await.unwrap_err();
    assert_eq!(answer.code(), Code::NotFound);
    assert_eq!(
        worker.heartbeat(&job).await,
        std::slice::from_ref(&job.job_id)
    );
    assert_eq!(
        delete(&coordinator, &id, true).await.unwrap_err().code(),
        Code::NotFound
    );

    let next = submitted(&coordinator, "second", FILE).await;
    let job = worker.lease().await;
    let result = worker.work(&job).await;
    assert!(worker.complete(&job, result).await.unwrap());
    coordinator.until(&next, "running").await;
    assert_eq!(
        coordinator.count("select count(*) from experiment").await,
        1
    );
    coordinator.stop().await;
}

#[tokio::test]
async fn nothing_is_read_while_it_goes() {
    let coordinator = Coordinator::start().await;
    let _crew = crew(&coordinator).await;
    let id = submitted(&coordinator, "first", FILE).await;
    coordinator.until(&id, "completed").await;
    // While somebody holds one of its rollouts it cannot go on.
    let mut holder = PgConnection::connect(&coordinator.database_url)
        .await
        .unwrap();
    let mut held = holder.begin().await.unwrap();
    sqlx::query("select 1 from rollout limit 1 for update")
        .execute(&mut *held)
        .await
        .unwrap();
    delete(&coordinator, &id, false).await.unwrap();
    coordinator.until(&id, "deleting").await;
    let mut client = coordinator.experiments();
    // Whatever changes it waits for the rows that go at this moment, so only reading is tried.
    let refusals = [
        client.export(named(&id)).await.unwrap_err(),
        client.problems(named(&id)).await.unwrap_err(),
        client.events(named(&id)).await.unwrap_err(),
    ];
    for refused in refusals {
        assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
        assert!(refused.message().contains("is being deleted"), "{refused}");
    }
    let again = submitted(&coordinator, "second", FILE).await;
    assert_eq!(coordinator.get("tiny").await.experiment_id, again);
    held.rollback().await.unwrap();
    until_gone(&coordinator, &id).await;
    coordinator.stop().await;
}

#[tokio::test]
async fn an_answer_during_which_it_begins_to_go_ends_in_an_error() {
    let coordinator = Coordinator::start().await;
    let crew = crew(&coordinator).await;
    let id = submitted(&coordinator, "first", FILE).await;
    coordinator.until(&id, "completed").await;
    drop(crew);
    // More than fits into the buffers between the two ends, so that most is read later.
    coordinator
        .execute("update rollout set text = convert_to(repeat('x', 200000), 'UTF8')")
        .await;
    let mut chunks = coordinator
        .experiments()
        .export(named(&id))
        .await
        .unwrap()
        .into_inner();
    chunks.message().await.unwrap().unwrap();
    delete(&coordinator, &id, false).await.unwrap();
    until_gone(&coordinator, &id).await;
    let ended = tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            match chunks.message().await {
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(status) => return Some(status),
            }
        }
    });
    let status = ended.await.unwrap().expect("an error and no short export");
    assert!(
        matches!(status.code(), Code::NotFound | Code::FailedPrecondition),
        "{status}"
    );
    coordinator.stop().await;
}
