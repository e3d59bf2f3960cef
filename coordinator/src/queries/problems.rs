//! An experiment's problems with their cases, a page at a time.

use futures::{Stream, stream};
use groklab_domain::{ExperimentId, Split, records::ProblemLine};

use super::pages;
use crate::{
    error::Result,
    store::{Store, problem},
};

const PROBLEMS_PER_PAGE: u32 = 200;

struct Position {
    store: Store,
    experiment: ExperimentId,
    split: Option<Split>,
    /// The last problem that was read.
    after: Option<u32>,
    /// A short page is the last one.
    ended: bool,
}

/// In order; with a split, only its.
pub fn problem_lines(
    store: Store,
    experiment: ExperimentId,
    split: Option<Split>,
) -> impl Stream<Item = Result<ProblemLine>> + Send + 'static {
    let start = Position {
        store,
        experiment,
        split,
        after: None,
        ended: false,
    };
    pages::records(stream::try_unfold(start, next_page))
}

async fn next_page(mut position: Position) -> Result<Option<(Vec<ProblemLine>, Position)>> {
    if position.ended {
        return Ok(None);
    }
    let mut db = position.store.connection().await?;
    let page = problem::page(
        &mut db,
        position.experiment,
        position.split,
        position.after,
        PROBLEMS_PER_PAGE,
    )
    .await?;
    // By the last line rather than by a count: pages stay whole while rows are added.
    position.after = page.last().map(|line| line.problem);
    position.ended = page.len() < PROBLEMS_PER_PAGE as usize;
    Ok(Some((page, position)))
}
