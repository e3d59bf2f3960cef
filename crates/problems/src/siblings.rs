//! Other rules of a family, as wrong solutions of a rule: which they are belongs to the rule.

use std::collections::BTreeSet;

use crate::{
    bucket::hash,
    catalog::{Folder, Listed},
    family::Rule,
};

/// Siblings that each problem must tell from its rule, where the family has so many.
pub(crate) const SIBLINGS: usize = 3;
/// Siblings that may stand in for one that answers alike on all that a problem can ask.
const CANDIDATES: usize = 16;
/// Places of the family looked at for candidates.
const TRIES: u64 = 64;

/// Rules with the same signature, by a hash of `rule`: the first [`SIBLINGS`] are meant, the others
/// may stand in.
pub(crate) fn siblings(folder: &'static Folder, rule: &Listed) -> Vec<&'static Listed> {
    let listed = folder.listed();
    let (mut found, mut places) = (Vec::new(), BTreeSet::new());
    for attempt in 0..TRIES {
        let parts = [folder.name(), &rule.id, &attempt.to_string()];
        let place = hash("groklab 2026 siblings", &parts) % listed.len() as u64;
        let sibling = &listed[usize::try_from(place).expect("below the number of rules")];
        let is_other = sibling.id != rule.id && sibling.signature == rule.signature;
        if is_other && places.insert(place) {
            found.push(sibling);
        }
        if found.len() == CANDIDATES {
            break;
        }
    }
    found
}

/// The rules behind what is kept of them.
pub(crate) fn make(folder: &Folder, siblings: &[&Listed]) -> Vec<Rule> {
    siblings
        .iter()
        .map(|sibling| folder.make(sibling))
        .collect()
}
