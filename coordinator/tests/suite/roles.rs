//! Each side's token opens its own services and no others.

use groklab_proto::v1;
use tonic::{Code, Request, Status};

use crate::harness::{CLIENT_TOKEN, Coordinator, WORKER_TOKEN, named};

fn with_token<T>(message: T, token: &str) -> Request<T> {
    let mut request = Request::new(message);
    request
        .metadata_mut()
        .insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

/// What each service answers to a call with this token.
async fn answers(coordinator: &Coordinator, token: &str) -> [Option<Code>; 6] {
    let code = |outcome: Result<(), Status>| outcome.err().map(|status| status.code());
    let (mut experiments, mut workers, mut artifacts) = (
        coordinator.experiments(),
        coordinator.workers(),
        coordinator.artifacts(),
    );
    let register = v1::RegisterRequest {
        worker_id: uuid::Uuid::new_v4().to_string(),
        kind: "train".to_owned(),
        ..Default::default()
    };
    let submit = v1::SubmitRequest {
        idempotency_key: "k".to_owned(),
        config_json: "{".to_owned(),
    };
    let lease = v1::LeaseRequest {
        kind: "train".to_owned(),
        ..Default::default()
    };
    let get = v1::GetArtifactRequest {
        digest: groklab_domain::Digest::of(b"x").to_string(),
    };
    [
        code(
            experiments
                .list(with_token(v1::ListRequest::default(), token))
                .await
                .map(drop),
        ),
        code(
            experiments
                .submit(with_token(submit, token))
                .await
                .map(drop),
        ),
        code(
            experiments
                .watch(with_token(named("x"), token))
                .await
                .map(drop),
        ),
        code(
            workers
                .register(with_token(register, token))
                .await
                .map(drop),
        ),
        code(workers.lease(with_token(lease, token)).await.map(drop)),
        code(artifacts.get(with_token(get, token)).await.map(drop)),
    ]
}

#[tokio::test]
async fn a_token_opens_its_own_services_alone() {
    let coordinator = Coordinator::with_tokens().await;
    let denied = Some(Code::PermissionDenied);
    let (invalid, missing) = (Some(Code::InvalidArgument), Some(Code::NotFound));
    assert_eq!(
        answers(&coordinator, CLIENT_TOKEN).await,
        [None, invalid, missing, denied, denied, denied]
    );
    assert_eq!(
        answers(&coordinator, WORKER_TOKEN).await,
        [denied, denied, denied, None, invalid, missing]
    );
    assert_eq!(
        answers(&coordinator, "neither of them").await,
        [Some(Code::Unauthenticated); 6]
    );
    assert_eq!(
        coordinator.count("select count(*) from experiment").await,
        0
    );
    assert_eq!(coordinator.count("select count(*) from worker").await, 1);
    coordinator.stop().await;
}
