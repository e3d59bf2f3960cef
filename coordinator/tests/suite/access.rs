//! Submitting, naming, artifacts, and requests that make no sense.

use groklab_domain::Digest;
use groklab_proto::v1;
use tonic::Code;

use crate::{
    harness::{Coordinator, SHORT_FILE, eventually, named},
    worker::Worker,
};

#[tokio::test]
async fn a_submission_is_stored_once_per_key() {
    let coordinator = Coordinator::start().await;
    let id = |response: v1::SubmitResponse| response.experiment.unwrap().experiment_id;
    let both = tokio::join!(
        coordinator.try_submit("key", SHORT_FILE),
        coordinator.try_submit("key", SHORT_FILE)
    );
    let first = id(both.0.unwrap());
    assert_eq!(first, id(both.1.unwrap()));
    let second = id(coordinator.try_submit("another", SHORT_FILE).await.unwrap());
    assert_ne!(first, second);
    assert_eq!(
        coordinator.get("short").await.experiment_id,
        second,
        "a name means the newest"
    );
    assert_eq!(coordinator.get(&first[..36]).await.experiment_id, first);
    let file = SHORT_FILE.replace("\"short\"", "\"0\"");
    let zero = id(coordinator.try_submit("zero", &file).await.unwrap());
    assert_eq!(
        coordinator.get("0").await.experiment_id,
        zero,
        "a name comes before the beginning of an id"
    );
    let listed = coordinator
        .experiments()
        .list(v1::ListRequest {
            tags: Vec::new(),
            state: String::new(),
        })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(listed.experiments.len(), 3);
    coordinator.stop().await;
}

#[tokio::test]
async fn what_cannot_be_run_is_refused_with_the_reason() {
    let coordinator = Coordinator::start().await;
    let mut config =
        serde_json::to_value(groklab_domain::experiment::parse(SHORT_FILE).unwrap()).unwrap();
    config["train"]["rank"] = 0.into();
    let submit = |config_json: String| v1::SubmitRequest {
        idempotency_key: "k".to_owned(),
        config_json,
    };
    let refused = coordinator
        .experiments()
        .submit(submit(config.to_string()))
        .await
        .unwrap_err();
    assert_eq!(
        (refused.code(), refused.message()),
        (Code::InvalidArgument, "`train.rank` = 0: use 1 to 512")
    );
    let refused = coordinator
        .experiments()
        .submit(submit("{".to_owned()))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let refused = coordinator
        .try_submit("k", &SHORT_FILE.replace("digits/digits=all", "sums"))
        .await
        .unwrap_err();
    assert!(
        refused.code() == Code::InvalidArgument && refused.message().contains("sums"),
        "{refused:?}"
    );
    assert_eq!(
        coordinator.count("select count(*) from experiment").await,
        0
    );
    coordinator.stop().await;
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let coordinator = Coordinator::start().await;
    let unknown = uuid::Uuid::new_v4().to_string();
    for name in [unknown.as_str(), "nothing", ""] {
        assert_eq!(
            coordinator
                .experiments()
                .get(named(name))
                .await
                .unwrap_err()
                .code(),
            Code::NotFound,
            "`{name}`"
        );
    }
    assert_eq!(
        coordinator
            .experiments()
            .get(named("a\0b"))
            .await
            .unwrap_err()
            .code(),
        Code::InvalidArgument
    );
    let digest = Digest::of(b"nothing").to_string();
    let mut worker = Worker::register(&coordinator, "train").await;
    assert_eq!(
        worker.get(&digest).await.unwrap_err().code(),
        Code::NotFound
    );
    assert_eq!(
        worker.get("nothing").await.unwrap_err().code(),
        Code::InvalidArgument
    );
    let lease = v1::LeaseRequest {
        worker_id: unknown,
        kind: "train".to_owned(),
        capacity: 1,
        held: vec![],
    };
    assert_eq!(
        coordinator.workers().lease(lease).await.unwrap_err().code(),
        Code::NotFound
    );
    coordinator.stop().await;
}

#[tokio::test]
async fn an_artifact_is_what_its_digest_says() {
    let coordinator = Coordinator::start().await;
    let mut worker = Worker::register(&coordinator, "train").await;
    let bytes: Vec<u8> = (0..3_000_000u32).map(|i| (i % 251) as u8).collect();
    let other = Digest::of(b"other").to_string();
    let refused = worker
        .put_as(&other, &bytes[..1_000_000])
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(worker.get(&other).await.unwrap_err().code(), Code::NotFound);
    for piece in bytes.chunks(900_000) {
        let digest = worker.put(piece).await;
        assert_eq!(worker.put(piece).await, digest, "safe to repeat");
        assert_eq!(worker.get(&digest).await.unwrap(), piece);
    }
    let empty = worker.put(b"").await;
    assert!(worker.get(&empty).await.unwrap().is_empty());
    let workers = coordinator
        .experiments()
        .list_workers(v1::ListWorkersRequest {})
        .await
        .unwrap()
        .into_inner()
        .workers;
    assert!(workers.len() == 1 && workers[0].alive && workers[0].job_id.is_empty());
    coordinator.stop().await;
}

#[tokio::test]
async fn metrics_come_in_pages_that_miss_nothing() {
    let coordinator = Coordinator::start().await;
    let id = coordinator.submit(SHORT_FILE).await;
    coordinator
        .execute(
            "update experiment set state = 'paused', reason = 'so that nothing is added by itself'",
        )
        .await;
    let all = "insert into metric (experiment_id, iteration, line)
        select experiment_id, i, '{\"iteration\": ' || i || '}'
        from experiment, generate_series(0, 498, 2) i";
    coordinator.execute(all).await;
    let (mut first, mut metrics, mut pages) = (Some(0), Vec::new(), 0);
    while let Some(from) = first {
        let request = v1::MetricsRequest {
            experiment: id.clone(),
            first: from,
        };
        let page = coordinator
            .experiments()
            .metrics(request)
            .await
            .unwrap()
            .into_inner();
        assert!(
            page.next.is_none_or(|next| next > from),
            "every page goes on"
        );
        metrics.extend(page.metrics_json);
        (first, pages) = (page.next, pages + 1);
    }
    let expected: Vec<String> = (0..=498)
        .step_by(2)
        .map(|i| format!("{{\"iteration\": {i}}}"))
        .collect();
    assert_eq!((metrics, pages), (expected, 3));
    let beyond = v1::MetricsRequest {
        experiment: id,
        first: u32::MAX,
    };
    assert_eq!(
        coordinator
            .experiments()
            .metrics(beyond)
            .await
            .unwrap_err()
            .code(),
        Code::InvalidArgument
    );
    coordinator.stop().await;
}

#[tokio::test]
async fn what_nothing_refers_to_for_a_day_is_collected() {
    let coordinator = Coordinator::start().await;
    coordinator.submit(SHORT_FILE).await;
    let mut worker = Worker::register(&coordinator, "train").await;
    let [young, old, used] = [
        worker.put(b"young").await,
        worker.put(b"old").await,
        worker.put(b"used").await,
    ];
    assert_eq!(old, Digest::of(b"old").to_string());
    coordinator
        .execute("update artifact set created_at = now() - interval '25 hours' where size <> 5")
        .await;
    let refer = "insert into adapter
            (experiment_id, iteration, adapter_id, config_digest, weights_digest, trained)
        select experiment_id, 1, digest, digest, digest, true
        from experiment, artifact where size = 4";
    coordinator.execute(refer).await;

    let coordinator = coordinator.restarted().await;
    let mut worker = Worker::register(&coordinator, "train").await;
    eventually("it to be collected", async || {
        (coordinator.count("select count(*) from artifact").await == 2).then_some(())
    })
    .await;
    assert_eq!(worker.get(&old).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(worker.get(&young).await.unwrap(), b"young");
    assert_eq!(worker.get(&used).await.unwrap(), b"used");
    assert_eq!(worker.put(b"old").await, old, "it may come again");
    assert_eq!(worker.get(&old).await.unwrap(), b"old");
    coordinator.stop().await;
}
