//! `rollouts`: what the model wrote, and why it failed.

use std::collections::HashMap;

use groklab_domain::{
    Purpose, Verdict,
    records::{ProblemLine, RolloutFilter, RolloutLine},
};

use super::context::Context;
use crate::{
    cli::RolloutsArgs,
    client::Client,
    failure::{Exit, Failure},
    view::code::{call, printable, python},
};

/// Shown to a person unless they ask for more.
const DEFAULT_LIMIT: u32 = 10;
const GREEN: &str = "32";
const RED: &str = "31";
const YELLOW: &str = "33";

pub async fn run(context: &Context, args: RolloutsArgs) -> Result<Exit, Failure> {
    let client = context.client().await?;
    let console = &context.console;
    let id = &args.experiment.experiment;
    let json = console.json();
    let limit = args.limit.unwrap_or(if json { 0 } else { DEFAULT_LIMIT });
    let style = Style {
        whole: args.full,
        colours: console.colours(),
    };
    let mut rollouts = client.rollouts(id, &filter(&args), one_more(limit)).await?;
    let mut problems = Problems::new(&client, id);
    let mut shown = 0;
    while let Some(line) = rollouts.next().await? {
        // Known only because one more was asked for.
        if limit != 0 && shown == limit {
            console.note(format!(
                "the first {limit}; --limit 0 shows all, --split, --verdict and others choose"
            ));
            break;
        }
        shown += 1;
        if json {
            console.print(line.as_str())?;
            continue;
        }
        let rollout = line
            .read()
            .map_err(|error| Failure::other("read a rollout").because(error))?;
        let failed_call = problems.failed_call(&rollout).await?;
        console.print(text(&rollout, failed_call.as_deref(), style))?;
    }
    if shown == 0 && !json {
        console.note("no such rollouts");
    }
    Ok(Exit::Ok)
}

/// One more than is shown tells whether there are more; 0 means all.
fn one_more(limit: u32) -> u32 {
    match limit {
        0 => 0,
        limit => limit.saturating_add(1),
    }
}

fn filter(args: &RolloutsArgs) -> RolloutFilter {
    RolloutFilter {
        iteration: args.iteration,
        purpose: args.purpose,
        split: args.split,
        family: args.family.clone(),
        problem: args.problem,
        verdict: args.verdict,
    }
}

/// The experiment's problems, read when the first is needed.
struct Problems<'a> {
    client: &'a Client,
    experiment: &'a str,
    by_ordinal: Option<HashMap<u32, ProblemLine>>,
}

impl<'a> Problems<'a> {
    fn new(client: &'a Client, experiment: &'a str) -> Self {
        Self {
            client,
            experiment,
            by_ordinal: None,
        }
    }

    /// The first case that a rollout failed, as a call.
    async fn failed_call(&mut self, rollout: &RolloutLine) -> Result<Option<String>, Failure> {
        // Most verdicts are not about one case.
        let Some(failure) = &rollout.first_failure else {
            return Ok(None);
        };
        let Some(problem) = self.get(rollout.problem).await? else {
            return Ok(None);
        };
        match problem.cases.get(failure.case as usize) {
            Some(case) => Ok(Some(call(&problem.entry, &case.args))),
            None => Ok(None),
        }
    }

    async fn get(&mut self, ordinal: u32) -> Result<Option<&ProblemLine>, Failure> {
        let by_ordinal = match self.by_ordinal.take() {
            Some(known) => known,
            None => self.read().await?,
        };
        Ok(self.by_ordinal.insert(by_ordinal).get(&ordinal))
    }

    async fn read(&self) -> Result<HashMap<u32, ProblemLine>, Failure> {
        let mut problems = self.client.problems(self.experiment).await?;
        let mut by_ordinal = HashMap::new();
        while let Some(problem) = problems.next().await? {
            by_ordinal.insert(problem.problem, problem);
        }
        Ok(by_ordinal)
    }
}

/// How a rollout is shown.
#[derive(Clone, Copy)]
struct Style {
    /// The whole completion rather than its code.
    whole: bool,
    colours: bool,
}

fn text(rollout: &RolloutLine, failed_call: Option<&str>, style: Style) -> String {
    let mut lines = vec![heading(rollout, style.colours)];
    // The code is what was judged; the text around it explains why it is none.
    let body = match &rollout.code {
        Some(code) if !style.whole && !code.trim().is_empty() => {
            python(code.trim_end(), style.colours)
        }
        _ => printable(rollout.text.trim_end()),
    };
    for line in body.lines() {
        lines.push(format!("  {line}"));
    }
    if let Some(failure) = &rollout.first_failure {
        let case = format!("case {}", failure.case);
        // Values that the candidate returned are as little to be trusted as what it printed.
        let (got, expected) = (printable(&failure.got), printable(&failure.expected));
        let called = failed_call.unwrap_or(&case);
        lines.push(format!("  ✗ {called} → {got}, expected {expected}"));
    }
    let error = rollout.error.as_deref().unwrap_or_default();
    for line in printable(error.trim_end()).lines() {
        lines.push(format!("  ! {line}"));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn heading(rollout: &RolloutLine, colours: bool) -> String {
    let mut heading = format!(
        "── iteration {} · {} · {}/{} · problem {} · {} · {}",
        rollout.iteration,
        rollout.split,
        rollout.family,
        rollout.rule,
        rollout.problem,
        sample(rollout),
        verdict(rollout, colours)
    );
    if let (Some(visible), Some(hidden)) = (rollout.visible, rollout.hidden) {
        heading.push_str(&format!(
            " · cases {}/{} visible {}/{} hidden",
            visible.passed, visible.total, hidden.passed, hidden.total
        ));
    }
    if let (Some(cpu_ms), Some(memory_kb)) = (rollout.cpu_ms, rollout.peak_memory_kb) {
        heading.push_str(&format!(" · {cpu_ms:.0} ms {} MB", memory_kb / 1024));
    }
    heading
}

fn sample(rollout: &RolloutLine) -> String {
    match (rollout.purpose, rollout.sample) {
        (Purpose::Eval, 0) => "greedy".to_owned(),
        (purpose, sample) => format!("{purpose} sample {sample}"),
    }
}

fn verdict(rollout: &RolloutLine, colours: bool) -> String {
    let (mut text, colour) = match rollout.verdict {
        Some(Verdict::Passed) => (Verdict::Passed.to_string(), GREEN),
        Some(verdict) => (verdict.to_string(), RED),
        None => ("not verified yet".to_owned(), YELLOW),
    };
    if rollout.shortcut == Some(true) {
        text.push_str(", a shortcut");
    }
    if colours {
        format!("\u{1b}[1;{colour}m{text}\u{1b}[0m")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use groklab_domain::{Tally, records::FirstFailure};

    use super::*;
    use crate::sample;

    const CODE: Style = Style {
        whole: false,
        colours: false,
    };
    const WHOLE: Style = Style {
        whole: true,
        ..CODE
    };

    #[test]
    fn a_failure_says_what_was_called_and_what_came() {
        let mut rollout = sample::rollouts().swap_remove(0);
        rollout.iteration = 1;
        rollout.problem = 7;
        rollout.sample = 2;
        rollout.verdict = Some(Verdict::WrongAnswer);
        rollout.code = Some("def solve(n):\n    return 5\n".into());
        rollout.hidden = Some(Tally {
            passed: 1,
            total: 6,
        });
        rollout.first_failure = Some(FirstFailure {
            case: 3,
            got: "\u{1b}[2J5".into(),
            expected: "7".into(),
        });
        let expected = "── iteration 1 · test · rpn/plain · problem 7 · eval sample 2 · \
            wrong_answer · cases 2/2 visible 1/6 hidden · 12 ms 8 MB
  def solve(n):
      return 5
  ✗ solve(\"3 4 +\") → \\u{1b}[2J5, expected 7
";
        assert_eq!(text(&rollout, Some("solve(\"3 4 +\")"), CODE), expected);
        let whole = text(&rollout, None, WHOLE);
        assert!(whole.contains("```python"), "the whole completion");
    }
}
