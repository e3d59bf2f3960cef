//! That inputs are numbered as they promise: other indices, classes and difficulties give other
//! arguments, and difficulty makes them larger.

use std::collections::HashSet;

use groklab_domain::Value;
use groklab_problems::{Class, Index, Rule, families};
use num_bigint::BigUint;

use crate::spec::rules;

/// Indices looked at of each class and difficulty.
const INDICES: u32 = 150;

fn classes(rule: &Rule) -> HashSet<Class> {
    let further = rule.inputs.further().unwrap_or_default().iter();
    rule.inputs
        .classes()
        .iter()
        .chain(further)
        .copied()
        .collect()
}

/// The arguments as a text, in one order where order does not matter.
fn canonical(rule: &Rule, args: &[Value]) -> String {
    let mut texts: Vec<String> = match args {
        [Value::List(items)] if rule.commutes() => items.iter().map(Value::python).collect(),
        args => args.iter().map(Value::python).collect(),
    };
    if rule.commutes() {
        texts.sort();
    }
    texts.join(", ")
}

/// Some cases of the rule at this difficulty, one index out of each of equal parts of the space.
fn cases(rule: &Rule, difficulty: u8) -> Vec<String> {
    let mut cases = Vec::new();
    for class in classes(rule) {
        let size = rule.inputs.size(difficulty, class);
        let parts = BigUint::from(INDICES).min(size.clone());
        let name = &rule.text.id;
        assert!(parts > BigUint::ZERO, "{name}: nothing at {difficulty}");
        let (stratum, parts) = (&size / &parts, u32::try_from(parts).unwrap());
        for i in 0..parts {
            let index = &stratum * i + BigUint::from(i * i) % &stratum;
            if let Some(drawn) = rule.draw(difficulty, class, Index::new(index)) {
                cases.push(canonical(rule, &drawn.args));
            }
        }
    }
    cases
}

#[test]
fn indices_and_difficulties_are_different_cases() {
    for folder in families() {
        for id in rules(folder) {
            let rule = folder.rule(id).unwrap();
            let mut seen = HashSet::new();
            let mut lengths = Vec::new();
            for difficulty in rule.text.lowest_difficulty..=10 {
                let cases = cases(&rule, difficulty);
                assert!(!cases.is_empty(), "{id}: no case at {difficulty}");
                let letters: usize = cases.iter().map(String::len).sum();
                lengths.push(letters as f64 / cases.len() as f64);
                for case in cases {
                    assert!(
                        seen.insert(case.clone()),
                        "{id}: twice {case} at {difficulty}"
                    );
                }
            }
            let (first, last) = (lengths[0], lengths[lengths.len() - 1]);
            let least = 1.0 + 0.02 * lengths.len() as f64;
            assert!(
                last > least * first,
                "{id} grows with its difficulty: {lengths:?}"
            );
        }
    }
}
