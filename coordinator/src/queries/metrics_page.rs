//! The lines of metrics.jsonl and iterations.jsonl, as the texts they were stored as.

use groklab_domain::{
    ExperimentId,
    metrics::{IterationLine, MetricsLine},
    records::JsonLine,
};

use super::whole::require_whole;
use crate::{
    error::{Error, Result},
    store::{Store, iteration, metric},
};

/// Iterations whose lines one answer holds.
const ITERATIONS_PER_PAGE: u32 = 100;

/// The lines of some iterations, in order.
#[derive(Debug)]
pub struct MetricsPage {
    pub metrics: Vec<JsonLine<MetricsLine>>,
    pub iterations: Vec<JsonLine<IterationLine>>,
    /// Where the next page begins; `None` in the last.
    pub next: Option<u32>,
}

/// The lines of the iterations from `first` on, as many as one message holds.
pub async fn metrics_page(store: &Store, id: ExperimentId, first: u32) -> Result<MetricsPage> {
    if i32::try_from(first).is_err() {
        return Err(Error::Caller(format!(
            "field `first` = {first}: no iteration has so high a number"
        )));
    }
    let mut db = store.connection().await?;
    let limit = Some(ITERATIONS_PER_PAGE);
    // Lines of metrics may skip iterations and lines of iterations do not, so full pages of the two
    // end at different ones.
    let metrics = metric::lines(&mut db, id, first, limit).await?;
    let iterations = iteration::lines(&mut db, id, first, limit).await?;
    drop(db);
    require_whole(store, id).await?;
    // Where one kind has more to come, the other stops at the same iteration.
    let ends = [end_of_full_page(&metrics), end_of_full_page(&iterations)];
    let last = ends.into_iter().flatten().min();
    Ok(MetricsPage {
        metrics: until(last, metrics),
        iterations: until(last, iterations),
        next: last.map(|last| last + 1),
    })
}

fn end_of_full_page(lines: &[(u32, String)]) -> Option<u32> {
    let (last, _) = lines.last()?;
    (lines.len() == ITERATIONS_PER_PAGE as usize).then_some(*last)
}

fn until<T>(last: Option<u32>, mut lines: Vec<(u32, String)>) -> Vec<JsonLine<T>> {
    if let Some(last) = last {
        lines.retain(|(iteration, _)| *iteration <= last);
    }
    as_json_lines(lines)
}

/// Lines without the numbers of their iterations.
pub fn as_json_lines<T>(lines: Vec<(u32, String)>) -> Vec<JsonLine<T>> {
    let mut texts = Vec::with_capacity(lines.len());
    for (_, text) in lines {
        texts.push(JsonLine::from_text(text));
    }
    texts
}
