//! Rollouts with their verdicts, a page at a time.

use futures::{Stream, stream};
use groklab_domain::{
    ExperimentId,
    records::{RolloutFilter, RolloutLine},
};

use super::pages;
use crate::{
    error::Result,
    store::{
        Store,
        rollout_line::{self, Cursor},
    },
};

const ROLLOUTS_PER_PAGE: u32 = 200;

struct Position {
    store: Store,
    experiment: ExperimentId,
    filter: RolloutFilter,
    /// The last rollout that was read.
    after: Option<Cursor>,
    /// A short page is the last one.
    ended: bool,
}

/// Those that pass the filter, in order.
pub fn rollout_lines(
    store: Store,
    experiment: ExperimentId,
    filter: RolloutFilter,
) -> impl Stream<Item = Result<RolloutLine>> + Send + 'static {
    let start = Position {
        store,
        experiment,
        filter,
        after: None,
        ended: false,
    };
    pages::records(stream::try_unfold(start, next_page))
}

async fn next_page(mut position: Position) -> Result<Option<(Vec<RolloutLine>, Position)>> {
    if position.ended {
        return Ok(None);
    }
    let mut db = position.store.connection().await?;
    let (experiment, filter) = (position.experiment, &position.filter);
    let after = position.after.as_ref();
    let page = rollout_line::page(&mut db, experiment, filter, after, ROLLOUTS_PER_PAGE).await?;
    // By the last line rather than by a count: rollouts are added while a client reads.
    position.after = page.last().map(Cursor::at);
    position.ended = page.len() < ROLLOUTS_PER_PAGE as usize;
    Ok(Some((page, position)))
}
