//! Rollouts: what the model wrote, stored once and never changed.

use groklab_domain::{ExperimentId, Finish, candidate::Candidate, job::Job, method::Pool};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{ints, word};
use crate::error::Result;

#[derive(Debug, Clone)]
pub struct Rollout {
    pub problem: u32,
    pub sample: u32,
    pub token_ids: Vec<u32>,
    pub text: Vec<u8>,
    pub finish: Finish,
    pub prompt_tokens: u32,
    pub mean_logprob: f64,
    /// One for each token, where the method asks for them; else empty.
    pub token_logprobs: Vec<f32>,
    /// Which part of the text is the code, as the worker that generated it says.
    pub candidate: Option<Candidate>,
}

/// Stores the rollouts of generate jobs.
pub async fn insert(db: &mut PgConnection, made: &[(&Job, &[Rollout])]) -> Result<()> {
    let rows = || {
        made.iter()
            .flat_map(|(job, rollouts)| rollouts.iter().map(move |rollout| (*job, rollout)))
    };
    let column = |number: fn(&Rollout) -> u32| {
        ints(
            &rows()
                .map(|(_, rollout)| number(rollout))
                .collect::<Vec<_>>(),
        )
    };
    let experiments: Vec<Uuid> = rows().map(|(job, _)| job.experiment.0).collect();
    let iterations: Vec<i32> = rows()
        .map(|(job, _)| job.spec.iteration.cast_signed())
        .collect();
    let purposes: Vec<&str> = rows().map(|(job, _)| job.spec.purpose.as_str()).collect();
    let jobs: Vec<Uuid> = rows().map(|(job, _)| job.id.0).collect();
    let tokens: Vec<Vec<u8>> = rows().map(|(_, r)| tokens_to_bytes(&r.token_ids)).collect();
    let texts: Vec<&[u8]> = rows().map(|(_, r)| r.text.as_slice()).collect();
    let token_logprobs: Vec<Option<Vec<u8>>> = rows()
        .map(|(_, r)| logprobs_to_bytes(&r.token_logprobs))
        .collect();
    let finishes: Vec<&str> = rows().map(|(_, r)| r.finish.as_str()).collect();
    let logprobs: Vec<f64> = rows().map(|(_, r)| r.mean_logprob).collect();
    let place = |bytes: fn(&Candidate) -> usize| -> Vec<Option<i32>> {
        rows()
            .map(|(_, r)| {
                r.candidate
                    .as_ref()
                    .map(|candidate| i32::try_from(bytes(candidate)).unwrap_or(i32::MAX))
            })
            .collect()
    };
    let reasons: Vec<Option<&str>> = rows()
        .map(|(_, r)| r.candidate.map(|candidate| candidate.reason.as_str()))
        .collect();
    sqlx::query!(
        "insert into rollout (experiment_id, iteration, purpose, job_id, problem, sample, tokens, text, finish, prompt_tokens, mean_logprob,
                              candidate_start, candidate_end, candidate_indent, candidate_reason, token_logprobs)
         select * from unnest($1::uuid[], $2::int[], $3::text[], $4::uuid[], $5::int[], $6::int[], $7::bytea[], $8::bytea[], $9::text[],
                              $10::int[], $11::float8[], $12::int[], $13::int[], $14::int[], $15::text[], $16::bytea[])",
        &experiments,
        &iterations,
        &purposes as &[&str],
        &jobs,
        &column(|r| r.problem),
        &column(|r| r.sample),
        &tokens,
        &texts as &[&[u8]],
        &finishes as &[&str],
        &column(|r| r.prompt_tokens),
        &logprobs,
        &place(|candidate| candidate.start) as &[Option<i32>],
        &place(|candidate| candidate.end) as &[Option<i32>],
        &place(|candidate| candidate.indent) as &[Option<i32>],
        &reasons as &[Option<&str>],
        &token_logprobs as &[Option<Vec<u8>>]
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The query in a file, of the completions that jobs are about.
macro_rules! about {
    ($file:literal, $jobs:expr) => {{
        let About {
            places,
            experiments,
            iterations,
            purposes,
            problems,
            first,
            end,
        } = About::new($jobs);
        sqlx::query_file!(
            $file,
            &places,
            &experiments,
            &iterations,
            &purposes,
            &problems,
            &first,
            &end
        )
    }};
}

/// A completion that waits for its verdict.
#[derive(Debug, Clone)]
pub struct UnverifiedRollout {
    pub problem: u32,
    pub sample: u32,
    pub text: Vec<u8>,
    pub candidate: Option<Candidate>,
}

/// The completions that these jobs are about, each job's in order of problem and sample.
pub async fn unverified(
    db: &mut PgConnection,
    jobs: &[Job],
) -> Result<Vec<Vec<UnverifiedRollout>>> {
    let mut unverified: Vec<Vec<UnverifiedRollout>> = jobs.iter().map(|_| Vec::new()).collect();
    let jobs: Vec<&Job> = jobs.iter().collect();
    for row in about!("src/store/sql/rollout/unverified.sql", &jobs)
        .fetch_all(db)
        .await?
    {
        let (problem, sample) = (row.problem.cast_unsigned(), row.sample.cast_unsigned());
        let place = |bytes: Option<i32>| bytes.map(|bytes| bytes.cast_unsigned() as usize);
        let range = place(row.candidate_start)
            .zip(place(row.candidate_end))
            .zip(place(row.candidate_indent));
        let reason = row
            .candidate_reason
            .map(|reason| word(&reason))
            .transpose()?;
        let candidate = range
            .zip(reason)
            .map(|(((start, end), indent), reason)| Candidate {
                start,
                end,
                indent,
                reason,
            });
        unverified[row.place as usize].push(UnverifiedRollout {
            problem,
            sample,
            text: row.text,
            candidate,
        });
    }
    Ok(unverified)
}

/// The ids of the completions that these jobs are about, each job's in order of problem and sample.
pub async fn ids(db: &mut PgConnection, jobs: &[&Job]) -> Result<Vec<Vec<i64>>> {
    let mut ids: Vec<Vec<i64>> = jobs.iter().map(|_| Vec::new()).collect();
    for row in about!("src/store/sql/rollout/ids.sql", jobs)
        .fetch_all(db)
        .await?
    {
        ids[row.place as usize].push(row.rollout_id);
    }
    Ok(ids)
}

/// What jobs are about, by column: a row for each problem of each job, which `places` counts.
#[derive(Default)]
struct About {
    places: Vec<i32>,
    experiments: Vec<Uuid>,
    iterations: Vec<i32>,
    purposes: Vec<String>,
    problems: Vec<i32>,
    first: Vec<i32>,
    end: Vec<i32>,
}

impl About {
    fn new(jobs: &[&Job]) -> Self {
        let mut about = Self::default();
        for (place, job) in (0..).zip(jobs) {
            for problem in &job.spec.batch.problems {
                let samples = job.spec.batch.sample_range();
                about.places.push(place);
                about.experiments.push(job.experiment.0);
                about.iterations.push(job.spec.iteration.cast_signed());
                about.purposes.push(job.spec.purpose.to_string());
                about.problems.push(problem.cast_signed());
                about.first.push(samples.start.cast_signed());
                about.end.push(samples.end.cast_signed());
            }
        }
        about
    }
}

/// A training rollout that the model ended itself.
#[derive(Debug, Clone)]
pub struct TrainableRollout {
    pub rollout_id: i64,
    pub problem: u32,
    pub sample: u32,
    pub code: Vec<u8>,
}

/// What may be trained on: the pool's training rollouts of the iterations `first..=last` that the model ended itself, in order of problem,
/// sample and iteration. One that was cut at `max_new_tokens` is left out: training would put an end token where the model wrote none.
pub async fn trainable(
    db: &mut PgConnection,
    experiment: ExperimentId,
    first: u32,
    last: u32,
    pool: Pool,
) -> Result<Vec<TrainableRollout>> {
    match pool {
        Pool::Empty => return Ok(Vec::new()),
        Pool::Correct => {}
    }
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
    let mut trainable = Vec::with_capacity(rows.len());
    for row in rows {
        trainable.push(TrainableRollout {
            rollout_id: row.rollout_id,
            problem: row.problem.cast_unsigned(),
            sample: row.sample.cast_unsigned(),
            code: row.code,
        });
    }
    Ok(trainable)
}

/// The sampled token ids of these rollouts, by id.
pub async fn tokens(db: &mut PgConnection, ids: &[i64]) -> Result<Vec<(i64, Vec<u32>)>> {
    let rows = sqlx::query!(
        "select rollout_id, tokens from rollout where rollout_id = any($1) order by rollout_id",
        ids
    )
    .fetch_all(db)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.rollout_id, bytes_to_tokens(&row.tokens)))
        .collect())
}

fn tokens_to_bytes(tokens: &[u32]) -> Vec<u8> {
    tokens
        .iter()
        .flat_map(|token| token.to_le_bytes())
        .collect()
}

fn bytes_to_tokens(bytes: &[u8]) -> Vec<u32> {
    bytes
        .as_chunks::<4>()
        .0
        .iter()
        .map(|token| u32::from_le_bytes(*token))
        .collect()
}

/// Null for none: most methods do not ask for them.
fn logprobs_to_bytes(logprobs: &[f32]) -> Option<Vec<u8>> {
    if logprobs.is_empty() {
        return None;
    }
    let mut bytes = Vec::with_capacity(4 * logprobs.len());
    for logprob in logprobs {
        bytes.extend(logprob.to_le_bytes());
    }
    Some(bytes)
}
