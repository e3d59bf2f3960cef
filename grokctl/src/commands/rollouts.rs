//! `rollouts`: what the model wrote, and why it failed.

use std::collections::HashMap;

use groklab_domain::Verdict;
use groklab_proto::v1::RolloutsRequest;
use serde_json::Value;

use super::Context;
use crate::{
    cli::RolloutsArgs,
    client::Client,
    failure::{Exit, Failure},
    results::{self, Rollout},
    view::code::{call, printable, python},
};

/// Shown to a person unless they ask for more.
const SHOWN: u32 = 10;

pub async fn run(context: &Context, args: RolloutsArgs) -> Result<Exit, Failure> {
    let client = context.client().await?;
    let json = context.console.json();
    let limit = args.limit.unwrap_or(if json { 0 } else { SHOWN });
    let mut records = client
        .rollouts(request(
            &args,
            if limit == 0 {
                0
            } else {
                limit.saturating_add(1)
            },
        ))
        .await?;
    let mut problems = Problems {
        client: &client,
        experiment: &args.experiment.experiment,
        known: None,
    };
    let colours = context.console.colours();
    let mut shown = 0;
    while let Some(record) = records.next().await? {
        if limit != 0 && shown == limit {
            context.console.note(format!(
                "the first {limit}; --limit 0 shows all, --split, --verdict and others choose"
            ));
            break;
        }
        shown += 1;
        if json {
            context.console.print(&record.json)?;
            continue;
        }
        let rollout: Rollout = results::line("a rollout", &record.json)?;
        let failed = failed_call(&rollout, &mut problems).await?;
        context
            .console
            .print(text(&rollout, failed.as_deref(), args.full, colours))?;
    }
    if shown == 0 && !json {
        context.console.note("no such rollouts");
    }
    Ok(Exit::Ok)
}

fn request(args: &RolloutsArgs, limit: u32) -> RolloutsRequest {
    RolloutsRequest {
        experiment: args.experiment.experiment.clone(),
        iteration: args.iteration,
        purpose: args.purpose.map(|purpose| purpose.to_string()),
        split: args.split.map(|split| split.to_string()),
        family: args.family.clone(),
        verdict: args.verdict.map(|verdict| verdict.to_string()),
        limit,
        problem: args.problem,
    }
}

/// The experiment's problems, read when the first is needed.
struct Problems<'a> {
    client: &'a Client,
    experiment: &'a str,
    known: Option<HashMap<u32, Value>>,
}

impl Problems<'_> {
    async fn get(&mut self, ordinal: u32) -> Result<Option<&Value>, Failure> {
        if self.known.is_none() {
            let mut records = self.client.problems(self.experiment).await?;
            let mut known = HashMap::new();
            while let Some(record) = records.next().await? {
                let problem: Value = results::line("a problem", &record.json)?;
                known.insert(
                    problem["problem"].as_u64().unwrap_or_default() as u32,
                    problem,
                );
            }
            self.known = Some(known);
        }
        Ok(self.known.as_ref().and_then(|known| known.get(&ordinal)))
    }
}

/// The first failing case as a call.
async fn failed_call(
    rollout: &Rollout,
    problems: &mut Problems<'_>,
) -> Result<Option<String>, Failure> {
    let Some(failure) = &rollout.first_failure else {
        return Ok(None);
    };
    let Some(problem) = problems.get(rollout.problem).await? else {
        return Ok(None);
    };
    let entry = problem["entry"].as_str().unwrap_or("solve");
    Ok(problem["cases"]
        .get(failure.case as usize)
        .map(|case| call(entry, &case["args"])))
}

fn text(rollout: &Rollout, failed: Option<&str>, full: bool, colours: bool) -> String {
    let mut lines = vec![heading(rollout, colours)];
    let body = match &rollout.code {
        Some(code) if !full && !code.trim().is_empty() => python(code.trim_end(), colours),
        _ => printable(rollout.text.trim_end()),
    };
    lines.extend(body.lines().map(|line| format!("  {line}")));
    if let Some(failure) = &rollout.first_failure {
        let call = failed.map_or_else(|| format!("case {}", failure.case), str::to_owned);
        lines.push(format!(
            "  ✗ {call} → {}, expected {}",
            printable(&failure.got),
            printable(&failure.expected)
        ));
    }
    if let Some(error) = rollout
        .error
        .as_deref()
        .filter(|error| !error.trim().is_empty())
    {
        lines.extend(
            printable(error.trim_end())
                .lines()
                .map(|line| format!("  ! {line}")),
        );
    }
    lines.push(String::new());
    lines.join("\n")
}

fn heading(rollout: &Rollout, colours: bool) -> String {
    let place = format!(
        "iteration {} · {} · {}/{} · problem {}",
        rollout.iteration, rollout.split, rollout.family, rollout.rule, rollout.problem
    );
    let sample = match (rollout.purpose.as_str(), rollout.sample) {
        ("eval", 0) => "greedy".to_owned(),
        (purpose, sample) => format!("{purpose} sample {sample}"),
    };
    let verdict = rollout.verdict.map_or_else(
        || "not verified yet".to_owned(),
        |verdict| verdict.to_string(),
    );
    let verdict = if rollout.shortcut == Some(true) {
        format!("{verdict}, a shortcut")
    } else {
        verdict
    };
    let colour = match rollout.verdict {
        Some(Verdict::Passed) => "32",
        Some(_) => "31",
        None => "33",
    };
    let verdict = if colours {
        format!("\u{1b}[1;{colour}m{verdict}\u{1b}[0m")
    } else {
        verdict
    };
    let cases = rollout.visible.zip(rollout.hidden).map(|(v, h)| {
        format!(
            " · cases {}/{} visible {}/{} hidden",
            v.passed, v.total, h.passed, h.total
        )
    });
    let cost = rollout
        .cpu_ms
        .zip(rollout.peak_memory_kb)
        .map(|(cpu, memory)| format!(" · {cpu:.0} ms {} MB", memory / 1024));
    format!(
        "── {place} · {sample} · {verdict}{}{}",
        cases.unwrap_or_default(),
        cost.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{FirstFailure, Tally, sample};

    #[test]
    fn a_failure_says_what_was_called_and_what_came() {
        let rollout = Rollout {
            first_failure: Some(FirstFailure {
                case: 3,
                got: "\u{1b}[2J5".into(),
                expected: "7".into(),
            }),
            visible: Some(Tally {
                passed: 2,
                total: 2,
            }),
            hidden: Some(Tally {
                passed: 1,
                total: 6,
            }),
            cpu_ms: Some(12.4),
            peak_memory_kb: Some(9000),
            code: Some("def solve(n):\n    return 5\n".into()),
            ..sample::rollout(1, 7, 2, Some(false))
        };
        let expected =
            "── iteration 1 · test · rpn/plain · problem 7 · eval sample 2 · wrong_answer · cases 2/2 visible 1/6 hidden · 12 ms 8 MB
  def solve(n):
      return 5
  ✗ solve(\"3 4 +\") → \\u{1b}[2J5, expected 7
";
        assert_eq!(
            text(&rollout, Some("solve(\"3 4 +\")"), false, false),
            expected
        );
        assert!(
            text(&rollout, None, true, false).contains("```python"),
            "the whole completion"
        );
    }
}
