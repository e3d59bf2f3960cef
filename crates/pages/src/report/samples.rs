//! Which completions the report shows: of the first and the last evaluated iteration, per family
//! the first greedy one of each verdict, so that a reader sees every way it went.

use std::collections::BTreeMap;

use groklab_domain::{Verdict, records::RolloutLine};

use crate::html::escape;

/// More verdicts of one family would bury the next one.
const MAX_PER_ITERATION_AND_FAMILY: usize = 3;

/// By iteration and family.
#[derive(Debug, Default)]
pub struct Samples(BTreeMap<(u32, String), Vec<RolloutLine>>);

impl Samples {
    /// Keeps `rollout` if it shows something new.
    pub fn consider(&mut self, rollout: RolloutLine) {
        // Sampled ones are random, and one without a verdict explains nothing.
        if rollout.sample != 0 || rollout.verdict.is_none() {
            return;
        }
        let group = (rollout.iteration, rollout.family.clone());
        let kept = self.0.entry(group).or_default();
        for other in kept.iter() {
            if other.verdict == rollout.verdict {
                return;
            }
        }
        if kept.len() < MAX_PER_ITERATION_AND_FAMILY {
            kept.push(rollout);
        }
    }

    /// Whether a completion of this problem is among them.
    pub fn has_problem(&self, problem: u32) -> bool {
        let mut rollouts = self.0.values().flatten();
        rollouts.any(|rollout| rollout.problem == problem)
    }

    /// Folded sections, a heading per iteration and family; empty where there is nothing to show.
    pub fn html(&self, prompts: &BTreeMap<u32, String>) -> String {
        let mut html = String::new();
        for ((iteration, family), rollouts) in &self.0 {
            let family = escape(family);
            html.push_str(&format!("<h3>iteration {iteration} · {family}</h3>\n"));
            for rollout in rollouts {
                html.push_str(&folded(rollout, prompts.get(&rollout.problem)));
            }
        }
        html
    }
}

fn folded(rollout: &RolloutLine, prompt: Option<&String>) -> String {
    let verdict = rollout.verdict.map_or("", Verdict::as_str);
    let shortcut = match rollout.shortcut {
        Some(true) => " · shortcut",
        _ => "",
    };
    let class = match rollout.correct {
        Some(true) => "good",
        _ => "bad",
    };
    let prompt = match prompt {
        Some(prompt) => format!("<h4>prompt</h4><pre>{}</pre>", escape(prompt)),
        None => String::new(),
    };
    let (family, rule) = (escape(&rollout.family), escape(&rollout.rule));
    format!(
        "<details><summary><span class=\"{class}\">{verdict}{shortcut}</span> {family}/{rule} · \
         problem {}</summary>{prompt}<h4>what the model wrote</h4><pre>{}</pre>{}</details>\n",
        rollout.problem,
        escape(&rollout.text),
        why_it_failed(rollout)
    )
}

fn why_it_failed(rollout: &RolloutLine) -> String {
    let mut reasons = Vec::new();
    if let Some(failure) = &rollout.first_failure {
        let (case, got, expected) = (failure.case, &failure.got, &failure.expected);
        reasons.push(format!("case {case}: returned {got}, expected {expected}"));
    }
    if let Some(error) = &rollout.error
        // A timeout has no text.
        && !error.is_empty()
    {
        reasons.push(error.clone());
    }
    if reasons.is_empty() {
        return String::new();
    }
    let reasons = escape(&reasons.join("\n"));
    format!("<h4>why it failed</h4><pre>{reasons}</pre>")
}
