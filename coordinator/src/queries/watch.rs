//! Watching an experiment: its state at once, then every change, until it has ended. Reads small
//! rows and counts only.

use std::time::Duration;

use futures::{Stream, stream};
use groklab_domain::{
    ExperimentId,
    records::{ExperimentRecord, ExperimentUpdate},
};
use tokio::sync::watch;

use super::{experiments::experiment_record, metrics_page::as_json_lines, reader::Reader};
use crate::{
    error::{Error, Result},
    store::{event, iteration, metric},
};

/// How often to look when nothing nudges: progress within a job changes counts without a nudge.
const RECHECK_EVERY: Duration = Duration::from_secs(1);
/// Changes that follow each other faster are sent together.
const GATHER_CHANGES_FOR: Duration = Duration::from_millis(200);

/// Events, and lines of each kind, in one update; the rest follows at once.
const MAX_LINES_PER_UPDATE: u32 = 200;

/// What has been sent on one stream.
struct Watcher {
    reader: Reader,
    nudged: watch::Receiver<u64>,
    experiment: ExperimentId,
    last: Option<ExperimentRecord>,
    event: i64,
    /// The next iterations whose lines have not been sent.
    metric: u32,
    iteration: u32,
    ended: bool,
}

/// The updates of one experiment.
pub fn watch_updates(
    reader: Reader,
    experiment: ExperimentId,
) -> impl Stream<Item = Result<ExperimentUpdate>> + Send + 'static {
    let nudged = reader.nudge.on_state();
    let watcher = Watcher {
        reader,
        nudged,
        experiment,
        last: None,
        event: 0,
        metric: 0,
        iteration: 0,
        ended: false,
    };
    stream::try_unfold(watcher, next_update)
}

async fn next_update(mut watcher: Watcher) -> Result<Option<(ExperimentUpdate, Watcher)>> {
    let update = watcher.next().await?;
    Ok(update.map(|update| (update, watcher)))
}

impl Watcher {
    /// Waits for the next change; None once the end has been sent.
    async fn next(&mut self) -> Result<Option<ExperimentUpdate>> {
        while !self.ended {
            if self.reader.stop.is_cancelled() {
                return Err(Error::Busy {
                    what: "the coordinator stops".to_owned(),
                    source: None,
                });
            }
            // Before looking, so that a change in between is seen at the next turn.
            self.nudged.mark_unchanged();
            if let Some(update) = self.changes().await? {
                return Ok(Some(update));
            }
            // What is final changes no more, so waiting would never end.
            if !self.ended {
                self.wait().await;
            }
        }
        Ok(None)
    }

    async fn wait(&mut self) {
        tokio::select! {
            () = self.reader.stop.cancelled() => {}
            () = tokio::time::sleep(RECHECK_EVERY) => {}
            _ = self.nudged.changed() => tokio::time::sleep(GATHER_CHANGES_FOR).await,
        }
    }

    /// What has changed since the last update; sets `ended` where nothing remains to be sent after
    /// it.
    async fn changes(&mut self) -> Result<Option<ExperimentUpdate>> {
        let mut db = self.reader.store.connection().await?;
        let id = self.experiment;
        let record = experiment_record(&mut db, id).await?;
        let limit = MAX_LINES_PER_UPDATE;
        let events = event::since(&mut db, id, self.event, limit).await?;
        let metrics = metric::lines(&mut db, id, self.metric, Some(limit)).await?;
        let iterations = iteration::lines(&mut db, id, self.iteration, Some(limit)).await?;
        let lengths = [events.len(), metrics.len(), iterations.len()];
        // A full page may have more behind it, also when the experiment has ended.
        let more_may_follow = lengths.contains(&(limit as usize));
        self.ended = record.state.is_final() && !more_may_follow;
        // Nudges are for any experiment, so most of them change nothing here.
        if self.last.as_ref() == Some(&record) && lengths == [0; 3] {
            return Ok(None);
        }
        if let Some(last) = events.last() {
            self.event = last.event_id;
        }
        if let Some((last, _)) = metrics.last() {
            self.metric = last + 1;
        }
        if let Some((last, _)) = iterations.last() {
            self.iteration = last + 1;
        }
        self.last = Some(record.clone());
        Ok(Some(ExperimentUpdate {
            experiment: record,
            events,
            metrics: as_json_lines(metrics),
            iterations: as_json_lines(iterations),
        }))
    }
}
