//! `rft`: rejection-sampling fine-tuning, also called expert iteration. The correct rollouts are
//! trained on as they were written, all with the same weight: each normalised code once per
//! problem, and at most `max_per_problem` of them.
//!
//! STaR (Zelikman et al., 2022) and ReST-EM (Singh et al., 2023) start every iteration from the
//! base (`start = "restart"`). Departures: STaR's rationalisation is left out, and ReST-EM's
//! duplicates are not.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};

use super::contract::{Chosen, JudgedRollout, Method, Objective};
use crate::{Verdict, experiment::Train};

pub struct RejectionSampling;

impl Method for RejectionSampling {
    fn pool(&self) -> &'static [Verdict] {
        &[Verdict::Passed]
    }

    fn choose(&self, settings: &Train, rollouts: &[JudgedRollout]) -> Vec<Chosen> {
        let places = distinct(rollouts, settings.max_per_problem as usize);
        places
            .into_iter()
            .map(|place| Chosen { place, weight: 1.0 })
            .collect()
    }

    fn objective(&self) -> Objective {
        Objective::Likelihood
    }

    fn describe(&self) -> &'static str {
        "trained on its own solutions that were proven correct (rejection-sampling fine-tuning)"
    }

    fn describe_settings(&self, settings: &Train) -> String {
        format!(
            "rft, LoRA rank {}, learning rate {}, {} epochs, start {}",
            settings.rank, settings.learning_rate, settings.epochs, settings.start
        )
    }
}

/// Indices into `rollouts` in order of problem, the newest iteration first, and sample; each
/// normalised code once per problem, at most `max_per_problem`. The newest first: with
/// `history = "all"` the oldest would fill the places for good, and nothing new be trained on.
fn distinct(rollouts: &[JudgedRollout], max_per_problem: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rollouts.len()).collect();
    order.sort_by_key(|&i| {
        let rollout = &rollouts[i];
        (rollout.problem, Reverse(rollout.iteration), rollout.sample)
    });
    let mut kept: BTreeMap<u32, HashSet<String>> = BTreeMap::new();
    order.retain(|&i| {
        let seen = kept.entry(rollouts[i].problem).or_default();
        seen.len() < max_per_problem && seen.insert(normalise(&rollouts[i].code))
    });
    order
}

/// The form in which two codes count as the same: newlines as `\n`, no white space at the ends of
/// lines, no blank lines. Comments and names are left alone: code that differs in them is another
/// way to write it.
pub fn normalise(code: &str) -> String {
    let unified = code.replace("\r\n", "\n").replace('\r', "\n");
    let lines: Vec<&str> = unified
        .split('\n')
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn candidate(problem: u32, sample: u32, code: &str) -> JudgedRollout {
        JudgedRollout {
            rollout_id: 0,
            problem,
            iteration: 0,
            sample,
            verdict: Verdict::Passed,
            code: code.to_owned(),
        }
    }

    #[test]
    fn orders_deduplicates_and_limits() {
        let candidates = [
            candidate(2, 0, "a"),
            candidate(1, 3, "d"),
            candidate(1, 1, "def f():\r\n\r\n    return 1  \r\n"),
            candidate(1, 0, "def f():\n    return 1"),
            candidate(1, 2, "def f():\n  return 1"),
        ];
        assert_eq!(distinct(&candidates, 2), [3, 4, 0]);
        assert_eq!(distinct(&candidates, 9), [3, 4, 1, 0]);
        assert_eq!(distinct(&candidates, 0), Vec::<usize>::new());
    }

    /// It kept sample 0 of iterations 0 to 3 for ever.
    #[test]
    fn a_history_of_all_keeps_learning_from_new_solutions() {
        let mut candidates = Vec::new();
        for iteration in 0..10 {
            for sample in 0..4 {
                candidates.push(JudgedRollout {
                    iteration,
                    ..candidate(7, sample, &format!("return {iteration} + {sample}"))
                });
            }
        }
        // One that only an old iteration has solved is still learned from.
        candidates.push(candidate(8, 0, "old"));
        let kept: Vec<_> = distinct(&candidates, 4)
            .into_iter()
            .map(|i| {
                (
                    candidates[i].problem,
                    candidates[i].iteration,
                    candidates[i].sample,
                )
            })
            .collect();
        assert_eq!(
            kept,
            [(7, 9, 0), (7, 9, 1), (7, 9, 2), (7, 9, 3), (8, 0, 0)]
        );
    }

    proptest! {
        #[test]
        fn does_not_depend_on_arrival(mut keys in prop::collection::btree_set((0u32..4, 0u32..6), 0..20)
            .prop_map(|keys| keys.into_iter().collect::<Vec<_>>()).prop_shuffle(), most in 1usize..4)
        {
            let codes = ["x", "y", "x \n", "z"];
            let select = |keys: &[(u32, u32)]| {
                let candidates: Vec<_> = keys.iter().map(|&(p, s)| candidate(p, s, codes[(p + s) as usize % 4])).collect();
                distinct(&candidates, most).into_iter().map(|i| keys[i]).collect::<Vec<_>>()
            };
            let shuffled = select(&keys);
            keys.sort_unstable();
            prop_assert_eq!(shuffled, select(&keys));
        }
    }
}
