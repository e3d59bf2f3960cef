//! Deleting experiments, a few rows at a time: no transaction is long, and whoever comes after a
//! crash goes on with what is left.

use groklab_domain::{ExperimentId, records::Footprint};
use sqlx::PgConnection;

use crate::error::Result;

/// What deleting an experiment takes along.
pub async fn footprint(db: &mut PgConnection, id: ExperimentId) -> Result<Footprint> {
    let row = sqlx::query_file!("src/store/sql/deletion/footprint.sql", id.0)
        .fetch_one(db)
        .await?;
    Ok(Footprint {
        rollouts: row.rollouts.cast_unsigned(),
        jobs: row.jobs.cast_unsigned(),
        artifacts: row.artifacts.cast_unsigned(),
        artifact_bytes: row.artifact_bytes.cast_unsigned(),
    })
}

/// The experiments that are being deleted, oldest first.
pub async fn begun(db: &mut PgConnection) -> Result<Vec<ExperimentId>> {
    let ids = sqlx::query_scalar!(
        "select experiment_id from experiment where state = 'deleting' order by created_at"
    )
    .fetch_all(db)
    .await?;
    Ok(ids.into_iter().map(ExperimentId).collect())
}

/// Deletes rows of one table, at most $2.
macro_rules! delete_rows {
    ($db:expr, $id:expr, $most:expr, $statement:literal) => {
        sqlx::query!($statement, $id.0, $most)
            .execute(&mut *$db)
            .await?
            .rows_affected()
    };
}

/// Deletes about `most` rows of an experiment, and its own once it has no others; true: it is gone.
/// The caller holds its row and has seen that it is being deleted.
pub async fn delete_some(db: &mut PgConnection, id: ExperimentId, most: u32) -> Result<bool> {
    let most = i64::from(most);
    let full = most.cast_unsigned();
    // What refers to other rows goes before them.
    if rollouts(db, id, most).await? == full || jobs(db, id, most).await? == full {
        return Ok(false);
    }
    let cases = delete_rows!(
        db,
        id,
        most,
        "delete from problem_case where ctid = any(array(
             select ctid from problem_case where experiment_id = $1 limit $2))"
    );
    if cases == full {
        return Ok(false);
    }
    let problems = delete_rows!(
        db,
        id,
        most,
        "delete from problem where ctid = any(array(
             select ctid from problem where experiment_id = $1 limit $2))"
    );
    let steps = delete_rows!(
        db,
        id,
        most,
        "delete from training_step where ctid = any(array(
             select ctid from training_step where experiment_id = $1 limit $2))"
    );
    let events = delete_rows!(
        db,
        id,
        most,
        "delete from event where ctid = any(array(
             select ctid from event where experiment_id = $1 limit $2))"
    );
    if [problems, steps, events].contains(&full) {
        return Ok(false);
    }
    delete_last(db, id).await?;
    Ok(true)
}

async fn rollouts(db: &mut PgConnection, id: ExperimentId, most: i64) -> Result<u64> {
    let done = sqlx::query_file!("src/store/sql/deletion/rollouts.sql", id.0, most)
        .execute(db)
        .await?;
    Ok(done.rows_affected())
}

async fn jobs(db: &mut PgConnection, id: ExperimentId, most: i64) -> Result<u64> {
    let done = sqlx::query_file!("src/store/sql/deletion/jobs.sql", id.0, most)
        .execute(db)
        .await?;
    Ok(done.rows_affected())
}

/// A few rows for each iteration, and the experiment's own. In one transaction with letting its
/// artifacts go, so that their day begins when nothing refers to them any more.
async fn delete_last(db: &mut PgConnection, id: ExperimentId) -> Result<()> {
    sqlx::query_file!("src/store/sql/deletion/let_go.sql", id.0)
        .execute(&mut *db)
        .await?;
    sqlx::query!("delete from adapter where experiment_id = $1", id.0)
        .execute(&mut *db)
        .await?;
    sqlx::query!("delete from iteration where experiment_id = $1", id.0)
        .execute(&mut *db)
        .await?;
    sqlx::query!("delete from metric where experiment_id = $1", id.0)
        .execute(&mut *db)
        .await?;
    sqlx::query!("delete from experiment where experiment_id = $1", id.0)
        .execute(db)
        .await?;
    Ok(())
}
