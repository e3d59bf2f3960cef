//! When a component counts as started: the coordinator answers, a worker has registered.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use groklab_domain::JobKind;
use groklab_proto::v1::Worker;
use groklab_runtime::connect::Access;

use super::{
    component::{Component, Running},
    supervise::died,
};
use crate::{client::Client, failure::Failure, place::url_of};

/// Setting up a database, or loading libtorch from a cold disk, takes its time.
const PATIENCE: Duration = Duration::from_secs(180);
const PAUSE: Duration = Duration::from_millis(150);

/// Waits until the coordinator has written its address and answers there.
pub async fn coordinator(
    component: &Component,
    running: &mut Running,
    address_file: &std::path::Path,
    access: &Access,
) -> Result<Client, Failure> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let url = std::fs::read_to_string(address_file)
            .ok()
            .and_then(|text| url_of(&text));
        let answer = match &url {
            Some(url) => answering(url, access).await,
            None => Err(Failure::other("it has not written its address yet")),
        };
        match answer {
            Ok(client) => return Ok(client),
            Err(failure) if Instant::now() >= deadline => {
                return Err(late(component, &failure.to_string()));
            }
            Err(_) => pause(component, running).await?,
        }
    }
}

async fn answering(url: &str, access: &Access) -> Result<Client, Failure> {
    let client = Client::connect(url, access).await?;
    client.workers().await?;
    Ok(client)
}

/// Waits until a worker of `kind` that is not among `before` has registered.
pub async fn worker(
    client: &Client,
    kind: JobKind,
    before: &Before,
    component: &Component,
    running: &mut Running,
) -> Result<(), Failure> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match client.workers().await {
            Ok(workers) if workers.iter().any(|worker| before.is_new(worker, kind)) => {
                return Ok(());
            }
            Ok(_) if Instant::now() >= deadline => {
                return Err(late(
                    component,
                    "it has not registered with the coordinator",
                ));
            }
            Err(failure) if Instant::now() >= deadline => return Err(failure),
            _ => pause(component, running).await?,
        }
    }
}

/// The workers that were known before ours were started.
#[derive(Debug, Default)]
pub struct Before(HashSet<String>);

impl Before {
    pub fn of(workers: &[Worker]) -> Self {
        Self(
            workers
                .iter()
                .map(|worker| worker.worker_id.clone())
                .collect(),
        )
    }

    fn is_new(&self, worker: &Worker, kind: JobKind) -> bool {
        worker.alive && worker.kind == kind.as_str() && !self.0.contains(&worker.worker_id)
    }
}

async fn pause(component: &Component, running: &mut Running) -> Result<(), Failure> {
    match tokio::time::timeout(PAUSE, running.ended()).await {
        Err(_) => Ok(()),
        Ok(status) => {
            let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
            Err(died(
                component,
                &how,
                &component.log_tail(running.log_start()),
            ))
        }
    }
}

fn late(component: &Component, why: &str) -> Failure {
    Failure::other(format!("wait for {}", component.name))
        .because(format!("{why} after {} s", PATIENCE.as_secs()))
        .next(format!("read {}", component.log.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_new_living_worker_of_the_kind_counts() {
        let worker = |id: &str, kind: &str, alive| Worker {
            worker_id: id.into(),
            kind: kind.into(),
            alive,
            ..Worker::default()
        };
        let before = Before::of(&[worker("old", "verify", true)]);
        let new = |w: &Worker| before.is_new(w, JobKind::Verify);
        assert!(new(&worker("a", "verify", true)));
        assert!(
            !new(&worker("old", "verify", true))
                && !new(&worker("a", "train", true))
                && !new(&worker("a", "verify", false))
        );
    }
}
