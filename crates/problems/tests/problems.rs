//! What holds for every set of problems: splits are disjoint, sizes do not move problems,
//! everything repeats, requests are bounded.

use std::collections::{HashMap, HashSet};

use groklab_domain::{Holdout, Split, experiment::Problems};
use groklab_problems::{Error, Index, Problem, capacity, families, make, split_of};
use proptest::prelude::*;

fn all_families() -> Vec<String> {
    families()
        .iter()
        .map(|family| family.name.to_owned())
        .collect()
}

fn spec(families: Vec<String>, difficulty: [u8; 2], [train, val, test]: [u32; 3]) -> Problems {
    Problems {
        families,
        difficulty,
        train,
        val,
        test,
        ..Problems::default()
    }
}

/// Problems of a split without their ordinals, by family.
fn of_split(problems: &[Problem], split: Split) -> HashMap<String, Vec<Problem>> {
    let mut by_family: HashMap<String, Vec<Problem>> = HashMap::new();
    for problem in problems.iter().filter(|problem| problem.split == split) {
        by_family
            .entry(problem.family.clone())
            .or_default()
            .push(Problem {
                ordinal: 0,
                ..problem.clone()
            });
    }
    by_family
}

fn some_families() -> impl Strategy<Value = Vec<String>> {
    prop::sample::subsequence(all_families(), 1..=4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn splits_are_disjoint(seed: u64, low in 1u8..=10, span in 0u8..=4, names in some_families()) {
        let spec = spec(names, [low, (low + span).min(10)], [26, 9, 14]);
        let problems = make(&spec, seed).unwrap();
        let mut seen = HashSet::new();
        for (i, problem) in problems.iter().enumerate() {
            prop_assert_eq!(problem.ordinal as usize, i);
            prop_assert_eq!(problem.cases.iter().filter(|case| case.visible).count(), 2);
            prop_assert_eq!(problem.cases.len(), 8);
            for case in &problem.cases {
                prop_assert_eq!(split_of(&problem.family, &problem.rule, &case.canonical), problem.split);
                prop_assert!(seen.insert((problem.family.clone(), problem.rule.clone(), case.canonical.clone())), "{}", case.canonical);
            }
        }
        let count = |split| problems.iter().filter(|problem| problem.split == split).count();
        prop_assert_eq!([Split::Train, Split::Val, Split::Test].map(count), [26, 9, 14]);
    }

    #[test]
    fn a_larger_split_begins_with_the_smaller(seed: u64, names in some_families(), small in 1u32..12, more in 0u32..12) {
        let before = make(&spec(names.clone(), [1, 6], [24, 5, small]), seed).unwrap();
        let after = make(&spec(names, [1, 6], [30, 8, small + more]), seed).unwrap();
        for split in [Split::Train, Split::Val, Split::Test] {
            let after = of_split(&after, split);
            for (family, problems) in of_split(&before, split) {
                prop_assert_eq!(&problems[..], &after[&family][..problems.len()]);
            }
        }
    }

    #[test]
    fn problems_repeat_and_seeds_differ(seed: u64) {
        let spec = spec(all_families(), [1, 10], [48, 8, 8]);
        let problems = make(&spec, seed).unwrap();
        prop_assert_eq!(&problems, &make(&spec, seed).unwrap());
        prop_assert_ne!(&problems, &make(&spec, seed.wrapping_add(1)).unwrap());
    }

    #[test]
    fn different_indices_are_different_cases(difficulty in 1u8..=10, family in 0usize..8) {
        for rule in families()[family].rules {
            let mut seen = HashSet::new();
            let mut classes = rule.classes().to_vec();
            classes.sort_unstable();
            classes.dedup();
            for class in classes {
                let size = rule.size(difficulty, class);
                // One index out of each of 400 strata.
                let stratum = &size / 400u32;
                prop_assert!(stratum > 0u32.into());
                for i in 0u32..400 {
                    let index = &stratum * i + i * i % &stratum;
                    if let Some(drawn) = rule.draw(difficulty, class, Index::new(index)) {
                        prop_assert!(seen.insert(format!("{:?}", drawn.args)), "{} \
                            {:?}", rule.about().id, drawn);
                    }
                }
            }
        }
    }
}

#[test]
fn difficulty_changes_the_instances_of_every_family() {
    for family in families() {
        let mut sizes = Vec::new();
        let mut seen = HashSet::new();
        for difficulty in 1..=10 {
            let problems = make(
                &spec(vec![family.name.to_owned()], [difficulty; 2], [12, 1, 1]),
                1,
            )
            .unwrap();
            // The plain rule only, for what is compared; sizes are letters of the arguments.
            let plain: Vec<_> = problems
                .iter()
                .filter(|problem| problem.rule == family.rules[0].about().id)
                .collect();
            let cases: Vec<_> = plain.iter().flat_map(|problem| &problem.cases).collect();
            sizes.push(
                cases.iter().map(|case| case.canonical.len()).sum::<usize>() as f64
                    / cases.len() as f64,
            );
            assert!(
                cases.iter().all(|case| seen.insert(case.canonical.clone())),
                "{} repeats at {difficulty}",
                family.name
            );
        }
        assert!(
            sizes.windows(2).all(|pair| pair[0] <= pair[1] + 0.2),
            "{}: {sizes:?}",
            family.name
        );
        assert!(sizes[9] > 1.2 * sizes[0], "{}: {sizes:?}", family.name);
    }
}

#[test]
fn every_family_is_complete() {
    for family in families() {
        assert!(family.rules.len() >= 4 && !family.description.is_empty());
        let ids: HashSet<_> = family.rules.iter().map(|rule| rule.about().id).collect();
        assert_eq!(ids.len(), family.rules.len());
        assert!(ids.iter().all(|id| !id.contains(['/', ' '])), "{ids:?}");
        let plain = |difficulty| {
            family
                .rules
                .iter()
                .filter(|rule| rule.about().lowest_difficulty <= difficulty)
                .count()
        };
        assert_eq!((plain(1), plain(2), plain(10)), (1, 1, family.rules.len()));
        assert!(family.rules.iter().all(|rule| rule.classes().len() <= 4));
    }
}

#[test]
fn no_constant_answers_a_problem() {
    for problem in make(&spec(all_families(), [1, 10], [96, 16, 16]), 3).unwrap() {
        let hidden: Vec<_> = problem.cases.iter().filter(|case| !case.visible).collect();
        assert!(
            hidden
                .iter()
                .any(|case| case.expected != hidden[0].expected),
            "{problem:?}"
        );
    }
}

#[test]
fn brackets_are_balanced_half_of_the_time() {
    for (id, share) in [
        ("kinds=()[]{}", 4),
        ("kinds=()", 4),
        ("kinds=()[],text", 4),
        ("kinds=()[]{}<>", 4),
        ("kinds=()[]{},depth=3", 3),
    ] {
        let problems = make(&spec(vec!["parentheses".to_owned()], [6, 7], [40, 8, 8]), 5).unwrap();
        for problem in problems.iter().filter(|problem| problem.rule == id) {
            let right = problem
                .cases
                .iter()
                .filter(|case| case.expected == groklab_domain::Value::Bool(true))
                .count();
            assert_eq!((right, problem.cases.len()), (share, 8), "{problem:?}");
        }
    }
}

#[test]
fn order_alone_makes_no_other_case() {
    let mut seen = HashSet::new();
    for problem in make(&spec(vec!["gcd".to_owned()], [1, 8], [240, 50, 50]), 2).unwrap() {
        for case in problem.cases {
            let text: String = case.args.iter().map(|arg| arg.python() + ",").collect();
            let mut numbers: Vec<u64> = text
                .split(|c: char| !c.is_ascii_digit())
                .filter_map(|word| word.parse().ok())
                .collect();
            numbers.sort_unstable();
            assert!(seen.insert((problem.rule.clone(), numbers)), "{text}");
        }
    }
}

#[test]
fn held_out_rules_are_never_trained_on() {
    let held_out = vec!["gcd/op=lcm".to_owned(), "rpn/notation=prefix".to_owned()];
    let base = spec(
        ["gcd", "rpn", "to_binary"].map(String::from).to_vec(),
        [1, 6],
        [30, 9, 9],
    );
    let problems = make(
        &Problems {
            holdout: Holdout::Rule,
            held_out: held_out.clone(),
            ..base.clone()
        },
        1,
    )
    .unwrap();
    let held =
        |problem: &Problem| held_out.contains(&format!("{}/{}", problem.family, problem.rule));
    assert!(
        problems
            .iter()
            .all(|problem| held(problem) == (problem.split != Split::Train))
    );

    let problems = make(
        &Problems {
            ood: 8,
            held_out: held_out.clone(),
            ..base
        },
        1,
    )
    .unwrap();
    assert!(
        problems
            .iter()
            .all(|problem| held(problem) == (problem.split == Split::Ood))
    );
    assert_eq!(
        problems
            .iter()
            .filter(|problem| problem.split == Split::Ood)
            .count(),
        8
    );
}

#[test]
fn held_out_families_are_never_trained_on() {
    let base = spec(["gcd", "rpn"].map(String::from).to_vec(), [1, 3], [8, 4, 4]);
    let problems = make(
        &Problems {
            holdout: Holdout::Family,
            held_out: vec!["rpn".to_owned()],
            ood: 3,
            ..base
        },
        1,
    )
    .unwrap();
    assert!(
        problems
            .iter()
            .all(|problem| (problem.family == "rpn") == (problem.split != Split::Train))
    );
    let seen: HashSet<_> = problems
        .iter()
        .flat_map(|p| {
            p.cases
                .iter()
                .map(|case| (&p.family, &p.rule, &case.canonical))
        })
        .collect();
    assert_eq!(
        seen.len(),
        problems
            .iter()
            .map(|problem| problem.cases.len())
            .sum::<usize>()
    );
}

#[test]
fn families_are_dealt_in_turn() {
    let problems = make(&spec(all_families(), [1, 2], [20, 3, 9]), 1).unwrap();
    let train = of_split(&problems, Split::Train);
    let counts: Vec<_> = all_families()
        .iter()
        .map(|family| train[family].len())
        .collect();
    assert_eq!(counts, [3, 3, 3, 3, 2, 2, 2, 2]);
}

#[test]
fn capacity_is_kept_to_the_last_case() {
    // A class that is counted exactly: ask for all of it, then for one problem more.
    let exact = capacity("to_binary", "base=2", 1).unwrap();
    assert!(exact.classes[0].exact);
    let cases = u32::try_from(exact.classes[0].of(Split::Val)).unwrap();
    let ask = |val| Problems {
        visible: 0,
        hidden: 1,
        ..spec(vec!["to_binary".to_owned()], [1, 1], [1, val, 1])
    };
    assert_eq!(make(&ask(cases), 1).unwrap().len() as u32, cases + 2);
    let error = make(&ask(cases + 1), 1).unwrap_err();
    assert!(
        matches!(error, Error::Capacity { capacity, wanted, .. } if capacity == u64::from(cases) && wanted == capacity + 1)
    );
    println!("{error}");
}

#[test]
fn errors_name_the_fix() {
    let with = |change: fn(&mut Problems)| {
        let mut spec = spec(all_families(), [1, 4], [80, 8, 8]);
        change(&mut spec);
        make(&spec, 1).unwrap_err().to_string()
    };
    let table = [
        (
            with(|s| s.families = vec!["rpm".into()]),
            "unknown family `rpm`, did you mean `rpn`?; known are arithmetic, rpn, parentheses, \
                sum_digits, count_vowels, to_binary, gcd, reverse_words",
        ),
        (
            with(|s| {
                s.holdout = Holdout::Rule;
                s.held_out = vec!["gcd/op=lmc".into()]
            }),
            "unknown rule `op=lmc` of `gcd`, did you mean `op=lcm`?; known are op=gcd, op=lcm, \
                op=gcd,of=three, op=gcd,of=list, op=lcm,of=list",
        ),
        (
            with(|s| {
                s.holdout = Holdout::Rule;
                s.held_out = vec!["gcd".into()]
            }),
            "held_out `gcd` does not fit holdout = \"rule\": name a rule as \"family/rule\"",
        ),
        (
            with(|s| {
                s.holdout = Holdout::Rule;
                s.held_out = vec!["gcd/op=gcd,of=list".into()]
            }),
            "held_out `gcd/op=gcd,of=list` is asked from difficulty 5 on, not at 4 and below",
        ),
        (
            with(|s| {
                s.train = 8;
                s.test = 80
            }),
            "`test` would ask 3 rules of `arithmetic`, train only 1: raise train to at least 24, \
                lower the highest difficulty (fewer rules), or use holdout = \"rule\"",
        ),
        (
            with(|s| {
                s.holdout = Holdout::Family;
                s.held_out = all_families()
            }),
            "`train` has nothing left to ask: hold out less, or add families",
        ),
        (
            with(|s| s.difficulty = [3, 11]),
            "unknown difficulty 11: use 1 to 10",
        ),
    ];
    for (message, expected) in table {
        assert_eq!(message, expected);
    }
}
