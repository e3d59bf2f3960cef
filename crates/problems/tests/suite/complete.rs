//! That every family is complete: names, ids, texts, constants, solutions.

use std::collections::HashSet;

use groklab_problems::{Folder, MAX_RULES, Rule, Unit, families, homeless_solutions};

#[test]
fn every_family_is_complete() {
    for folder in families() {
        let (family, name) = (&folder.family, folder.name());
        assert!(family.size <= MAX_RULES, "{name}: {} numbers", family.size);
        assert!(
            !family.description.is_empty() && family.version > 0,
            "{name}"
        );
        let mut ids = HashSet::new();
        for rule in folder.rules() {
            check(&rule, name);
            assert!(
                ids.insert(rule.text.id.clone()),
                "{name}: twice {}",
                rule.text.id
            );
        }
        let least = if family.unit == Unit::Rule { 2 } else { 1 };
        assert!(ids.len() >= least, "{name}: {} rules", ids.len());
        ordered_parameter_is_a_number(folder);
    }
}

fn check(rule: &Rule, family: &str) {
    let text = &rule.text;
    let name = format!("{family}/{}", text.id);
    assert!(!text.id.is_empty() && text.id.len() <= 120, "{name}");
    assert!(
        // `#` stands before the name of a unit of its own.
        text.id
            .chars()
            .all(|c| c.is_ascii_graphic() && c != '/' && c != '#'),
        "{name}"
    );
    let entry = text.entry();
    let is_name = entry.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    assert!(text.signature.starts_with("def ") && is_name, "{name}");
    assert!(
        text.signature.contains(" -> ") && text.kind().contains(" -> "),
        "{name}"
    );
    assert!(
        text.task.ends_with('.') && !text.task.contains("  "),
        "{name}: {}",
        text.task
    );
    assert!((1..=10).contains(&text.lowest_difficulty), "{name}");
    let mut constants = HashSet::new();
    for (constant, _) in &text.parameters {
        let is_constant = constant.chars().all(|c| c.is_ascii_uppercase() || c == '_');
        assert!(
            is_constant && constants.insert(constant),
            "{name}: {constant}"
        );
    }
    assert!((1..=4).contains(&rule.inputs.classes().len()), "{name}");
}

fn ordered_parameter_is_a_number(folder: &Folder) {
    let Some(ordered) = folder.family.ordered else {
        return;
    };
    let mut values = HashSet::new();
    for rule in folder.rules() {
        let mut parameters = rule.text.parameters.into_iter();
        let value = parameters.find(|(name, _)| *name == ordered);
        let (_, value) = value.unwrap_or_else(|| panic!("{}: {ordered}", rule.text.id));
        assert!(
            matches!(value, groklab_domain::Value::Int(_)),
            "{}",
            rule.text.id
        );
        values.insert(value.python());
    }
    assert!(
        values.len() > 1,
        "{}: {ordered} has one value",
        folder.name()
    );
}

#[test]
fn every_blind_solution_names_a_rule_of_its_family() {
    assert_eq!(
        homeless_solutions(),
        [""; 0],
        "the first line is `# rule: <id>`"
    );
}
