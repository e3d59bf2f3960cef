//! The families and rules that a file names: those to ask, and those that training never sees.

use std::collections::BTreeSet;

use groklab_domain::{Holdout, experiment::Problems};

use crate::{
    catalog::{Folder, Listed},
    error::Error,
    registry::{by_name, rules_named},
};

/// A family, whole or by some of its rules.
pub(crate) struct Named {
    pub folder: &'static Folder,
    /// `None`: all of them.
    pub rules: Option<BTreeSet<&'static str>>,
}

impl Named {
    pub fn has(&self, rule: &Listed) -> bool {
        match &self.rules {
            Some(rules) => rules.contains(rule.id.as_str()),
            None => true,
        }
    }
}

/// What a file names.
pub(crate) struct Names {
    pub asked: Vec<Named>,
    pub held_out: Vec<Named>,
    /// What training asks alone; nothing where it asks all that it may.
    pub learnable: Vec<Named>,
}

impl Names {
    pub fn read(spec: &Problems) -> Result<Self, Error> {
        let mut names = Self {
            asked: Vec::new(),
            held_out: Vec::new(),
            learnable: Vec::new(),
        };
        for name in &spec.families {
            let named = find(name)?;
            not_too_hard("families", name, &named, spec)?;
            add(&mut names.asked, named);
        }
        for name in &spec.held_out {
            let named = find(name)?;
            names.may_hold_out(spec, name, &named)?;
            not_too_hard("held_out", name, &named, spec)?;
            add(&mut names.held_out, named);
        }
        for name in &spec.learnable {
            let named = find(name)?;
            if named.rules.is_none() {
                return Err(Error::LearnableFamily {
                    family: named.folder.name(),
                });
            }
            add(&mut names.learnable, named);
        }
        Ok(names)
    }

    fn may_hold_out(&self, spec: &Problems, name: &str, named: &Named) -> Result<(), Error> {
        let family = named.folder.name();
        if named.rules.is_none() {
            return Ok(());
        }
        if spec.holdout == Holdout::Family {
            return Err(Error::HeldOutLevel {
                name: name.to_owned(),
                family,
            });
        }
        // Holding out a rule says something only where training knows its family.
        if self.asked.iter().all(|known| known.folder.name() != family) {
            return Err(Error::HeldOutStranger {
                name: name.to_owned(),
                family,
            });
        }
        Ok(())
    }

    /// Whether training never sees the rule.
    pub fn is_held_out(&self, folder: &Folder, rule: &Listed) -> bool {
        is_named(&self.held_out, folder, rule)
    }

    /// Whether training may ask the rule, as far as it is told what can be learned.
    pub fn is_learnable(&self, folder: &Folder, rule: &Listed) -> bool {
        self.learnable.is_empty() || is_named(&self.learnable, folder, rule)
    }
}

fn is_named(named: &[Named], folder: &Folder, rule: &Listed) -> bool {
    let mut of_family = named
        .iter()
        .filter(|known| known.folder.name() == folder.name());
    of_family.any(|known| known.has(rule))
}

/// `family` or `family/rule`.
fn find(name: &str) -> Result<Named, Error> {
    let Some((family, rule)) = name.split_once('/') else {
        return Ok(Named {
            folder: by_name(name)?,
            rules: None,
        });
    };
    let folder = by_name(family)?;
    Ok(Named {
        folder,
        rules: Some(rules_named(folder, rule)?),
    })
}

/// Something of what is named is asked at the file's difficulties.
fn not_too_hard(
    key: &'static str,
    name: &str,
    named: &Named,
    spec: &Problems,
) -> Result<(), Error> {
    let highest = spec.difficulty[1];
    let rules = named.folder.listed().iter();
    let lowest = rules
        .filter(|rule| named.has(rule))
        .map(|rule| rule.lowest_difficulty);
    let lowest = lowest.min().unwrap_or(1);
    if lowest <= highest {
        return Ok(());
    }
    Err(Error::TooHard {
        key,
        name: name.to_owned(),
        lowest,
        highest,
    })
}

/// Rules of one family are one entry; a family named whole has all of its rules.
fn add(all: &mut Vec<Named>, named: Named) {
    let known = all
        .iter_mut()
        .find(|known| known.folder.name() == named.folder.name());
    match (known, named.rules) {
        (Some(known), None) => known.rules = None,
        (Some(known), Some(rules)) => {
            if let Some(all) = &mut known.rules {
                all.extend(rules);
            }
        }
        (None, rules) => all.push(Named {
            folder: named.folder,
            rules,
        }),
    }
}
