//! Verify jobs: completions and their problems' cases go to a worker, verdicts come back.

use std::collections::HashMap;

use groklab_domain::{
    JobId, PythonVersion, Verdict, Verification, experiment::Experiment as Config, job::Job,
    records::FirstFailure,
};
use groklab_proto::{
    convert::{self, field},
    v1::{self, job::Work},
};
use sqlx::PgConnection;

use super::contract::{Experiments, Kind, MadeWith, Refusal, check_covers, in_order, parsed};
use crate::{
    error::{Error, Result},
    store::{
        problem::{self, Case, Problem},
        rollout::{self, UnverifiedRollout},
        verdict::{self, Judged},
    },
};

/// The longest text kept of a failure or an error; workers keep them shorter.
const MAX_TEXT_BYTES: usize = 16 << 10;
/// More cases than any problem has.
const MAX_CASE: u32 = 1 << 20;

pub struct Verify;

/// What a worker found, in order of problem and sample.
#[derive(Debug)]
pub struct Verified {
    python: PythonVersion,
    verdicts: Vec<Judged>,
}

impl Kind for Verify {
    type Wire = v1::VerifyResult;
    type Results = Verified;
    /// The ids of the rollouts that each job is about, in order.
    type Context = HashMap<JobId, Vec<i64>>;
    /// A candidate that kills its worker must not take the others of its job along.
    const LOSSES_BEFORE_SPLIT: Option<u32> = Some(2);

    async fn messages(
        db: &mut PgConnection,
        jobs: &[Job],
        experiments: &Experiments,
    ) -> Result<Vec<Work>> {
        let keys = problem::keys(jobs);
        let problems = problem::get_many(db, &keys).await?;
        let cases = problem::cases(db, &keys).await?;
        let rollouts = rollout::unverified(db, jobs).await?;
        let mut messages = Vec::with_capacity(jobs.len());
        for (job, rollouts) in jobs.iter().zip(rollouts) {
            let limits = &experiments.of(job)?.config()?.verify;
            messages.push(Work::Verify(v1::VerifyJob {
                cpu_seconds: limits.cpu_seconds,
                memory_mb: limits.memory_mb,
                problems: problem_messages(job, &problems, &cases)?,
                candidates: rollouts.into_iter().map(candidate_message).collect(),
            }));
        }
        Ok(messages)
    }

    fn parse(wire: v1::VerifyResult) -> Result<Verified, Refusal> {
        let verdicts = in_order(wire.verdicts, |verdict| (verdict.problem, verdict.sample))?;
        Ok(Verified {
            python: parsed(field("python", &wire.python))?,
            verdicts: verdicts
                .into_iter()
                .map(parse_verdict)
                .collect::<Result<_, _>>()?,
        })
    }

    fn made_with(results: &Verified) -> MadeWith {
        MadeWith {
            base: None,
            commit: None,
            python: Some(results.python),
        }
    }

    async fn context(
        db: &mut PgConnection,
        completed: &[(&Job, &Verified)],
    ) -> Result<Self::Context> {
        let jobs: Vec<&Job> = completed.iter().map(|(job, _)| *job).collect();
        // In order of problem and sample, as the verdicts are: they are paired by their places.
        let ids = rollout::ids(db, &jobs).await?;
        Ok(jobs.iter().map(|job| job.id).zip(ids).collect())
    }

    fn check(
        job: &Job,
        results: &Verified,
        ids: &Self::Context,
        config: &Config,
    ) -> Result<(), Refusal> {
        let verdicts = &results.verdicts;
        let keys = verdicts
            .iter()
            .map(|judged| (judged.problem, judged.sample));
        check_covers(&job.spec.batch, keys)?;
        let rollouts = ids.get(&job.id).map_or(0, Vec::len);
        // Pairing them by their places would drop the surplus in silence.
        if verdicts.len() != rollouts {
            return Err(format!(
                "{} verdicts on {rollouts} rollouts",
                verdicts.len()
            ));
        }
        verdicts
            .iter()
            .try_for_each(|judged| check_verdict(judged, config))
    }

    async fn store(
        db: &mut PgConnection,
        checked: &[(&Job, &Verified)],
        ids: &Self::Context,
    ) -> Result<()> {
        let mut rows = Vec::new();
        for (job, results) in checked {
            for (judged, rollout_id) in results.verdicts.iter().zip(&ids[&job.id]) {
                rows.push((job.id, *rollout_id, judged));
            }
        }
        verdict::insert(db, &rows).await
    }
}

fn problem_messages(
    job: &Job,
    problems: &HashMap<problem::Key, Problem>,
    cases: &HashMap<problem::Key, Vec<Case>>,
) -> Result<Vec<v1::VerifyProblem>> {
    let mut messages = Vec::with_capacity(job.spec.batch.problems.len());
    for &ordinal in &job.spec.batch.problems {
        let key = (job.experiment, ordinal);
        let (Some(problem), Some(cases)) = (problems.get(&key), cases.get(&key)) else {
            return Err(Error::broken(format!(
                "job {} without problem {ordinal}",
                job.id
            )));
        };
        messages.push(v1::VerifyProblem {
            problem: ordinal,
            entry: problem.entry.clone(),
            cases: cases.iter().map(case_message).collect(),
        });
    }
    Ok(messages)
}

fn case_message(case: &Case) -> v1::Case {
    v1::Case {
        args_json: case.args.clone(),
        expected_json: case.expected.clone(),
        visible: case.visible,
    }
}

fn candidate_message(rollout: UnverifiedRollout) -> v1::Candidate {
    v1::Candidate {
        problem: rollout.problem,
        sample: rollout.sample,
        text: rollout.text,
        range: rollout.candidate.map(convert::candidate_range),
    }
}

fn parse_verdict(wire: v1::RolloutVerdict) -> Result<Judged, Refusal> {
    Ok(Judged {
        problem: wire.problem,
        sample: wire.sample,
        verification: parsed(Verification::try_from(&wire))?,
        first_failure: wire.first_failure.map(|failure| FirstFailure {
            // The column is an int, and the message's number may be anything.
            case: failure.case.min(MAX_CASE),
            got: shortened(failure.got),
            expected: shortened(failure.expected),
        }),
        error: shortened(wire.error),
        code: wire.code,
        cpu_ms: wire.cpu_ms,
        wall_ms: wire.wall_ms,
        peak_memory_kb: wire.peak_memory_kb,
    })
}

fn shortened(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_TEXT_BYTES));
    text
}

fn check_verdict(judged: &Judged, config: &Config) -> Result<(), Refusal> {
    let Verification {
        verdict,
        visible,
        hidden,
    } = judged.verification;
    // The whole job is tried again: the sandbox's failure is not the candidate's.
    if verdict == Verdict::InfrastructureError {
        return Err(format!(
            "infrastructure error on problem {}, sample {}: {}",
            judged.problem, judged.sample, judged.error
        ));
    }
    // A worker that ran fewer cases would pass a candidate for less.
    let whole = visible.total == config.problems.visible && hidden.total == config.problems.hidden;
    // A candidate that answered every case may still have been ended after it, by time or by too
    // much output: only the converse is a contradiction.
    let contradicts = verdict == Verdict::Passed && !(visible.all() && hidden.all());
    if !whole || contradicts {
        return Err(format!(
            "verdict {verdict} with {}/{} visible and {}/{} hidden cases",
            visible.passed, visible.total, hidden.passed, hidden.total
        ));
    }
    let measured = judged.cpu_ms.is_finite() && judged.wall_ms.is_finite();
    if !measured || i64::try_from(judged.peak_memory_kb).is_err() {
        return Err(format!(
            "cpu_ms = {}, wall_ms = {}, peak_memory_kb = {}",
            judged.cpu_ms, judged.wall_ms, judged.peak_memory_kb
        ));
    }
    Ok(())
}
