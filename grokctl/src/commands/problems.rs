//! `problems`: what a file would ask, made here and now; nothing is submitted.

use groklab_domain::Split;
use groklab_problems::{Case, Plan, Problem};

use super::{context::Context, validate};
use crate::{
    cli::ProblemsArgs,
    failure::{Exit, Failure, chain},
    view::code::{call, printable},
};

/// Shown to a person unless they ask for more.
const DEFAULT_LIMIT: usize = 3;

pub fn run(context: &Context, args: &ProblemsArgs) -> Result<Exit, Failure> {
    let checked = context.check(&args.inputs)?;
    let config = &checked.experiment;
    let refused = |error| args.inputs.failure(chain(&error));
    let plan = Plan::new(&config.problems, config.seed).map_err(refused)?;
    let wanted = plan.problems_of(|split, family| is_wanted(split, family, args));
    let count = count_wanted(&plan, args);
    let console = &context.console;
    let json = console.json();
    let limit = match args.limit {
        Some(0) => count,
        Some(limit) => limit as usize,
        None if json => count,
        None => DEFAULT_LIMIT,
    };
    if !json {
        console.print(validate::problems_table(&checked.summary))?;
    }
    // Made one by one as they are shown.
    for problem in wanted.take(limit) {
        let problem = problem.map_err(refused)?;
        if json {
            console.print_json(&problem)?;
        } else {
            console.print(text(&problem))?;
        }
    }
    if json {
        return Ok(Exit::Ok);
    }
    if count == 0 {
        console.note("no problem of this split and family");
    } else if limit < count {
        console.note(format!(
            "{limit} of {count} problems; --limit 0 shows all, --split and --family choose"
        ));
    }
    Ok(Exit::Ok)
}

fn count_wanted(plan: &Plan, args: &ProblemsArgs) -> usize {
    let mut count = 0;
    for share in plan.shares() {
        if is_wanted(share.split, share.family, args) {
            count += share.problems as usize;
        }
    }
    count
}

fn is_wanted(split: Split, family: &str, args: &ProblemsArgs) -> bool {
    args.split.is_none_or(|wanted| wanted == split)
        && args.family.as_ref().is_none_or(|wanted| wanted == family)
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
