//! Who is asked what: which families and rules each split takes, and the rule and difficulty of
//! each of its problems. No randomness: families, rules and difficulties take turns, so a split's
//! problem depends on no other split's size.

use groklab_domain::{Holdout, Split, experiment::Problems};

use crate::{
    error::Error,
    families::{by_name, rule_by_id},
    family::{Family, Rule},
};

/// One family's part of a split.
pub(crate) struct Part {
    pub split: Split,
    pub family: &'static Family,
    /// At least one, each asked at some difficulty of the range.
    rules: Vec<&'static dyn Rule>,
    pub count: u32,
    difficulty: [u8; 2],
}

impl Part {
    /// Rule and difficulty of the `number`-th problem: rules take turns, and difficulties each time
    /// the rules have had theirs.
    pub fn asks(&self, number: u32) -> (&'static dyn Rule, u8) {
        let rules = u32::try_from(self.rules.len()).expect("a family has a handful of rules");
        let place = number % rules;
        let rule = self.rules[place as usize];
        let [low, high] = self.difficulty;
        // A rule that is not asked so low begins where it is asked.
        let low = low.max(rule.about().lowest_difficulty);
        // Each rule begins at another difficulty; else all would be at the lowest until every one
        // had its turn.
        let step = (number / rules + place) % u32::from(high - low + 1);
        (
            rule,
            low + u8::try_from(step).expect("a difficulty is at most 10"),
        )
    }

    /// How many of its rules the part gets round to.
    fn rules_asked(&self) -> u32 {
        self.count
            .min(u32::try_from(self.rules.len()).expect("a family has a handful of rules"))
    }
}

/// The parts of all splits, in the order of the problems.
pub(crate) fn plan(spec: &Problems) -> Result<Vec<Part>, Error> {
    if spec.difficulty[1] > 10 || spec.difficulty[0] < 1 || spec.difficulty[0] > spec.difficulty[1]
    {
        return Err(Error::Difficulty(if spec.difficulty[1] > 10 {
            spec.difficulty[1]
        } else {
            spec.difficulty[0]
        }));
    }
    let held_out = HeldOut::read(spec)?;
    let mut parts = Vec::new();
    for (split, count) in [
        (Split::Train, spec.train),
        (Split::Val, spec.val),
        (Split::Test, spec.test),
        (Split::Ood, spec.ood),
    ] {
        // Ood is always what is held out. Val and test are too where holding out is about rules or
        // families: they then measure what training has never been asked.
        let held = split == Split::Ood || (split != Split::Train && spec.holdout != Holdout::Case);
        parts.extend(deal(
            split,
            count,
            &held_out.choose(spec, held),
            spec.difficulty,
        )?);
    }
    // Holdout `case` means other inputs of the same functions, so train must ask every rule.
    if spec.holdout == Holdout::Case && spec.train > 0 {
        all_seen(&parts)?;
    }
    Ok(parts)
}

/// What training never sees.
struct HeldOut {
    families: Vec<&'static Family>,
    rules: Vec<(&'static Family, &'static str)>,
    /// The named families, then those of named rules.
    all: Vec<&'static Family>,
}

impl HeldOut {
    fn read(spec: &Problems) -> Result<Self, Error> {
        let mut held = Self {
            families: Vec::new(),
            rules: Vec::new(),
            all: Vec::new(),
        };
        for name in &spec.held_out {
            let family = match name.split_once('/') {
                Some((family, id)) => held.add_rule(spec, name, by_name(family)?, id)?,
                None => held.add_family(spec, name)?,
            };
            // Two rules of one family are one part.
            if held.all.iter().all(|known| known.name != family.name) {
                held.all.push(family);
            }
        }
        Ok(held)
    }

    fn add_family(&mut self, spec: &Problems, name: &str) -> Result<&'static Family, Error> {
        let family = by_name(name)?;
        // A family held out leaves training none of its rules, which is another level.
        if spec.holdout == Holdout::Rule {
            return Err(Error::HeldOutLevel {
                name: name.to_owned(),
                holdout: "rule",
                wanted: "rule as \"family/rule\"",
            });
        }
        self.families.push(family);
        Ok(family)
    }

    fn add_rule(
        &mut self,
        spec: &Problems,
        name: &str,
        family: &'static Family,
        id: &str,
    ) -> Result<&'static Family, Error> {
        let about = rule_by_id(family.name, id)?.about();
        let highest = spec.difficulty[1];
        if spec.holdout == Holdout::Family {
            return Err(Error::HeldOutLevel {
                name: name.to_owned(),
                holdout: "family",
                wanted: "family",
            });
        }
        // Holding out a rule says something only where training knows its family.
        if !spec.families.iter().any(|known| known == family.name) {
            return Err(Error::HeldOutStranger {
                name: name.to_owned(),
                family: family.name,
            });
        }
        if about.lowest_difficulty > highest {
            return Err(Error::HeldOutTooHard {
                family: family.name,
                rule: about.id,
                lowest: about.lowest_difficulty,
                highest,
            });
        }
        self.rules.push((family, about.id));
        Ok(family)
    }

    fn holds(&self, family: &Family, rule: &str) -> bool {
        self.families.iter().any(|known| known.name == family.name)
            || self
                .rules
                .iter()
                .any(|(known, id)| known.name == family.name && *id == rule)
    }

    /// The families and rules that are held out (or that are not) and asked within the range of
    /// difficulty.
    fn choose(
        &self,
        spec: &Problems,
        held: bool,
    ) -> Vec<(&'static Family, Vec<&'static dyn Rule>)> {
        // Unknown names were refused before this.
        let asked = spec.families.iter().filter_map(|name| by_name(name).ok());
        let families: Vec<_> = if held {
            self.all.clone()
        } else {
            asked.collect()
        };
        let rules_of = |family: &'static Family| {
            let fits = |rule: &&'static dyn Rule| {
                let about = rule.about();
                about.lowest_difficulty <= spec.difficulty[1]
                    && self.holds(family, about.id) == held
            };
            (
                family,
                family
                    .rules
                    .iter()
                    .copied()
                    .filter(fits)
                    .collect::<Vec<_>>(),
            )
        };
        families
            .into_iter()
            .map(rules_of)
            // A family may be held out whole, or have no rule that is asked at these difficulties.
            .filter(|(_, rules)| !rules.is_empty())
            .collect()
    }
}

/// Deals `count` problems to the families in turn.
fn deal(
    split: Split,
    count: u32,
    chosen: &[(&'static Family, Vec<&'static dyn Rule>)],
    difficulty: [u8; 2],
) -> Result<Vec<Part>, Error> {
    if count == 0 {
        return Ok(Vec::new());
    }
    if chosen.is_empty() {
        return Err(Error::NothingLeft { split });
    }
    let families = u32::try_from(chosen.len()).expect("there are few families");
    let part = |(i, (family, rules)): (u32, &(&'static Family, Vec<_>))| {
        // What does not divide goes to the first ones, so that a larger split only adds problems.
        let count = count / families + u32::from(i < count % families);
        Part {
            split,
            family,
            rules: rules.clone(),
            count,
            difficulty,
        }
    };
    Ok((0..).zip(chosen).map(part).collect())
}

/// With holdout `case`, val and test ask no rule that train does not ask.
fn all_seen(parts: &[Part]) -> Result<(), Error> {
    let families = u32::try_from(
        parts
            .iter()
            .filter(|part| part.split == Split::Train)
            .count(),
    )
    .expect("there are few families");
    for part in parts
        .iter()
        .filter(|part| matches!(part.split, Split::Val | Split::Test))
    {
        let train = parts
            .iter()
            .find(|known| known.split == Split::Train && known.family.name == part.family.name);
        let (wanted, trained) = (part.rules_asked(), train.map_or(0, Part::rules_asked));
        if wanted > trained {
            return Err(Error::Unseen {
                split: part.split,
                family: part.family.name,
                wanted,
                trained,
                // Dealt out in turn, so every family must get as many.
                train: wanted * families,
            });
        }
    }
    Ok(())
}
