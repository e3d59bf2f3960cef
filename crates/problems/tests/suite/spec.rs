//! What the tests ask for.

use groklab_domain::{Holdout, experiment::Problems};
use groklab_problems::{Folder, families, sample};

/// Whether the tests look at every rule rather than at a few of each family.
pub fn all_rules() -> bool {
    std::env::var_os("GROKLAB_ALL_RULES").is_some()
}

/// Rules to look at: three of the family, or all.
pub fn rules(folder: &'static Folder) -> Vec<&'static str> {
    sample(folder, if all_rules() { usize::MAX } else { 3 })
}

/// Those of the rules that are asked at this difficulty.
pub fn asked_at<'a>(folder: &Folder, mut rules: Vec<&'a str>, difficulty: u8) -> Vec<&'a str> {
    rules.retain(|id| folder.rule(id).unwrap().text.lowest_difficulty <= difficulty);
    rules
}

/// Problems of these rules alone, so many of each, at one difficulty.
pub fn of_rules(family: &str, rules: &[&str], each: u32, difficulty: u8) -> Problems {
    let named = rules.iter().map(|rule| format!("{family}/{rule}"));
    Problems {
        families: named.collect(),
        difficulty: [difficulty; 2],
        train: 0,
        val: 0,
        test: each * u32::try_from(rules.len()).unwrap(),
        problems_per_rule: each,
        holdout: Holdout::Case,
        ..Problems::default()
    }
}

/// Names of all families, at most so many.
pub fn names(most: usize) -> Vec<String> {
    let names = families().iter().map(|folder| folder.name().to_owned());
    names.take(most).collect()
}
