//! What happened to an experiment so far, a page at a time.

use futures::{Stream, stream};
use groklab_domain::{ExperimentId, records::EventLine};

use super::pages;
use crate::{
    error::Result,
    store::{Store, event},
};

const EVENTS_PER_PAGE: u32 = 200;

struct Position {
    store: Store,
    experiment: ExperimentId,
    /// The last event that was read; 0 before the first.
    after: i64,
    /// A short page is the last one.
    ended: bool,
}

/// In order.
pub fn timeline(
    store: Store,
    experiment: ExperimentId,
) -> impl Stream<Item = Result<EventLine>> + Send + 'static {
    let start = Position {
        store,
        experiment,
        after: 0,
        ended: false,
    };
    pages::records(stream::try_unfold(start, next_page))
}

async fn next_page(mut position: Position) -> Result<Option<(Vec<EventLine>, Position)>> {
    if position.ended {
        return Ok(None);
    }
    let mut db = position.store.connection().await?;
    let (experiment, after) = (position.experiment, position.after);
    let page = event::since(&mut db, experiment, after, EVENTS_PER_PAGE).await?;
    if let Some(last) = page.last() {
        position.after = last.event_id;
    }
    position.ended = page.len() < EVENTS_PER_PAGE as usize;
    Ok(Some((page, position)))
}
