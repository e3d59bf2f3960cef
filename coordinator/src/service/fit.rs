//! Whether an experiment's messages fit the wire, in the worst case and before any work is done. Knows sizes only.

use groklab_domain::experiment::{Experiment, Method};
use groklab_proto::limits::MESSAGE_BYTES;

use crate::{
    error::{Error, Result},
    scheduler::plan::generate_jobs,
    store::{
        job::Batch,
        problem::{Case, Problem},
    },
};

/// Bytes of text per generated token: vocabularies have runs of white space of a hundred bytes.
const TOKEN_BYTES: usize = 128;
/// A job without its prompts, cases and candidates: ids, digests, numbers.
const JOB_BYTES: usize = 1024;
/// Tags, lengths and numbers of one prompt, sample, problem, case or candidate.
const ITEM_BYTES: usize = 32;

/// Refuses an experiment one of whose jobs could pass the largest message, and names what would fit.
pub fn check(config: &Experiment, made: &[(Problem, Vec<Case>)]) -> Result<()> {
    let largest = largest(config, made);
    if largest <= MESSAGE_BYTES {
        return Ok(());
    }
    let size = config.generate.rollouts_per_job;
    let fits = |size: u32| {
        let mut config = config.clone();
        config.generate.rollouts_per_job = size;
        self::largest(&config, made) <= MESSAGE_BYTES
    };
    let what = format!(
        "`generate.rollouts_per_job` = {size}: a job's message can take {largest} bytes of {MESSAGE_BYTES}"
    );
    Err(Error::Caller(match last(size, fits) {
        Some(most) => format!("{what}; use at most {most}"),
        None => format!(
            "{what}, and so it can with 1: lower `generate.samples`, `evaluate.samples` or `generate.max_new_tokens`"
        ),
    }))
}

/// The largest number below `end`, from 1 on, that `fits`, where smaller ones fit too.
fn last(end: u32, fits: impl Fn(u32) -> bool) -> Option<u32> {
    let (mut good, mut bad) = (0, end);
    while bad - good > 1 {
        let middle = good + (bad - good) / 2;
        *(if fits(middle) { &mut good } else { &mut bad }) = middle;
    }
    (good > 0).then_some(good)
}

/// Bytes of the largest message of any generate or verify job.
fn largest(config: &Experiment, made: &[(Problem, Vec<Case>)]) -> usize {
    let problems: Vec<_> = made
        .iter()
        .map(|(problem, _)| (problem.ordinal, problem.split))
        .collect();
    let roll_out = config.train.method == Method::Rft && config.iterations > 0;
    let jobs = generate_jobs(config, 0, &problems, true, roll_out);
    jobs.iter()
        .map(|job| generate(config, made, &job.batch).max(verify(config, made, &job.batch)))
        .max()
        .unwrap_or(0)
}

fn of<'a>(
    made: &'a [(Problem, Vec<Case>)],
    batch: &'a Batch,
) -> impl Iterator<Item = &'a (Problem, Vec<Case>)> {
    // Ordinals count from 0 in the order the problems were made.
    batch
        .problems
        .iter()
        .filter_map(|&ordinal| made.get(ordinal as usize))
}

fn generate(config: &Experiment, made: &[(Problem, Vec<Case>)], batch: &Batch) -> usize {
    let prompts: usize = of(made, batch)
        .map(|(problem, _)| problem.prompt.len() + ITEM_BYTES)
        .sum();
    JOB_BYTES + config.model.source.len() + prompts + batch.len() * ITEM_BYTES
}

fn verify(config: &Experiment, made: &[(Problem, Vec<Case>)], batch: &Batch) -> usize {
    let case = |case: &Case| case.args.len() + case.expected.len() + ITEM_BYTES;
    let problems: usize = of(made, batch)
        .map(|(problem, cases)| {
            problem.entry.len() + ITEM_BYTES + cases.iter().map(case).sum::<usize>()
        })
        .sum();
    JOB_BYTES
        + problems
        + batch.len() * (config.generate.max_new_tokens as usize * TOKEN_BYTES + ITEM_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(config: &Experiment, args_bytes: usize) -> Vec<(Problem, Vec<Case>)> {
        let mut made = crate::problems::make(config).unwrap();
        made.iter_mut()
            .flat_map(|(_, cases)| cases)
            .for_each(|case| case.args = "1".repeat(args_bytes));
        made
    }

    #[test]
    fn what_could_pass_the_largest_message_is_refused_with_what_fits() {
        let mut config =
            groklab_domain::experiment::parse("name = \"x\"\n[model]\nsource = \"m.gguf\"\n")
                .unwrap();
        assert!(check(&config, &made(&config, 100)).is_ok());
        let large = made(&config, 20_000);
        let refused = check(&config, &large).unwrap_err().to_string();
        assert!(
            refused.starts_with("`generate.rollouts_per_job` = 128: "),
            "{refused}"
        );
        let most: u32 = refused.rsplit(' ').next().unwrap().parse().unwrap();
        config.generate.rollouts_per_job = most;
        assert!(check(&config, &large).is_ok());
        config.generate.rollouts_per_job = most + 1;
        assert!(check(&config, &large).is_err());
        config.generate.max_new_tokens = 32_768;
        let refused = check(&config, &large).unwrap_err().to_string();
        assert!(refused.contains("so it can with 1"), "{refused}");
    }

    #[test]
    fn the_last_that_fits() {
        assert_eq!(
            (
                last(9, |n| n <= 5),
                last(9, |_| true),
                last(9, |_| false),
                last(1, |_| true)
            ),
            (Some(5), Some(8), None, None)
        );
    }
}
