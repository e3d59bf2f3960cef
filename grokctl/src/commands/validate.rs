//! `validate`: says what a file would do and what looks wrong with it.

use std::path::Path;

use groklab_domain::Split;
use serde_json::json;

use super::Context;
use crate::{
    experiment_file::{self, Checked, Summary},
    failure::{Exit, Failure},
    view::tables::table,
};

pub fn run(context: &Context, file: &Path) -> Result<Exit, Failure> {
    let checked = experiment_file::check(file)?;
    if context.console.json() {
        let Checked {
            experiment,
            summary,
            warnings,
        } = &checked;
        context
            .console
            .print_json(&json!({"config": experiment, "summary": summary, "warnings": warnings}))?;
        return Ok(Exit::Ok);
    }
    context.console.print(format!(
        "{}: `{}` may be submitted",
        file.display(),
        checked.experiment.name
    ))?;
    context.console.print(problems_table(&checked.summary))?;
    cost_lines(&checked)
        .iter()
        .try_for_each(|line| context.console.print(line))?;
    checked
        .warnings
        .iter()
        .for_each(|warning| context.console.note(format!("warning: {warning}")));
    Ok(Exit::Ok)
}

pub fn problems_table(summary: &Summary) -> String {
    let mut header = vec!["problems"];
    header.extend(Split::ALL.iter().map(|split| split.as_str()));
    let mut table = table(&header, &[1, 2, 3, 4]);
    for (family, splits) in &summary.problems {
        let mut row = vec![family.clone()];
        row.extend(
            Split::ALL
                .iter()
                .map(|split| splits.get(split).copied().unwrap_or(0).to_string()),
        );
        table.add_row(row);
    }
    table.trim_fmt()
}

fn cost_lines(checked: &Checked) -> Vec<String> {
    let (s, e) = (&checked.summary, &checked.experiment);
    vec![
        format!("  model        {}", e.model.source),
        format!(
            "  evaluations  {} of {} completions each ({} greedy + {} sampled per problem)",
            s.evaluations, s.rollouts_per_evaluation, 1, e.evaluate.samples
        ),
        format!(
            "  iterations   {} of {} training completions each",
            e.iterations, s.rollouts_per_iteration
        ),
        format!("  jobs         {}", s.jobs),
        format!("  tokens       at most {}", s.tokens_at_most),
    ]
}
