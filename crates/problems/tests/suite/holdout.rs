//! What each level of holding out promises about what training sees.

use std::collections::{BTreeSet, HashSet};

use groklab_domain::{Holdout, Split, experiment::Problems};
use groklab_problems::{Plan, Problem, by_name, make};

fn file(families: &[&str], holdout: Holdout) -> Problems {
    Problems {
        families: families.iter().map(|name| (*name).to_owned()).collect(),
        difficulty: [1, 3],
        train: 300,
        val: 20,
        test: 20,
        ood: 20,
        holdout,
        ..Problems::default()
    }
}

/// The rules that a split asks, as `family/rule`.
fn asked(problems: &[Problem], split: Split) -> BTreeSet<String> {
    let of = problems.iter().filter(|problem| problem.split == split);
    of.map(|problem| format!("{}/{}", problem.family, problem.rule))
        .collect()
}

/// The parameters of the rules, each with its value.
fn values(rules: &BTreeSet<String>) -> HashSet<(String, &'static str, String)> {
    let mut values = HashSet::new();
    for name in rules {
        let (family, id) = name.split_once('/').unwrap();
        let text = by_name(family).unwrap().rule(id).unwrap().text;
        for (parameter, value) in text.parameters {
            values.insert((family.to_owned(), parameter, value.python()));
        }
    }
    values
}

#[test]
fn rules_are_held_out_by_default() {
    let mut spec = file(&["letters", "digits"], Holdout::Rule);
    assert_eq!(Problems::default().holdout, Holdout::Rule);
    let before = make(&spec, 1).unwrap();
    for split in Split::ALL {
        for other in Split::ALL.iter().filter(|other| *other != split) {
            assert!(asked(&before, *split).is_disjoint(&asked(&before, *other)));
        }
    }
    // What is named is ood's alone, and takes nothing else from train but itself.
    let named = asked(&before, Split::Train).first().unwrap().clone();
    spec.held_out = vec![named.clone()];
    let after = make(&spec, 1).unwrap();
    assert_eq!(asked(&after, Split::Ood), BTreeSet::from([named.clone()]));
    assert!(!asked(&after, Split::Train).contains(&named));
    assert_eq!(asked(&after, Split::Test), asked(&before, Split::Test));
}

#[test]
fn a_held_out_family_is_asked_by_ood_alone() {
    let mut spec = file(&["letters", "digits"], Holdout::Rule);
    spec.held_out = vec!["bases".to_owned()];
    let problems = make(&spec, 1).unwrap();
    for problem in &problems {
        assert_eq!(problem.family == "bases", problem.split == Split::Ood);
    }
}

#[test]
fn composition_has_seen_each_value() {
    let spec = file(&["digits"], Holdout::Composition);
    let problems = make(&spec, 1).unwrap();
    let trained = asked(&problems, Split::Train);
    for split in [Split::Val, Split::Test, Split::Ood] {
        let asked = asked(&problems, split);
        assert!(asked.len() > 5 && asked.is_disjoint(&trained));
        assert!(values(&asked).is_subset(&values(&trained)), "{split}");
    }
}

#[test]
fn extrapolation_is_beyond_what_training_saw() {
    let problems = make(&file(&["bases"], Holdout::Extrapolation), 1).unwrap();
    let bases = |split| {
        let rules = asked(&problems, split).into_iter();
        let number = |rule: String| rule.split(['=', ',']).nth(1).unwrap().parse().unwrap();
        rules.map(number).collect::<Vec<u32>>()
    };
    let largest = bases(Split::Train).into_iter().max().unwrap();
    for split in [Split::Val, Split::Test, Split::Ood] {
        let bases = bases(split);
        assert!(
            !bases.is_empty() && bases.iter().all(|base| *base > largest),
            "{bases:?}"
        );
    }
    let (val, test) = (asked(&problems, Split::Val), asked(&problems, Split::Test));
    assert!(val.is_disjoint(&test));
}

#[test]
fn held_out_families_are_shared_out() {
    let mut spec = file(&["letters", "digits", "bases"], Holdout::Family);
    spec.held_out = vec!["bases".to_owned()];
    let problems = make(&spec, 1).unwrap();
    for problem in &problems {
        assert_eq!(problem.family == "bases", problem.split != Split::Train);
    }
    let [val, test, ood] = [Split::Val, Split::Test, Split::Ood].map(|s| asked(&problems, s));
    assert!(val.is_disjoint(&test) && test.is_disjoint(&ood) && val.is_disjoint(&ood));
}

#[test]
fn named_rules_are_all_that_is_asked() {
    let named = ["digits/digits=all", "digits/digits=odd,power=2"];
    let spec = Problems {
        ood: 0,
        rules: Some(1),
        ..file(&named, Holdout::Case)
    };
    let problems = make(&spec, 1).unwrap();
    for split in [Split::Train, Split::Val, Split::Test] {
        assert_eq!(asked(&problems, split), named.map(String::from).into());
    }
}

#[test]
fn rules_come_back_with_new_cases_when_all_had_their_turn() {
    let spec = Problems {
        rules: Some(30),
        problems_per_rule: 2,
        train: 200,
        ..file(&["letters"], Holdout::Rule)
    };
    let spec = Problems {
        val: 0,
        ood: 0,
        test: 4,
        ..spec
    };
    let problems = make(&spec, 1).unwrap();
    let train: Vec<_> = problems
        .iter()
        .filter(|p| p.split == Split::Train)
        .collect();
    let rules = asked(&problems, Split::Train).len();
    assert!((10..=22).contains(&rules), "{rules} of 30 rules");
    let pairs = train.chunks(2).take(rules);
    assert!(pairs.clone().all(|pair| pair[0].rule == pair[1].rule));
    assert_eq!(
        pairs
            .map(|pair| &pair[0].rule)
            .collect::<BTreeSet<_>>()
            .len(),
        rules
    );
    assert_eq!(train[0].rule, train[2 * rules].rule);
    let share = Plan::new(&spec, 1).unwrap().shares()[0];
    assert_eq!((share.problems, share.units as usize), (200, rules));
}
