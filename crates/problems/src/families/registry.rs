//! Families and rules by their names.

use super::{
    arithmetic, count_vowels, gcd, parentheses, reverse_words, rpn, sum_digits, to_binary,
};
use crate::{
    error::{Error, near},
    family::{Family, Rule, Solutions},
};

static FAMILIES: [Family; 8] = [
    arithmetic::FAMILY,
    rpn::FAMILY,
    parentheses::FAMILY,
    sum_digits::FAMILY,
    count_vowels::FAMILY,
    to_binary::FAMILY,
    gcd::FAMILY,
    reverse_words::FAMILY,
];

/// All families.
pub fn families() -> &'static [Family] {
    &FAMILIES
}

/// The family of this name; the error lists the known names and the nearest.
pub fn by_name(name: &str) -> Result<&'static Family, Error> {
    let names = || FAMILIES.iter().map(|family| family.name);
    FAMILIES
        .iter()
        .find(|family| family.name == name)
        .ok_or_else(|| Error::UnknownFamily {
            name: name.to_owned(),
            near: near(name, names()),
            known: names().collect::<Vec<_>>().join(", "),
        })
}

/// The rule with this id; the error lists the family's rules and the nearest.
pub fn rule_by_id(family: &str, id: &str) -> Result<&'static dyn Rule, Error> {
    let family = by_name(family)?;
    let ids = || family.rules.iter().map(|rule| rule.about().id);
    let found = family.rules.iter().find(|rule| rule.about().id == id);
    found.copied().ok_or_else(|| Error::UnknownRule {
        family: family.name.to_owned(),
        name: id.to_owned(),
        near: near(id, ids()),
        known: ids().collect::<Vec<_>>().join(", "),
    })
}

/// The Python solutions of a rule, right and wrong.
pub fn solutions(family: &str, rule: &str) -> Result<Solutions, Error> {
    Ok(rule_by_id(family, rule)?.solutions())
}
