//! `watch`: follows an experiment until it has ended or is paused, through lost connections, and says what came out.

use std::time::{Duration, Instant};

use groklab_domain::{ExperimentState, Split, metrics::MetricsLine};
use groklab_proto::v1::{Experiment, WatchUpdate};
use groklab_runtime::connect::heals;
use tonic::Status;

use super::{Context, compare};
use crate::{
    client::Client,
    console::Console,
    failure::{Exit, Failure},
    results,
    view::{self, View, accuracy_table, comparison_lines, plain_state},
};

mod seen;

use seen::Seen;

/// How often it is looked what the workers do.
const WORKERS_EVERY: Duration = Duration::from_secs(2);
/// How long a lost connection is tried again.
const PATIENCE: Duration = Duration::from_secs(60);

pub async fn run(context: &Context, id: &str) -> Result<Exit, Failure> {
    let client = context.client().await?;
    to_the_end(&client, id, &context.console).await
}

/// Watches, then prints the results; the exit code says how the experiment ended. Safe to drop at any await.
pub async fn to_the_end(client: &Client, id: &str, console: &Console) -> Result<Exit, Failure> {
    let mut view = view::view(console);
    let last = follow(client, id, view.as_mut(), console).await;
    view.finish();
    drop(view);
    let last = last?;
    conclude(client, &last, console).await?;
    Ok(exit_of(&last))
}

/// Shows updates until the experiment has ended or is paused; its last state.
async fn follow(
    client: &Client,
    id: &str,
    view: &mut dyn View,
    console: &Console,
) -> Result<Experiment, Failure> {
    let mut seen = Seen::default();
    let mut lost: Option<Instant> = None;
    let mut pause = Duration::from_millis(500);
    loop {
        let status = match watch_once(client, id, view, &mut seen, &mut lost, console).await? {
            Watched::Ended(experiment) => return Ok(experiment),
            Watched::Lost(status) => status,
        };
        let since = match lost {
            Some(since) => since,
            None => {
                pause = Duration::from_millis(500);
                console.note(format!(
                    "lost the coordinator ({}); trying again for {} s",
                    status.message(),
                    PATIENCE.as_secs()
                ));
                *lost.insert(Instant::now())
            }
        };
        if since.elapsed() >= PATIENCE {
            return Err(Failure::from_status(
                format!("watch `{id}`"),
                &status,
                client.url(),
            ));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(5));
    }
}

enum Watched {
    Ended(Experiment),
    Lost(Status),
}

/// One stream. Errors are those that trying again cannot heal.
async fn watch_once(
    client: &Client,
    id: &str,
    view: &mut dyn View,
    seen: &mut Seen,
    lost: &mut Option<Instant>,
    console: &Console,
) -> Result<Watched, Failure> {
    let hopeless =
        |status: &Status| Failure::from_status(format!("watch `{id}`"), status, client.url());
    let mut stream = match client.watch(id).await {
        Ok(stream) => stream,
        Err(status) if heals(&status) => return Ok(Watched::Lost(status)),
        Err(status) => return Err(hopeless(&status)),
    };
    let mut look = tokio::time::interval(WORKERS_EVERY);
    loop {
        let message = tokio::select! {
            message = stream.message() => message,
            _ = look.tick(), if !console.json() => {
                // Beside the work it is not worth a failure.
                if let Ok(workers) = client.workers().await {
                    view.workers(&workers);
                }
                continue;
            }
        };
        match message {
            Ok(Some(update)) => {
                if lost.take().is_some() {
                    console.note("the coordinator is back");
                }
                if let Some(ended) = show(view, seen, update)? {
                    return Ok(Watched::Ended(ended));
                }
            }
            Ok(None) => return Ok(Watched::Lost(Status::unavailable("it ended the stream"))),
            Err(status) if heals(&status) => return Ok(Watched::Lost(status)),
            Err(status) => return Err(hopeless(&status)),
        }
    }
}

/// Shows what is new of `update`; the experiment if it goes no further by itself.
fn show(
    view: &mut dyn View,
    seen: &mut Seen,
    update: WatchUpdate,
) -> Result<Option<Experiment>, Failure> {
    let update = seen.only_new(update);
    view.update(&update)?;
    Ok(update
        .experiment
        .filter(|experiment| rests(&experiment.state)))
}

/// Ended, or paused: nothing more happens unless somebody acts.
fn rests(state: &str) -> bool {
    state
        .parse::<ExperimentState>()
        .is_ok_and(|state| state.is_final() || state == ExperimentState::Paused)
}

/// The exit code for how an experiment rests.
fn exit_of(experiment: &Experiment) -> Exit {
    if experiment.state == ExperimentState::Completed.as_str() {
        Exit::Ok
    } else {
        Exit::Unfinished
    }
}

/// Prints the accuracy table and the paired difference from the first to the last evaluated iteration.
async fn conclude(
    client: &Client,
    experiment: &Experiment,
    console: &Console,
) -> Result<(), Failure> {
    if experiment.state == ExperimentState::Paused.as_str() {
        console.note(format!(
            "{}; `grokctl resume {}` goes on",
            plain_state(experiment),
            experiment.name
        ));
    }
    let metrics = client.metrics(&experiment.experiment_id).await?;
    let evaluations: Vec<MetricsLine> = results::lines("a line of metrics", &metrics.metrics_json)?;
    if console.json() || evaluations.is_empty() {
        return Ok(());
    }
    console.print(accuracy_table(&evaluations).trim_fmt())?;
    if let [first, .., last] = evaluations.as_slice() {
        let (first, last) = (first.iteration, last.iteration);
        let before =
            compare::outcomes(client, &experiment.experiment_id, first, Split::Test).await?;
        let comparison = before.against(
            &compare::outcomes(client, &experiment.experiment_id, last, Split::Test).await?,
        );
        let lines =
            comparison.map(|comparison| comparison_lines(&comparison, Split::Test, first, last));
        lines
            .iter()
            .flatten()
            .try_for_each(|line| console.print(line))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_follow_the_state() {
        let exit = |state: &str| {
            exit_of(&Experiment {
                state: state.into(),
                ..Experiment::default()
            }) as u8
        };
        assert_eq!(
            ["completed", "failed", "cancelled", "paused"].map(exit),
            [0, 5, 5, 5]
        );
        assert_eq!(
            ["queued", "running", "paused", "completed"].map(rests),
            [false, false, true, true]
        );
    }
}
