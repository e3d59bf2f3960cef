//! What holds for every file: no case, rule or family in two splits that are disjoint, and nothing
//! moved by a size, by more rules or by another family.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use groklab_domain::{
    Holdout, Split,
    experiment::Problems,
    metrics::{ProblemRef, count_units, unit_of},
};
use groklab_problems::{Error, Plan, Problem, families, make, split_of, split_of_rule};
use proptest::prelude::*;

/// A file over some families, of any size, at any level that needs no names.
fn any_file() -> impl Strategy<Value = Problems> {
    let names: Vec<String> = crate::spec::names(usize::MAX);
    let most = names.len().min(4);
    let holdout = prop_oneof![
        3 => Just(Holdout::Rule),
        1 => Just(Holdout::Case),
        1 => Just(Holdout::Composition),
        1 => Just(Holdout::Extrapolation),
    ];
    (
        prop::sample::subsequence(names, 1..=most),
        (1u8..=10, 0u8..=5),
        (1u32..40, 0u32..20, 1u32..30, 0u32..12),
        (prop::option::of(40u32..400), 1u32..4),
        (0u32..4, 4u32..8),
        prop::option::of(0u64..1000),
        holdout,
    )
        .prop_map(
            |(families, (low, span), sizes, (rules, problems_per_rule), cases, seed, holdout)| {
                Problems {
                    families,
                    difficulty: [low, (low + span).min(10)],
                    train: sizes.0,
                    val: sizes.1,
                    test: sizes.2,
                    ood: if holdout == Holdout::Case { 0 } else { sizes.3 },
                    rules,
                    problems_per_rule,
                    visible: cases.0,
                    hidden: cases.1,
                    seed,
                    holdout,
                    ..Problems::default()
                }
            },
        )
}

/// The problems, where the file is one that can be asked: small families and small sizes are
/// refused at some levels.
fn made(spec: &Problems, seed: u64) -> Result<Vec<Problem>, TestCaseError> {
    match make(spec, seed) {
        Ok(problems) => Ok(problems),
        Err(
            Error::NoRule { .. }
            | Error::NothingLeft { .. }
            | Error::NotOrdered { .. }
            | Error::TooHard { .. }
            | Error::Unseen { .. }
            | Error::Uncovered { .. },
        ) => Err(TestCaseError::reject("a file that is refused")),
        Err(error) => Err(TestCaseError::fail(error.to_string())),
    }
}

fn reference(problem: &Problem) -> ProblemRef<'_> {
    ProblemRef {
        ordinal: problem.ordinal,
        split: problem.split,
        family: &problem.family,
        rule: &problem.rule,
    }
}

fn key(problem: &Problem) -> (Split, String, String) {
    (problem.split, problem.family.clone(), problem.rule.clone())
}

/// Problems without their ordinals, by split, family and rule, in order.
fn by_rule(problems: Vec<Problem>) -> BTreeMap<(Split, String, String), Vec<Problem>> {
    let mut by_rule: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for problem in problems {
        let problem = Problem {
            ordinal: 0,
            ..problem
        };
        by_rule.entry(key(&problem)).or_default().push(problem);
    }
    by_rule
}

/// Whether the problems of each rule are those of the other file, as far as both have them.
fn nothing_moved(before: Vec<Problem>, after: Vec<Problem>) -> Result<(), TestCaseError> {
    let after = by_rule(after);
    for (key, problems) in by_rule(before) {
        let Some(others) = after.get(&key) else {
            continue;
        };
        let both = problems.len().min(others.len());
        prop_assert_eq!(&problems[..both], &others[..both]);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, max_global_rejects: 2000, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_in_two_splits(spec in any_file(), seed in 0u64..100) {
        let problems = made(&spec, seed)?;
        let (mut cases, mut rules) = (HashSet::new(), BTreeMap::new());
        for (i, problem) in problems.iter().enumerate() {
            prop_assert_eq!(problem.ordinal as usize, i);
            prop_assert_eq!(problem.cases.len() as u32, spec.visible + spec.hidden);
            for case in &problem.cases {
                let id = (&problem.family, problem.rule_id(), &case.canonical);
                prop_assert_eq!(split_of(id.0, id.1, id.2), problem.split);
                prop_assert!(cases.insert(id), "{:?}", id);
            }
            if spec.holdout != Holdout::Case {
                let rule = (&problem.family, &problem.rule);
                prop_assert_eq!(*rules.entry(rule).or_insert(problem.split), problem.split);
            }
            if spec.holdout == Holdout::Rule {
                prop_assert_eq!(split_of_rule(&problem.family, &problem.rule), problem.split);
            }
        }
        let count = |split| problems.iter().filter(|problem| problem.split == split).count() as u32;
        prop_assert_eq!(
            [Split::Train, Split::Val, Split::Test, Split::Ood].map(count),
            [spec.train, spec.val, spec.test, spec.ood]
        );
    }

    #[test]
    fn a_plan_counts_what_is_made(spec in any_file(), seed in 0u64..100) {
        let problems = made(&spec, seed)?;
        let plan = Plan::new(&spec, seed).unwrap();
        let splits: Vec<_> = problems.iter().map(|p| p.split).collect();
        prop_assert_eq!(plan.splits(), splits);
        for share in plan.shares() {
            let is_of = |p: &&Problem| p.split == share.split && p.family == share.family;
            let of: Vec<_> = problems.iter().filter(is_of).collect();
            let units: BTreeSet<_> = of.iter().map(|p| unit_of(&reference(p))).collect();
            prop_assert_eq!((share.problems as usize, share.units as usize), (of.len(), units.len()));
        }
        prop_assert_eq!(plan.units(), count_units(problems.iter().map(reference)));
        let tests = plan.problems_of(|split, _| split == Split::Test);
        let tests: Result<Vec<_>, _> = tests.collect();
        let expected: Vec<_> = problems.into_iter().filter(|p| p.split == Split::Test).collect();
        prop_assert_eq!(tests.unwrap(), expected);
    }

    #[test]
    fn sizes_move_nothing(spec in any_file(), seed in 0u64..100, more in (1u32..30, 0u32..20, 0u32..20)) {
        let before = made(&spec, seed)?;
        let larger = Problems {
            train: spec.train + more.0,
            val: spec.val + more.1,
            test: spec.test + more.2,
            ..spec.clone()
        };
        let after = made(&larger, seed)?;
        // A larger split begins, in each family, with the problems of the smaller one.
        for split in Split::ALL {
            for family in &spec.families {
                let of = |problems: &[Problem]| -> Vec<Problem> {
                    let of = problems.iter().filter(|p| p.split == *split && p.family == *family);
                    of.map(|p| Problem { ordinal: 0, ..p.clone() }).collect()
                };
                let (before, after) = (of(&before), of(&after));
                prop_assert_eq!(&before[..], &after[..before.len()]);
            }
        }
    }

    #[test]
    fn more_rules_and_families_move_nothing(spec in any_file(), seed in 0u64..100) {
        let before = made(&spec, seed)?;
        nothing_moved(before.clone(), made(&Problems { rules: None, ..spec.clone() }, seed)?)?;
        nothing_moved(before.clone(), made(&Problems { problems_per_rule: 1, ..spec.clone() }, seed)?)?;
        let stranger = families().iter().find(|f| spec.families.iter().all(|name| name != f.name()));
        if let Some(stranger) = stranger {
            let mut wider = spec.clone();
            wider.families.push(stranger.name().to_owned());
            nothing_moved(before, made(&wider, seed)?)?;
        }
    }

    #[test]
    fn problems_repeat_and_seeds_differ(spec in any_file(), seed in 0u64..100) {
        let before = made(&spec, seed)?;
        prop_assert_eq!(&before, &made(&spec, seed)?);
        let other = Problems { seed: Some(4711), ..spec.clone() };
        let after = made(&other, seed)?;
        prop_assert_ne!(&before, &after);
        prop_assert_eq!(&after, &made(&other, seed + 1)?);
    }

    #[test]
    fn no_constant_passes(spec in any_file(), seed in 0u64..100) {
        for problem in made(&spec, seed)? {
            let hidden: Vec<_> = problem.cases.iter().filter(|case| !case.visible).collect();
            let differs = hidden.iter().any(|case| case.expected != hidden[0].expected);
            prop_assert!(differs, "{:?}", problem);
        }
    }
}
