//! Which train problems an iteration samples, where it does not sample all of them. A pure function
//! of the seed and of stored verdicts: after a restart the same problems are drawn.

use std::collections::HashMap;

use crate::{
    Tally,
    experiment::{Curriculum, Experiment},
    metrics::{ProblemRef, unit_of},
    seed::{self, ProblemSeed},
    stats::Draws,
};

/// A train problem and the latest verdicts on samples of it.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    pub problem: ProblemRef<'a>,
    pub seed: ProblemSeed,
    /// Samples, none of them greedy, and how many were correct; nothing where there are none yet.
    pub latest: Tally,
}

/// The train problems that an iteration samples, by ordinal; all where the file sets no number.
pub fn draw(config: &Experiment, iteration: u32, train: &[Candidate<'_>]) -> Vec<u32> {
    let ordinals = |chosen: &[&Candidate<'_>]| {
        let mut ordinals: Vec<u32> = chosen.iter().map(|c| c.problem.ordinal).collect();
        ordinals.sort_unstable();
        ordinals
    };
    let mut all: Vec<&Candidate<'_>> = train.iter().collect();
    let Some(count) = config.generate.problems else {
        return ordinals(&all);
    };
    let weights = match config.generate.curriculum {
        Curriculum::Uniform => HashMap::new(),
        Curriculum::Success => weights(train),
    };
    // The smallest of exponential draws with these rates: a weighted sample without replacement
    // (Efraimidis and Spirakis 2006).
    all.sort_by_cached_key(|candidate| {
        let weight = weights.get(&unit_of(&candidate.problem)).unwrap_or(&1.0);
        let seed = seed::curriculum(config.seed, iteration, candidate.seed);
        let waits = (1.0 - Draws::new(seed).unit()).ln().abs() / weight;
        // No two problems draw the same; the ordinal is for the day when two do. Bits of numbers
        // that are not negative are ordered as these are.
        (waits.to_bits(), candidate.problem.ordinal)
    });
    all.truncate(count as usize);
    ordinals(&all)
}

/// p (1 − p) of each unit, p being the share of its latest samples that were correct, with half a
/// sample added on either side (Jeffreys): a unit that was never sampled goes first, and none is
/// given up.
fn weights(train: &[Candidate<'_>]) -> HashMap<String, f64> {
    let mut tallies: HashMap<String, Tally> = HashMap::new();
    for candidate in train {
        let tally = tallies.entry(unit_of(&candidate.problem)).or_default();
        tally.passed += candidate.latest.passed;
        tally.total += candidate.latest.total;
    }
    let mut weights = HashMap::with_capacity(tallies.len());
    for (unit, Tally { passed, total }) in tallies {
        let share = (f64::from(passed) + 0.5) / (f64::from(total) + 1.0);
        weights.insert(unit, share * (1.0 - share));
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Digest, Split};

    fn config(rest: &str) -> Experiment {
        let text = format!(
            "name = \"e\"\nmodel.source = \"m\"\n[problems]\ntrain = 40\n[generate]\n{rest}"
        );
        crate::experiment::parse(&text).unwrap()
    }

    /// Forty problems of as many rules; of each, so many of eight samples were correct.
    fn drawn(config: &Experiment, iteration: u32, correct: impl Fn(u32) -> u32) -> Vec<u32> {
        let rules: Vec<String> = (0..40).map(|ordinal| format!("r{ordinal}")).collect();
        let mut train = Vec::new();
        for (ordinal, rule) in (0..).zip(&rules) {
            train.push(Candidate {
                problem: ProblemRef {
                    ordinal,
                    split: Split::Train,
                    family: "f",
                    rule,
                },
                seed: ProblemSeed::Identity(Digest::of(rule.as_bytes())),
                latest: Tally {
                    passed: correct(ordinal),
                    total: 8,
                },
            });
        }
        draw(config, iteration, &train)
    }

    #[test]
    fn without_a_number_all_are_sampled() {
        assert_eq!(drawn(&config(""), 3, |_| 0), (0..40).collect::<Vec<_>>());
    }

    #[test]
    fn every_iteration_draws_anew_and_always_the_same() {
        let config = config("problems = 10\n");
        let first = drawn(&config, 0, |_| 0);
        assert_eq!((first.len(), drawn(&config, 0, |_| 8)), (10, first.clone()));
        assert_ne!(drawn(&config, 1, |_| 0), first);
        let mut counts = [0; 40];
        for iteration in 0..400 {
            for ordinal in drawn(&config, iteration, |_| 0) {
                counts[ordinal as usize] += 1;
            }
        }
        // Of 400 draws with a chance of a quarter: five standard deviations are 43.
        assert!(counts.iter().all(|n| (57..=143).contains(n)), "{counts:?}");
    }

    #[test]
    fn what_is_learned_just_now_is_drawn_more_often() {
        let config = config("problems = 10\ncurriculum = \"success\"\n");
        let (mut middle, mut ends) = (0, 0);
        for iteration in 0..400 {
            // Ten of forty are half solved, the others never or always.
            for ordinal in drawn(&config, iteration, |o| [4, 0, 8, 0][o as usize % 4]) {
                match ordinal % 4 {
                    0 => middle += 1,
                    _ => ends += 1,
                }
            }
        }
        // Weights of 0.25 and 0.052 among 10 and 30 problems.
        assert!(middle > ends && ends > 1000, "{middle} {ends}");
    }

    #[test]
    fn a_unit_has_one_weight_for_all_its_problems() {
        let problem = |ordinal, rule| ProblemRef {
            ordinal,
            split: Split::Train,
            family: "f",
            rule,
        };
        let candidate = |ordinal, rule, passed| Candidate {
            problem: problem(ordinal, rule),
            seed: ProblemSeed::Ordinal(ordinal),
            latest: Tally { passed, total: 4 },
        };
        let weights = weights(&[
            candidate(0, "a", 4),
            candidate(1, "a", 0),
            candidate(2, "b", 0),
        ]);
        assert_eq!(weights["f/a"], 0.25);
        assert_eq!(weights["f/b"], 0.1 * 0.9);
    }
}
