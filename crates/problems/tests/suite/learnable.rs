//! What training asks where the file says what can be learned.

use std::collections::BTreeSet;

use groklab_domain::{Holdout, Split, experiment::Problems};
use groklab_problems::{Error, Problem, make};

fn file(holdout: Holdout, learnable: Vec<String>) -> Problems {
    Problems {
        // With parameters that have an order.
        families: ["digits", "bases"].map(String::from).to_vec(),
        train: 60,
        val: 9,
        test: 9,
        holdout,
        learnable,
        ..Problems::default()
    }
}

/// The rules of a split, by their names in a file.
fn rules(problems: &[Problem], split: Split) -> BTreeSet<String> {
    let of = problems.iter().filter(|problem| problem.split == split);
    of.map(|problem| format!("{}/{}", problem.family, problem.rule))
        .collect()
}

/// Every third rule that training asks of digits, and none of bases.
fn some(problems: &[Problem]) -> Vec<String> {
    let trained = rules(problems, Split::Train).into_iter();
    trained
        .filter(|rule| !rule.starts_with("bases/"))
        .step_by(3)
        .collect()
}

fn but_train(problems: Vec<Problem>) -> Vec<Problem> {
    let mut others = problems;
    others.retain(|problem| problem.split != Split::Train);
    others
}

#[test]
fn training_asks_what_is_learnable_and_others_ask_what_they_asked() {
    for holdout in [Holdout::Rule, Holdout::Extrapolation] {
        let all = make(&file(holdout, Vec::new()), 3).unwrap();
        let learnable = some(&all);
        let chosen = make(&file(holdout, learnable.clone()), 3).unwrap();
        let trained = rules(&chosen, Split::Train);
        assert_eq!(
            trained,
            learnable.into_iter().collect::<BTreeSet<_>>(),
            "{holdout}"
        );
        assert_eq!(
            chosen.iter().filter(|p| p.split == Split::Train).count(),
            60
        );
        assert_eq!(but_train(chosen), but_train(all), "{holdout}");
    }
}

#[test]
fn where_inputs_alone_are_held_out_every_split_asks_what_is_learnable() {
    let all = make(&file(Holdout::Case, Vec::new()), 3).unwrap();
    let learnable = some(&all);
    let chosen = make(&file(Holdout::Case, learnable.clone()), 3).unwrap();
    for split in [Split::Train, Split::Val, Split::Test] {
        let asked = rules(&chosen, split);
        assert!(
            asked.iter().all(|rule| learnable.contains(rule)),
            "{split}: {asked:?}"
        );
    }
}

#[test]
fn parameters_that_are_not_learnable_are_not_asked_elsewhere() {
    let mut spec = file(Holdout::Composition, Vec::new());
    spec.families = vec!["digits".to_owned()];
    spec.train = 240;
    let has_cubes = |rule: &String| rule.contains("power=3");
    let all = make(&spec, 3).unwrap();
    assert!(rules(&all, Split::Test).iter().any(has_cubes));
    spec.learnable = rules(&all, Split::Train).into_iter().collect();
    spec.learnable.retain(|rule| !has_cubes(rule));
    let chosen = make(&spec, 3).unwrap();
    for split in [Split::Train, Split::Val, Split::Test] {
        assert!(!rules(&chosen, split).iter().any(has_cubes), "{split}");
    }
}

#[test]
fn what_training_may_not_ask_teaches_nothing() {
    let all = make(&file(Holdout::Rule, Vec::new()), 3).unwrap();
    let tested = rules(&all, Split::Test).into_iter().collect();
    let error = make(&file(Holdout::Rule, tested), 3).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`train` has nothing left to ask: none of `learnable` is among the rules that this file \
         would train on; make a pilot of this very file"
    );
    let error = make(&file(Holdout::Rule, vec!["digits".to_owned()]), 3).unwrap_err();
    assert_eq!(error, Error::LearnableFamily { family: "digits" });
    let error = make(&file(Holdout::Rule, vec!["digits/no=1".to_owned()]), 3).unwrap_err();
    assert!(matches!(error, Error::UnknownRule { .. }), "{error}");
}
