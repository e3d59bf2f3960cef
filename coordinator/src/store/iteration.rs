//! Iterations: how far each is through its phases, and what its training did.

use groklab_domain::{Digest, ExperimentId, job::StopDecision};
use sqlx::PgConnection;

use super::optional_word;
use crate::error::Result;

/// What has been decided about an iteration so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Iteration {
    /// None: not decided yet.
    pub stop: Option<StopDecision>,
    /// How many rollouts are trained on, once the rollouts' phase has closed.
    pub selected: Option<u32>,
    pub training_set: Option<Digest>,
    /// Examples, and tokens over all epochs, once training is done.
    pub trained: Option<(u32, u64)>,
    /// The line of iterations.jsonl, once the iteration is over.
    pub line: Option<String>,
}

pub async fn insert(db: &mut PgConnection, experiment: ExperimentId, iteration: u32) -> Result<()> {
    sqlx::query!(
        "insert into iteration (experiment_id, iteration) values ($1, $2) on conflict do nothing",
        experiment.0,
        iteration.cast_signed()
    )
    .execute(db)
    .await?;
    Ok(())
}

/// None: its jobs have not been made.
pub async fn get(
    db: &mut PgConnection,
    experiment: ExperimentId,
    iteration: u32,
) -> Result<Option<Iteration>> {
    let row = sqlx::query!(
        "select stop, stop_reason, selected, training_set_digest, examples, tokens, line from \
            iteration where experiment_id = $1 and iteration = $2",
        experiment.0,
        iteration.cast_signed()
    )
    .fetch_optional(db)
    .await?;
    row.map(|row| {
        Ok(Iteration {
            stop: row.stop.map(|_| match row.stop_reason {
                // The table has a reason where it has `true`, and only there.
                Some(reason) => StopDecision::Stop(reason),
                None => StopDecision::GoOn,
            }),
            selected: row.selected.map(i32::cast_unsigned),
            training_set: optional_word(row.training_set_digest.as_deref())?,
            trained: row
                .examples
                .map(i32::cast_unsigned)
                .zip(row.tokens.map(i64::cast_unsigned)),
            line: row.line,
        })
    })
    .transpose()
}

/// Records whether to stop after this iteration's evaluation, and why.
pub async fn set_stop(
    db: &mut PgConnection,
    experiment: ExperimentId,
    iteration: u32,
    decision: &StopDecision,
) -> Result<()> {
    let reason = match decision {
        StopDecision::GoOn => None,
        StopDecision::Stop(reason) => Some(reason.as_str()),
    };
    sqlx::query!(
        "update iteration set stop = $3, stop_reason = $4 where experiment_id = $1 and iteration = \
            $2",
        experiment.0,
        iteration.cast_signed(),
        decision.stops(),
        reason
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Closes the rollouts' phase: what is trained on.
pub async fn set_selection(
    db: &mut PgConnection,
    experiment: ExperimentId,
    iteration: u32,
    selected: u32,
    set: Option<Digest>,
) -> Result<()> {
    sqlx::query!(
        "update iteration set selected = $3, training_set_digest = $4 where experiment_id = $1 and \
            iteration = $2",
        experiment.0,
        iteration.cast_signed(),
        selected.cast_signed(),
        set.map(|digest| digest.to_string())
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Records what training did.
pub async fn set_trained(
    db: &mut PgConnection,
    experiment: ExperimentId,
    iteration: u32,
    examples: u32,
    tokens: u64,
) -> Result<()> {
    sqlx::query!(
        "update iteration set examples = $3, tokens = $4 where experiment_id = $1 and iteration = \
            $2",
        experiment.0,
        iteration.cast_signed(),
        examples.cast_signed(),
        tokens.cast_signed()
    )
    .execute(db)
    .await?;
    Ok(())
}

pub async fn set_line(
    db: &mut PgConnection,
    experiment: ExperimentId,
    iteration: u32,
    line: &str,
) -> Result<()> {
    sqlx::query!(
        "update iteration set line = $3 where experiment_id = $1 and iteration = $2",
        experiment.0,
        iteration.cast_signed(),
        line
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The lines of iterations.jsonl from `first` on, at most `limit` (None: all), as (iteration, line)
/// in order.
pub async fn lines(
    db: &mut PgConnection,
    experiment: ExperimentId,
    first: u32,
    limit: Option<u32>,
) -> Result<Vec<(u32, String)>> {
    let rows = sqlx::query!(
        r#"select iteration, line as "line!" from iteration
           where experiment_id = $1 and iteration >= $2 and line is not null
           order by iteration limit $3"#,
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

/// How many iterations in a row, up to and with `last`, had nothing to train on.
pub async fn idle_streak(
    db: &mut PgConnection,
    experiment: ExperimentId,
    last: u32,
) -> Result<u32> {
    let streak = sqlx::query_scalar!(
        // The distance to the last iteration that had something, or to -1 where none had. One that
        // is not decided yet counts as having something.
        r#"select $2 - coalesce(max(iteration), -1) as "streak!" from iteration
           where experiment_id = $1 and iteration <= $2 and (selected is null or selected > 0)"#,
        experiment.0,
        last.cast_signed()
    )
    .fetch_one(db)
    .await?;
    Ok(streak.cast_unsigned())
}

/// What one training step did.
#[derive(Debug, Clone)]
pub struct Step {
    pub step: u32,
    pub loss: f64,
    pub grad_norm: f64,
    pub learning_rate: f64,
    pub tokens: u64,
}

pub async fn insert_steps(
    db: &mut PgConnection,
    experiment: ExperimentId,
    iteration: u32,
    steps: &[Step],
) -> Result<()> {
    let number: Vec<i32> = steps.iter().map(|s| s.step.cast_signed()).collect();
    let loss: Vec<f64> = steps.iter().map(|s| s.loss).collect();
    let norm: Vec<f64> = steps.iter().map(|s| s.grad_norm).collect();
    let rate: Vec<f64> = steps.iter().map(|s| s.learning_rate).collect();
    let tokens: Vec<i64> = steps.iter().map(|s| s.tokens.cast_signed()).collect();
    sqlx::query!(
        // An array a column: one statement for however many steps.
        "insert into training_step (experiment_id, iteration, step, loss, grad_norm, \
            learning_rate, tokens)
         select $1, $2, * from unnest($3::int[], $4::float8[], $5::float8[], $6::float8[], \
         $7::bigint[])",
        experiment.0,
        iteration.cast_signed(),
        &number,
        &loss,
        &norm,
        &rate,
        &tokens
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The loss of every step of an iteration's training, in order.
pub async fn losses(
    db: &mut PgConnection,
    experiment: ExperimentId,
    iteration: u32,
) -> Result<Vec<f64>> {
    let losses = sqlx::query_scalar!(
        "select loss from training_step where experiment_id = $1 and iteration = $2 order by step",
        experiment.0,
        iteration.cast_signed()
    )
    .fetch_all(db)
    .await?;
    Ok(losses)
}

/// How fast an experiment's iterations follow each other.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pace {
    /// When the latest began; 0 before the first.
    pub began_unix_ms: i64,
    /// On average over those before it; 0 before there is one.
    pub seconds_per_iteration: f64,
}

pub async fn pace(db: &mut PgConnection, experiment: ExperimentId) -> Result<Pace> {
    let row = sqlx::query!(
        // The latest has only begun, so the times between beginnings count, and one alone has no
        // pace.
        r#"select coalesce((extract(epoch from max(created_at)) * 1000)::bigint, 0) as "began!",
                  coalesce(extract(epoch from max(created_at) - min(created_at))::float8
                           / nullif(count(*) - 1, 0), 0) as "mean!"
           from iteration where experiment_id = $1"#,
        experiment.0
    )
    .fetch_one(db)
    .await?;
    Ok(Pace {
        began_unix_ms: row.began,
        seconds_per_iteration: row.mean,
    })
}
