//! `show`: the experiment's settings, state and progress, and its accuracy so far.

use groklab_domain::{
    experiment::Experiment,
    metrics::{IterationLine, MetricsLine},
};
use groklab_proto::v1;
use serde_json::json;

use super::Context;
use crate::{
    failure::{Exit, Failure},
    results,
    view::{self, accuracy_table, iterations_table, plain_state, words},
};

pub async fn run(context: &Context, id: &str) -> Result<Exit, Failure> {
    let client = context.client().await?;
    let experiment = client.get(id).await?;
    let metrics = client.metrics(&experiment.experiment_id).await?;
    if context.console.json() {
        let (metrics, iterations) = (
            view::json::objects(&metrics.metrics_json),
            view::json::objects(&metrics.iterations_json),
        );
        let value = json!({"experiment": view::json::experiment(&experiment), "metrics": metrics, "iterations": iterations});
        context.console.print_json(&value)?;
        return Ok(Exit::Ok);
    }
    for line in summary(&experiment, words::now_unix_ms()) {
        context.console.print(line)?;
    }
    let evaluations: Vec<MetricsLine> = results::lines("a line of metrics", &metrics.metrics_json)?;
    let iterations: Vec<IterationLine> =
        results::lines("a line of iterations", &metrics.iterations_json)?;
    if !evaluations.is_empty() {
        context
            .console
            .print(accuracy_table(&evaluations).trim_fmt())?;
    }
    if !iterations.is_empty() {
        context
            .console
            .print(iterations_table(&iterations).trim_fmt())?;
    }
    Ok(Exit::Ok)
}

fn summary(experiment: &v1::Experiment, now_unix_ms: i64) -> Vec<String> {
    let when = words::ago(experiment.created_unix_ms, now_unix_ms);
    let mut lines = vec![
        plain_state(experiment),
        format!("  id          {}", experiment.experiment_id),
        format!("  submitted   {when}"),
        format!(
            "  iteration   {} of {}",
            experiment.iteration, experiment.iterations
        ),
    ];
    if let Ok(config) = serde_json::from_str::<Experiment>(&experiment.config_json) {
        lines.extend(settings(&config));
    }
    for p in experiment
        .progress
        .iter()
        .filter(|p| p.jobs_done < p.jobs_total)
    {
        lines.push(format!(
            "  now         {} {}/{}, jobs {}/{} done, {} running",
            words::work(p),
            p.units_done,
            p.units_total,
            p.jobs_done,
            p.jobs_total,
            p.jobs_leased
        ));
    }
    lines
}

fn settings(config: &Experiment) -> Vec<String> {
    let (p, t, e) = (&config.problems, &config.train, &config.evaluate);
    let train = t.method.method().describe_settings(t);
    vec![
        format!("  model       {}", config.model.source),
        format!(
            "  problems    {} · difficulty {}–{} · train {} val {} test {} ood {}",
            p.families.join(", "),
            p.difficulty[0],
            p.difficulty[1],
            p.train,
            p.val,
            p.test,
            p.ood
        ),
        format!(
            "  generate    {} samples, temperature {}, at most {} tokens",
            config.generate.samples, config.generate.temperature, config.generate.max_new_tokens
        ),
        format!("  train       {train}"),
        format!(
            "  evaluate    every {}, greedy and {} samples at temperature {}",
            e.every, e.samples, e.temperature
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_names_what_matters() {
        let config =
            groklab_domain::experiment::parse("name = \"short\"\n[model]\nsource = \"m.gguf\"\n")
                .unwrap();
        let experiment = v1::Experiment {
            name: "short".into(),
            state: "paused".into(),
            reason: "no worker".into(),
            iterations: 3,
            config_json: serde_json::to_string(&config).unwrap(),
            ..v1::Experiment::default()
        };
        let text = summary(&experiment, 0).join("\n");
        assert!(text.starts_with("short is paused: no worker\n"), "{text}");
        assert!(
            text.contains(
                "arithmetic, rpn, parentheses · difficulty 1–5 · train 48 val 32 test 64 ood 0"
            ),
            "{text}"
        );
        assert!(
            text.contains("rft, LoRA rank 16, learning rate 0.0002, 2 epochs, start restart"),
            "{text}"
        );
    }
}
