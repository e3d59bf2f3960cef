//! Rollouts: what the model wrote, stored once and never changed.

use groklab_domain::{
    ExperimentId, Finish, Purpose,
    candidate::Candidate,
    job::Job,
    method::{JudgedRollout, Pool},
    metrics::{ProblemRef, unit_of},
    records::RolloutLine,
    seed::ProblemSeed,
};
use sqlx::PgConnection;
use uuid::Uuid;

use super::word;
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
    let mut columns = Columns::default();
    for (job, rollouts) in made {
        for rollout in *rollouts {
            columns.push(job, rollout);
        }
    }
    sqlx::query_file!(
        "src/store/sql/rollout/insert.sql",
        &columns.experiment,
        &columns.iteration,
        &columns.purpose as &[&str],
        &columns.job,
        &columns.problem,
        &columns.sample,
        &columns.tokens,
        &columns.text as &[&[u8]],
        &columns.finish as &[&str],
        &columns.prompt_tokens,
        &columns.mean_logprob,
        &columns.candidate_start as &[Option<i32>],
        &columns.candidate_end as &[Option<i32>],
        &columns.candidate_indent as &[Option<i32>],
        &columns.candidate_reason as &[Option<&str>],
        &columns.token_logprobs as &[Option<Vec<u8>>]
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The table's columns, an array each: Postgres takes any number of rows with one statement.
#[derive(Default)]
struct Columns<'a> {
    experiment: Vec<Uuid>,
    iteration: Vec<i32>,
    purpose: Vec<&'static str>,
    job: Vec<Uuid>,
    problem: Vec<i32>,
    sample: Vec<i32>,
    tokens: Vec<Vec<u8>>,
    text: Vec<&'a [u8]>,
    finish: Vec<&'static str>,
    prompt_tokens: Vec<i32>,
    mean_logprob: Vec<f64>,
    candidate_start: Vec<Option<i32>>,
    candidate_end: Vec<Option<i32>>,
    candidate_indent: Vec<Option<i32>>,
    candidate_reason: Vec<Option<&'static str>>,
    token_logprobs: Vec<Option<Vec<u8>>>,
}

impl<'a> Columns<'a> {
    fn push(&mut self, job: &Job, rollout: &'a Rollout) {
        self.experiment.push(job.experiment.0);
        self.iteration.push(job.spec.iteration.cast_signed());
        self.purpose.push(job.spec.purpose.as_str());
        self.job.push(job.id.0);
        self.problem.push(rollout.problem.cast_signed());
        self.sample.push(rollout.sample.cast_signed());
        self.tokens.push(tokens_to_bytes(&rollout.token_ids));
        self.text.push(&rollout.text);
        self.finish.push(rollout.finish.as_str());
        self.prompt_tokens.push(rollout.prompt_tokens.cast_signed());
        self.mean_logprob.push(rollout.mean_logprob);
        self.push_candidate(rollout.candidate);
        self.token_logprobs
            .push(logprobs_to_bytes(&rollout.token_logprobs));
    }

    fn push_candidate(&mut self, candidate: Option<Candidate>) {
        let (mut start, mut end, mut indent, mut reason) = (None, None, None, None);
        if let Some(candidate) = candidate {
            start = Some(as_int(candidate.start));
            end = Some(as_int(candidate.end));
            indent = Some(as_int(candidate.indent));
            reason = Some(candidate.reason.as_str());
        }
        self.candidate_start.push(start);
        self.candidate_end.push(end);
        self.candidate_indent.push(indent);
        self.candidate_reason.push(reason);
    }
}

/// A place in a completion, which is far shorter than 2 GiB.
fn as_int(bytes: usize) -> i32 {
    i32::try_from(bytes).unwrap_or(i32::MAX)
}

/// The query in a file, of the completions that jobs are about.
macro_rules! query_of_jobs {
    ($file:literal, $jobs:expr) => {{
        let JobRollouts {
            places,
            experiments,
            iterations,
            purposes,
            problems,
            first,
            end,
        } = JobRollouts::new($jobs);
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
    let mut unverified = vec![Vec::new(); jobs.len()];
    let jobs: Vec<&Job> = jobs.iter().collect();
    let rows = query_of_jobs!("src/store/sql/rollout/unverified.sql", &jobs);
    for row in rows.fetch_all(db).await? {
        let span = [row.candidate_start, row.candidate_end, row.candidate_indent];
        unverified[row.place as usize].push(UnverifiedRollout {
            problem: row.problem.cast_unsigned(),
            sample: row.sample.cast_unsigned(),
            text: row.text,
            candidate: stored_candidate(span, row.candidate_reason.as_deref())?,
        });
    }
    Ok(unverified)
}

/// All of its columns are null, or none is.
fn stored_candidate(span: [Option<i32>; 3], reason: Option<&str>) -> Result<Option<Candidate>> {
    let ([Some(start), Some(end), Some(indent)], Some(reason)) = (span, reason) else {
        return Ok(None);
    };
    Ok(Some(Candidate {
        start: start.cast_unsigned() as usize,
        end: end.cast_unsigned() as usize,
        indent: indent.cast_unsigned() as usize,
        reason: word(reason)?,
    }))
}

/// The ids of the completions that these jobs are about, each job's in order of problem and sample.
pub async fn ids(db: &mut PgConnection, jobs: &[&Job]) -> Result<Vec<Vec<i64>>> {
    let mut ids = vec![Vec::new(); jobs.len()];
    let rows = query_of_jobs!("src/store/sql/rollout/ids.sql", jobs);
    for row in rows.fetch_all(db).await? {
        ids[row.place as usize].push(row.rollout_id);
    }
    Ok(ids)
}

/// The rollouts that jobs are about, by column: a row for each problem of each job. `places` counts
/// the jobs.
#[derive(Default)]
struct JobRollouts {
    places: Vec<i32>,
    experiments: Vec<Uuid>,
    iterations: Vec<i32>,
    purposes: Vec<String>,
    problems: Vec<i32>,
    first: Vec<i32>,
    end: Vec<i32>,
}

impl JobRollouts {
    fn new(jobs: &[&Job]) -> Self {
        let mut columns = Self::default();
        for (place, job) in (0..).zip(jobs) {
            for problem in &job.spec.batch.problems {
                let samples = job.spec.batch.sample_range();
                columns.places.push(place);
                columns.experiments.push(job.experiment.0);
                columns.iterations.push(job.spec.iteration.cast_signed());
                columns.purposes.push(job.spec.purpose.to_string());
                columns.problems.push(problem.cast_signed());
                columns.first.push(samples.start.cast_signed());
                columns.end.push(samples.end.cast_signed());
            }
        }
        columns
    }
}

/// What may be trained on: the rollouts of the iterations `first..=last` in this pool that the
/// model ended itself, in order of problem, the newest iteration first, and sample.
pub async fn trainable(
    db: &mut PgConnection,
    experiment: ExperimentId,
    first: u32,
    last: u32,
    pool: Pool,
) -> Result<Vec<JudgedRollout>> {
    let words: Vec<String> = pool.verdicts.iter().map(ToString::to_string).collect();
    // Without greedy completions evaluations are not looked at.
    let purposes: &[Purpose] = if pool.greedy {
        &[Purpose::Train, Purpose::Eval]
    } else {
        &[Purpose::Train]
    };
    let purposes: Vec<String> = purposes.iter().map(ToString::to_string).collect();
    let rows = sqlx::query!(
        "select r.rollout_id, r.problem, r.iteration, r.purpose, r.sample,
            v.verdict, v.shortcut, v.code, p.split, p.family, p.rule, p.identity
         from rollout r join verdict v using (rollout_id)
         join problem p on p.experiment_id = r.experiment_id and p.ordinal = r.problem
         where r.experiment_id = $1 and r.iteration between $2 and $3 and r.purpose = any($4)
           and (r.purpose = 'train' or r.sample = 0 and p.split = 'train')
           and r.finish = 'stop' and v.verdict = any($5)
         order by r.problem, r.iteration desc, r.sample, r.purpose",
        experiment.0,
        first.cast_signed(),
        last.cast_signed(),
        &purposes,
        &words
    )
    .fetch_all(db)
    .await?;
    let mut trainable = Vec::with_capacity(rows.len());
    for row in rows {
        let problem = row.problem.cast_unsigned();
        let (purpose, sample) = (word(&row.purpose)?, row.sample.cast_unsigned());
        let identity = row.identity.as_deref().map(word).transpose()?;
        let asked = ProblemRef {
            ordinal: problem,
            split: word(&row.split)?,
            family: &row.family,
            rule: &row.rule,
        };
        trainable.push(JudgedRollout {
            rollout_id: row.rollout_id,
            problem,
            problem_seed: ProblemSeed::of(identity, problem),
            unit: unit_of(&asked),
            iteration: row.iteration.cast_unsigned(),
            sample,
            greedy: RolloutLine::is_greedy(purpose, sample),
            verdict: word(&row.verdict)?,
            shortcut: row.shortcut,
            code: String::from_utf8_lossy(&row.code).into_owned(),
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
    let mut tokens = Vec::with_capacity(rows.len());
    for row in rows {
        tokens.push((row.rollout_id, bytes_to_tokens(&row.tokens)));
    }
    Ok(tokens)
}

fn tokens_to_bytes(tokens: &[u32]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(4 * tokens.len());
    for token in tokens {
        bytes.extend(token.to_le_bytes());
    }
    bytes
}

/// The column's CHECK says that no byte is left over.
fn bytes_to_tokens(bytes: &[u8]) -> Vec<u32> {
    let mut tokens = Vec::with_capacity(bytes.len() / 4);
    for token in bytes.as_chunks::<4>().0 {
        tokens.push(u32::from_le_bytes(*token));
    }
    tokens
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
