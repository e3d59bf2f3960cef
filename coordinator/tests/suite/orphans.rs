//! Bytes whose rows were never written: in a folder and in S3 they are found, and go a day later.

use groklab_coordinator::AwsVariables;
use groklab_tests::s3::{Identity, Server};

use crate::{
    harness::{Coordinator, eventually},
    worker::Worker,
};

/// What a coordinator leaves that is killed between the bytes and the row.
const LOSE_ROWS: &str = "delete from artifact where size = 7";

async fn found_and_collected(coordinator: Coordinator) -> Coordinator {
    let mut worker = Worker::register(&coordinator, "train").await;
    let lost = worker.put(b"orphan!").await;
    let kept = worker.put(b"kept").await;
    coordinator.execute(LOSE_ROWS).await;
    let coordinator = coordinator.restarted().await;
    eventually("a row for it", async || {
        let rows = coordinator
            .count("select count(*) from artifact where size = 7")
            .await;
        (rows == 1).then_some(())
    })
    .await;
    // An upload that is under way has a day to be reported.
    let mut worker = Worker::register(&coordinator, "train").await;
    assert_eq!(worker.get(&lost).await.unwrap(), b"orphan!");
    coordinator
        .execute("update artifact set created_at = now() - interval '25 hours' where size = 7")
        .await;
    let coordinator = coordinator.restarted().await;
    eventually("it to be collected", async || {
        let rows = coordinator
            .count("select count(*) from artifact where size = 7")
            .await;
        (rows == 0).then_some(())
    })
    .await;
    let mut worker = Worker::register(&coordinator, "train").await;
    worker.get(&lost).await.unwrap_err();
    assert_eq!(worker.get(&kept).await.unwrap(), b"kept");
    coordinator
}

#[tokio::test]
async fn bytes_without_a_row_are_found_in_a_folder() {
    let coordinator = found_and_collected(Coordinator::start().await).await;
    coordinator.stop().await;
}

#[tokio::test]
async fn bytes_without_a_row_are_found_in_s3() {
    let server = Server::shared();
    let bucket = crate::s3::bucket(&server);
    let variables = server.variables(Identity::Writer);
    let owned = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()));
    let place = format!("s3://{bucket}/below").parse().unwrap();
    let coordinator = Coordinator::on_s3(place, AwsVariables::among(owned)).await;
    let coordinator = found_and_collected(coordinator).await;
    assert_eq!(
        server.objects(&bucket),
        2,
        "the one that is kept, and the probe"
    );
    coordinator.stop().await;
}
