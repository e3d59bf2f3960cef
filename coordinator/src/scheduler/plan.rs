//! Which generate jobs an iteration has: a pure function of the configuration and the problems, never of workers or time.

use groklab_domain::{JobKind, Purpose, Split, experiment::Experiment};

use crate::store::job::{Batch, Spec};

/// The generate jobs of an iteration. `problems` are (ordinal, split) in order; `evaluate`: the greedy and then the sampled
/// completions of every problem; `roll_out`: the samples of every train problem.
pub fn generate_jobs(
    config: &Experiment,
    iteration: u32,
    problems: &[(u32, Split)],
    evaluate: bool,
    roll_out: bool,
) -> Vec<Spec> {
    let all: Vec<u32> = problems.iter().map(|&(ordinal, _)| ordinal).collect();
    let train: Vec<u32> = problems
        .iter()
        .filter(|(_, split)| *split == Split::Train)
        .map(|&(ordinal, _)| ordinal)
        .collect();
    let size = config.generate.rollouts_per_job;
    let mut specs = Vec::new();
    if evaluate {
        let greedy = batches(&all, 0, 1, size);
        let sampled = batches(&all, 1, config.evaluate.samples, size);
        specs.extend(numbered(iteration, Purpose::Eval, greedy.chain(sampled)));
    }
    if roll_out {
        specs.extend(numbered(
            iteration,
            Purpose::Train,
            batches(&train, 1, config.generate.samples, size),
        ));
    }
    specs
}

/// Chunks of at most `size` rollouts that keep a problem's samples together, so of one problem at least.
fn batches(
    problems: &[u32],
    first_sample: u32,
    samples: u32,
    size: u32,
) -> impl Iterator<Item = Batch> {
    let per_job = (size / samples.max(1)).max(1) as usize;
    let problems = if samples == 0 { &[] } else { problems };
    problems.chunks(per_job).map(move |problems| Batch {
        problems: problems.to_vec(),
        first_sample,
        samples,
    })
}

fn numbered(
    iteration: u32,
    purpose: Purpose,
    batches: impl Iterator<Item = Batch>,
) -> impl Iterator<Item = Spec> {
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
            groklab_domain::experiment::parse("name = \"x\"\n[model]\nsource = \"m.gguf\"\n")
                .unwrap();
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
        let specs = generate_jobs(&config(), 3, &PROBLEMS, true, true);
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
        let specs = generate_jobs(&config, 0, &PROBLEMS, false, true);
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
        for spec in generate_jobs(&config(), 0, &PROBLEMS, true, false) {
            assert!(spec.batch.first_sample > 0 || spec.batch.samples == 1);
        }
    }
}
