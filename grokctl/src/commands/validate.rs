//! `validate`: says what a file would do and what looks wrong with it.

use groklab_domain::{
    Split,
    grokking::{Planned, UnitCounts},
    stats::{least_gain, smallest_p},
};
use groklab_pages::figures;
use serde_json::json;

use super::context::Context;
use crate::{
    experiment_file::{Checked, Inputs, Summary},
    failure::{Exit, Failure},
    view::tables::table,
};

pub fn run(context: &Context, inputs: &Inputs) -> Result<Exit, Failure> {
    let checked = context.check(inputs)?;
    let console = &context.console;
    if console.json() {
        console.print_json(&json!({
            "config": checked.experiment,
            "summary": checked.summary,
            "detector": planned(&checked).simulate(),
            "least_gain": least_gain(checked.summary.units.test as u32, LOST),
            "warnings": checked.warnings,
        }))?;
        return Ok(Exit::Ok);
    }
    let (files, name) = (inputs.names().join(" "), &checked.experiment.name);
    console.print(format!("{files}: `{name}` may be submitted"))?;
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

fn planned(checked: &Checked) -> Planned {
    Planned {
        units: checked.summary.units,
        evaluations: checked.summary.evaluations as usize,
    }
}

fn units_line(units: UnitCounts) -> String {
    let UnitCounts { train, val, test } = units;
    format!(
        "  rules        train {train} · val {val} · test {test}: what intervals and p-values count"
    )
}

/// What so many units of test can show of a gain.
fn comparison_line(units: u32) -> String {
    let n = figures::units(units);
    match least_gain(units, LOST) {
        Some(gain) => format!(
            "  comparing    n = {n} in test show a gain (p < 0.05, in 80 % of experiments) where \
             {:.0} % of rules gain and {:.0} % lose",
            100.0 * gain,
            100.0 * LOST
        ),
        None => format!(
            "  comparing    n = {n} in test hardly show any gain: no p is below {:.4}, and six \
             rules that all gain are the least for p < 0.05",
            smallest_p(units as usize)
        ),
    }
}

/// The share of rules that is taken to be lost while others are gained.
const LOST: f64 = 0.05;

/// How often these numbers would find grokking, and take something else for it.
fn detector_line(checked: &Checked) -> String {
    let planned = planned(checked);
    if let Some(cannot) = planned.cannot_show() {
        return format!("  grokking     {cannot}");
    }
    let rates = planned.simulate();
    format!(
        "  grokking     a late jump of val would be found in {:.0} % of runs that have one, and \
         seen in {:.1} % of those that have none (simulated)",
        100.0 * rates.detected,
        100.0 * rates.false_alarms
    )
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
        units_line(checked.summary.units),
        comparison_line(checked.summary.units.test as u32),
        detector_line(checked),
    ]
}
