//! `worker-verify work`: leases verify jobs and answers them with verdicts. A job with a candidate about which nothing could be
//! said fails as a whole and is tried again: an infrastructure error is never sent as a verdict.

use std::{num::NonZero, time::Duration};

use groklab_domain::{JobKind, Verdict, WorkerId, candidate::Candidate};
use groklab_proto::{convert, v1};
use groklab_runtime::{
    process::Process,
    tasks::{Group, OnFailure},
};
use groklab_worker::{Context, Executor, Failure, Outcome as JobResult, Work};
use tokio_util::sync::CancellationToken;

use crate::{
    metrics::METRICS,
    pool::verify_all,
    sandbox::{Limits, Sandbox},
    verify::{Case, Outcome, Submission},
};

/// How often the counts are logged.
const REPORT_EVERY: Duration = Duration::from_secs(60);

/// Works for a coordinator until told to stop.
///
/// # Errors
/// Whatever keeps the worker from going on; a job's failure is reported to the coordinator instead.
pub async fn work(
    args: groklab_worker::Args,
    sandbox: impl Sandbox + 'static,
    threads: NonZero<usize>,
    process: Process,
) -> anyhow::Result<()> {
    let threads_shown = u32::try_from(threads.get()).unwrap_or(u32::MAX);
    let who = groklab_worker::Description {
        id: WorkerId::new(),
        kind: JobKind::Verify,
        device: "cpu".to_owned(),
        threads: threads_shown,
    };
    let mut tasks = Group::new(process.stop.child_token());
    tasks.spawn("metrics", OnFailure::Log, report(tasks.stop()));
    let worked = groklab_worker::run(args, who, Verifier { sandbox, threads }, process).await;
    tasks.stop().cancel();
    worked.and(tasks.finish(Duration::from_secs(1)).await)
}

/// Logs the counts, as long as they change.
async fn report(stop: CancellationToken) -> anyhow::Result<()> {
    let mut before = 0;
    while stop
        .run_until_cancelled(tokio::time::sleep(REPORT_EVERY))
        .await
        .is_some()
    {
        let total = METRICS.total();
        if total != before {
            before = total;
            tracing::info!(counts = %METRICS, "verified");
        }
    }
    Ok(())
}

struct Verifier<S> {
    sandbox: S,
    threads: NonZero<usize>,
}

impl<S: Sandbox + 'static> Executor for Verifier<S> {
    fn execute(&mut self, work: Work, context: &Context) -> Result<JobResult, Failure> {
        let Work::Verify(job) = work else {
            return Err(Failure::caller(
                "a verify worker was given another kind of job",
            ));
        };
        let submissions = submissions(&job)?;
        let done = |count: usize| {
            // A dropped job shows in the flag that `verify_all` watches.
            let _ = context.progress(count as u64);
        };
        let outcomes = verify_all(
            &self.sandbox,
            &submissions,
            self.threads,
            context.dropped(),
            &done,
        )
        .map_err(|_| groklab_worker::Cancelled)?;
        if let Some(broken) = outcomes
            .iter()
            .find(|outcome| outcome.verdict == Verdict::InfrastructureError)
        {
            return Err(Failure::infrastructure(
                broken.error.as_deref().unwrap_or("the sandbox failed"),
            ));
        }
        let verdicts = job
            .candidates
            .iter()
            .zip(&submissions)
            .zip(outcomes)
            .map(|((candidate, s), o)| answer(candidate, s, o))
            .collect();
        Ok(JobResult::Verify(v1::VerifyResult { verdicts }))
    }
}

fn submissions(job: &v1::VerifyJob) -> Result<Vec<Submission>, Failure> {
    let limits = Limits {
        cpu: Duration::try_from_secs_f64(job.cpu_seconds)
            .map_err(|error| Failure::caller(format!("cpu_seconds: {error}")))?,
        memory_bytes: u64::from(job.memory_mb) << 20,
        ..Limits::default()
    };
    job.candidates
        .iter()
        .map(|candidate| {
            let problem = job
                .problems
                .iter()
                .find(|problem| problem.problem == candidate.problem);
            let problem = problem.ok_or_else(|| {
                Failure::caller(format!(
                    "candidate of problem {}, which is not in the job",
                    candidate.problem
                ))
            })?;
            if problem.cases.is_empty() {
                return Err(Failure::caller(format!(
                    "problem {} has no cases, so nothing would be verified",
                    problem.problem
                )));
            }
            let cases = problem.cases.iter().map(case).collect::<Result<_, _>>()?;
            let range = candidate
                .range
                .as_ref()
                .map(|range| convert::candidate(range, candidate.text.len()))
                .transpose()?;
            let range = range.unwrap_or_else(|| Candidate::of(&candidate.text, &problem.entry));
            Ok(Submission {
                text: candidate.text.clone(),
                candidate: Some(range),
                entry: problem.entry.clone(),
                cases,
                limits,
            })
        })
        .collect()
}

fn case(wire: &v1::Case) -> Result<Case, Failure> {
    let groklab_domain::Value::List(args) = convert::value("args_json", &wire.args_json)? else {
        return Err(Failure::caller(format!(
            "args_json `{}` is not an array",
            wire.args_json
        )));
    };
    Ok(Case {
        args,
        expected: convert::value("expected_json", &wire.expected_json)?,
        visible: wire.visible,
    })
}

fn answer(
    candidate: &v1::Candidate,
    submission: &Submission,
    outcome: Outcome,
) -> v1::RolloutVerdict {
    let code = if outcome.verdict == Verdict::NoCode {
        Vec::new()
    } else {
        submission.code().into_owned()
    };
    v1::RolloutVerdict {
        problem: candidate.problem,
        sample: candidate.sample,
        verdict: outcome.verdict.to_string(),
        visible_passed: outcome.visible.passed,
        visible_total: outcome.visible.total,
        hidden_passed: outcome.hidden.passed,
        hidden_total: outcome.hidden.total,
        first_failure: outcome.first_failure.map(|failure| v1::FirstFailure {
            case: u32::try_from(failure.case).unwrap_or(u32::MAX),
            got: failure.got.unwrap_or_default(),
            expected: failure.expected,
        }),
        error: outcome.error.unwrap_or_default(),
        code,
        cpu_ms: outcome.cpu.as_secs_f64() * 1e3,
        wall_ms: outcome.wall.as_secs_f64() * 1e3,
        peak_memory_kb: outcome.peak_memory_bytes / 1024,
    }
}
