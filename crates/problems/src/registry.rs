//! Families and rules by their names.

use std::collections::BTreeSet;

use crate::{
    catalog::{Folder, Listed},
    error::{Error, near},
    families::FOLDERS,
};

/// Ids that an error lists.
const MAX_LISTED: usize = 8;

/// All families, by name.
pub fn families() -> &'static [Folder] {
    &FOLDERS
}

/// The family of this name; the error lists the known names and the nearest.
pub fn by_name(name: &str) -> Result<&'static Folder, Error> {
    let names = || FOLDERS.iter().map(Folder::name);
    FOLDERS
        .iter()
        .find(|folder| folder.name() == name)
        .ok_or_else(|| Error::UnknownFamily {
            name: name.to_owned(),
            near: near(name, names()),
            known: names().collect::<Vec<_>>().join(", "),
        })
}

/// The rule of this id; the error names the nearest and some of the family's rules.
pub(crate) fn rule_by_id(folder: &'static Folder, id: &str) -> Result<&'static Listed, Error> {
    folder.find(id).ok_or_else(|| {
        let ids = || folder.listed().iter().map(|rule| rule.id.as_str());
        let mut known = ids().take(MAX_LISTED).collect::<Vec<_>>().join(", ");
        let more = folder.rule_count().saturating_sub(MAX_LISTED);
        if more > 0 {
            known += &format!(" and {more} more");
        }
        Error::UnknownRule {
            family: folder.name(),
            name: id.to_owned(),
            near: near(id, ids()),
            known,
        }
    })
}

/// The ids of the rules that a text names: the rule of this id, else those that fit it where
/// `parameter=*` stands for any value.
pub(crate) fn rules_named(
    folder: &'static Folder,
    text: &str,
) -> Result<BTreeSet<&'static str>, Error> {
    // First, for an id may have stars of its own, and a list may name many.
    if folder.find(text).is_none() {
        let pattern = parameters(text);
        let ids = folder.listed().iter().map(|rule| rule.id.as_str());
        let fitting: BTreeSet<&str> = ids.filter(|id| fits(id, &pattern)).collect();
        if !fitting.is_empty() {
            return Ok(fitting);
        }
    }
    let rule = rule_by_id(folder, text)?;
    Ok(BTreeSet::from([rule.id.as_str()]))
}

/// An id's `name=value`s; a value may hold commas.
fn parameters(id: &str) -> Vec<&str> {
    let mut parameters = Vec::new();
    let mut start = 0;
    for (comma, _) in id.match_indices(',') {
        let next = id[comma + 1..].split(',').next().unwrap_or_default();
        if next.contains('=') {
            parameters.push(&id[start..comma]);
            start = comma + 1;
        }
    }
    parameters.push(&id[start..]);
    parameters
}

fn fits(id: &str, pattern: &[&str]) -> bool {
    let parameters = parameters(id);
    let fits = |(parameter, pattern): (&&str, &&str)| match pattern.strip_suffix("=*") {
        Some(name) => parameter.split('=').next() == Some(name),
        None => parameter == pattern,
    };
    parameters.len() == pattern.len() && parameters.iter().zip(pattern).all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_value_of_a_parameter() {
        let table = [
            ("fold=sum,kept=even", "fold=sum,kept=even", true),
            ("fold=sum,kept=even", "fold=sum,kept=*", true),
            ("fold=sum,kept=even", "fold=*,kept=*", true),
            ("fold=sum,kept=even", "fold=sum,change=*", false),
            ("fold=sum,kept=even", "fold=sum*", false),
            ("fold=sum,kept=even", "fold=*", false),
            ("fold=sum,kept=even", "*", false),
            ("fold=sum", "fold=sum,kept=*", false),
            ("order=*>+-", "order=*>+-", true),
            ("order=*:>+-,ties=right", "order=*>+-,ties=*", false),
            ("order=*>+-,own=1,-2", "order=*,own=*", true),
            ("weights=1,0,0,-1,ties=first", "weights=*,ties=first", true),
        ];
        for (id, pattern, expected) in table {
            assert_eq!(fits(id, &parameters(pattern)), expected, "{id} {pattern}");
        }
    }

    #[test]
    fn a_rule_of_its_own_name_goes_before_what_fits_it() {
        let named = |family: &str, text: &str| rules_named(by_name(family).unwrap(), text).unwrap();
        assert_eq!(named("arithmetic", "order=*>+-").len(), 1);
        assert!(named("arithmetic", "order=*").len() > 1);
        assert_eq!(named("letters", "letters=aeiou").len(), 1);
        let sets = named("letters", "letters=*");
        assert!(sets.len() > 100 && sets.iter().all(|id| !id.contains(',')));
        let error = rules_named(by_name("letters").unwrap(), "letter=*").unwrap_err();
        assert!(matches!(error, Error::UnknownRule { .. }), "{error}");
    }
}
