//! `/v1/queue`: how much work waits, by kind, for autoscalers. One that scales by `wanted` never
//! stops a worker that has a job.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::get,
};
use groklab_domain::JobKind;
use serde::Serialize;
use tokio::sync::Semaphore;

use crate::{
    error::{Result, chain},
    store::{
        Store,
        queue::{self, OpenJobs},
    },
};

static COUNTING: Semaphore = Semaphore::const_new(1);

/// Answers once there is a store to ask; cheap to clone. The address is served before that.
#[derive(Debug, Clone, Default)]
pub struct QueueFace(Arc<OnceLock<Store>>);

/// The jobs of one kind.
#[derive(Debug, PartialEq, Serialize)]
struct Line {
    ready: u64,
    leased: u64,
    waiting: u64,
    /// Ready and leased: as many workers as have something to do.
    wanted: u64,
    oldest_ready_seconds: f64,
}

impl From<OpenJobs> for Line {
    fn from(open: OpenJobs) -> Self {
        Self {
            ready: open.ready,
            leased: open.leased,
            waiting: open.waiting,
            wanted: open.ready + open.leased,
            oldest_ready_seconds: open.oldest_ready_seconds,
        }
    }
}

impl QueueFace {
    pub fn routes(&self) -> Router {
        Router::new()
            .route("/v1/queue", get(queue))
            .with_state(self.clone())
    }

    /// From now on it answers from `store`.
    pub fn answer_from(&self, store: Store) {
        let first = self.0.set(store).is_ok();
        debug_assert!(first, "a coordinator has one store");
    }

    async fn lines(store: &Store) -> Result<BTreeMap<JobKind, Line>> {
        let mut lines = BTreeMap::new();
        for (kind, open) in queue::jobs(&mut *store.connection().await?).await? {
            lines.insert(kind, open.into());
        }
        Ok(lines)
    }
}

async fn queue(State(face): State<QueueFace>) -> Response {
    let Some(store) = face.0.get() else {
        // Not an empty queue: an autoscaler would send all workers away.
        return unavailable("starting");
    };
    // One count at a time: who asks often must not take connections from those who work.
    let _turn = COUNTING.acquire().await.expect("it is never closed");
    match QueueFace::lines(store).await {
        Ok(lines) => Json(lines).into_response(),
        Err(error) => {
            // The autoscaler keeps the number of workers while it gets no answer.
            tracing::warn!(error = chain(&error), "the queue could not be counted");
            unavailable("the database does not answer")
        }
    }
}

fn unavailable(reason: &'static str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leased_jobs_are_wanted_too() {
        let line = Line::from(OpenJobs {
            ready: 2,
            leased: 3,
            waiting: 5,
            oldest_ready_seconds: 1.5,
        });
        assert_eq!(
            serde_json::to_string(&BTreeMap::from([(JobKind::Verify, line)])).unwrap(),
            concat!(
                r#"{"verify":{"ready":2,"leased":3,"waiting":5,"wanted":5,"#,
                r#""oldest_ready_seconds":1.5}}"#
            )
        );
    }
}
