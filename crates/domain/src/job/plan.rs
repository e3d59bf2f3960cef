//! How an experiment becomes jobs: a pure function of the configuration and the problems, never of
//! workers or time.

use super::spec::{Batch, Spec};
use crate::{JobKind, Purpose, Split, experiment::Experiment};

/// The generate jobs of an iteration, in the order they are handed out: the greedy and then the
/// sampled completions of the problems `evaluated`, and the samples of those `rolled_out`. Both are
/// ordinals in order.
pub fn iteration_jobs(
    config: &Experiment,
    iteration: u32,
    evaluated: &[u32],
    rolled_out: &[u32],
) -> Vec<Spec> {
    let size = config.generate.rollouts_per_job;
    // In jobs of their own, because a job's message has one temperature for all of its samples.
    let mut batches = chunks(evaluated, 0, 1, size);
    batches.extend(chunks(evaluated, 1, config.evaluate.samples, size));
    // Numbered through: greedy and sampled jobs must not share a chunk's number.
    let mut specs: Vec<Spec> = numbered(iteration, Purpose::Eval, batches).collect();
    let batches = chunks(rolled_out, 1, config.generate.samples, size);
    specs.extend(numbered(iteration, Purpose::Train, batches));
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
    /// `splits` are those of the problems, in the order of their ordinals.
    pub fn of(config: &Experiment, splits: &[Split]) -> Self {
        let count = u32::try_from(splits.len()).expect("ordinals are 32 bits");
        let all: Vec<u32> = (0..count).collect();
        let train = splits
            .iter()
            .filter(|split| **split == Split::Train)
            .count();
        // Every iteration samples as many, so the first ones stand for all.
        let drawn = train.min(
            config
                .generate
                .problems
                .map_or(train, |drawn| drawn as usize),
        );
        let evaluation = iteration_jobs(config, 0, &all, &[]);
        let iteration = iteration_jobs(config, 0, &[], &all[..drawn]);
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

    const ALL: [u32; 8] = [0, 1, 2, 3, 4, 5, 6, 7];
    const TRAIN: [u32; 3] = [0, 1, 2];

    #[test]
    fn every_rollout_is_in_exactly_one_job() {
        let specs = iteration_jobs(&config(), 3, &ALL, &TRAIN);
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
        let specs = iteration_jobs(&config, 0, &[], &TRAIN);
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
        for spec in iteration_jobs(&config(), 0, &ALL, &[]) {
            assert!(spec.batch.first_sample > 0 || spec.batch.samples == 1);
        }
    }

    #[test]
    fn an_iteration_that_draws_its_problems_costs_what_it_draws() {
        let mut config = config();
        let mut splits = vec![Split::Train; 40];
        splits.push(Split::Test);
        let all = JobCounts::of(&config, &splits);
        config.generate.problems = Some(10);
        let drawn = JobCounts::of(&config, &splits);
        assert_eq!(
            (all.rollouts_per_iteration, drawn.rollouts_per_iteration),
            (160, 40)
        );
        assert_eq!(all.rollouts_per_evaluation, drawn.rollouts_per_evaluation);
    }
}
