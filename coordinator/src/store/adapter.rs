//! Adapters: the one each iteration starts from. Iteration 0 has none, but in a fork its parent's.

use std::collections::HashMap;

use groklab_domain::{Digest, ExperimentId, job::AdapterRef};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{optional_word, word};
use crate::error::{Error, Result};

/// The adapter of one iteration.
#[derive(Debug, Clone, Copy)]
pub struct Adapter {
    pub iteration: u32,
    pub adapter: AdapterRef,
    pub optimiser: Option<Digest>,
    /// False where it was carried over because there was nothing to train on.
    pub trained: bool,
}

pub async fn insert(
    db: &mut PgConnection,
    experiment: ExperimentId,
    adapter: &Adapter,
) -> Result<()> {
    sqlx::query!(
        "insert into adapter (experiment_id, iteration, adapter_id, config_digest, weights_digest, \
            optimiser_digest, trained)
         values ($1, $2, $3, $4, $5, $6, $7)",
        experiment.0,
        adapter.iteration.cast_signed(),
        adapter.adapter.id.to_string(),
        adapter.adapter.config.to_string(),
        adapter.adapter.weights.to_string(),
        adapter.optimiser.map(|digest| digest.to_string()),
        adapter.trained
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Lets go of what no later iteration starts from, once `iteration` is over: optimiser states, and
/// all but the newest `keep` adapters' files. The collector removes what nothing refers to then.
pub async fn let_go(
    db: &mut PgConnection,
    experiment: ExperimentId,
    iteration: u32,
    keep: Option<u32>,
) -> Result<()> {
    let iteration = iteration.cast_signed();
    // The adapter that `iteration` made has the next number, and is the newest. None has number -1.
    let newest_dropped = keep.map_or(-1, |keep| iteration + 1 - keep.cast_signed());
    sqlx::query_file!(
        "src/store/sql/adapter/let_go.sql",
        experiment.0,
        iteration,
        newest_dropped
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The adapter that `iteration` starts from; None: the untrained model.
pub async fn get(
    db: &mut PgConnection,
    experiment: ExperimentId,
    iteration: u32,
) -> Result<Option<Adapter>> {
    let found = between(db, experiment, iteration, iteration).await?;
    match found.first() {
        None => Ok(None),
        Some(Some(adapter)) => Ok(Some(*adapter)),
        // Never taken for the untrained model.
        Some(None) => Err(let_go_of(iteration)),
    }
}

/// The adapters that iterations start from; none for those that start from the untrained model.
pub async fn get_many(
    db: &mut PgConnection,
    iterations: &[(ExperimentId, u32)],
) -> Result<HashMap<(ExperimentId, u32), AdapterRef>> {
    let (experiments, numbers): (Vec<Uuid>, Vec<i32>) = iterations
        .iter()
        .map(|(id, i)| (id.0, i.cast_signed()))
        .unzip();
    let rows = sqlx::query!(
        // Several jobs of an iteration ask for the same adapter: each asks with a row of its own.
        r#"select distinct experiment_id as "experiment_id!", iteration as "iteration!", adapter_id,
                  config_digest, weights_digest
         from unnest($1::uuid[], $2::int[]) as asked (experiment_id, iteration)
         join adapter using (experiment_id, iteration)"#,
        &experiments,
        &numbers
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            let (Some(config), Some(weights)) = (&row.config_digest, &row.weights_digest) else {
                return Err(let_go_of(row.iteration.cast_unsigned()));
            };
            let adapter = AdapterRef {
                id: word(&row.adapter_id)?,
                config: word(config)?,
                weights: word(weights)?,
            };
            Ok((
                (
                    ExperimentId(row.experiment_id),
                    row.iteration.cast_unsigned(),
                ),
                adapter,
            ))
        })
        .collect()
}

/// The adapters whose files are kept, in order of iteration.
pub async fn list(db: &mut PgConnection, experiment: ExperimentId) -> Result<Vec<Adapter>> {
    // The largest number that the column holds.
    let all = between(db, experiment, 0, u32::MAX >> 1).await?;
    Ok(all.into_iter().flatten().collect())
}

fn let_go_of(iteration: u32) -> Error {
    Error::broken(format!(
        "the adapter of iteration {iteration} is asked for, and its files are no longer kept"
    ))
}

/// None in the place of one whose files are no longer kept.
async fn between(
    db: &mut PgConnection,
    experiment: ExperimentId,
    first: u32,
    last: u32,
) -> Result<Vec<Option<Adapter>>> {
    let rows = sqlx::query!(
        "select iteration, adapter_id, config_digest, weights_digest, optimiser_digest, trained
         from adapter where experiment_id = $1 and iteration between $2 and $3 order by iteration",
        experiment.0,
        first.cast_signed(),
        last.cast_signed()
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            let (Some(config), Some(weights)) = (row.config_digest, row.weights_digest) else {
                return Ok(None);
            };
            Ok(Some(Adapter {
                iteration: row.iteration.cast_unsigned(),
                adapter: AdapterRef {
                    id: word(&row.adapter_id)?,
                    config: word(&config)?,
                    weights: word(&weights)?,
                },
                optimiser: optional_word(row.optimiser_digest.as_deref())?,
                trained: row.trained,
            }))
        })
        .collect()
}
