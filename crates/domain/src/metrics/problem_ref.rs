//! A problem as it is counted, and its unit: what passes or fails together, and therefore what
//! intervals and p-values count.

use std::collections::{BTreeMap, BTreeSet};

use crate::Split;
use crate::grokking::UnitCounts;

/// What must be known of a problem to count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProblemRef<'a> {
    pub ordinal: u32,
    pub split: Split,
    pub family: &'a str,
    pub rule: &'a str,
}

/// The unit that a problem belongs to, which the name of its rule says: the rule, or where the name
/// has an end of the problem's own ([`own_unit`]) the problem.
pub fn unit_of(problem: &ProblemRef<'_>) -> String {
    format!("{}/{}", problem.family, problem.rule)
}

/// The function that the problem asks for, of which there may be several units.
pub fn function_of<'a>(problem: &ProblemRef<'a>) -> String {
    let (rule, _) = split_unit(problem.rule);
    format!("{}/{rule}", problem.family)
}

/// Stands between a rule's name and what tells its units apart.
const OWN: char = '#';

/// The rule's name with an end by which the problem is a unit of its own: in families whose
/// problems are each one input of a single function. `problem` tells it from the rule's others.
pub fn own_unit(rule: &str, problem: &str) -> String {
    format!("{rule}{OWN}{problem}")
}

/// A rule's name and the end that makes a unit of a problem, if it has one.
pub fn split_unit(rule: &str) -> (&str, Option<&str>) {
    match rule.split_once(OWN) {
        Some((rule, problem)) => (rule, Some(problem)),
        None => (rule, None),
    }
}

/// How many units each split has.
pub fn count_units<'a>(problems: impl IntoIterator<Item = ProblemRef<'a>>) -> UnitCounts {
    let mut by_split: BTreeMap<Split, BTreeSet<String>> = BTreeMap::new();
    for problem in problems {
        let units = by_split.entry(problem.split).or_default();
        units.insert(unit_of(&problem));
    }
    let count = |split| by_split.get(&split).map_or(0, BTreeSet::len);
    UnitCounts {
        train: count(Split::Train),
        val: count(Split::Val),
        test: count(Split::Test),
    }
}
