//! `show`: the experiment's settings, state and progress, and its accuracy so far.

use groklab_domain::{Split, experiment::Experiment, records::ExperimentRecord};
use groklab_pages::figures::{decomposition_sentences, grokking_lines};
use serde_json::json;

use super::context::Context;
use crate::{
    failure::{Exit, Failure},
    view::{
        accuracy::{accuracy_table, iterations_table},
        json::{objects, read_lines},
        sentences::state_line,
        words::{ago, now_unix_ms, work},
    },
};

pub async fn run(context: &Context, id: &str) -> Result<Exit, Failure> {
    let client = context.client().await?;
    let experiment = client.get(id).await?;
    let lines = client
        .metrics(&experiment.experiment_id.to_string())
        .await?;
    let console = &context.console;
    if console.json() {
        console.print_json(&json!({
            "experiment": experiment,
            "metrics": objects(&lines.metrics),
            "iterations": objects(&lines.iterations),
        }))?;
        return Ok(Exit::Ok);
    }
    for line in summary(&experiment, now_unix_ms()) {
        console.print(line)?;
    }
    let evaluations = read_lines("a line of metrics", &lines.metrics)?;
    let iterations = read_lines("a line of iterations", &lines.iterations)?;
    // An empty table says less than none.
    if !evaluations.is_empty() {
        console.print(accuracy_table(&evaluations).trim_fmt())?;
    }
    if let Some((first, last)) = evaluations.first().zip(evaluations.last()) {
        let mut lines = decomposition_sentences(first, last, Split::Test);
        lines.extend(grokking_lines(&last.grokking, "iteration"));
        for line in lines {
            console.print(line)?;
        }
    }
    if !iterations.is_empty() {
        console.print(iterations_table(&iterations).trim_fmt())?;
    }
    Ok(Exit::Ok)
}

fn summary(experiment: &ExperimentRecord, now_unix_ms: i64) -> Vec<String> {
    let submitted = ago(experiment.created_unix_ms, now_unix_ms);
    let (iteration, iterations) = (experiment.iteration, experiment.iterations);
    let mut lines = vec![
        state_line(experiment),
        format!("  id          {}", experiment.experiment_id),
        format!("  submitted   {submitted}"),
        format!("  iteration   {iteration} of {iterations}"),
    ];
    if !experiment.tags.is_empty() {
        lines.push(format!("  tags        {}", experiment.tags.join(", ")));
    }
    if let Some(from) = experiment.parent {
        let adapter = match from.adapter {
            Some(id) => format!("adapter {id}"),
            None => "the untrained model".to_owned(),
        };
        lines.push(format!(
            "  forked from {} at iteration {}, {adapter}",
            from.experiment_id, from.iteration
        ));
    }
    // One that another version wrote may not be readable; the rest is still worth showing.
    if let Ok(config) = serde_json::from_str::<Experiment>(&experiment.config_json) {
        lines.extend(settings(&config));
    }
    if let Some(commit) = experiment.base_commit {
        lines.push(format!("  commit      {commit}"));
    }
    if let Some(python) = experiment.python {
        lines.push(format!("  judged by   Python {python}"));
    }
    for part in &experiment.progress {
        if part.jobs_done < part.jobs_total {
            lines.push(format!(
                "  now         {} {}/{}, jobs {}/{} done, {} running",
                work(part),
                part.units_done,
                part.units_total,
                part.jobs_done,
                part.jobs_total,
                part.jobs_leased
            ));
        }
    }
    lines
}

fn settings(config: &Experiment) -> Vec<String> {
    let (problems, generate, evaluate) = (&config.problems, &config.generate, &config.evaluate);
    let families = problems.families.join(", ");
    let [easiest, hardest] = problems.difficulty;
    let (train, val, test, ood) = (problems.train, problems.val, problems.test, problems.ood);
    let method = config.train.method.method();
    vec![
        format!("  model       {}", config.model.named()),
        format!(
            "  problems    {families} · difficulty {easiest}–{hardest} · \
             train {train} val {val} test {test} ood {ood}"
        ),
        format!(
            "  generate    {} samples, temperature {}, at most {} tokens",
            generate.samples, generate.temperature, generate.max_new_tokens
        ),
        format!("  train       {}", method.describe_settings(&config.train)),
        format!(
            "  evaluate    every {}, greedy and {} samples at temperature {}",
            evaluate.every, evaluate.samples, evaluate.temperature
        ),
    ]
}

#[cfg(test)]
mod tests {
    use groklab_domain::ExperimentState;

    use super::*;
    use crate::sample;

    #[test]
    fn a_summary_names_what_matters() {
        let config =
            groklab_domain::experiment::parse("name = \"short\"\n[model]\nsource = \"m.gguf\"\n")
                .unwrap();
        let experiment = ExperimentRecord {
            state: ExperimentState::Paused,
            reason: "no worker".into(),
            config_json: serde_json::to_string(&config).unwrap(),
            base_commit: Some("00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee".parse().unwrap()),
            ..sample::experiment("short")
        };
        let text = summary(&experiment, 0).join("\n");
        assert!(text.starts_with("short is paused: no worker\n"), "{text}");
        let commit = "commit      00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee";
        assert!(text.contains(commit), "{text}");
        assert!(
            text.contains(
                "letters, digits, bases · difficulty 1–5 · train 48 val 32 test 64 ood 0"
            ),
            "{text}"
        );
        assert!(
            text.contains("rft, LoRA rank 16, learning rate 0.0002, 2 epochs, start restart"),
            "{text}"
        );
    }
}
