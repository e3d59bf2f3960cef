//! `problems`: what a file would ask, made here and now; nothing is submitted.

use groklab_problems::{Case, Problem};

use super::{context::Context, validate};
use crate::{
    cli::ProblemsArgs,
    failure::{Exit, Failure, chain},
    view::code::{call, printable},
};

/// Shown to a person unless they ask for more.
const DEFAULT_LIMIT: usize = 3;

pub fn run(context: &Context, args: &ProblemsArgs) -> Result<Exit, Failure> {
    let file = &args.file.file;
    let checked = context.check(file)?;
    let config = &checked.experiment;
    // The check made them as well and kept only how many there are.
    let made = groklab_problems::make(&config.problems, config.seed).map_err(|error| {
        Failure::usage(format!("make the problems of `{}`", file.display())).because(chain(&error))
    })?;
    let wanted: Vec<&Problem> = made
        .iter()
        .filter(|problem| is_wanted(problem, args))
        .collect();
    let console = &context.console;
    let json = console.json();
    let limit = match args.limit {
        Some(0) => wanted.len(),
        Some(limit) => limit as usize,
        None if json => wanted.len(),
        None => DEFAULT_LIMIT,
    };
    if json {
        for problem in wanted.iter().take(limit) {
            console.print_json(problem)?;
        }
        return Ok(Exit::Ok);
    }
    console.print(validate::problems_table(&checked.summary))?;
    for problem in wanted.iter().take(limit) {
        console.print(text(problem))?;
    }
    if wanted.is_empty() {
        console.note("no problem of this split and family");
    } else if limit < wanted.len() {
        console.note(format!(
            "{limit} of {} problems; --limit 0 shows all, --split and --family choose",
            wanted.len()
        ));
    }
    Ok(Exit::Ok)
}

fn is_wanted(problem: &Problem, args: &ProblemsArgs) -> bool {
    let split = args.split.unwrap_or(problem.split);
    let family = args.family.as_ref().unwrap_or(&problem.family);
    problem.split == split && problem.family == *family
}

/// A problem for a person: what the model is told, and what decides.
fn text(problem: &Problem) -> String {
    let mut lines = vec![format!(
        "── problem {} · {} · {}/{} · difficulty {}",
        problem.ordinal, problem.split, problem.family, problem.rule, problem.difficulty
    )];
    for line in printable(&problem.prompt).lines() {
        lines.push(format!("  │ {line}"));
    }
    for case in &problem.cases {
        lines.push(case_line(&problem.entry, case));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn case_line(entry: &str, case: &Case) -> String {
    // Every value that a problem holds has a JSON form.
    let args = serde_json::to_value(&case.args).unwrap_or_default();
    let expected = serde_json::to_value(&case.expected).unwrap_or_default();
    let kind = if case.visible { "visible" } else { "hidden " };
    let (call, expected) = (call(entry, &args), printable(&expected.to_string()));
    format!("  {kind}  {call} → {expected}")
}
