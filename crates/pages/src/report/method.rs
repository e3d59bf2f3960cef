//! The report's end: how accuracy was measured, and the settings it was measured with.

use groklab_domain::{
    Holdout,
    experiment::{Evaluate, Experiment},
};

use crate::html::escape;

const INTERVALS: &str = "The 95 % interval is Wilson's and speaks for these problems only; \
    the interval over rules resamples rules, since problems of a rule tend to fall together.";
const COMPARISON: &str = "The first and the last iteration are compared problem by problem: \
    McNemar's exact test for greedy, the paired bootstrap for pass@k.";
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

fn held_out(holdout: Holdout) -> String {
    // What "test" means differs most between these three.
    let asked = match holdout {
        Holdout::Case => "the same functions asked on other inputs than in training",
        Holdout::Rule => "known families with rules that training never saw",
        Holdout::Family => "families that training never saw",
    };
    format!(
        "Held out at the level of <b>{holdout}</b>: val and test are {asked}. \
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
