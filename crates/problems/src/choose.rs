//! Which rules of a family each split may ask. Decided by hashes of the rules and by what the
//! family declares of them, never by sizes: so a larger split or one more family moves nothing.

use std::collections::HashSet;

use groklab_domain::{Holdout, Split, Value, experiment::Problems};

use crate::{
    bucket::{place_of_rule, split_of_held_out, split_of_rule},
    catalog::{Folder, Listed},
    error::Error,
    family::Unit,
    named::{Named, Names},
};

/// A family and those of its rules that a split may ask, in the order in which they are asked.
pub(crate) struct Chosen {
    pub folder: &'static Folder,
    pub rules: Vec<&'static Listed>,
}

/// The families and rules that `split` may ask.
pub(crate) fn choose(
    spec: &Problems,
    names: &Names,
    seed: u64,
    split: Split,
) -> Result<Vec<Chosen>, Error> {
    let choice = Choice {
        spec,
        names,
        seed,
        split,
        held_out: asks_held_out(spec, names, split),
    };
    let named = if choice.held_out {
        &names.held_out
    } else {
        &names.asked
    };
    let mut all = Vec::new();
    for family in named {
        all.extend(choice.of_family(family)?);
    }
    Ok(all)
}

/// Whether the split asks what training never sees because the file names it. Where families are
/// held out, val and test do too.
fn asks_held_out(spec: &Problems, names: &Names, split: Split) -> bool {
    match spec.holdout {
        Holdout::Family => split != Split::Train,
        // Every rule is asked in every split, so only names say what else there is.
        Holdout::Case => split == Split::Ood,
        // With nothing named, ood asks the rules of its own bucket.
        _ => split == Split::Ood && !names.held_out.is_empty(),
    }
}

/// The choice of one split.
struct Choice<'a> {
    spec: &'a Problems,
    names: &'a Names,
    seed: u64,
    split: Split,
    /// It asks what the file holds out by name.
    held_out: bool,
}

impl Choice<'_> {
    fn of_family(&self, named: &Named) -> Result<Option<Chosen>, Error> {
        let folder = named.folder;
        let mut rules = self.pool(named);
        let of = rules.len();
        // Held out whole, or nothing that is asked at these difficulties.
        if rules.is_empty() {
            return Ok(None);
        }
        // Of a single function there are no rules to hold out: its cases lie in buckets anyway.
        if folder.family.unit == Unit::Rule {
            self.keep_own(named, &mut rules)?;
        }
        if self.keep_learnable(folder, &mut rules) {
            return Ok(None);
        }
        if rules.is_empty() {
            return Err(Error::NoRule {
                split: self.split,
                family: folder.name(),
                of,
                holdout: self.spec.holdout,
                fix: match self.spec.rules {
                    // It decides which values of parameters training sees.
                    _ if !self.spec.learnable.is_empty() => "name more of its rules in learnable",
                    Some(_) => "raise rules",
                    None => "widen the range of difficulty",
                },
            });
        }
        Ok(Some(Chosen { folder, rules }))
    }

    /// The rules of the family that the experiment may ask, in their order.
    fn pool(&self, named: &Named) -> Vec<&'static Listed> {
        let (spec, folder) = (self.spec, named.folder);
        let mut rules = Vec::new();
        for rule in folder.listed() {
            let is_free = self.held_out || !self.names.is_held_out(folder, rule);
            if rule.lowest_difficulty <= spec.difficulty[1] && named.has(rule) && is_free {
                rules.push(rule);
            }
        }
        let place = |rule: &Listed| place_of_rule(self.seed, folder.name(), &rule.id);
        rules.sort_by_cached_key(|rule| (place(rule), &rule.id));
        // Who names rules means these, all of them.
        if let (Some(limit), None) = (spec.rules, &named.rules) {
            rules.truncate(limit as usize);
        }
        rules
    }

    /// Keeps the rules that are this split's.
    fn keep_own(&self, named: &Named, rules: &mut Vec<&Listed>) -> Result<(), Error> {
        let folder = named.folder;
        let (family, split) = (folder.name(), self.split);
        match self.spec.holdout {
            Holdout::Family if self.held_out => {
                rules.retain(|rule| split_of_held_out(family, &rule.id) == split);
            }
            // Named, and asked by ood alone.
            _ if self.held_out => {}
            Holdout::Case | Holdout::Family => {}
            Holdout::Rule => rules.retain(|rule| split_of_rule(family, &rule.id) == split),
            Holdout::Composition => {
                rules.retain(|rule| split_of_rule(family, &rule.id) == split);
                if split != Split::Train {
                    let trained = self.trained_values(named);
                    rules.retain(|rule| values(folder, rule).iter().all(|v| trained.contains(v)));
                }
            }
            Holdout::Extrapolation => {
                let last = last_trained(folder)?;
                rules.retain(|rule| {
                    let beyond = ordered(folder, rule).is_some_and(|value| value > last);
                    let held = beyond.then(|| split_of_held_out(family, &rule.id));
                    held.unwrap_or(Split::Train) == split
                });
            }
        }
        Ok(())
    }

    /// Keeps what the file says can be learned, where training asks it. True: there were rules, and
    /// none is left.
    fn keep_learnable(&self, folder: &Folder, rules: &mut Vec<&Listed>) -> bool {
        let had_rules = !rules.is_empty();
        // Every split asks the rules of training where only their inputs are held out.
        let asks_trained = self.split == Split::Train || self.spec.holdout == Holdout::Case;
        if asks_trained && !self.held_out {
            rules.retain(|rule| self.names.is_learnable(folder, rule));
        }
        had_rules && rules.is_empty()
    }

    /// The values of parameters among all rules that training may ask in any experiment with these
    /// names and difficulties, and with what it says can be learned.
    fn trained_values(&self, named: &Named) -> HashSet<(&'static str, String)> {
        let folder = named.folder;
        let mut all = HashSet::new();
        for rule in folder.listed() {
            let is_trained = split_of_rule(folder.name(), &rule.id) == Split::Train
                && rule.lowest_difficulty <= self.spec.difficulty[1]
                && named.has(rule)
                && !self.names.is_held_out(folder, rule)
                && self.names.is_learnable(folder, rule);
            if is_trained {
                all.extend(values(folder, rule));
            }
        }
        all
    }
}

/// The rule's parameters, each with its value.
pub(crate) fn values(folder: &Folder, rule: &Listed) -> Vec<(&'static str, String)> {
    let parameters = folder.make(rule).text.parameters;
    let named = parameters.into_iter();
    named.map(|(name, value)| (name, value.python())).collect()
}

/// The value of the rule's ordered parameter.
fn ordered(folder: &Folder, rule: &Listed) -> Option<i64> {
    let parameters = folder.make(rule).text.parameters;
    let found = parameters
        .iter()
        .find(|(name, _)| Some(*name) == folder.family.ordered)?;
    match &found.1 {
        Value::Int(n) => i64::try_from(n).ok(),
        _ => None,
    }
}

/// The largest value of the ordered parameter that training sees: 11 of 20 rules have it or less,
/// and at least one has more.
fn last_trained(folder: &'static Folder) -> Result<i64, Error> {
    let mut all = Vec::new();
    for rule in folder.listed() {
        all.extend(ordered(folder, rule));
    }
    all.sort_unstable();
    let largest = all.last().copied();
    let below = all.iter().filter(|value| Some(**value) < largest).max();
    let below = *below.ok_or(Error::NotOrdered {
        family: folder.name(),
    })?;
    Ok(all[all.len() * 11 / 20].min(below))
}
