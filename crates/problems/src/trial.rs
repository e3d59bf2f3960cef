//! The solutions that are known of a problem: what must pass it and what must fail.

use crate::{
    aims::refutes,
    bucket::place_of_rule,
    catalog::Folder,
    error::Error,
    family::Drawn,
    problem::Problem,
    python,
    registry::{by_name, families, rule_by_id},
    siblings::{SIBLINGS, make, siblings},
};

/// Python with what it must do on a problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Solution {
    /// `reference`, the file's name, or `sibling` and a rule.
    pub name: String,
    pub code: String,
    /// It passes every case; else it fails a hidden one.
    pub passes: bool,
}

/// The solutions that are known of a problem: the reference, the blind ones of its rule, the wrong
/// ones that are meant for it, and the references of its siblings.
///
/// # Errors
/// The problem is of no family or rule that this build has.
pub fn solutions(problem: &Problem) -> Result<Vec<Solution>, Error> {
    let folder = by_name(&problem.family)?;
    let listed = rule_by_id(folder, problem.rule_id())?;
    let (text, files) = (folder.make(listed).text, &folder.python);
    let mut all = vec![solution(
        "reference",
        python::code(&text, files.reference),
        true,
    )];
    for (name, file) in files.blind {
        if python::blind_rule(file) == Some(problem.rule_id()) {
            all.push(solution(name, (*file).to_owned(), true));
        }
    }
    for (name, file) in files.wrong {
        if python::is_meant_for(&text, file) {
            all.push(solution(name, python::code(&text, file), false));
        }
    }
    let hidden = hidden(problem);
    let siblings = make(folder, &siblings(folder, listed));
    let refuted = siblings
        .iter()
        .filter(|sibling| hidden.iter().any(|case| refutes(case, sibling)));
    for sibling in refuted.take(SIBLINGS) {
        let code = python::code(&sibling.text, files.reference);
        all.push(solution(
            &format!("sibling {}", sibling.text.id),
            code,
            false,
        ));
    }
    Ok(all)
}

fn solution(name: &str, code: String, passes: bool) -> Solution {
    Solution {
        name: name.to_owned(),
        code,
        passes,
    }
}

fn hidden(problem: &Problem) -> Vec<Drawn> {
    let hidden = problem.cases.iter().filter(|case| !case.visible);
    let drawn = hidden.map(|case| Drawn {
        args: case.args.clone(),
        expected: case.expected.clone(),
    });
    drawn.collect()
}

/// Rules to look at where there is no time for all: `count` by their hashes, and those that blind
/// solutions were written for.
pub fn sample(folder: &'static Folder, count: usize) -> Vec<&'static str> {
    let mut rules: Vec<&str> = folder
        .listed()
        .iter()
        .map(|rule| rule.id.as_str())
        .collect();
    rules.sort_by_key(|id| place_of_rule(0, folder.name(), id));
    rules.truncate(count);
    for (_, file) in folder.python.blind {
        let rule = python::blind_rule(file).and_then(|id| folder.find(id));
        if let Some(rule) = rule.filter(|rule| !rules.contains(&rule.id.as_str())) {
            rules.push(&rule.id);
        }
    }
    rules
}

/// Blind solutions that name no rule of their family: file names.
pub fn homeless_solutions() -> Vec<String> {
    let mut homeless = Vec::new();
    for folder in families() {
        for (name, file) in folder.python.blind {
            if python::blind_rule(file)
                .and_then(|id| folder.find(id))
                .is_none()
            {
                homeless.push(format!("{}/{name}.py", folder.name()));
            }
        }
    }
    homeless
}
