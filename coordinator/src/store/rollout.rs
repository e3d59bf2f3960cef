//! Rollouts: what the model wrote, stored once and never changed.

use groklab_domain::{ExperimentId, Finish, Purpose, Split};
use sqlx::PgConnection;

use super::ints;
use crate::{
    error::Result,
    store::job::{Batch, Job},
};

#[derive(Debug, Clone)]
pub struct Rollout {
    pub problem: u32,
    pub sample: u32,
    pub token_ids: Vec<u32>,
    pub text: Vec<u8>,
    pub finish: Finish,
    pub prompt_tokens: u32,
    pub mean_logprob: f64,
}

pub async fn insert(db: &mut PgConnection, job: &Job, rollouts: &[Rollout]) -> Result<()> {
    let column = |number: fn(&Rollout) -> u32| ints(&rollouts.iter().map(number).collect::<Vec<_>>());
    let tokens: Vec<Vec<u8>> = rollouts.iter().map(|r| tokens_to_bytes(&r.token_ids)).collect();
    let texts: Vec<Vec<u8>> = rollouts.iter().map(|r| r.text.clone()).collect();
    let finishes: Vec<String> = rollouts.iter().map(|r| r.finish.to_string()).collect();
    let logprobs: Vec<f64> = rollouts.iter().map(|r| r.mean_logprob).collect();
    sqlx::query!(
        "insert into rollout (experiment_id, iteration, purpose, job_id, problem, sample, tokens, text, finish, prompt_tokens, mean_logprob)
         select $1, $2, $3, $4, * from unnest($5::int[], $6::int[], $7::bytea[], $8::bytea[], $9::text[], $10::int[], $11::float8[])",
        job.experiment.0,
        job.spec.iteration.cast_signed(),
        job.spec.purpose.as_str(),
        job.id.0,
        &column(|r| r.problem),
        &column(|r| r.sample),
        &tokens,
        &texts,
        &finishes,
        &column(|r| r.prompt_tokens),
        &logprobs
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A completion that waits for its verdict.
#[derive(Debug, Clone)]
pub struct Written {
    pub rollout_id: i64,
    pub problem: u32,
    pub sample: u32,
    pub text: Vec<u8>,
}

/// The completions of a batch, in order of problem and sample.
pub async fn written(
    db: &mut PgConnection,
    experiment: ExperimentId,
    iteration: u32,
    purpose: Purpose,
    batch: &Batch,
) -> Result<Vec<Written>> {
    let samples = batch.sample_range();
    let rows = sqlx::query!(
        "select rollout_id, problem, sample, text from rollout
         where experiment_id = $1 and iteration = $2 and purpose = $3 and problem = any($4) and sample >= $5 and sample < $6
         order by problem, sample",
        experiment.0,
        iteration.cast_signed(),
        purpose.as_str(),
        &ints(&batch.problems),
        samples.start.cast_signed(),
        samples.end.cast_signed()
    )
    .fetch_all(db)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Written {
            rollout_id: row.rollout_id,
            problem: row.problem.cast_unsigned(),
            sample: row.sample.cast_unsigned(),
            text: row.text,
        })
        .collect())
}

/// A correct training rollout that the model ended itself.
#[derive(Debug, Clone)]
pub struct Correct {
    pub rollout_id: i64,
    pub problem: u32,
    pub sample: u32,
    pub code: Vec<u8>,
}

/// What may be trained on: correct training rollouts of the iterations `first..=last` that the model ended itself, in order of problem,
/// sample and iteration. One that was cut at `max_new_tokens` is left out: training would put an end token where the model wrote none.
pub async fn correct(db: &mut PgConnection, experiment: ExperimentId, first: u32, last: u32) -> Result<Vec<Correct>> {
    let rows = sqlx::query!(
        "select r.rollout_id, r.problem, r.sample, v.code from rollout r join verdict v using (rollout_id)
         where r.experiment_id = $1 and r.iteration between $2 and $3 and r.purpose = 'train' and r.finish = 'stop' and v.correct
         order by r.problem, r.sample, r.iteration",
        experiment.0,
        first.cast_signed(),
        last.cast_signed()
    )
    .fetch_all(db)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Correct {
            rollout_id: row.rollout_id,
            problem: row.problem.cast_unsigned(),
            sample: row.sample.cast_unsigned(),
            code: row.code,
        })
        .collect())
}

/// The sampled token ids of these rollouts, by id.
pub async fn tokens(db: &mut PgConnection, ids: &[i64]) -> Result<Vec<(i64, Vec<u32>)>> {
    let rows =
        sqlx::query!("select rollout_id, tokens from rollout where rollout_id = any($1) order by rollout_id", ids).fetch_all(db).await?;
    Ok(rows.into_iter().map(|row| (row.rollout_id, bytes_to_tokens(&row.tokens))).collect())
}

/// Which rollouts somebody wants to read; None means any.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub iteration: Option<u32>,
    pub purpose: Option<Purpose>,
    pub split: Option<Split>,
    pub family: Option<String>,
    pub problem: Option<u32>,
    pub verdict: Option<groklab_domain::Verdict>,
}

/// A place in the order of rollouts: (iteration, purpose, problem, sample).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    pub iteration: i32,
    pub purpose: String,
    pub problem: i32,
    pub sample: i32,
}

/// A rollout with its problem's heading and its verdict, where it has one yet.
#[derive(Debug)]
pub struct Record {
    pub iteration: i32,
    pub purpose: String,
    pub split: String,
    pub family: String,
    pub rule: String,
    pub problem: i32,
    pub sample: i32,
    pub text: Vec<u8>,
    pub tokens: i32,
    pub prompt_tokens: i32,
    pub finish: String,
    pub mean_logprob: f64,
    pub verdict: Option<String>,
    pub visible_passed: Option<i32>,
    pub visible_total: Option<i32>,
    pub hidden_passed: Option<i32>,
    pub hidden_total: Option<i32>,
    pub correct: Option<bool>,
    pub shortcut: Option<bool>,
    pub failed_case: Option<i32>,
    pub got: Option<String>,
    pub expected: Option<String>,
    pub error: Option<String>,
    pub code: Option<Vec<u8>>,
    pub cpu_ms: Option<f64>,
    pub wall_ms: Option<f64>,
    pub peak_memory_kb: Option<i64>,
}

impl Record {
    pub fn cursor(&self) -> Cursor {
        Cursor { iteration: self.iteration, purpose: self.purpose.clone(), problem: self.problem, sample: self.sample }
    }
}

/// At most `limit` rollouts after `after`, in order.
pub async fn page(
    db: &mut PgConnection,
    experiment: ExperimentId,
    filter: &Filter,
    after: Option<&Cursor>,
    limit: u32,
) -> Result<Vec<Record>> {
    let records = sqlx::query_file_as!(
        Record,
        "src/store/sql/rollout/page.sql",
        experiment.0,
        filter.iteration.map(u32::cast_signed),
        filter.purpose.map(Purpose::as_str),
        filter.split.map(Split::as_str),
        filter.family,
        filter.verdict.map(groklab_domain::Verdict::as_str),
        filter.problem.map(u32::cast_signed),
        after.map_or(filter.iteration.map_or(-1, u32::cast_signed), |c| c.iteration),
        after.map_or("", |c| c.purpose.as_str()),
        after.map_or(-1, |c| c.problem),
        after.map_or(-1, |c| c.sample),
        i64::from(limit)
    )
    .fetch_all(db)
    .await?;
    Ok(records)
}

fn tokens_to_bytes(tokens: &[u32]) -> Vec<u8> {
    tokens.iter().flat_map(|token| token.to_le_bytes()).collect()
}

fn bytes_to_tokens(bytes: &[u8]) -> Vec<u32> {
    bytes.as_chunks::<4>().0.iter().map(|token| u32::from_le_bytes(*token)).collect()
}
