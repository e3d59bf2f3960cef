//! Selection: which correct rollouts a model is trained on. It does not judge correctness.

use std::collections::{BTreeMap, HashSet};

/// A correct rollout's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// The problem's ordinal.
    pub problem: u32,
    pub sample: u32,
    pub code: &'a str,
}

/// Selects for rejection-sampling fine-tuning: indices into `candidates` in order of (problem, sample), each normalised code once
/// per problem, at most `max_per_problem`. Candidates equal in problem and sample (rollouts of several iterations) keep their order.
pub fn rft(candidates: &[Candidate<'_>], max_per_problem: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    order.sort_by_key(|&i| (candidates[i].problem, candidates[i].sample));
    let mut kept: BTreeMap<u32, HashSet<String>> = BTreeMap::new();
    order.retain(|&i| {
        let seen = kept.entry(candidates[i].problem).or_default();
        seen.len() < max_per_problem && seen.insert(normalise(candidates[i].code))
    });
    order
}

/// The form in which two codes count as the same: newlines as `\n`, no white space at the ends of lines, no blank lines.
/// Comments and names are left alone: code that differs in them is another way to write it.
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

    fn candidate(problem: u32, sample: u32, code: &str) -> Candidate<'_> {
        Candidate {
            problem,
            sample,
            code,
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
        assert_eq!(rft(&candidates, 2), [3, 4, 0]);
        assert_eq!(rft(&candidates, 9), [3, 4, 1, 0]);
        assert_eq!(rft(&candidates, 0), Vec::<usize>::new());
    }

    proptest! {
        #[test]
        fn does_not_depend_on_arrival(mut keys in prop::collection::btree_set((0u32..4, 0u32..6), 0..20)
            .prop_map(|keys| keys.into_iter().collect::<Vec<_>>()).prop_shuffle(), most in 1usize..4)
        {
            let codes = ["x", "y", "x \n", "z"];
            let select = |keys: &[(u32, u32)]| {
                let candidates: Vec<_> = keys.iter().map(|&(p, s)| candidate(p, s, codes[(p + s) as usize % 4])).collect();
                rft(&candidates, most).into_iter().map(|i| keys[i]).collect::<Vec<_>>()
            };
            let shuffled = select(&keys);
            keys.sort_unstable();
            prop_assert_eq!(shuffled, select(&keys));
        }
    }
}
