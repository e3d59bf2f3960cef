//! `problems`: what a file would ask, made here and now; nothing is submitted.

use groklab_problems::Problem;

use super::{Context, validate};
use crate::{
    cli::ProblemsArgs,
    experiment_file,
    failure::{Exit, Failure, chain},
    view::code::{call, printable},
};

/// Shown to a person unless they ask for more.
const SHOWN: u32 = 3;

pub fn run(context: &Context, args: &ProblemsArgs) -> Result<Exit, Failure> {
    let checked = experiment_file::check(&args.file.file)?;
    let config = &checked.experiment;
    let made = groklab_problems::make(&config.problems, config.seed).map_err(|error| {
        Failure::usage(format!(
            "make the problems of `{}`",
            args.file.file.display()
        ))
        .because(chain(&error))
    })?;
    let wanted = |problem: &&Problem| {
        args.split.is_none_or(|split| problem.split == split)
            && args
                .family
                .as_ref()
                .is_none_or(|family| problem.family == *family)
    };
    let chosen: Vec<&Problem> = made.iter().filter(wanted).collect();
    let json = context.console.json();
    let limit = args.limit.unwrap_or(if json { 0 } else { SHOWN });
    let limit = if limit == 0 {
        chosen.len()
    } else {
        limit as usize
    };
    if json {
        chosen
            .iter()
            .take(limit)
            .try_for_each(|problem| context.console.print_json(problem))?;
        return Ok(Exit::Ok);
    }
    context
        .console
        .print(validate::problems_table(&checked.summary))?;
    for problem in chosen.iter().take(limit) {
        context.console.print(text(problem))?;
    }
    if chosen.is_empty() {
        context.console.note("no problem of this split and family");
    } else if limit < chosen.len() {
        context.console.note(format!(
            "{limit} of {} problems; --limit 0 shows all, --split and --family choose",
            chosen.len()
        ));
    }
    Ok(Exit::Ok)
}

/// A problem for a person: what the model is told, and what decides.
fn text(problem: &Problem) -> String {
    let head = format!(
        "── problem {} · {} · {}/{} · difficulty {}",
        problem.ordinal, problem.split, problem.family, problem.rule, problem.difficulty
    );
    let case = |case: &groklab_problems::Case| {
        let args = serde_json::to_value(&case.args).unwrap_or_default();
        let expected = serde_json::to_value(&case.expected).unwrap_or_default();
        let kind = if case.visible { "visible" } else { "hidden " };
        format!(
            "  {kind}  {} → {}",
            call(&problem.entry, &args),
            printable(&expected.to_string())
        )
    };
    let cases: Vec<String> = problem.cases.iter().map(case).collect();
    let prompt = printable(&problem.prompt)
        .lines()
        .map(|line| format!("  │ {line}"))
        .collect::<Vec<_>>()
        .join("\n");
    format!("{head}\n{prompt}\n{}\n", cases.join("\n"))
}
