//! Artifacts in S3, through the whole coordinator and its program: what it refuses at the start, that it collects, and that no secret is ever shown.

use std::time::{Duration, Instant};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use groklab_coordinator::AwsVariables;
use groklab_domain::Digest;
use groklab_tests::s3::{Identity, Server};
use tonic::Code;
use uuid::Uuid;

use crate::{
    harness::{Coordinator, eventually},
    postgres::{Postgres, folder},
    process::{Environment, Serving, command, said},
    worker::Worker,
};

const ALL: (&str, &str) = ("GROKLAB_LOG", "trace");
/// Part of every secret of the tests' server.
const SECRET: &str = "hunter2";
const SESSION_TOKEN: (&str, &str) = ("AWS_SESSION_TOKEN", "hunter2-of-a-session-0123456789");

fn environment<'a>(variables: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    let mut environment = vec![ALL];
    environment.extend(variables.iter().map(|(name, value)| (*name, &**value)));
    environment
}

pub fn bucket(server: &Server) -> String {
    let name = format!("bucket-{}", Uuid::now_v7());
    server.make_bucket(&name);
    name
}

#[tokio::test]
async fn a_place_that_cannot_be_used_is_refused_and_no_secret_is_shown() {
    let server = Server::shared();
    let bucket = bucket(&server);
    let place = format!("s3://{bucket}/here");
    let place = place.as_str();
    let (writer, reader) = (
        server.variables(Identity::Writer),
        server.variables(Identity::Reader),
    );
    let (wrong, stranger) = (
        server.variables(Identity::WrongSecret),
        server.variables(Identity::Stranger),
    );
    let (writer, reader) = (environment(&writer), environment(&reader));
    let (wrong, stranger) = (environment(&wrong), environment(&stranger));
    let without = |name: &str| -> Vec<_> {
        writer
            .iter()
            .copied()
            .filter(|(given, _)| *given != name)
            .collect()
    };
    let with = |variable: (&'static str, &'static str)| [&writer[..], &[variable]].concat();
    type Case<'a> = (&'a str, Vec<(&'a str, &'a str)>, &'a str);
    let cases: Vec<Case<'_>> = vec![
        ("gs://bucket", writer.clone(), "no other scheme is known"),
        (
            "s3://KEY:hunter2@bucket",
            writer.clone(),
            "keys do not belong into it",
        ),
        (
            "s3://Bucket",
            writer.clone(),
            "`Bucket` is no name of a bucket",
        ),
        (
            place,
            without("AWS_SECRET_ACCESS_KEY"),
            "AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not",
        ),
        (
            place,
            with(("AWS_USE_DUALSTACK_ENDPOINT", "true")),
            "AWS_USE_DUALSTACK_ENDPOINT is not known here",
        ),
        (
            place,
            with(("AWS_ENDPOINT_URL_S3", "hunter2")),
            "AWS_ENDPOINT_URL_S3 is no URL",
        ),
        (
            place,
            with(("AWS_CONNECT_TIMEOUT", "soon")),
            "a time like `30 seconds`",
        ),
        (
            place,
            wrong,
            "AWS_SECRET_ACCESS_KEY is not the secret of the access key `GROK…`",
        ),
        (place, stranger, "is AWS_ACCESS_KEY_ID right"),
        (place, reader, "needs s3:PutObject on"),
        (
            "s3://no-such-bucket",
            writer.clone(),
            "make the bucket `no-such-bucket`, or name another in --artifacts",
        ),
    ];
    for (place, environment, says) in &cases {
        let started = Instant::now();
        let said = said(&["--artifacts", place], environment).await;
        assert!(said.contains(says), "{place}: {said}");
        assert!(!said.contains(SECRET), "{place}: {said}");
        assert!(!said.contains("initdb"), "Postgres was not started: {said}");
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "{place}: it is said at once"
        );
    }
    // A session's token that does not belong to the key.
    let said = said(&["--artifacts", place], &with(SESSION_TOKEN)).await;
    assert!(!said.contains(SECRET), "{said}");
}

#[tokio::test]
async fn the_configuration_is_shown_without_secrets() {
    let server = Server::shared();
    let variables = server.variables(Identity::Writer);
    let output = command(
        &folder(),
        &["--print-config", "--artifacts", "s3://bucket/here"],
        &environment(&variables),
    )
    .output()
    .await
    .unwrap();
    let shown = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(shown.contains("artifacts = s3://bucket/here\n"), "{shown}");
    let address = format!("http://{}/ (AWS_ENDPOINT_URL)", server.address());
    assert!(
        shown.contains(&address) && shown.contains("the access key `GROK…`"),
        "{shown}"
    );
    assert!(!shown.contains(SECRET), "{shown}");
}

/// At the highest level of its log, while it stores, reads and is refused.
#[tokio::test]
async fn no_secret_is_logged_while_it_serves() {
    let server = Server::shared();
    let bucket = bucket(&server);
    let place = format!("s3://{bucket}/here");
    let variables = server.variables(Identity::Writer);
    let mut environment = environment(&variables);
    environment.push(("GROKLAB_ARTIFACTS", &place));
    let environment: Environment<'_> = &environment;
    let url = Postgres::shared().database().await;
    let serving = Serving::on(&url, environment).await;
    eventually("it to say what is wrong", async || {
        // Each time anew: an object that is on its way makes the bucket's folder again, and its
        // server believes for a while that the bucket is there.
        server.remove_bucket(&bucket);
        serving.log().contains("make the bucket").then_some(())
    })
    .await;
    let log = serving.stop().await;
    assert!(log.contains(&place), "{log}");
    assert!(!log.contains(SECRET), "{log}");
}

#[tokio::test]
async fn more_than_a_thousand_that_nothing_refers_to_are_collected() {
    let server = Server::shared();
    let bucket = bucket(&server);
    let variables = server.variables(Identity::Writer);
    let owned = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()));
    let place = format!("s3://{bucket}").parse().unwrap();
    let coordinator = Coordinator::on_s3(place, AwsVariables::among(owned)).await;
    let mut worker = Worker::register(&coordinator, "train").await;
    let young = worker.put(b"young").await;
    let contents: Vec<Vec<u8>> = (0..1100)
        .map(|i| format!("old {i:5}").into_bytes())
        .collect();
    let stored = stream::iter(&contents).map(|bytes| {
        let mut worker = worker.again();
        async move { Ok::<_, ()>(worker.put(bytes).await) }
    });
    let digests: Vec<String> = stored.buffer_unordered(20).try_collect().await.unwrap();
    assert_eq!(digests.len(), 1100);
    coordinator
        .execute("update artifact set created_at = now() - interval '25 hours' where size <> 5")
        .await;

    let coordinator = coordinator.restarted().await;
    eventually("them to be collected", async || {
        (coordinator.count("select count(*) from artifact").await == 1).then_some(())
    })
    .await;
    let mut worker = Worker::register(&coordinator, "train").await;
    for bytes in contents.iter().step_by(100) {
        let digest = Digest::of(bytes).to_string();
        assert_eq!(
            worker.get(&digest).await.unwrap_err().code(),
            Code::NotFound
        );
    }
    assert_eq!(worker.get(&young).await.unwrap(), b"young");
    assert_eq!(
        server.objects(&bucket),
        2,
        "the young one, and what tells that it answers"
    );
    coordinator.stop().await;
}
