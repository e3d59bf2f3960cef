//! Whether an experiment's messages fit, in the worst case and before any work is done. Knows sizes
//! only.

use super::{plan::iteration_jobs, spec::Batch};
use crate::{Split, experiment::Experiment};

/// Bytes of the largest message between the coordinator and a worker.
pub const MESSAGE_BYTES: usize = 16 << 20;
/// Bytes of a message that a job's results may fill.
pub const RESULT_BYTES: u64 = 15 << 20;
/// Bytes of text per generated token: vocabularies have runs of white space of a hundred bytes.
const TOKEN_TEXT_BYTES: usize = 128;
/// Bytes per generated token in a result: its text and its id.
// An id is a varint of at most five bytes.
pub const TOKEN_BYTES: u64 = TOKEN_TEXT_BYTES as u64 + 5;
/// A job without its prompts, cases and candidates: ids, digests, numbers.
const JOB_BYTES: usize = 1024;
/// Tags, lengths and numbers of one prompt, sample, problem, case or candidate.
const ITEM_BYTES: usize = 32;

/// What a problem takes in messages, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProblemSize {
    pub split: Split,
    pub prompt: usize,
    pub entry: usize,
    /// Arguments and expected values of all cases, as JSON.
    pub case_values: usize,
    pub cases: usize,
}

/// One of an experiment's jobs could pass the largest message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`generate.rollouts_per_job` = {size}: a job's message can take {bytes} bytes of \
    {MESSAGE_BYTES}{}", fix(*.fits))]
pub struct TooLarge {
    size: u32,
    bytes: usize,
    /// The largest `generate.rollouts_per_job` that fits, if any does.
    fits: Option<u32>,
}

fn fix(fits: Option<u32>) -> String {
    match fits {
        Some(most) => format!("; use at most {most}"),
        None => concat!(
            ", and so it can with 1: lower `generate.samples`, `evaluate.samples` or ",
            "`generate.max_new_tokens`"
        )
        .to_owned(),
    }
}

/// Refuses an experiment one of whose jobs could pass the largest message, and names what would
/// fit. `problems` are in the order of their ordinals, which count from 0.
pub fn check_message_size(config: &Experiment, problems: &[ProblemSize]) -> Result<(), TooLarge> {
    let size = config.generate.rollouts_per_job;
    let bytes = largest_message(config, problems, size);
    if bytes <= MESSAGE_BYTES {
        return Ok(());
    }
    // Fewer rollouts a job never make its messages larger, so halving finds the limit.
    let fits = last_below(size, |size| {
        largest_message(config, problems, size) <= MESSAGE_BYTES
    });
    Err(TooLarge { size, bytes, fits })
}

/// The largest number below `end`, from 1 on, that `fits`, where smaller ones fit too.
fn last_below(end: u32, fits: impl Fn(u32) -> bool) -> Option<u32> {
    let (mut good, mut bad) = (0, end);
    while bad - good > 1 {
        let middle = good + (bad - good) / 2;
        if fits(middle) {
            good = middle;
        } else {
            bad = middle;
        }
    }
    (good > 0).then_some(good)
}

/// Bytes of the largest message of any generate or verify job with so many rollouts a job.
fn largest_message(config: &Experiment, problems: &[ProblemSize], rollouts_per_job: u32) -> usize {
    let mut config = config.clone();
    config.generate.rollouts_per_job = rollouts_per_job;
    let roll_out = config.train.method.method().trains() && config.iterations > 0;
    let (mut all, mut train) = (Vec::with_capacity(problems.len()), Vec::new());
    for (ordinal, problem) in (0..).zip(problems) {
        all.push(ordinal);
        if roll_out && problem.split == Split::Train {
            train.push(ordinal);
        }
    }
    let messages = [generate_message, verify_message];
    let largest = messages.map(|message| {
        let bytes = |batch: &Batch| message(&config, problems, batch);
        let mut train = train.clone();
        if config.generate.problems.is_some() {
            // An iteration may draw any of them into one job: the largest ones too.
            train.sort_by_key(|&ordinal| std::cmp::Reverse(bytes(&Batch::single(ordinal, 1))));
        }
        // The very function that makes the jobs, so that what is checked is what will be sent.
        let jobs = iteration_jobs(&config, 0, &all, &train);
        jobs.iter().map(|job| bytes(&job.batch)).max().unwrap_or(0)
    });
    largest.into_iter().max().unwrap_or(0)
}

fn generate_message(config: &Experiment, problems: &[ProblemSize], batch: &Batch) -> usize {
    let mut bytes = JOB_BYTES + config.model.source.len() + batch.len() * ITEM_BYTES;
    for &ordinal in &batch.problems {
        bytes += problems[ordinal as usize].prompt + ITEM_BYTES;
    }
    bytes
}

fn verify_message(config: &Experiment, problems: &[ProblemSize], batch: &Batch) -> usize {
    // A verify job carries what was generated, at its longest.
    let text_bytes = config.generate.max_new_tokens as usize * TOKEN_TEXT_BYTES;
    let mut bytes = JOB_BYTES + batch.len() * (text_bytes + ITEM_BYTES);
    for &ordinal in &batch.problems {
        let problem = &problems[ordinal as usize];
        bytes += problem.entry + ITEM_BYTES + problem.case_values + problem.cases * ITEM_BYTES;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Problems as the default file has them, with cases of so many bytes.
    fn problems(case_bytes: usize) -> Vec<ProblemSize> {
        let problem = ProblemSize {
            split: Split::Train,
            prompt: 600,
            entry: 8,
            case_values: 19 * case_bytes,
            cases: 19,
        };
        vec![problem; 144]
    }

    #[test]
    fn what_could_pass_the_largest_message_is_refused_with_what_fits() {
        let mut config =
            crate::experiment::parse("name = \"x\"\n[model]\nsource = \"m.gguf\"\n").unwrap();
        assert!(check_message_size(&config, &problems(100)).is_ok());
        let large = problems(20_000);
        let refused = check_message_size(&config, &large).unwrap_err().to_string();
        assert!(
            refused.starts_with("`generate.rollouts_per_job` = 128: "),
            "{refused}"
        );
        let most: u32 = refused.rsplit(' ').next().unwrap().parse().unwrap();
        config.generate.rollouts_per_job = most;
        assert!(check_message_size(&config, &large).is_ok());
        config.generate.rollouts_per_job = most + 1;
        assert!(check_message_size(&config, &large).is_err());
        config.generate.max_new_tokens = 32_768;
        let refused = check_message_size(&config, &large).unwrap_err().to_string();
        assert!(refused.contains("so it can with 1"), "{refused}");
    }

    #[test]
    fn the_last_that_fits() {
        assert_eq!(last_below(9, |n| n <= 5), Some(5));
        assert_eq!(last_below(9, |_| true), Some(8));
        assert_eq!(last_below(9, |_| false), None);
        assert_eq!(last_below(1, |_| true), None);
    }
}
