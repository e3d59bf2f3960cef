//! The lines of metrics, problem files and rollouts.jsonl, a page at a time: no message grows with the experiment.

use std::sync::Arc;

use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};
use groklab_domain::{ExperimentId, Split};
use groklab_proto::v1;
use serde::Serialize;
use serde_json::Value as Json;

use super::Service;
use crate::{
    error::{Error, Result},
    store::{
        iteration, metric,
        problem::{self, Problem},
        rollout::{self, Cursor, Filter, Record},
    },
};

const PROBLEMS_PER_PAGE: usize = 200;
const ROLLOUTS_PER_PAGE: u32 = 200;
/// Iterations whose lines one answer holds.
const ITERATIONS_PER_PAGE: u32 = 100;

/// The lines of the iterations from `first` on, as many as one message holds.
pub async fn metrics(
    service: &Service,
    id: ExperimentId,
    first: u32,
) -> Result<v1::MetricsResponse> {
    if i32::try_from(first).is_err() {
        return Err(Error::Caller(format!(
            "field `first` = {first}: no iteration has so high a number"
        )));
    }
    let mut db = service.store.connection().await?;
    let metrics = metric::lines(&mut db, id, first, Some(ITERATIONS_PER_PAGE)).await?;
    let iterations = iteration::lines(&mut db, id, first, Some(ITERATIONS_PER_PAGE)).await?;
    let full = |lines: &[(u32, String)]| {
        lines
            .last()
            .filter(|_| lines.len() == ITERATIONS_PER_PAGE as usize)
            .map(|(last, _)| *last)
    };
    // Where one kind has more to come, the other stops at the same iteration.
    let last = [full(&metrics), full(&iterations)]
        .into_iter()
        .flatten()
        .min();
    let until = |lines: Vec<(u32, String)>| {
        lines
            .into_iter()
            .filter(|(i, _)| last.is_none_or(|last| *i <= last))
            .map(|(_, line)| line)
            .collect()
    };
    Ok(v1::MetricsResponse {
        metrics_json: until(metrics),
        iterations_json: until(iterations),
        next: last.map(|last| last + 1),
    })
}

#[derive(Serialize)]
struct ProblemLine<'a> {
    problem: u32,
    split: Split,
    family: &'a str,
    rule: &'a str,
    difficulty: u32,
    prompt: &'a str,
    entry: &'a str,
    signature: &'a str,
    cases: Vec<CaseLine>,
}

#[derive(Serialize)]
struct CaseLine {
    args: Json,
    expected: Json,
    visible: bool,
}

#[derive(Serialize)]
struct RolloutLine<'a> {
    iteration: i32,
    purpose: &'a str,
    split: &'a str,
    family: &'a str,
    rule: &'a str,
    problem: i32,
    sample: i32,
    greedy: bool,
    /// Bytes that are not UTF-8 are replaced.
    text: String,
    tokens: i32,
    prompt_tokens: i32,
    finish: &'a str,
    mean_logprob: f64,
    /// Which bytes of the completion are the code, and why.
    candidate: Option<CandidateLine<'a>>,
    verdict: Option<&'a str>,
    correct: Option<bool>,
    shortcut: Option<bool>,
    visible: Option<TallyLine>,
    hidden: Option<TallyLine>,
    first_failure: Option<FailureLine<'a>>,
    error: Option<&'a str>,
    code: Option<String>,
    cpu_ms: Option<f64>,
    wall_ms: Option<f64>,
    peak_memory_kb: Option<i64>,
}

#[derive(Serialize)]
struct CandidateLine<'a> {
    start: i32,
    end: i32,
    reason: &'a str,
}

#[derive(Serialize)]
struct TallyLine {
    passed: i32,
    total: i32,
}

#[derive(Serialize)]
struct FailureLine<'a> {
    case: i32,
    got: &'a str,
    expected: &'a str,
}

fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::internal("write a record", error))
}

fn stored(text: &str) -> Result<Json> {
    serde_json::from_str(text).map_err(|error| Error::internal("read a stored case", error))
}

fn problem_line(problem: &Problem, cases: &[problem::Case]) -> Result<String> {
    let cases = cases.iter().map(|case| {
        Ok(CaseLine {
            args: stored(&case.args)?,
            expected: stored(&case.expected)?,
            visible: case.visible,
        })
    });
    json(&ProblemLine {
        problem: problem.ordinal,
        split: problem.split,
        family: &problem.family,
        rule: &problem.rule,
        difficulty: problem.difficulty,
        prompt: &problem.prompt,
        entry: &problem.entry,
        signature: &problem.signature,
        cases: cases.collect::<Result<_>>()?,
    })
}

fn rollout_line(r: &Record) -> Result<String> {
    let tally = |passed: Option<i32>, total: Option<i32>| {
        passed
            .zip(total)
            .map(|(passed, total)| TallyLine { passed, total })
    };
    let range = r
        .candidate_start
        .zip(r.candidate_end)
        .zip(r.candidate_reason.as_deref());
    let failure = r
        .failed_case
        .zip(r.got.as_deref())
        .zip(r.expected.as_deref());
    json(&RolloutLine {
        iteration: r.iteration,
        purpose: &r.purpose,
        split: &r.split,
        family: &r.family,
        rule: &r.rule,
        problem: r.problem,
        sample: r.sample,
        greedy: r.purpose == "eval" && r.sample == 0,
        text: String::from_utf8_lossy(&r.text).into_owned(),
        tokens: r.tokens,
        prompt_tokens: r.prompt_tokens,
        finish: &r.finish,
        mean_logprob: r.mean_logprob,
        candidate: range.map(|((start, end), reason)| CandidateLine { start, end, reason }),
        verdict: r.verdict.as_deref(),
        correct: r.correct,
        shortcut: r.shortcut,
        visible: tally(r.visible_passed, r.visible_total),
        hidden: tally(r.hidden_passed, r.hidden_total),
        first_failure: failure.map(|((case, got), expected)| FailureLine {
            case,
            got,
            expected,
        }),
        error: r.error.as_deref(),
        code: r
            .code
            .as_ref()
            .map(|code| String::from_utf8_lossy(code).into_owned()),
        cpu_ms: r.cpu_ms,
        wall_ms: r.wall_ms,
        peak_memory_kb: r.peak_memory_kb,
    })
}

/// The lines of an experiment's problems in order; with a split, only its.
pub async fn problems(
    service: Arc<Service>,
    id: ExperimentId,
    split: Option<Split>,
) -> Result<impl Stream<Item = Result<String>>> {
    let mut db = service.store.connection().await?;
    let headings = problem::headings(&mut db, id).await?;
    let wanted = headings
        .iter()
        .filter(|heading| split.is_none_or(|split| heading.split == split));
    let ordinals: Vec<u32> = wanted.map(|heading| heading.ordinal).collect();
    let pages: Vec<Vec<u32>> = ordinals
        .chunks(PROBLEMS_PER_PAGE)
        .map(<[u32]>::to_vec)
        .collect();
    let lines = stream::iter(pages).then(move |page| {
        let service = service.clone();
        async move {
            problem_page(&service, id, &page)
                .await
                .map(|lines| stream::iter(lines.into_iter().map(Ok)))
        }
    });
    Ok(lines.try_flatten())
}

async fn problem_page(
    service: &Service,
    id: ExperimentId,
    ordinals: &[u32],
) -> Result<Vec<String>> {
    let mut db = service.store.connection().await?;
    let keys: Vec<problem::Key> = ordinals.iter().map(|&ordinal| (id, ordinal)).collect();
    let (problems, cases) = (
        problem::some(&mut db, &keys).await?,
        problem::cases(&mut db, &keys).await?,
    );
    let none = Vec::new();
    keys.iter()
        .filter_map(|key| {
            Some(problem_line(
                problems.get(key)?,
                cases.get(key).unwrap_or(&none),
            ))
        })
        .collect()
}

/// The lines of the rollouts that pass the filter, in order.
pub fn rollouts(
    service: Arc<Service>,
    id: ExperimentId,
    filter: Filter,
) -> impl Stream<Item = Result<String>> {
    let pages = stream::try_unfold(
        (service, filter, Some(None::<Cursor>)),
        move |(service, filter, after)| async move {
            let Some(after) = after else { return Ok(None) };
            let mut db = service.store.connection().await?;
            let records =
                rollout::page(&mut db, id, &filter, after.as_ref(), ROLLOUTS_PER_PAGE).await?;
            drop(db);
            // A short page is the last one.
            let full = records.len() == ROLLOUTS_PER_PAGE as usize;
            let next = if full {
                records.last().map(|record| Some(record.cursor()))
            } else {
                None
            };
            let lines: Vec<Result<String>> = records.iter().map(rollout_line).collect();
            Ok::<_, Error>(Some((stream::iter(lines), (service, filter, next))))
        },
    );
    pages.try_flatten()
}
