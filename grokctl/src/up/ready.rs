//! When a component counts as started: the coordinator answers, a worker has registered.

use std::{
    collections::HashSet,
    io,
    process::ExitStatus,
    time::{Duration, Instant},
};

use groklab_domain::{JobKind, WorkerId, records::WorkerRecord};
use groklab_runtime::connect::Access;

use super::{
    component::{Component, Running},
    programs::Worker,
    supervise::{died, ending},
};
use crate::{client::Client, failure::Failure, url::url_from_text};

/// Setting up a database, or loading libtorch from a cold disk, takes its time.
const READY_WITHIN: Duration = Duration::from_secs(180);
const CHECK_EVERY: Duration = Duration::from_millis(150);

/// Waits until the coordinator has written its address and answers there.
pub async fn coordinator(
    component: &Component,
    running: &mut Running,
    address_file: &std::path::Path,
    access: &Access,
) -> Result<Client, Failure> {
    let deadline = Instant::now() + READY_WITHIN;
    loop {
        // The file is not there until the coordinator listens.
        let written = std::fs::read_to_string(address_file).unwrap_or_default();
        let answer = match url_from_text(&written) {
            Some(url) => connect_and_ask(&url, access).await,
            None => Err(Failure::other("it has not written its address yet")),
        };
        match answer {
            Ok(client) => return Ok(client),
            Err(failure) if Instant::now() >= deadline => {
                return Err(late(component, &failure.to_string()));
            }
            Err(_) => pause_while_alive(component, running).await?,
        }
    }
}

/// Connecting alone proves nothing: the port may be another program's.
async fn connect_and_ask(url: &str, access: &Access) -> Result<Client, Failure> {
    let client = Client::connect(url, access).await?;
    client.workers().await?;
    Ok(client)
}

/// A worker that was started and is not supervised yet.
pub struct Launched {
    pub worker: Worker,
    pub component: Component,
    pub running: Running,
}

/// Waits until all of these have registered; fails as soon as one of them has ended.
pub async fn workers(
    client: &Client,
    before: &KnownWorkers,
    launched: &mut [Launched],
) -> Result<(), Failure> {
    let deadline = Instant::now() + READY_WITHIN;
    loop {
        for one in &mut *launched {
            // Looked at, not waited for.
            let looked = tokio::time::timeout(Duration::ZERO, one.running.ended());
            if let Ok(status) = looked.await {
                return Err(ended_early(&one.component, &one.running, status));
            }
        }
        // Registering is the last thing that a worker does before it asks for jobs.
        match client.workers().await {
            Ok(workers) => match before.missing(&workers, launched) {
                None => return Ok(()),
                // The coordinator answers, so the fault is the worker's.
                Some(component) if Instant::now() >= deadline => {
                    let why = "it has not registered with the coordinator";
                    return Err(late(component, why));
                }
                Some(_) => {}
            },
            Err(failure) if Instant::now() >= deadline => return Err(failure),
            Err(_) => {}
        }
        tokio::time::sleep(CHECK_EVERY).await;
    }
}

/// The workers that were known before ours were started.
#[derive(Debug, Default)]
pub struct KnownWorkers(HashSet<WorkerId>);

impl KnownWorkers {
    pub fn among(workers: &[WorkerRecord]) -> Self {
        let mut known = HashSet::new();
        for worker in workers {
            known.insert(worker.worker_id);
        }
        Self(known)
    }

    /// The first of the launched for which no worker of its kind has come since.
    fn missing<'a>(
        &self,
        workers: &[WorkerRecord],
        launched: &'a [Launched],
    ) -> Option<&'a Component> {
        let missing = launched.iter().find(|one| {
            let worker = &one.worker;
            self.count_new(workers, worker.kind) < worker.number
        });
        missing.map(|one| &one.component)
    }

    /// How many living workers of `kind` have come since.
    fn count_new(&self, workers: &[WorkerRecord], kind: JobKind) -> usize {
        let is_new = |worker: &&WorkerRecord| {
            worker.alive && worker.kind == kind && !self.0.contains(&worker.worker_id)
        };
        workers.iter().filter(is_new).count()
    }
}

/// Waits a moment; fails at once if the component ends meanwhile.
async fn pause_while_alive(component: &Component, running: &mut Running) -> Result<(), Failure> {
    match tokio::time::timeout(CHECK_EVERY, running.ended()).await {
        Err(_) => Ok(()),
        Ok(status) => Err(ended_early(component, running, status)),
    }
}

fn ended_early(
    component: &Component,
    running: &Running,
    status: io::Result<ExitStatus>,
) -> Failure {
    let last_lines = component.log_tail(running.log_start());
    died(component, &ending(status), &last_lines)
}

fn late(component: &Component, why: &str) -> Failure {
    Failure::other(format!("wait for {}", component.name))
        .because(format!("{why} after {} s", READY_WITHIN.as_secs()))
        .next(format!("read {}", component.log.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn only_a_new_living_worker_of_the_kind_counts() {
        let worker = |number, kind, alive| WorkerRecord {
            alive,
            ..sample::worker(number, kind)
        };
        let known = KnownWorkers::among(&[worker(1, JobKind::Verify, true)]);
        let workers = [
            worker(1, JobKind::Verify, true),
            worker(2, JobKind::Verify, true),
            worker(3, JobKind::Train, true),
            worker(4, JobKind::Verify, false),
            worker(5, JobKind::Verify, true),
        ];
        assert_eq!(known.count_new(&workers, JobKind::Verify), 2);
        assert_eq!(known.count_new(&workers, JobKind::Generate), 0);
    }
}
