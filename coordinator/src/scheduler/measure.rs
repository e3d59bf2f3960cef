//! Closes an evaluation: its line of metrics.jsonl, and whether the experiment stops after it.

use groklab_domain::{
    JobKind, Purpose,
    experiment::Experiment as Config,
    grokking::{self, Parameters},
    job::{StopDecision, decide_stop},
    metrics::{self, BySplit, EvaluationSeconds, Grokking, MetricsLine, Sampling},
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
    let mut line = line(db, experiment).await?;
    line.grokking = judge(experiment, &lines, &line).await?;
    lines.push(line.clone());
    let is_last = i >= experiment.last_iteration;
    let trains = experiment.config()?.train.method.method().trains();
    // It ends here in any case, and a reason would say that it was stopped early.
    let decision = if is_last {
        StopDecision::GoOn
    } else {
        decide_stop(experiment.config()?, &lines)
    };
    // Without training every evaluation is the last word.
    if is_last || decision.stops() || !trains {
        line.grokking.close();
    }
    let text = serde_json::to_string(&line)
        .map_err(|error| Error::internal("write a line of metrics", error))?;
    // Stored as text: it is passed on and exported with these very bytes.
    metric::insert(db, id, i, &text).await?;
    event::insert(db, id, &evaluated(&line)).await?;
    iteration::set_stop(db, id, i, &decision).await
}

/// What the evaluations so far show.
async fn judge(
    experiment: &Experiment,
    earlier: &[MetricsLine],
    line: &MetricsLine,
) -> Result<Grokking> {
    // Without training nothing changes between evaluations: a series would only show the same model
    // again.
    let trains = experiment.config()?.train.method.method().trains();
    let mut lines = if trains { earlier.to_vec() } else { Vec::new() };
    // The series is judged as a whole again each time: what an earlier stretch was shows only now.
    lines.push(line.clone());
    // It resamples, which takes a while where units and evaluations are many.
    tokio::task::spawn_blocking(move || {
        let parameters = Parameters::default();
        let report = grokking::detect(&metrics::series(&lines), &parameters);
        Grokking {
            families: metrics::detect_families(&lines, &parameters),
            ..Grokking::from(report)
        }
    })
    .await
    .map_err(|error| Error::internal("judge a series of evaluations", error))
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

/// The line without what only the series can say.
async fn line(db: &mut PgConnection, experiment: &Experiment) -> Result<MetricsLine> {
    let (id, i, config) = (experiment.id, experiment.iteration, experiment.config()?);
    let headings = problem::headings(db, id).await?;
    let problems: Vec<_> = headings.iter().map(problem::Heading::as_ref).collect();
    let outcomes = verdict::outcomes(db, id, i, Purpose::Eval).await?;
    let breakdown = metrics::evaluate(&problems, &outcomes, &sampling(config))
        .map_err(|error| Error::internal(format!("evaluation of iteration {i}"), error))?;
    let adapter = adapter::get(db, id, i)
        .await?
        .map(|adapter| adapter.adapter.id);
    let seconds = job::seconds(db, id, i, Purpose::Eval).await?;
    let seconds = EvaluationSeconds {
        generate: seconds[JobKind::Generate],
        verify: seconds[JobKind::Verify],
    };
    Ok(breakdown.into_line(i, adapter, config.problems.holdout, seconds))
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
