//! Rollouts as they are read: each with its problem's rule and its verdict, where it has one yet.

use groklab_domain::{
    ExperimentId, Purpose, Split, Tally, Verdict,
    records::{CandidateSpan, FirstFailure, RolloutFilter, RolloutLine},
};
use sqlx::PgConnection;

use super::{optional_word, word};
use crate::error::{Error, Result};

/// A place in the order of rollouts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    iteration: u32,
    purpose: Purpose,
    problem: u32,
    sample: u32,
}

impl Cursor {
    pub fn at(line: &RolloutLine) -> Self {
        Self {
            iteration: line.iteration,
            purpose: line.purpose,
            problem: line.problem,
            sample: line.sample,
        }
    }

    fn columns(&self) -> (i32, &str, i32, i32) {
        (
            self.iteration.cast_signed(),
            self.purpose.as_str(),
            self.problem.cast_signed(),
            self.sample.cast_signed(),
        )
    }
}

/// At most `limit` rollouts after `after`, in order of iteration, purpose, problem and sample.
pub async fn page(
    db: &mut PgConnection,
    experiment: ExperimentId,
    filter: &RolloutFilter,
    after: Option<&Cursor>,
    limit: u32,
) -> Result<Vec<RolloutLine>> {
    let iteration = filter.iteration.map(u32::cast_signed);
    // Before the first: the columns' words are not empty, and their numbers not negative.
    let before_all = (iteration.unwrap_or(-1), "", -1, -1);
    let place = after.map_or(before_all, Cursor::columns);
    let rows = sqlx::query_file_as!(
        Row,
        "src/store/sql/rollout_line/page.sql",
        experiment.0,
        iteration,
        filter.purpose.map(Purpose::as_str),
        filter.split.map(Split::as_str),
        filter.family,
        filter.verdict.map(Verdict::as_str),
        filter.problem.map(u32::cast_signed),
        place.0,
        place.1,
        place.2,
        place.3,
        i64::from(limit)
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(RolloutLine::try_from).collect()
}

struct Row {
    iteration: i32,
    purpose: String,
    split: String,
    family: String,
    rule: String,
    problem: i32,
    sample: i32,
    text: Vec<u8>,
    tokens: i32,
    prompt_tokens: i32,
    finish: String,
    mean_logprob: f64,
    candidate_start: Option<i32>,
    candidate_end: Option<i32>,
    candidate_reason: Option<String>,
    // From here on absent for a rollout that waits for its verdict.
    verdict: Option<String>,
    visible_passed: Option<i32>,
    visible_total: Option<i32>,
    hidden_passed: Option<i32>,
    hidden_total: Option<i32>,
    correct: Option<bool>,
    shortcut: Option<bool>,
    failed_case: Option<i32>,
    got: Option<String>,
    expected: Option<String>,
    error: Option<String>,
    code: Option<Vec<u8>>,
    cpu_ms: Option<f64>,
    wall_ms: Option<f64>,
    peak_memory_kb: Option<i64>,
}

impl TryFrom<Row> for RolloutLine {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let candidate = row.candidate()?;
        let purpose = word(&row.purpose)?;
        let sample = row.sample.cast_unsigned();
        Ok(Self {
            iteration: row.iteration.cast_unsigned(),
            purpose,
            split: word(&row.split)?,
            family: row.family,
            rule: row.rule,
            problem: row.problem.cast_unsigned(),
            sample,
            greedy: Self::is_greedy(purpose, sample),
            text: readable(&row.text),
            tokens: row.tokens.cast_unsigned(),
            prompt_tokens: row.prompt_tokens.cast_unsigned(),
            finish: word(&row.finish)?,
            mean_logprob: row.mean_logprob,
            candidate,
            verdict: optional_word(row.verdict.as_deref())?,
            correct: row.correct,
            shortcut: row.shortcut,
            visible: tally(row.visible_passed, row.visible_total),
            hidden: tally(row.hidden_passed, row.hidden_total),
            first_failure: first_failure(row.failed_case, row.got, row.expected),
            error: row.error,
            code: row.code.as_deref().map(readable),
            cpu_ms: row.cpu_ms,
            wall_ms: row.wall_ms,
            peak_memory_kb: row.peak_memory_kb.map(i64::cast_unsigned),
        })
    }
}

impl Row {
    /// All of its columns are null, or none is.
    fn candidate(&self) -> Result<Option<CandidateSpan>> {
        let bytes = self.candidate_start.zip(self.candidate_end);
        let Some(((start, end), reason)) = bytes.zip(self.candidate_reason.as_deref()) else {
            return Ok(None);
        };
        Ok(Some(CandidateSpan {
            start: start.cast_unsigned() as usize,
            end: end.cast_unsigned() as usize,
            reason: word(reason)?,
        }))
    }
}

fn tally(passed: Option<i32>, total: Option<i32>) -> Option<Tally> {
    Some(Tally {
        passed: passed?.cast_unsigned(),
        total: total?.cast_unsigned(),
    })
}

fn first_failure(
    case: Option<i32>,
    got: Option<String>,
    expected: Option<String>,
) -> Option<FirstFailure> {
    Some(FirstFailure {
        case: case?.cast_unsigned(),
        got: got?,
        expected: expected?,
    })
}

/// JSON holds only UTF-8; models write anything.
fn readable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
