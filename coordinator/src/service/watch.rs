//! Watching an experiment: its state at once, then every change, until it has ended. Reads small rows and counts only.

use std::{sync::Arc, time::Duration};

use futures::{Stream, TryStreamExt as _, stream};
use groklab_domain::{ExperimentId, ExperimentState, records::EventLine};
use groklab_proto::v1;
use tokio::sync::watch;

use super::{Service, view};
use crate::{
    error::{Error, Result},
    store::{event, iteration, metric},
};

/// How often it looks when nothing nudges it: work that goes on in a job changes counts without a nudge.
const LOOK: Duration = Duration::from_secs(1);
/// Changes that follow each other faster are sent together.
const LEAST: Duration = Duration::from_millis(200);

/// Events and lines of each kind in one update; the rest follows at once.
const MOST: u32 = 200;

/// What has been sent on one stream.
struct Watcher {
    service: Arc<Service>,
    nudged: watch::Receiver<u64>,
    experiment: ExperimentId,
    last: Option<v1::Experiment>,
    event: i64,
    /// The next iterations whose lines have not been sent.
    metric: u32,
    iteration: u32,
    ended: bool,
}

/// The updates of one experiment.
pub fn updates(
    service: Arc<Service>,
    experiment: ExperimentId,
) -> impl Stream<Item = Result<v1::WatchUpdate>> {
    let nudged = service.nudge.on_state();
    let watcher = Watcher {
        service,
        nudged,
        experiment,
        last: None,
        event: 0,
        metric: 0,
        iteration: 0,
        ended: false,
    };
    stream::try_unfold(watcher, |mut watcher| async move {
        Ok(watcher.next().await?.map(|update| (update, watcher)))
    })
}

impl Watcher {
    /// Waits for the next change; None once the end has been sent.
    async fn next(&mut self) -> Result<Option<v1::WatchUpdate>> {
        if self.ended {
            return Ok(None);
        }
        loop {
            if self.service.stop.is_cancelled() {
                return Err(Error::Busy {
                    what: "the coordinator stops".to_owned(),
                    source: None,
                });
            }
            self.nudged.mark_unchanged();
            if let Some(update) = self.look().await? {
                return Ok(Some(update));
            }
            if self.ended {
                return Ok(None);
            }
            tokio::select! {
                () = self.service.stop.cancelled() => {}
                () = tokio::time::sleep(LOOK) => {}
                _ = self.nudged.changed() => tokio::time::sleep(LEAST).await,
            }
        }
    }

    /// What has changed since the last update; sets `ended` where nothing remains to be sent after it.
    async fn look(&mut self) -> Result<Option<v1::WatchUpdate>> {
        let mut db = self.service.store.connection().await?;
        let experiment = view::load(&mut db, self.experiment).await?;
        let events = event::since(&mut db, self.experiment, self.event, MOST).await?;
        let metrics = metric::lines(&mut db, self.experiment, self.metric, Some(MOST)).await?;
        let iterations =
            iteration::lines(&mut db, self.experiment, self.iteration, Some(MOST)).await?;
        let whole = [events.len(), metrics.len(), iterations.len()]
            .into_iter()
            .all(|lines| lines < MOST as usize);
        self.ended = whole
            && experiment
                .state
                .parse()
                .is_ok_and(ExperimentState::is_final);
        let changed = self.last.as_ref() != Some(&experiment);
        if !changed && events.is_empty() && metrics.is_empty() && iterations.is_empty() {
            return Ok(None);
        }
        self.event = events.last().map_or(self.event, |event| event.event_id);
        self.metric = metrics.last().map_or(self.metric, |(i, _)| i + 1);
        self.iteration = iterations.last().map_or(self.iteration, |(i, _)| i + 1);
        self.last = Some(experiment.clone());
        let lines = |lines: Vec<(u32, String)>| lines.into_iter().map(|(_, line)| line).collect();
        Ok(Some(v1::WatchUpdate {
            experiment: Some(experiment),
            events: events.into_iter().map(wire).collect(),
            metrics_json: lines(metrics),
            iterations_json: lines(iterations),
        }))
    }
}

/// The events so far, a page at a time.
pub fn timeline(
    service: Arc<Service>,
    experiment: ExperimentId,
) -> impl Stream<Item = Result<v1::Event>> {
    let pages = stream::try_unfold((service, Some(0)), move |(service, after)| async move {
        let Some(after) = after else { return Ok(None) };
        let mut db = service.store.connection().await?;
        let events = event::since(&mut db, experiment, after, MOST).await?;
        drop(db);
        let next = events
            .last()
            .filter(|_| events.len() == MOST as usize)
            .map(|event| event.event_id);
        Ok::<_, Error>(Some((
            stream::iter(events.into_iter().map(|event| Ok(wire(event)))),
            (service, next),
        )))
    });
    pages.try_flatten()
}

fn wire(event: EventLine) -> v1::Event {
    v1::Event {
        event_id: event.event_id,
        unix_ms: event.unix_ms,
        level: event.level.to_string(),
        message: event.message,
        kind: event.kind,
        fields_json: event.fields.to_string(),
    }
}
