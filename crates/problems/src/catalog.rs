//! What a family's folder holds, and its rules by id. A family's rules are looked at once, when
//! somebody first asks for them.

use std::{collections::HashMap, sync::OnceLock};

use crate::{
    family::{Family, Rule},
    python::Python,
};

/// A family as its folder has it.
pub struct Folder {
    pub family: Family,
    pub(crate) python: Python,
    listing: OnceLock<Listing>,
}

/// The rules that there are.
struct Listing {
    rules: Vec<Listed>,
    by_id: HashMap<String, usize>,
}

/// What is kept of a rule; the rest is made again when it is asked.
pub(crate) struct Listed {
    pub index: u32,
    pub id: String,
    pub lowest_difficulty: u8,
    pub signature: String,
}

impl Folder {
    pub(crate) const fn new(folder: &str, family: Family, python: Python) -> Self {
        // Names are looked up by the one and files by the other.
        assert!(
            is_same(folder, family.name),
            "a family has its folder's name"
        );
        Self {
            family,
            python,
            listing: OnceLock::new(),
        }
    }

    pub fn name(&self) -> &'static str {
        self.family.name
    }

    /// Every rule, in the order of their numbers.
    pub fn rules(&self) -> impl Iterator<Item = Rule> {
        (0..self.family.size).filter_map(self.family.rule)
    }

    /// How many rules there are.
    pub fn rule_count(&self) -> usize {
        self.listed().len()
    }

    pub(crate) fn listed(&self) -> &[Listed] {
        &self.listing().rules
    }

    /// The rule with this id.
    pub fn rule(&self, id: &str) -> Option<Rule> {
        Some(self.make(self.find(id)?))
    }

    /// What is kept of the rule with this id.
    pub(crate) fn find(&self, id: &str) -> Option<&Listed> {
        let listing = self.listing();
        let place = *listing.by_id.get(id)?;
        Some(&listing.rules[place])
    }

    /// The rule itself.
    pub(crate) fn make(&self, listed: &Listed) -> Rule {
        (self.family.rule)(listed.index).expect("a number that held a rule holds it again")
    }

    fn listing(&self) -> &Listing {
        self.listing.get_or_init(|| {
            let mut rules = Vec::new();
            for index in 0..self.family.size {
                let Some(rule) = (self.family.rule)(index) else {
                    continue;
                };
                rules.push(Listed {
                    index,
                    id: rule.text.id,
                    lowest_difficulty: rule.text.lowest_difficulty,
                    signature: rule.text.signature,
                });
            }
            let ids = rules.iter().enumerate();
            let by_id = ids.map(|(place, rule)| (rule.id.clone(), place)).collect();
            Listing { rules, by_id }
        })
    }
}

const fn is_same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut place = 0;
    while place < a.len() && place < b.len() && a[place] == b[place] {
        place += 1;
    }
    place == a.len() && place == b.len()
}
