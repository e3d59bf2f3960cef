//! Closes an evaluation: its line of metrics.jsonl, and whether the experiment stops after it.

use groklab_domain::{
    JobKind, Purpose, Split,
    experiment::{Experiment as Config, Method},
    grokking::{self, Parameters, Phase},
    metrics::{
        self, BySplit, EvaluationSeconds, Grokking, MetricsLine, ProblemRef, RolloutOutcome,
        Sampling,
    },
    records::Event,
};
use sqlx::PgConnection;

use crate::{
    error::{Error, Result},
    store::{adapter, event, experiment::Experiment, iteration, job, metric, problem, verdict},
};

/// Computes and stores the current iteration's line, and decides whether to stop.
pub async fn measure(db: &mut PgConnection, experiment: &Experiment) -> Result<()> {
    let (id, i) = (experiment.id, experiment.iteration);
    let mut lines = stored_lines(db, experiment).await?;
    let line = line(db, experiment, &lines).await?;
    let text = serde_json::to_string(&line)
        .map_err(|error| Error::internal("write a line of metrics", error))?;
    metric::insert(db, id, i, &text).await?;
    event::insert(db, id, &evaluated(&line)).await?;
    lines.push(line);
    let stop = if i >= experiment.last_iteration {
        None
    } else {
        stop_reason(experiment.config()?, &lines)
    };
    iteration::set_stop(db, id, i, stop.as_deref().unwrap_or("")).await
}

async fn stored_lines(db: &mut PgConnection, experiment: &Experiment) -> Result<Vec<MetricsLine>> {
    let lines = metric::lines(db, experiment.id, 0, None).await?;
    lines
        .iter()
        .map(|(i, line)| {
            serde_json::from_str(line)
                .map_err(|error| Error::internal(format!("stored metrics of iteration {i}"), error))
        })
        .collect()
}

async fn line(
    db: &mut PgConnection,
    experiment: &Experiment,
    earlier: &[MetricsLine],
) -> Result<MetricsLine> {
    let (id, i, config) = (experiment.id, experiment.iteration, experiment.config()?);
    let headings = problem::headings(db, id).await?;
    let problems: Vec<ProblemRef<'_>> = headings
        .iter()
        .map(|h| ProblemRef {
            ordinal: h.ordinal,
            split: h.split,
            family: &h.family,
            rule: &h.rule,
        })
        .collect();
    let outcomes = verdict::outcomes(db, id, i, Purpose::Eval).await?;
    let outcomes: Vec<RolloutOutcome> = outcomes
        .into_iter()
        .map(|o| RolloutOutcome {
            problem: o.problem,
            sample: o.sample,
            greedy: o.sample == 0,
            verification: o.verification,
        })
        .collect();
    let breakdown = metrics::evaluate(&problems, &outcomes, &sampling(config))
        .map_err(|error| Error::internal(format!("evaluation of iteration {i}"), error))?;
    let adapter = adapter::get(db, id, i)
        .await?
        .map(|adapter| adapter.adapter.id);
    // Without training nothing changes between evaluations: a series would only show the same model again.
    let earlier = if config.train.method == Method::None {
        &[]
    } else {
        earlier
    };
    let mut series: Vec<_> = earlier.iter().map(MetricsLine::evaluation).collect();
    series.push(breakdown.evaluation(i));
    let report = grokking::detect(&series, &Parameters::default());
    let mut seconds = EvaluationSeconds::default();
    for (kind, sum) in job::seconds(db, id, i, Purpose::Eval).await? {
        match kind {
            JobKind::Generate => seconds.generate = sum,
            JobKind::Verify => seconds.verify = sum,
            JobKind::Train => {}
        }
    }
    Ok(breakdown.into_line(
        i,
        adapter,
        config.problems.holdout,
        Grokking::from(&report),
        seconds,
    ))
}

fn sampling(config: &Config) -> Sampling {
    let e = &config.evaluate;
    Sampling {
        n: e.samples,
        temperature: e.temperature,
        top_p: e.top_p,
        pass_at: e.pass_at(),
    }
}

fn evaluated(line: &MetricsLine) -> Event {
    let mut greedy = BySplit::new();
    for (&split, metrics) in &line.splits {
        let (total, correct) = (metrics.total, metrics.correct);
        greedy.insert(split, metrics::Count { total, correct });
    }
    Event::Evaluated {
        iteration: line.iteration,
        greedy,
    }
}

/// Why to stop after the last of these evaluations.
fn stop_reason(config: &Config, lines: &[MetricsLine]) -> Option<String> {
    let val = |line: &MetricsLine| line.splits.get(&Split::Val).map(|split| split.accuracy);
    let last = lines.last()?;
    if let (Some(target), Some(accuracy)) = (config.stop.target_accuracy, val(last))
        && accuracy >= target
    {
        return Some(format!(
            "stopped early: val accuracy {accuracy:.3} has reached {target}"
        ));
    }
    if config.stop.on_grokking && last.grokking.phase == Phase::Grokked {
        return Some("stopped early: the model has grokked".to_owned());
    }
    let patience = config.stop.patience as usize;
    let accuracies: Vec<f64> = lines.iter().filter_map(val).collect();
    let best = first_best(&accuracies)?;
    let stale = accuracies.len() - 1 - best;
    let impatient = patience > 0 && stale >= patience && config.train.method == Method::Rft;
    impatient.then(|| {
        format!("stopped early: {stale} evaluations in a row without a better val accuracy")
    })
}

/// The index of the first of the largest.
fn first_best(values: &[f64]) -> Option<usize> {
    let best = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    values.iter().position(|&value| value == best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_best_counts() {
        assert_eq!(first_best(&[]), None);
        assert_eq!(first_best(&[0.2, 0.5, 0.4, 0.5]), Some(1));
    }
}
