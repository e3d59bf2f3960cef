//! `worker-verify work`: leases verify jobs and answers them with verdicts. A job with a candidate
//! about which nothing could be said fails as a whole and is tried again: an infrastructure error
//! is never sent as a verdict.

use std::{num::NonZero, time::Duration};

use groklab_domain::{JobKind, Verdict, WorkerId, candidate::Candidate};
use groklab_proto::{convert, v1};
use groklab_runtime::{
    process::Process,
    tasks::{Group, OnFailure},
};
use groklab_worker::{Context, Executor, Failure, Outcome as JobResult, SharingArgs, Work};
use tokio_util::sync::CancellationToken;

use crate::{
    jail::Isolation,
    judge::{Case, Failure as FirstFailure, Outcome, Submission, pool::Pool},
    metrics::Metrics,
    sandbox::Limits,
};

/// How often the counts are logged.
const LOG_COUNTS_EVERY: Duration = Duration::from_secs(60);
/// How long the task that logs them may take to end.
const LOGGING_GRACE: Duration = Duration::from_secs(1);

/// Works for a coordinator until told to stop.
///
/// # Errors
/// Whatever keeps the worker from going on. A job's failure does not: the coordinator is told.
pub async fn work(
    args: groklab_worker::Args,
    sandbox: Isolation,
    threads: NonZero<usize>,
    metrics: Metrics,
    process: Process,
) -> anyhow::Result<()> {
    let python = sandbox.python_version().to_owned();
    let who = groklab_worker::Description {
        id: WorkerId::new(),
        kind: JobKind::Verify,
        device: format!("cpu, Python {python}"),
        gpu: None,
        python: python.clone(),
        threads: u32::try_from(threads.get()).unwrap_or(u32::MAX),
    };
    let mut tasks = Group::new(process.stop.child_token());
    let logging = log_counts(metrics.clone(), tasks.stop());
    tasks.spawn("metrics", OnFailure::Log, logging);
    let verifier = Verifier {
        sandbox,
        python,
        threads,
        metrics,
    };
    // Sandboxes share the CPU without turns.
    let alone = SharingArgs::default();
    let worked = groklab_worker::run(args, &alone, who, verifier, process).await;
    // Once the work is done there is nothing left to log.
    tasks.stop().cancel();
    worked.and(tasks.finish(LOGGING_GRACE).await)
}

/// Logs the counts, as long as they change.
async fn log_counts(metrics: Metrics, stop: CancellationToken) -> anyhow::Result<()> {
    let mut logged_total = 0;
    loop {
        let pause = tokio::time::sleep(LOG_COUNTS_EVERY);
        if stop.run_until_cancelled(pause).await.is_none() {
            return Ok(());
        }
        let total = metrics.total();
        if total != logged_total {
            logged_total = total;
            tracing::info!(counts = %metrics, "verified");
        }
    }
}

struct Verifier {
    sandbox: Isolation,
    python: String,
    threads: NonZero<usize>,
    metrics: Metrics,
}

impl Executor for Verifier {
    fn execute(&mut self, work: Work, context: &Context) -> Result<JobResult, Failure> {
        let Work::Verify(job) = work else {
            return Err(Failure::caller(
                "a verify worker was given another kind of job",
            ));
        };
        let submissions = submissions(&job)?;
        let done = |count: usize| {
            // A dropped job shows in the flag that the pool watches.
            let _ = context.progress(count as u64);
        };
        let pool = Pool {
            sandbox: &self.sandbox,
            threads: self.threads,
            metrics: &self.metrics,
        };
        let Ok(outcomes) = pool.verify_all(&submissions, context.dropped(), &done) else {
            return Err(groklab_worker::Cancelled.into());
        };
        let mut verdicts = Vec::with_capacity(outcomes.len());
        let answered = job.candidates.iter().zip(&submissions).zip(outcomes);
        for ((candidate, submission), outcome) in answered {
            if outcome.verdict == Verdict::InfrastructureError {
                let reason = outcome.error.as_deref();
                return Err(Failure::infrastructure(
                    reason.unwrap_or("the sandbox failed"),
                ));
            }
            verdicts.push(answer(candidate, submission, outcome));
        }
        Ok(JobResult::Verify(v1::VerifyResult {
            verdicts,
            python: self.python.clone(),
        }))
    }
}

fn submissions(job: &v1::VerifyJob) -> Result<Vec<Submission>, Failure> {
    let cpu = match Duration::try_from_secs_f64(job.cpu_seconds) {
        Ok(cpu) => cpu,
        Err(error) => return Err(Failure::caller(format!("cpu_seconds: {error}"))),
    };
    let limits = Limits {
        cpu,
        memory_bytes: u64::from(job.memory_mb) << 20,
        ..Limits::default()
    };
    let mut submissions = Vec::with_capacity(job.candidates.len());
    for candidate in &job.candidates {
        let problem = problem_of(candidate, job)?;
        submissions.push(submission(candidate, problem, limits)?);
    }
    Ok(submissions)
}

fn problem_of<'a>(
    candidate: &v1::Candidate,
    job: &'a v1::VerifyJob,
) -> Result<&'a v1::VerifyProblem, Failure> {
    let id = candidate.problem;
    let mut problems = job.problems.iter();
    let Some(problem) = problems.find(|problem| problem.problem == id) else {
        return Err(Failure::caller(format!(
            "candidate of problem {id}, which is not in the job"
        )));
    };
    if problem.cases.is_empty() {
        return Err(Failure::caller(format!(
            "problem {id} has no cases, so nothing would be verified"
        )));
    }
    Ok(problem)
}

fn submission(
    candidate: &v1::Candidate,
    problem: &v1::VerifyProblem,
    limits: Limits,
) -> Result<Submission, Failure> {
    // A worker that stopped generating at a fence says where the code is: both must mean the same.
    let code = match &candidate.range {
        Some(range) => convert::candidate(range, candidate.text.len())?,
        None => Candidate::of(&candidate.text, &problem.entry),
    };
    Ok(Submission {
        text: candidate.text.clone(),
        candidate: Some(code),
        entry: problem.entry.clone(),
        cases: problem.cases.iter().map(case).collect::<Result<_, _>>()?,
        limits,
    })
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
    // What was taken for code and is none would only confuse a reader.
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
        first_failure: outcome.first_failure.map(first_failure),
        error: outcome.error.unwrap_or_default(),
        code,
        cpu_ms: outcome.cpu.as_secs_f64() * 1e3,
        wall_ms: outcome.wall.as_secs_f64() * 1e3,
        peak_memory_kb: outcome.peak_memory_bytes / 1024,
    }
}

fn first_failure(failure: FirstFailure) -> v1::FirstFailure {
    v1::FirstFailure {
        case: u32::try_from(failure.case).unwrap_or(u32::MAX),
        got: failure.got.unwrap_or_default(),
        expected: failure.expected,
    }
}
