//! Verdicts: inserted beside rollouts, never updated. What a phase needs of them is read once, at
//! its close.

use groklab_domain::{
    ExperimentId, JobId, Purpose, Split, Tally, Verification,
    metrics::RolloutOutcome,
    records::{EvaluatedSample, FirstFailure, Outcomes, RolloutLine},
};
use sqlx::PgConnection;
use uuid::Uuid;

use super::word;
use crate::error::Result;

/// A verdict with what was measured beside it.
#[derive(Debug, Clone)]
pub struct Judged {
    pub problem: u32,
    pub sample: u32,
    pub verification: Verification,
    pub first_failure: Option<FirstFailure>,
    pub error: String,
    /// The code taken out of the completion.
    pub code: Vec<u8>,
    pub cpu_ms: f64,
    pub wall_ms: f64,
    pub peak_memory_kb: u64,
}

/// Stores verdicts as (job, rollout's id, verdict), none of which may be an infrastructure error:
/// the table refuses those.
pub async fn insert(db: &mut PgConnection, rows: &[(JobId, i64, &Judged)]) -> Result<()> {
    let mut columns = Columns::default();
    for (job, rollout_id, judged) in rows {
        columns.job.push(job.0);
        columns.rollout_id.push(*rollout_id);
        columns.push(judged);
    }
    sqlx::query_file!(
        "src/store/sql/verdict/insert.sql",
        &columns.job,
        &columns.rollout_id,
        &columns.verdict as &[&str],
        &columns.visible_passed,
        &columns.visible_total,
        &columns.hidden_passed,
        &columns.hidden_total,
        &columns.correct,
        &columns.shortcut,
        &columns.failed_case as &[Option<i32>],
        &columns.got as &[Option<String>],
        &columns.expected as &[Option<String>],
        &columns.error,
        &columns.code as &[&[u8]],
        &columns.cpu_ms,
        &columns.wall_ms,
        &columns.peak_memory_kb
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The table's columns, an array each: Postgres takes any number of rows with one statement.
#[derive(Default)]
struct Columns<'a> {
    job: Vec<Uuid>,
    rollout_id: Vec<i64>,
    verdict: Vec<&'static str>,
    visible_passed: Vec<i32>,
    visible_total: Vec<i32>,
    hidden_passed: Vec<i32>,
    hidden_total: Vec<i32>,
    correct: Vec<bool>,
    shortcut: Vec<bool>,
    failed_case: Vec<Option<i32>>,
    got: Vec<Option<String>>,
    expected: Vec<Option<String>>,
    error: Vec<String>,
    code: Vec<&'a [u8]>,
    cpu_ms: Vec<f64>,
    wall_ms: Vec<f64>,
    peak_memory_kb: Vec<i64>,
}

impl<'a> Columns<'a> {
    fn push(&mut self, judged: &'a Judged) {
        let verification = &judged.verification;
        self.verdict.push(verification.verdict.as_str());
        let (visible, hidden) = (verification.visible, verification.hidden);
        self.visible_passed.push(visible.passed.cast_signed());
        self.visible_total.push(visible.total.cast_signed());
        self.hidden_passed.push(hidden.passed.cast_signed());
        self.hidden_total.push(hidden.total.cast_signed());
        // Stored although they follow from the rest: queries filter by them.
        self.correct.push(verification.correct());
        self.shortcut.push(verification.shortcut());
        self.push_failure(judged.first_failure.as_ref());
        self.error.push(without_nul(&judged.error));
        self.code.push(&judged.code);
        self.cpu_ms.push(judged.cpu_ms);
        self.wall_ms.push(judged.wall_ms);
        self.peak_memory_kb
            .push(judged.peak_memory_kb.cast_signed());
    }

    fn push_failure(&mut self, failure: Option<&FirstFailure>) {
        let (mut case, mut got, mut expected) = (None, None, None);
        if let Some(failure) = failure {
            case = Some(failure.case.cast_signed());
            got = Some(without_nul(&failure.got));
            expected = Some(without_nul(&failure.expected));
        }
        self.failed_case.push(case);
        self.got.push(got);
        self.expected.push(expected);
    }
}

/// Candidates write it; Postgres' text cannot hold it.
fn without_nul(text: &str) -> String {
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
        "select r.problem, r.sample, v.verdict,
                v.visible_passed, v.visible_total, v.hidden_passed, v.hidden_total
         from rollout r join verdict v using (rollout_id)
         where r.experiment_id = $1 and r.iteration = $2 and r.purpose = $3
         order by r.problem, r.sample",
        experiment.0,
        iteration.cast_signed(),
        purpose.as_str()
    )
    .fetch_all(db)
    .await?;
    let mut outcomes = Vec::with_capacity(rows.len());
    for row in rows {
        let sample = row.sample.cast_unsigned();
        outcomes.push(RolloutOutcome {
            problem: row.problem.cast_unsigned(),
            sample,
            greedy: RolloutLine::is_greedy(purpose, sample),
            verification: Verification {
                verdict: word(&row.verdict)?,
                visible: tally(row.visible_passed, row.visible_total),
                hidden: tally(row.hidden_passed, row.hidden_total),
            },
        });
    }
    Ok(outcomes)
}

fn tally(passed: i32, total: i32) -> Tally {
    Tally {
        passed: passed.cast_unsigned(),
        total: total.cast_unsigned(),
    }
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
    // Counted here, row by row: texts and code never leave the database.
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
