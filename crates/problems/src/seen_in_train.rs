//! What a level of holding out promises about training: that it asks the rules, or the values of
//! their parameters, that val and test ask.

use std::collections::HashMap;

use groklab_domain::{Split, experiment::Problems};

use crate::{choose::values, error::Error, part::Part};

/// Val and test ask no rule that train does not ask.
pub(crate) fn rules(parts: &[Part], spec: &Problems) -> Result<(), Error> {
    for part in evaluated(parts, spec) {
        let (wanted, trained) = (
            part.rules_asked(),
            train(parts, part).map_or(0, Part::rules_asked),
        );
        if wanted > trained {
            return Err(Error::Unseen {
                split: part.split,
                family: part.folder.name(),
                wanted,
                trained,
                train: problems_for(wanted, parts, spec),
                fewer: fewer_rules(trained, spec),
            });
        }
    }
    Ok(())
}

/// Every value of a parameter that val, test and ood ask is a value of a rule that train asks.
pub(crate) fn parameters(parts: &[Part], spec: &Problems) -> Result<(), Error> {
    for part in evaluated(parts, spec) {
        let Some(train) = train(parts, part) else {
            continue;
        };
        // Where each value first stands among the rules that train may ask.
        let mut first = HashMap::new();
        for (place, rule) in train.rules.iter().enumerate() {
            for value in values(train.folder, rule) {
                first.entry(value).or_insert(place);
            }
        }
        let mut worst = None;
        for rule in &part.rules[..part.rules_asked()] {
            for value in values(part.folder, rule) {
                let place = first.get(&value).copied().unwrap_or(usize::MAX);
                worst = worst.max(Some((place, value)));
            }
        }
        let Some((place, (parameter, value))) = worst else {
            continue;
        };
        if place >= train.rules_asked() {
            return Err(Error::Uncovered {
                split: part.split,
                family: part.folder.name(),
                parameter,
                value,
                fix: match place {
                    usize::MAX if !spec.learnable.is_empty() => {
                        "name a rule that has it in learnable".to_owned()
                    }
                    usize::MAX if spec.rules.is_some() => "raise rules".to_owned(),
                    usize::MAX => "widen the range of difficulty".to_owned(),
                    place => format!(
                        "raise train to at least {}",
                        problems_for(place + 1, parts, spec)
                    ),
                },
            });
        }
    }
    Ok(())
}

/// Rules are limited where families are named whole.
fn fewer_rules(trained: usize, spec: &Problems) -> String {
    let by_name = spec.families.iter().any(|name| name.contains('/'));
    if trained == 0 || by_name {
        return String::new();
    }
    format!("lower rules to {trained}, ")
}

/// The parts that are compared with training: none where there is no training to compare with.
fn evaluated<'a>(parts: &'a [Part], spec: &Problems) -> impl Iterator<Item = &'a Part> {
    let named = !spec.held_out.is_empty();
    let compared = spec.train > 0;
    parts.iter().filter(move |part| match part.split {
        Split::Train => false,
        // What is named is held out by name.
        Split::Ood => compared && !named,
        _ => compared,
    })
}

fn train<'a>(parts: &'a [Part], part: &Part) -> Option<&'a Part> {
    let mut train = parts.iter().filter(|known| known.split == Split::Train);
    train.find(|known| known.folder.name() == part.folder.name())
}

/// Train problems with which every family is asked so many rules: they are dealt out in turn.
fn problems_for(rules: usize, parts: &[Part], spec: &Problems) -> usize {
    let families = parts.iter().filter(|part| part.split == Split::Train);
    rules * spec.problems_per_rule.max(1) as usize * families.count()
}
