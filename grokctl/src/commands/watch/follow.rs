//! Following an experiment's updates until it rests, through lost connections.

use std::time::{Duration, Instant};

use groklab_domain::records::{ExperimentRecord, ExperimentUpdate};
use groklab_runtime::connect::heals;
use tonic::Status;

use super::seen::Seen;
use crate::{client::Client, console::Console, failure::Failure, view::ProgressView};

/// How often the workers are asked what they do.
const WORKERS_EVERY: Duration = Duration::from_secs(2);
/// How long a lost connection is tried again.
const RECONNECT_FOR: Duration = Duration::from_secs(60);
/// The pause before the first try; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// Shows updates until the experiment has ended or is paused; its last state.
pub async fn follow(
    client: &Client,
    id: &str,
    view: &mut dyn ProgressView,
    console: &Console,
) -> Result<ExperimentRecord, Failure> {
    let mut follower = Follower {
        client,
        id,
        view,
        console,
        seen: Seen::default(),
        lost_since: None,
    };
    let mut pause = FIRST_PAUSE;
    loop {
        let status = match follower.watch_once().await? {
            StreamEnd::Rests(experiment) => return Ok(*experiment),
            StreamEnd::Lost(status) => status,
        };
        let since = match follower.lost_since {
            Some(since) => since,
            None => {
                pause = FIRST_PAUSE;
                follower.begin_to_reconnect(&status)
            }
        };
        if since.elapsed() >= RECONNECT_FOR {
            return Err(follower.failure(&status));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(MAX_PAUSE);
    }
}

/// Somebody who watches an experiment over one stream after another.
struct Follower<'a> {
    client: &'a Client,
    id: &'a str,
    view: &'a mut dyn ProgressView,
    console: &'a Console,
    seen: Seen,
    /// When the connection was lost, while it is.
    lost_since: Option<Instant>,
}

/// Why a stream is not read further.
enum StreamEnd {
    Rests(Box<ExperimentRecord>),
    Lost(Status),
}

impl Follower<'_> {
    /// One stream. Errors are those that trying again cannot heal.
    async fn watch_once(&mut self) -> Result<StreamEnd, Failure> {
        let mut updates = match self.client.watch(self.id).await {
            Ok(updates) => updates,
            Err(status) => return self.lost(status),
        };
        let mut workers_due = tokio::time::interval(WORKERS_EVERY);
        loop {
            let update = tokio::select! {
                update = updates.next() => update,
                // Programs are shown the experiment alone.
                _ = workers_due.tick(), if !self.console.json() => {
                    self.show_workers().await;
                    continue;
                }
            };
            match update {
                Ok(Some(update)) => {
                    if let Some(resting) = self.show(update)? {
                        return Ok(StreamEnd::Rests(Box::new(resting)));
                    }
                }
                // It ends with the experiment, so this one ended before its time.
                Ok(None) => return self.lost(Status::unavailable("it ended the stream")),
                Err(status) => return self.lost(status),
            }
        }
    }

    fn lost(&self, status: Status) -> Result<StreamEnd, Failure> {
        if heals(&status) {
            Ok(StreamEnd::Lost(status))
        } else {
            Err(self.failure(&status))
        }
    }

    fn begin_to_reconnect(&mut self, status: &Status) -> Instant {
        self.console.note(format!(
            "lost the coordinator ({}); trying again for {} s",
            status.message(),
            RECONNECT_FOR.as_secs()
        ));
        *self.lost_since.insert(Instant::now())
    }

    async fn show_workers(&mut self) {
        // They are shown beside the work, which is not worth a failure.
        if let Ok(workers) = self.client.workers().await {
            self.view.workers(&workers);
        }
    }

    /// Shows what is new of `update`; the experiment if it goes no further by itself.
    fn show(&mut self, update: ExperimentUpdate) -> Result<Option<ExperimentRecord>, Failure> {
        if self.lost_since.take().is_some() {
            self.console.note("the coordinator is back");
        }
        let update = self.seen.only_new(update);
        self.view.update(&update)?;
        let experiment = update.experiment;
        Ok(experiment.rests().then_some(experiment))
    }

    fn failure(&self, status: &Status) -> Failure {
        Failure::from_status(format!("watch `{}`", self.id), status, self.client.url())
    }
}
