//! The report's end: how accuracy was measured, and the settings it was measured with.

use groklab_domain::{
    Holdout,
    experiment::{Evaluate, Experiment},
};

use crate::{holdout, html::escape};

const INTERVALS: &str = "n counts rules, since problems of a rule pass or fail together; the \
    interval over them is Wilson's for as many independent problems as vary as much, with \
    Student's t. The interval for these problems is Wilson's for all of them, and speaks for them \
    alone.";
const COMPARISON: &str = "The first and the last iteration are compared on the same problems, by \
    rules: an exact test that flips the signs of whole rules. What is said of the problems alone \
    is the same test by problems, which for greedy is McNemar's.";
const FAILURES: &str = "Failures of the machinery are never counted as wrong answers: \
    such jobs are run again.";

/// What the figures mean.
pub fn measured(config: &Experiment) -> String {
    let problems = &config.problems;
    let (visible, hidden) = (problems.visible, problems.hidden);
    let correct = format!(
        "A completion is correct if the code in it passes all {visible} visible and {hidden} \
         hidden cases of its problem, run in a sandbox that never sees the expected values; \
         one that passes the visible cases and fails a hidden one is a shortcut."
    );
    let items = [
        held_out(problems.holdout),
        correct,
        completions(&config.evaluate),
        INTERVALS.to_owned(),
        COMPARISON.to_owned(),
        FAILURES.to_owned(),
    ];
    let mut html = "<h2>How accuracy was measured</h2>\n<ul>\n".to_owned();
    for item in &items {
        html.push_str(&format!("<li>{item}</li>\n"));
    }
    html.push_str("</ul>\n");
    html
}

fn held_out(level: Holdout) -> String {
    let asked = holdout::asked(level);
    format!(
        "Held out at the level of <b>{level}</b>: val and test are {asked}. \
         No case is in two splits."
    )
}

fn completions(evaluate: &Evaluate) -> String {
    let greedy = "Greedy accuracy is one completion per problem at temperature 0.";
    let (samples, temperature, top_p) = (evaluate.samples, evaluate.temperature, evaluate.top_p);
    if samples == 0 {
        return format!("{greedy} Nothing was sampled beside the greedy completion.");
    }
    format!(
        "{greedy} pass@k comes from {samples} further completions per problem at temperature \
         {temperature}, top-p {top_p}, by the unbiased estimator."
    )
}

/// The configuration, folded.
pub fn settings(config: &Experiment) -> String {
    // An experiment is made of plain values, which are always JSON.
    let json = serde_json::to_string_pretty(config).unwrap_or_default();
    format!(
        "<h2>Settings</h2>\n<details><summary>config.json</summary><pre>{}</pre></details>\n",
        escape(&json)
    )
}
