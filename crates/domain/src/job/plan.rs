//! How an experiment becomes jobs: a pure function of the configuration and the problems, never of
//! workers or time.

use super::spec::{Batch, Spec};
use crate::{JobKind, Purpose, Split, experiment::Experiment};

/// The generate jobs of an iteration, in the order they are handed out. `problems` are (ordinal,
/// split) in order; `evaluate`: the greedy and then the sampled completions of every problem;
/// `roll_out`: the samples of every train problem.
pub fn iteration_jobs(
    config: &Experiment,
    iteration: u32,
    problems: &[(u32, Split)],
    evaluate: bool,
    roll_out: bool,
) -> Vec<Spec> {
    let mut all = Vec::with_capacity(problems.len());
    let mut train = Vec::new();
    for &(ordinal, split) in problems {
        all.push(ordinal);
        if split == Split::Train {
            train.push(ordinal);
        }
    }
    let size = config.generate.rollouts_per_job;
    let mut specs = Vec::new();
    if evaluate {
        // In jobs of their own, because a job's message has one temperature for all of its samples.
        let mut batches = chunks(&all, 0, 1, size);
        batches.extend(chunks(&all, 1, config.evaluate.samples, size));
        // Numbered through: greedy and sampled jobs must not share a chunk's number.
        specs.extend(numbered(iteration, Purpose::Eval, batches));
    }
    if roll_out {
        let batches = chunks(&train, 1, config.generate.samples, size);
        specs.extend(numbered(iteration, Purpose::Train, batches));
    }
    specs
}

/// The one job that trains on an iteration's rollouts.
pub fn training_job(iteration: u32) -> Spec {
    Spec {
        iteration,
        purpose: Purpose::Train,
        kind: JobKind::Train,
        chunk: 0,
        part: 0,
        batch: Batch::default(),
    }
}

/// How many jobs an experiment has that runs to its end and finds something to train on every time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobCounts {
    pub evaluations: u32,
    pub rollouts_per_evaluation: u64,
    pub rollouts_per_iteration: u64,
    pub jobs: u64,
    /// Rollouts of the whole experiment.
    pub rollouts: u64,
}

impl JobCounts {
    pub fn of(config: &Experiment, problems: &[(u32, Split)]) -> Self {
        // Every iteration asks the same problems, so the first stands for all.
        let evaluation = iteration_jobs(config, 0, problems, true, false);
        let iteration = iteration_jobs(config, 0, problems, false, true);
        let trained = config.train.method.method().trains();
        let iterations = if trained {
            u64::from(config.iterations)
        } else {
            0
        };
        let evaluations = config.evaluations();
        let rollouts_per_evaluation = rollouts(&evaluation);
        let rollouts_per_iteration = if trained { rollouts(&iteration) } else { 0 };
        // Every iteration ends in one training job.
        let jobs = u64::from(evaluations) * with_followers(&evaluation)
            + iterations * (with_followers(&iteration) + 1);
        Self {
            evaluations,
            rollouts_per_evaluation,
            rollouts_per_iteration,
            jobs,
            rollouts: u64::from(evaluations) * rollouts_per_evaluation
                + iterations * rollouts_per_iteration,
        }
    }
}

/// How many jobs these become once each has been followed by its kind's chain.
fn with_followers(specs: &[Spec]) -> u64 {
    let mut jobs = 0;
    for spec in specs {
        jobs += spec.kind.chain().count() as u64;
    }
    jobs
}

fn rollouts(specs: &[Spec]) -> u64 {
    let mut sum = 0;
    for spec in specs {
        sum += spec.batch.len() as u64;
    }
    sum
}

/// Chunks of at most `size` rollouts that keep a problem's samples together, so of one problem at
/// least.
fn chunks(problems: &[u32], first_sample: u32, samples: u32, size: u32) -> Vec<Batch> {
    if samples == 0 {
        return Vec::new();
    }
    // A prompt is computed once for all samples of its problem, where they are in one job.
    let problems_per_job = (size / samples).max(1) as usize;
    let mut batches = Vec::new();
    for problems in problems.chunks(problems_per_job) {
        batches.push(Batch {
            problems: problems.to_vec(),
            first_sample,
            samples,
        });
    }
    batches
}

fn numbered(iteration: u32, purpose: Purpose, batches: Vec<Batch>) -> impl Iterator<Item = Spec> {
    (0..).zip(batches).map(move |(chunk, batch)| Spec {
        iteration,
        purpose,
        kind: JobKind::Generate,
        chunk,
        part: 0,
        batch,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn config() -> Experiment {
        let mut config =
            crate::experiment::parse("name = \"x\"\n[model]\nsource = \"m.gguf\"\n").unwrap();
        config.generate.rollouts_per_job = 6;
        config.generate.samples = 4;
        config.evaluate.samples = 2;
        config
    }

    const PROBLEMS: [(u32, Split); 8] = [
        (0, Split::Train),
        (1, Split::Train),
        (2, Split::Train),
        (3, Split::Val),
        (4, Split::Val),
        (5, Split::Test),
        (6, Split::Test),
        (7, Split::Ood),
    ];

    #[test]
    fn every_rollout_is_in_exactly_one_job() {
        let specs = iteration_jobs(&config(), 3, &PROBLEMS, true, true);
        let mut seen = BTreeSet::new();
        for spec in &specs {
            for (problem, sample) in spec.batch.rollouts() {
                assert!(seen.insert((spec.purpose, problem, sample)));
            }
        }
        assert_eq!(seen.len(), 8 * 3 + 3 * 4);
        assert!(specs.iter().all(|spec| spec.batch.len() <= 6));
        let keys: BTreeSet<_> = specs
            .iter()
            .map(|spec| (spec.purpose, spec.chunk))
            .collect();
        assert_eq!(keys.len(), specs.len());
    }

    #[test]
    fn a_problem_with_more_samples_than_fit_gets_a_job_of_its_own() {
        let mut config = config();
        config.generate.samples = 9;
        let specs = iteration_jobs(&config, 0, &PROBLEMS, false, true);
        assert_eq!(
            specs
                .iter()
                .map(|spec| spec.batch.len())
                .collect::<Vec<_>>(),
            [9, 9, 9]
        );
    }

    #[test]
    fn greedy_and_sampled_never_share_a_job() {
        for spec in iteration_jobs(&config(), 0, &PROBLEMS, true, false) {
            assert!(spec.batch.first_sample > 0 || spec.batch.samples == 1);
        }
    }
}
