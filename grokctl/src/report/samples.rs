//! Which completions the report shows: of the first and the last evaluated iteration, per family the first greedy one of each
//! verdict, so that a reader sees every way it went.

use std::collections::BTreeMap;

use groklab_domain::Verdict;

use super::html::escape;
use crate::results::Rollout;

/// Shown per iteration and family, at most.
const MOST: usize = 3;

/// By iteration and family.
#[derive(Debug, Default)]
pub struct Samples(BTreeMap<(u32, String), Vec<Rollout>>);

impl Samples {
    /// Keeps `rollout` if it shows something new.
    pub fn consider(&mut self, rollout: Rollout) {
        if rollout.sample != 0 || rollout.verdict.is_none() {
            return;
        }
        let kept = self
            .0
            .entry((rollout.iteration, rollout.family.clone()))
            .or_default();
        if kept.len() < MOST && kept.iter().all(|other| other.verdict != rollout.verdict) {
            kept.push(rollout);
        }
    }

    /// Whether a completion of this problem is among them.
    pub fn shows(&self, problem: u32) -> bool {
        self.0
            .values()
            .flatten()
            .any(|rollout| rollout.problem == problem)
    }

    /// Folded sections, a heading per iteration and family.
    pub fn html(&self, prompts: &BTreeMap<u32, String>) -> String {
        let group = |((iteration, family), rollouts): (&(u32, String), &Vec<Rollout>)| {
            let folded: String = rollouts
                .iter()
                .map(|rollout| one(rollout, prompts.get(&rollout.problem)))
                .collect();
            format!(
                "<h3>iteration {iteration} · {}</h3>\n{folded}",
                escape(family)
            )
        };
        self.0.iter().map(group).collect()
    }
}

fn one(rollout: &Rollout, prompt: Option<&String>) -> String {
    let verdict = rollout.verdict.map_or("", Verdict::as_str);
    let shortcut = if rollout.shortcut == Some(true) {
        " · shortcut"
    } else {
        ""
    };
    let class = if rollout.correct == Some(true) {
        "good"
    } else {
        "bad"
    };
    let asked = prompt
        .map(|prompt| format!("<h4>prompt</h4><pre>{}</pre>", escape(prompt)))
        .unwrap_or_default();
    let (family, rule) = (escape(&rollout.family), escape(&rollout.rule));
    format!(
        "<details><summary><span class=\"{class}\">{verdict}{shortcut}</span> {family}/{rule} · problem {}</summary>{asked}\
         <h4>what the model wrote</h4><pre>{}</pre>{}</details>\n",
        rollout.problem,
        escape(&rollout.text),
        why(rollout)
    )
}

fn why(rollout: &Rollout) -> String {
    let mut parts = Vec::new();
    if let Some(failure) = &rollout.first_failure {
        parts.push(format!(
            "case {}: returned {}, expected {}",
            failure.case, failure.got, failure.expected
        ));
    }
    parts.extend(rollout.error.clone().filter(|error| !error.is_empty()));
    if parts.is_empty() {
        String::new()
    } else {
        format!(
            "<h4>why it failed</h4><pre>{}</pre>",
            escape(&parts.join("\n"))
        )
    }
}
