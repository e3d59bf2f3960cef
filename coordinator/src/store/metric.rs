//! The lines of metrics.jsonl, one per evaluated iteration, kept as the text they were made as: an
//! export's bytes are those of the evaluation, whatever version makes the export.

use groklab_domain::ExperimentId;
use sqlx::PgConnection;

use super::uints;
use crate::error::Result;

pub async fn insert(
    db: &mut PgConnection,
    experiment: ExperimentId,
    iteration: u32,
    line: &str,
) -> Result<()> {
    sqlx::query!(
        "insert into metric (experiment_id, iteration, line) values ($1, $2, $3)",
        experiment.0,
        iteration.cast_signed(),
        line
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Lines from `first` on, at most `limit` (None: all), as (iteration, line) in order of iteration.
pub async fn lines(
    db: &mut PgConnection,
    experiment: ExperimentId,
    first: u32,
    limit: Option<u32>,
) -> Result<Vec<(u32, String)>> {
    let rows = sqlx::query!(
        "select iteration, line from metric
         where experiment_id = $1 and iteration >= $2 order by iteration limit $3",
        experiment.0,
        first.cast_signed(),
        limit.map(i64::from)
    )
    .fetch_all(db)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.iteration.cast_unsigned(), row.line))
        .collect())
}

/// The iterations that have been evaluated, in order.
pub async fn iterations(db: &mut PgConnection, experiment: ExperimentId) -> Result<Vec<u32>> {
    let iterations = sqlx::query_scalar!(
        "select iteration from metric where experiment_id = $1 order by iteration",
        experiment.0
    )
    .fetch_all(db)
    .await?;
    Ok(uints(&iterations))
}
