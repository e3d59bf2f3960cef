//! `compare`: two experiments, or two iterations of one, on the problems they share.

use groklab_domain::records::{ComparisonReport, ComparisonSide};
use groklab_pages::figures::comparison_sentences;
use serde_json::json;

use super::context::Context;
use crate::{
    cli::CompareArgs,
    client::Evaluation,
    failure::{Exit, Failure},
};

pub async fn run(context: &Context, args: &CompareArgs) -> Result<Exit, Failure> {
    // A typing error should not need a coordinator to be found.
    let (before, after) = (evaluation(&args.before)?, evaluation(&args.after)?);
    let client = context.client().await?;
    let report = client
        .compare(&before, &after, args.split)
        .await
        .map_err(with_advice)?;
    // The answer names both sides also where they share too little.
    let Some(comparison) = &report.comparison else {
        return Err(too_few(args, &report));
    };
    let console = &context.console;
    if console.json() {
        console.print_json(&json!({
            "split": report.split,
            "before": report.before,
            "after": report.after,
            "unlike": report.unlike,
            "comparison": comparison,
        }))?;
        return Ok(Exit::Ok);
    }
    for side in [&report.before, &report.after] {
        if let Some(note) = unpaired_note(side, &report, comparison.problems) {
            console.note(note);
        }
    }
    if let Some(note) = unlike_note(&report) {
        console.note(note);
    }
    let sides = format!(
        "{}, {} iteration {} → {} iteration {}",
        report.split,
        report.before.experiment,
        report.before.iteration,
        report.after.experiment,
        report.after.iteration
    );
    for sentence in comparison_sentences(comparison, &sides) {
        console.print(sentence)?;
    }
    Ok(Exit::Ok)
}

/// What is not measured alike should not pass for what training did.
fn unlike_note(report: &ComparisonReport) -> Option<String> {
    let unlike = report.unlike.join(", ");
    (!unlike.is_empty()).then(|| {
        format!("not measured alike ({unlike}): the difference is not the training's alone")
    })
}

/// Reads `name` or `name@iteration`.
fn evaluation(text: &str) -> Result<Evaluation, Failure> {
    Evaluation::parse(text).map_err(|error| {
        let iteration = text.rsplit('@').next().unwrap_or(text);
        Failure::usage(format!("read `@{iteration}` of `{text}` as an iteration")).because(error)
    })
}

/// What the coordinator refuses is an iteration that was not evaluated.
fn with_advice(failure: Failure) -> Failure {
    match failure.exit {
        Exit::Usage => failure.next("`grokctl show EXPERIMENT` shows what was evaluated"),
        _ => failure,
    }
}

fn too_few(args: &CompareArgs, report: &ComparisonReport) -> Failure {
    Failure::usage(format!("compare `{}` with `{}`", args.before, args.after))
        .because(format!(
            "they share {} evaluated {} problems: at least 2 are needed",
            report.shared, report.split
        ))
        .next("use files with the same `seed` and `[problems]`")
}

/// A comparison on a part of the problems should not pass for one on all of them.
fn unpaired_note(side: &ComparisonSide, report: &ComparisonReport, paired: u32) -> Option<String> {
    let unpaired = side.problems.saturating_sub(paired);
    if unpaired == 0 {
        return None;
    }
    let (problems, split, name) = (side.problems, report.split, &side.experiment);
    Some(format!(
        "{unpaired} of {problems} {split} problems of `{name}` are not asked by the other"
    ))
}
