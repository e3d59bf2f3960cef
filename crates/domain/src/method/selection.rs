//! What `train.select` takes of an iteration's rollouts. A control takes as many examples as
//! `verified` would take of the same rollouts; how many steps they make follows from their tokens.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};

use super::contract::{Chosen, JudgedRollout};
use crate::{
    Verdict,
    experiment::{Experiment, Select},
    seed,
};

/// The verdicts on what is taken, and on what is verified: its number decides.
pub(super) fn verdicts(select: Select) -> &'static [Verdict] {
    match select {
        Select::Verified | Select::Shuffled => &[Verdict::Passed],
        // A shortcut may have any of them.
        Select::Visible | Select::Parses => READ,
        Select::Any | Select::Greedy => JUDGED,
    }
}

/// Those of code that Python could read.
const READ: &[Verdict] = &[
    Verdict::Passed,
    Verdict::WrongAnswer,
    Verdict::RuntimeError,
    Verdict::Timeout,
    Verdict::OutOfMemory,
    Verdict::OutputLimit,
    Verdict::MissingFunction,
    Verdict::Forbidden,
];

/// All that say something of a completion.
const JUDGED: &[Verdict] = &[
    Verdict::Passed,
    Verdict::WrongAnswer,
    Verdict::RuntimeError,
    Verdict::Timeout,
    Verdict::OutOfMemory,
    Verdict::OutputLimit,
    Verdict::MissingFunction,
    Verdict::Forbidden,
    Verdict::SyntaxError,
    Verdict::NoCode,
];

/// What `iteration` is trained on, in the order of the training set.
pub(super) fn choose(
    config: &Experiment,
    iteration: u32,
    rollouts: &[JudgedRollout],
) -> Vec<Chosen> {
    let most = config.train.max_per_problem as usize;
    let verified = distinct(rollouts, most, is_verified);
    let taken = |most: usize, good: fn(&JudgedRollout) -> bool| {
        let offered = distinct(rollouts, most, good);
        under_their_own(
            rollouts,
            draw(config.seed, rollouts, offered, verified.len()),
        )
    };
    match config.train.select {
        Select::Verified => under_their_own(rollouts, verified),
        Select::Visible => taken(most, |rollout| is_verified(rollout) || rollout.shortcut),
        Select::Parses | Select::Any => taken(most, |rollout| !rollout.greedy),
        Select::Greedy => taken(1, |rollout| rollout.greedy),
        Select::Shuffled => shuffled(config.seed, iteration, rollouts, verified),
    }
}

fn is_verified(rollout: &JudgedRollout) -> bool {
    rollout.verdict == Verdict::Passed && !rollout.greedy
}

/// Each with the prompt that it was written for.
fn under_their_own(rollouts: &[JudgedRollout], places: Vec<usize>) -> Vec<Chosen> {
    places
        .into_iter()
        .map(|place| chosen(place, rollouts[place].problem))
        .collect()
}

fn chosen(place: usize, problem: u32) -> Chosen {
    Chosen {
        place,
        problem,
        weight: 1.0,
    }
}

/// `count` of the places, or all where there are fewer, in the order they had: those with the
/// smallest hashes, so that it matters neither in which order rollouts arrived nor what else there
/// is.
fn draw(
    experiment_seed: u64,
    rollouts: &[JudgedRollout],
    mut places: Vec<usize>,
    count: usize,
) -> Vec<usize> {
    if places.len() <= count {
        return places;
    }
    let mut by_hash = places.clone();
    by_hash.sort_by_cached_key(|&place| {
        let rollout = &rollouts[place];
        let (problem, sample) = (rollout.problem_seed, rollout.sample);
        let hash = seed::selection(experiment_seed, rollout.iteration, problem, sample);
        (hash, place)
    });
    let kept: HashSet<usize> = by_hash.into_iter().take(count).collect();
    places.retain(|place| kept.contains(place));
    places
}

/// Each completion under the prompt of another of them, whose rule is another one. Of a rule that
/// has more than half of them, some have no such prompt and are left out.
fn shuffled(
    experiment_seed: u64,
    iteration: u32,
    rollouts: &[JudgedRollout],
    mut places: Vec<usize>,
) -> Vec<Chosen> {
    let mut sizes: HashMap<&str, usize> = HashMap::new();
    for &place in &places {
        *sizes.entry(&rollouts[place].unit).or_default() += 1;
    }
    let largest = sizes.into_values().max().unwrap_or(0);
    places.sort_by_cached_key(|&place| {
        let unit = &rollouts[place].unit;
        let hash = seed::shuffle(experiment_seed, iteration, unit);
        (hash, unit.clone(), place)
    });
    // Rules are blocks now. Who goes on by the length of the longest block leaves their own, and
    // comes to it again from behind only where that block is more than half of all.
    let prompts = places.iter().cycle().skip(largest);
    let mut pairs = Vec::with_capacity(places.len());
    for (&place, &prompt) in places.iter().zip(prompts) {
        if rollouts[place].unit != rollouts[prompt].unit {
            pairs.push(chosen(place, rollouts[prompt].problem));
        }
    }
    pairs
}

/// Indices of the good `rollouts` in order of problem, the newest iteration first, and sample; each
/// normalised code once per problem, at most `max_per_problem`. The newest first: with
/// `history = "all"` the oldest would fill the places for good, and nothing new be trained on.
fn distinct(
    rollouts: &[JudgedRollout],
    max_per_problem: usize,
    good: impl Fn(&JudgedRollout) -> bool,
) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rollouts.len())
        .filter(|&i| good(&rollouts[i]))
        .collect();
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
    use crate::{Digest, experiment::parse, seed::ProblemSeed};

    fn candidate(problem: u32, sample: u32, code: &str) -> JudgedRollout {
        JudgedRollout {
            rollout_id: 0,
            problem,
            problem_seed: ProblemSeed::Identity(Digest::of(&problem.to_le_bytes())),
            unit: format!("folds/rule {}", problem / 2),
            iteration: 0,
            sample,
            greedy: false,
            verdict: Verdict::Passed,
            shortcut: false,
            code: code.to_owned(),
        }
    }

    /// What each word takes of 12 problems, two of a rule: of each problem two correct rollouts, a
    /// shortcut, a wrong one, one that cannot be read, and the greedy one.
    fn offered() -> Vec<JudgedRollout> {
        let mut rollouts = Vec::new();
        for problem in 0..12 {
            let verdicts = [
                Verdict::Passed,
                Verdict::Passed,
                Verdict::Timeout,
                Verdict::WrongAnswer,
                Verdict::SyntaxError,
                Verdict::RuntimeError,
            ];
            for (sample, verdict) in (0..).zip(verdicts) {
                rollouts.push(JudgedRollout {
                    verdict,
                    shortcut: sample == 2,
                    greedy: sample == 5,
                    ..candidate(problem, sample, &format!("{problem} {sample}"))
                });
            }
        }
        rollouts
    }

    /// The rollouts that are trained on and the problems under whose prompts, in their order.
    fn chosen(
        select: Select,
        settings: &str,
        iteration: u32,
        rollouts: &[JudgedRollout],
    ) -> Vec<(JudgedRollout, u32)> {
        let text = format!(
            "name = \"e\"\nmodel.source = \"m\"\n[train]\nselect = \"{select}\"\n{settings}"
        );
        let config = parse(&text).unwrap();
        let pool = config.train.method.method().pool(&config.train);
        let offered: Vec<JudgedRollout> = rollouts
            .iter()
            .filter(|r| pool.verdicts.contains(&r.verdict) && (pool.greedy || !r.greedy))
            .cloned()
            .collect();
        let chosen = choose(&config, iteration, &offered);
        assert!(chosen.iter().all(|chosen| chosen.weight == 1.0));
        chosen
            .into_iter()
            .map(|chosen| (offered[chosen.place].clone(), chosen.problem))
            .collect()
    }

    /// A verdict that is added would never be offered.
    #[test]
    fn every_verdict_is_among_those_that_say_something() {
        let mut judged: Vec<Verdict> = JUDGED.to_vec();
        judged.push(Verdict::InfrastructureError);
        judged.sort_unstable();
        assert_eq!(judged, Verdict::ALL);
        let unread = [Verdict::SyntaxError, Verdict::NoCode];
        assert!(
            JUDGED
                .iter()
                .all(|v| READ.contains(v) != unread.contains(v))
        );
    }

    #[test]
    fn controls_take_as_many_as_are_verified_and_nothing_else() {
        let rollouts = offered();
        let one = "max_per_problem = 1";
        let takes = |select, good: fn(&JudgedRollout) -> bool| {
            let taken = chosen(select, one, 3, &rollouts);
            assert_eq!(taken.len(), 12, "{select}");
            for (rollout, problem) in &taken {
                assert!(good(rollout), "{select}: {rollout:?}");
                assert_eq!(rollout.problem, *problem, "{select}");
            }
            assert!(
                taken.is_sorted_by_key(|(rollout, _)| (rollout.problem, rollout.sample)),
                "{select}"
            );
        };
        takes(Select::Verified, |r| {
            r.verdict == Verdict::Passed && r.sample == 0
        });
        takes(Select::Greedy, |r| r.greedy);
        // Each distinct problem gives its newest first sample where one a problem is taken.
        takes(Select::Visible, |r| {
            r.verdict == Verdict::Passed || r.shortcut
        });
        takes(Select::Parses, |r| {
            r.verdict != Verdict::SyntaxError && !r.greedy
        });
        takes(Select::Any, |r| !r.greedy);
    }

    #[test]
    fn the_draw_of_a_control_is_of_all_problems_and_has_every_verdict() {
        let rollouts = offered();
        // 24 are verified, of 60 that could be taken.
        let any = chosen(Select::Any, "max_per_problem = 9", 0, &rollouts);
        assert_eq!(any.len(), 24);
        let problems: HashSet<u32> = any.iter().map(|(_, problem)| *problem).collect();
        assert!(problems.len() >= 10, "{problems:?}");
        for verdict in [
            Verdict::Passed,
            Verdict::Timeout,
            Verdict::WrongAnswer,
            Verdict::SyntaxError,
        ] {
            assert!(any.iter().any(|(r, _)| r.verdict == verdict), "{verdict}");
        }
        let parses = chosen(Select::Parses, "max_per_problem = 9", 0, &rollouts);
        assert!(
            parses
                .iter()
                .any(|(r, _)| r.verdict == Verdict::WrongAnswer)
        );
        let visible = chosen(Select::Visible, "max_per_problem = 9", 0, &rollouts);
        let shortcuts = visible.iter().filter(|(r, _)| r.shortcut).count();
        assert!((1..24).contains(&shortcuts), "{shortcuts}");
    }

    #[test]
    fn a_shuffled_completion_stands_under_a_prompt_of_another_rule() {
        let rollouts = offered();
        let shuffled = chosen(Select::Shuffled, "", 0, &rollouts);
        let verified = chosen(Select::Verified, "", 0, &rollouts);
        assert_eq!(shuffled.len(), 24);
        for (rollout, problem) in &shuffled {
            assert_ne!(rollout.problem / 2, problem / 2);
        }
        // The same completions, and the same prompts, each as often.
        let sorted = |mut keys: Vec<u32>| {
            keys.sort_unstable();
            keys
        };
        assert_eq!(
            sorted(
                shuffled
                    .iter()
                    .map(|(r, _)| 10 * r.problem + r.sample)
                    .collect()
            ),
            sorted(
                verified
                    .iter()
                    .map(|(r, _)| 10 * r.problem + r.sample)
                    .collect()
            )
        );
        assert_eq!(
            sorted(shuffled.iter().map(|(_, problem)| *problem).collect()),
            sorted(verified.iter().map(|(_, problem)| *problem).collect())
        );
        assert_ne!(shuffled, chosen(Select::Shuffled, "", 1, &rollouts));
    }

    #[test]
    fn what_has_no_prompt_of_another_rule_is_left_out() {
        // Three of one rule and one of another: two pairs can change prompts.
        let mut rollouts = vec![
            candidate(0, 0, "a"),
            candidate(0, 1, "b"),
            candidate(1, 0, "c"),
        ];
        assert_eq!(chosen(Select::Shuffled, "", 0, &rollouts), []);
        rollouts.push(candidate(4, 0, "d"));
        let shuffled = chosen(Select::Shuffled, "", 0, &rollouts);
        assert_eq!(shuffled.len(), 2);
        for (rollout, problem) in &shuffled {
            assert_ne!(rollout.problem / 2, problem / 2);
        }
    }

    #[test]
    fn where_nothing_is_verified_a_control_takes_nothing() {
        let mut rollouts = offered();
        rollouts.retain(|rollout| rollout.verdict != Verdict::Passed);
        for select in Select::ALL {
            assert_eq!(chosen(*select, "", 0, &rollouts), [], "{select}");
        }
    }

    fn distinct_of(candidates: &[JudgedRollout], most: usize) -> Vec<usize> {
        distinct(candidates, most, |_| true)
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
        assert_eq!(distinct_of(&candidates, 2), [3, 4, 0]);
        assert_eq!(distinct_of(&candidates, 9), [3, 4, 1, 0]);
        assert_eq!(distinct_of(&candidates, 0), Vec::<usize>::new());
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
        let kept: Vec<_> = distinct_of(&candidates, 4)
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
                distinct_of(&candidates, most).into_iter().map(|i| keys[i]).collect::<Vec<_>>()
            };
            let shuffled = select(&keys);
            keys.sort_unstable();
            prop_assert_eq!(shuffled, select(&keys));
        }
    }
}
