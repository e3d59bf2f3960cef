//! Verdicts: inserted beside rollouts, never updated. What a phase needs of them is read once, at its close.

use groklab_domain::{
    ExperimentId, JobId, Purpose, Split, Tally, Verification,
    metrics::RolloutOutcome,
    records::{EvaluatedSample, Outcomes},
};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{ints, word};
use crate::error::Result;

/// The first case that did not pass: its place, and what was returned and expected, escaped.
#[derive(Debug, Clone)]
pub struct Failure {
    pub case: u32,
    pub got: String,
    pub expected: String,
}

/// A verdict with what was measured beside it.
#[derive(Debug, Clone)]
pub struct Judged {
    pub problem: u32,
    pub sample: u32,
    pub verification: Verification,
    pub first_failure: Option<Failure>,
    pub error: String,
    /// The code taken out of the completion.
    pub code: Vec<u8>,
    pub cpu_ms: f64,
    pub wall_ms: f64,
    pub peak_memory_kb: u64,
}

/// Stores verdicts as (job, rollout's id, verdict), none of which may be an infrastructure error: the table refuses those.
pub async fn insert(db: &mut PgConnection, rows: &[(JobId, i64, &Judged)]) -> Result<()> {
    let jobs: Vec<Uuid> = rows.iter().map(|(job, ..)| job.0).collect();
    let ids: Vec<i64> = rows.iter().map(|(_, rollout_id, _)| *rollout_id).collect();
    let judged: Vec<&Judged> = rows.iter().map(|(.., judged)| *judged).collect();
    let verdicts: Vec<&str> = judged
        .iter()
        .map(|j| j.verification.verdict.as_str())
        .collect();
    let tally = |tally: fn(&Verification) -> Tally| {
        let tallies = judged.iter().map(|j| tally(&j.verification));
        let (passed, total): (Vec<u32>, Vec<u32>) = tallies.map(|t| (t.passed, t.total)).unzip();
        (ints(&passed), ints(&total))
    };
    let (visible_passed, visible_total) = tally(|v| v.visible);
    let (hidden_passed, hidden_total) = tally(|v| v.hidden);
    let correct: Vec<bool> = judged.iter().map(|j| j.verification.correct()).collect();
    let shortcut: Vec<bool> = judged.iter().map(|j| j.verification.shortcut()).collect();
    let case: Vec<Option<i32>> = judged
        .iter()
        .map(|j| j.first_failure.as_ref().map(|f| f.case.cast_signed()))
        .collect();
    let got: Vec<Option<String>> = judged
        .iter()
        .map(|j| j.first_failure.as_ref().map(|f| text(&f.got)))
        .collect();
    let expected: Vec<Option<String>> = judged
        .iter()
        .map(|j| j.first_failure.as_ref().map(|f| text(&f.expected)))
        .collect();
    let errors: Vec<String> = judged.iter().map(|j| text(&j.error)).collect();
    let codes: Vec<&[u8]> = judged.iter().map(|j| j.code.as_slice()).collect();
    let cpu: Vec<f64> = judged.iter().map(|j| j.cpu_ms).collect();
    let wall: Vec<f64> = judged.iter().map(|j| j.wall_ms).collect();
    let memory: Vec<i64> = judged
        .iter()
        .map(|j| j.peak_memory_kb.cast_signed())
        .collect();
    sqlx::query!(
        "insert into verdict (job_id, rollout_id, verdict, visible_passed, visible_total, hidden_passed, hidden_total, correct, shortcut,
                              failed_case, got, expected, error, code, cpu_ms, wall_ms, peak_memory_kb)
         select * from unnest($1::uuid[], $2::bigint[], $3::text[], $4::int[], $5::int[], $6::int[], $7::int[], $8::bool[], $9::bool[],
                              $10::int[], $11::text[], $12::text[], $13::text[], $14::bytea[], $15::float8[], $16::float8[],
                              $17::bigint[])",
        &jobs,
        &ids,
        &verdicts as &[&str],
        &visible_passed,
        &visible_total,
        &hidden_passed,
        &hidden_total,
        &correct,
        &shortcut,
        &case as &[Option<i32>],
        &got as &[Option<String>],
        &expected as &[Option<String>],
        &errors,
        &codes as &[&[u8]],
        &cpu,
        &wall,
        &memory
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Postgres' text holds no NUL.
fn text(text: &str) -> String {
    text.replace('\0', "\\0")
}

/// The verdicts of an iteration's rollouts of one purpose, in order of problem and sample.
pub async fn outcomes(
    db: &mut PgConnection,
    experiment: ExperimentId,
    iteration: u32,
    purpose: Purpose,
) -> Result<Vec<RolloutOutcome>> {
    let rows = sqlx::query!(
        "select r.problem, r.sample, v.verdict, v.visible_passed, v.visible_total, v.hidden_passed, v.hidden_total
         from rollout r join verdict v using (rollout_id)
         where r.experiment_id = $1 and r.iteration = $2 and r.purpose = $3
         order by r.problem, r.sample",
        experiment.0,
        iteration.cast_signed(),
        purpose.as_str()
    )
    .fetch_all(db)
    .await?;
    let tally = |passed: i32, total: i32| Tally {
        passed: passed.cast_unsigned(),
        total: total.cast_unsigned(),
    };
    rows.into_iter()
        .map(|row| {
            Ok(RolloutOutcome {
                problem: row.problem.cast_unsigned(),
                sample: row.sample.cast_unsigned(),
                // An evaluation's sample 0 is the greedy completion.
                greedy: purpose == Purpose::Eval && row.sample == 0,
                verification: Verification {
                    verdict: word(&row.verdict)?,
                    visible: tally(row.visible_passed, row.visible_total),
                    hidden: tally(row.hidden_passed, row.hidden_total),
                },
            })
        })
        .collect()
}

/// What became of each problem of a split in one evaluation.
pub async fn evaluation(
    db: &mut PgConnection,
    experiment: ExperimentId,
    iteration: u32,
    split: Split,
) -> Result<Outcomes> {
    let rows = sqlx::query!(
        "select r.problem, p.family, p.rule, r.sample, v.correct
         from rollout r
         join problem p on p.experiment_id = r.experiment_id and p.ordinal = r.problem
         join verdict v using (rollout_id)
         where r.experiment_id = $1 and r.iteration = $2 and r.purpose = 'eval' and p.split = $3
         order by r.problem, r.sample",
        experiment.0,
        iteration.cast_signed(),
        split.as_str()
    )
    .fetch_all(db)
    .await?;
    let mut outcomes = Outcomes::default();
    for row in rows {
        outcomes.count(EvaluatedSample {
            problem: row.problem.cast_unsigned(),
            split,
            family: &row.family,
            rule: &row.rule,
            sample: row.sample.cast_unsigned(),
            correct: row.correct,
        });
    }
    Ok(outcomes)
}
