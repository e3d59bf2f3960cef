//! `validate`: says what a file would do and what looks wrong with it.

use std::path::Path;

use groklab_domain::Split;
use serde_json::json;

use super::context::Context;
use crate::{
    experiment_file::{Checked, Summary},
    failure::{Exit, Failure},
    view::tables::table,
};

pub fn run(context: &Context, file: &Path) -> Result<Exit, Failure> {
    let checked = context.check(file)?;
    let console = &context.console;
    if console.json() {
        console.print_json(&json!({
            "config": checked.experiment,
            "summary": checked.summary,
            "warnings": checked.warnings,
        }))?;
        return Ok(Exit::Ok);
    }
    let (file, name) = (file.display(), &checked.experiment.name);
    console.print(format!("{file}: `{name}` may be submitted"))?;
    console.print(problems_table(&checked.summary))?;
    for line in cost_lines(&checked) {
        console.print(line)?;
    }
    for warning in &checked.warnings {
        console.note(format!("warning: {warning}"));
    }
    Ok(Exit::Ok)
}

/// How many problems there are of each family and split.
pub fn problems_table(summary: &Summary) -> String {
    let mut header = vec!["problems"];
    header.extend(Split::ALL.iter().copied().map(Split::as_str));
    let figure_columns: Vec<usize> = (1..header.len()).collect();
    let mut table = table(&header, &figure_columns);
    for (family, counts) in &summary.problems {
        let mut row = vec![family.clone()];
        // Every split, so that a 0 shows what will not be measured.
        for split in Split::ALL {
            row.push(counts.get(split).unwrap_or(&0).to_string());
        }
        table.add_row(row);
    }
    table.trim_fmt()
}

fn cost_lines(checked: &Checked) -> Vec<String> {
    let (summary, config) = (&checked.summary, &checked.experiment);
    vec![
        format!("  model        {}", config.model.source),
        format!(
            "  evaluations  {} of {} completions each (1 greedy + {} sampled per problem)",
            summary.evaluations, summary.rollouts_per_evaluation, config.evaluate.samples
        ),
        format!(
            "  iterations   {} of {} training completions each",
            config.iterations, summary.rollouts_per_iteration
        ),
        format!("  jobs         {}", summary.jobs),
        format!("  tokens       at most {}", summary.tokens_at_most),
    ]
}
