//! `watch`: follows an experiment until it has ended or is paused, through lost connections, and
//! says what came out.

mod follow;
mod seen;

use groklab_domain::{ExperimentState, Split, records::ExperimentRecord};
use groklab_pages::figures::comparison_sentences;

use self::follow::follow;
use super::context::Context;
use crate::{
    client::{Client, Evaluation},
    console::Console,
    failure::{Exit, Failure},
    view::{accuracy::accuracy_table, json::read_lines, progress_view, sentences::state_line},
};

pub async fn run(context: &Context, id: &str) -> Result<Exit, Failure> {
    let client = context.client().await?;
    to_the_end(&client, id, &context.console).await
}

/// Watches, then prints the results; the exit code says how the experiment ended. Safe to drop at
/// any await.
pub async fn to_the_end(client: &Client, id: &str, console: &Console) -> Result<Exit, Failure> {
    let last = shown(client, id, console).await?;
    print_results(client, &last, console).await?;
    Ok(exit_for(last.state))
}

/// As [`to_the_end`], for a command that has results of its own.
pub async fn followed(client: &Client, id: &str, console: &Console) -> Result<Exit, Failure> {
    let last = shown(client, id, console).await?;
    note_pause(&last, console);
    Ok(exit_for(last.state))
}

/// Shows the progress until the experiment rests.
async fn shown(client: &Client, id: &str, console: &Console) -> Result<ExperimentRecord, Failure> {
    let mut view = progress_view(console);
    let last = follow(client, id, view.as_mut(), console).await;
    // The bars go before anything is printed below them, also where following failed.
    view.finish();
    drop(view);
    last
}

fn note_pause(experiment: &ExperimentRecord, console: &Console) {
    if experiment.state == ExperimentState::Paused {
        let (state, name) = (state_line(experiment), &experiment.name);
        console.note(format!("{state}; `grokctl resume {name}` goes on"));
    }
}

/// The exit code for how an experiment rests.
fn exit_for(state: ExperimentState) -> Exit {
    match state {
        ExperimentState::Completed => Exit::Ok,
        _ => Exit::Unfinished,
    }
}

/// Prints the accuracy table and the paired difference from the first to the last evaluated
/// iteration.
async fn print_results(
    client: &Client,
    experiment: &ExperimentRecord,
    console: &Console,
) -> Result<(), Failure> {
    note_pause(experiment, console);
    let id = experiment.experiment_id.to_string();
    let lines = client.metrics(&id).await?;
    let evaluations = read_lines("a line of metrics", &lines.metrics)?;
    // Programs had every line while it ran.
    if console.json() || evaluations.is_empty() {
        return Ok(());
    }
    console.print(accuracy_table(&evaluations).trim_fmt())?;
    let [first, .., last] = evaluations.as_slice() else {
        return Ok(());
    };
    let (first, last) = (first.iteration, last.iteration);
    let evaluation = |iteration| Evaluation {
        experiment: id.clone(),
        iteration: Some(iteration),
    };
    let report = client
        .compare(&evaluation(first), &evaluation(last), Split::Test)
        .await?;
    // Where too few problems were judged there is nothing to say.
    if let Some(comparison) = &report.comparison {
        let sides = format!("{}, iteration {first} → {last}", Split::Test);
        for sentence in comparison_sentences(comparison, &sides) {
            console.print(sentence)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn exit_codes_follow_the_state() {
        use ExperimentState::{Cancelled, Completed, Failed, Paused, Queued, Running};
        let exits = [Completed, Failed, Cancelled, Paused].map(|state| exit_for(state) as u8);
        assert_eq!(exits, [0, 5, 5, 5]);
        let rests = |state| {
            ExperimentRecord {
                state,
                ..sample::experiment("quick")
            }
            .rests()
        };
        assert_eq!(
            [Queued, Running, Paused, Completed].map(rests),
            [false, false, true, true]
        );
    }
}
