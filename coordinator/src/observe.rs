//! Looks every few seconds at what a coordinator depends on: for readiness, for metrics, and for
//! clients that ask `grpc.health.v1`. Mends nothing.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use groklab_runtime::admin::{Health, NotReady, Readiness};
use tokio_util::sync::CancellationToken;
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::{
    blobs::Blobs,
    error::{Error, Result, chain},
    metrics::{Census, Observed},
    store::{Store, queue},
};

/// Twice within the time after which a silent database counts as away.
const OBSERVE_EVERY: Duration = Duration::from_secs(4);
/// How long a coordinator counts as ready after the database last answered it.
const READY_AFTER_ANSWER: Duration = Duration::from_secs(10);
/// How long the database and the artifact store may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How soon clients that ask `grpc.health.v1` hear of a change.
const REPORT_EVERY: Duration = Duration::from_millis(500);

/// What a coordinator needs to do its duty, as last seen; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Dependencies(Arc<Mutex<LastSeen>>);

#[derive(Debug, Default)]
struct LastSeen {
    database_answered: Option<Instant>,
    /// Why the artifact store did not answer its last probe.
    artifact_store_fault: Option<String>,
}

impl Dependencies {
    fn database_answered(&self) {
        self.last_seen().database_answered = Some(Instant::now());
    }

    fn artifact_store_probed(&self, probed: &Result<()>) {
        let fault = probed.as_ref().err();
        self.last_seen().artifact_store_fault = fault.map(|error| chain(error));
    }

    fn last_seen(&self) -> MutexGuard<'_, LastSeen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Readiness for Dependencies {
    fn check(&self) -> Result<(), NotReady> {
        let seen = self.last_seen();
        let Some(answered) = seen.database_answered else {
            return Err(NotReady::because("the database has not answered yet"));
        };
        let silent = answered.elapsed();
        if silent >= READY_AFTER_ANSWER {
            let seconds = silent.as_secs();
            return Err(NotReady(format!(
                "the database has not answered for {seconds} s"
            )));
        }
        match &seen.artifact_store_fault {
            Some(fault) => Err(NotReady(format!(
                "the artifact store does not answer: {fault}"
            ))),
            None => Ok(()),
        }
    }
}

/// Looks at the database and the artifact store.
pub struct Observer {
    pub store: Store,
    pub blobs: Blobs,
    /// Silence after which a worker counts as gone.
    pub lease: Duration,
    pub dependencies: Dependencies,
    pub observed: Observed,
}

impl Observer {
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        loop {
            let look = async {
                // Side by side: an object store that hangs must not delay the look at the database.
                tokio::join!(self.observe_database(), self.observe_blobs());
                tokio::time::sleep(OBSERVE_EVERY).await;
            };
            if stop.run_until_cancelled(look).await.is_none() {
                return Ok(());
            }
        }
    }

    async fn observe_database(&self) {
        // A connection whose other end is gone without a word would be waited for without end.
        let census = match tokio::time::timeout(ANSWER_WITHIN, self.census()).await {
            Ok(census) => census,
            Err(_) => Err(Error::broken("no answer within 5 s")),
        };
        match census {
            Ok(census) => {
                self.observed.update(|seen| {
                    // `observe_blobs` sets this one, at its own time.
                    let artifact_store_up = seen.artifact_store_up;
                    *seen = Census {
                        artifact_store_up,
                        ..census
                    };
                });
            }
            // The calls and loops that need the database report it themselves.
            Err(error) => {
                self.observed.update(|seen| seen.database_up = false);
                tracing::debug!(error = chain(&error), "the database was not observed");
            }
        }
    }

    async fn census(&self) -> Result<Census> {
        let mut db = self.store.connection().await?;
        // Counting takes long on a busy database; that it answers is known before that.
        queue::ping(&mut db).await?;
        self.dependencies.database_answered();
        Ok(Census {
            jobs: queue::jobs(&mut db).await?,
            experiments: queue::experiments(&mut db).await?,
            workers: queue::workers(&mut db, self.lease).await?,
            database_up: true,
            artifact_store_up: false,
        })
    }

    async fn observe_blobs(&self) {
        let probed = match tokio::time::timeout(ANSWER_WITHIN, self.blobs.probe()).await {
            Ok(probed) => probed,
            Err(_) => Err(Error::broken("no answer within 5 s")),
        };
        self.dependencies.artifact_store_probed(&probed);
        self.observed
            .update(|seen| seen.artifact_store_up = probed.is_ok());
        if let Err(error) = probed {
            tracing::warn!(error = chain(&error), "the artifact store does not answer");
        }
    }
}

/// Tells clients by `grpc.health.v1` what `/readyz` tells operators, of `services` and the whole.
pub async fn report_health(
    mut reporter: HealthReporter,
    health: Health,
    services: &[&str],
    stop: CancellationToken,
) -> anyhow::Result<()> {
    loop {
        let status = if !stop.is_cancelled() && health.ready().is_ok() {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        // The empty name stands for the server as a whole.
        for service in services.iter().chain(&[""]) {
            reporter.set_service_status(*service, status).await;
        }
        if stop.is_cancelled() {
            break;
        }
        let wait = tokio::time::sleep(REPORT_EVERY);
        // Once more after the stop, so that clients hear of it.
        stop.run_until_cancelled(wait).await;
    }
    // Ends the streams of those who watch: the server waits for all streams before it ends.
    for service in services.iter().chain(&[""]) {
        reporter.clear_service_status(service).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coordinator_is_ready_while_what_it_needs_answers() {
        let dependencies = Dependencies::default();
        assert!(dependencies.check().is_err());
        dependencies.database_answered();
        dependencies.artifact_store_probed(&Ok(()));
        dependencies.check().unwrap();

        dependencies.artifact_store_probed(&Err(Error::broken("no space left")));
        let reason = dependencies.check().unwrap_err().to_string();
        assert!(reason.contains("no space left"), "{reason}");
        dependencies.artifact_store_probed(&Ok(()));

        let long_ago = Instant::now().checked_sub(READY_AFTER_ANSWER);
        dependencies.last_seen().database_answered = long_ago;
        let reason = dependencies.check().unwrap_err().to_string();
        assert_eq!(reason, "the database has not answered for 10 s");
    }
}
