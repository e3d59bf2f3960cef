//! One family's part of a split: the rule and difficulty of each of its problems. A problem is a
//! rule and how often it was asked before; what it looks like depends on nothing else but the seed.

use groklab_domain::Split;

use crate::{
    bucket::hash,
    catalog::{Folder, Listed},
    family::Unit,
};

/// One family's part of a split.
pub(crate) struct Part {
    pub split: Split,
    pub folder: &'static Folder,
    /// At least one, each asked at some difficulty of the range.
    pub rules: Vec<&'static Listed>,
    pub count: u32,
    pub difficulty: [u8; 2],
    pub problems_per_rule: u32,
}

/// What one problem asks.
pub(crate) struct Asked {
    pub rule: &'static Listed,
    /// How often the split asked the rule before.
    pub repetition: u32,
    pub difficulty: u8,
}

impl Part {
    /// What the `number`-th problem asks: each rule so often in a row, and when all had their turn,
    /// all again.
    pub fn asks(&self, number: u32) -> Asked {
        let rules = u32::try_from(self.rules.len()).expect("a family has at most 20,000 rules");
        let (turn, within) = (
            number / self.problems_per_rule,
            number % self.problems_per_rule,
        );
        let rule = self.rules[(turn % rules) as usize];
        let repetition = turn / rules * self.problems_per_rule + within;
        Asked {
            rule,
            repetition,
            difficulty: self.difficulty_of(rule, repetition),
        }
    }

    /// Difficulties take turns; each rule begins at another one.
    fn difficulty_of(&self, rule: &Listed, repetition: u32) -> u8 {
        let [low, high] = self.difficulty;
        // A rule that is not asked so low begins where it is asked.
        let low = low.max(rule.lowest_difficulty);
        let first = hash("groklab 2026 difficulty", &[self.folder.name(), &rule.id]);
        let step = first.wrapping_add(repetition.into()) % u64::from(high - low + 1);
        low + u8::try_from(step).expect("a difficulty is at most 10")
    }

    /// How many of the problems fall apart: their rules, or all.
    pub fn units(&self) -> u32 {
        match self.folder.family.unit {
            Unit::Rule => u32::try_from(self.rules_asked()).expect("at most as many as problems"),
            Unit::Problem => self.count,
        }
    }

    /// How many of its rules the part gets round to.
    pub fn rules_asked(&self) -> usize {
        let turns = self.count.div_ceil(self.problems_per_rule) as usize;
        turns.min(self.rules.len())
    }
}
