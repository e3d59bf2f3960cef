//! `run --local`: everything up, one experiment to its end, its export, everything down. An
//! unfinished experiment of the same name and content in the data folder is gone on with, never
//! started twice.

use groklab_domain::{ExperimentState, records::ExperimentRecord};

use super::{context::Context, export_folder::is_exported, group, submit, up};
use crate::{
    cli::{RunArgs, UpArgs},
    client::{Client, Control},
    console::Console,
    experiment_file::Checked,
    failure::{Exit, Failure},
    up::{Stack, StackOptions},
};

pub async fn run(context: &Context, args: RunArgs) -> Result<Exit, Failure> {
    // A bad file should be refused before anything is started.
    let members = group::check(context, &args.inputs, &args.sweep)?;
    members.require_one_folder(args.out.as_ref())?;
    let console = &context.console;
    let name = members.name();
    let (inputs, sweep) = (args.inputs.arguments(), args.sweep.arguments());
    let again = format!("run --local {inputs}{sweep}");
    with_stack(context, args.up, (name, &again), async |client| {
        let mut exit = Exit::Ok;
        // One after the other: the workers of one machine are busy with one.
        for checked in &members.checked {
            let tag = members.tag.as_ref();
            let there = group::find(client, checked, tag).await?;
            let done = there.filter(|there| there.state == ExperimentState::Completed);
            if let Some(done) = done.as_ref().filter(|done| is_exported(&done.name)) {
                let (name, id) = (&done.name, done.experiment_id);
                console.note(format!("{name} is done already ({id})"));
                continue;
            }
            let experiment = match done {
                Some(done) => done,
                None => begin(client, checked, console).await?,
            };
            let experiment = group::join(client, experiment, tag).await?;
            exit = exit.or(submit::finish(client, &experiment, args.out.clone(), console).await?);
        }
        members.conclude(client, console).await?;
        Ok(exit)
    })
    .await
}

/// Brings everything up, does `work`, and stops everything. An interrupted work says that what
/// `name` has done is kept, and by which command it is gone on with.
pub async fn with_stack(
    context: &Context,
    up: UpArgs,
    (name, again): (&str, &str),
    work: impl AsyncFnOnce(&Client) -> Result<Exit, Failure>,
) -> Result<Exit, Failure> {
    let (console, interrupt) = (&context.console, &context.interrupt);
    let options = StackOptions {
        connect: context.global.connect.clone(),
        data: context.data.clone(),
        up,
        port: 0,
    };
    let data = context.data.path().display().to_string();
    console.note(format!("starting coordinator and workers on {data}"));
    let mut stack = Stack::start(&options, interrupt, console).await?;
    for component in stack.started() {
        console.note(up::line(component));
    }
    let client = stack.client().clone();
    let outcome = tokio::select! {
        outcome = work(&client) => outcome,
        () = interrupt.stop.cancelled() => Err(Failure::interrupted()),
        failure = stack.given_up() => Err(failure),
    };
    if interrupt.stop.is_cancelled() {
        console.note(format!(
            "interrupted; what `{name}` has done so far is kept in {data}: \
             `grokctl --data {data} {again}` goes on with it"
        ));
    }
    console.note("stopping what was started");
    stack.stop().await;
    outcome
}

/// Goes on with what the folder holds of the experiment, or submits it.
async fn begin(
    client: &Client,
    checked: &Checked,
    console: &Console,
) -> Result<ExperimentRecord, Failure> {
    let existing = client.list(None, &[]).await?;
    // The folder keeps what earlier runs left unfinished, and its workers go on with all of it.
    let (same, others) = unfinished(&existing, &checked.experiment.name);
    if others > 0 {
        console.note(format!(
            "{others} other unfinished experiment(s) in this data folder run too; \
             `grokctl list` shows them"
        ));
    }
    match same {
        Some(same) => go_on(client, same, checked, console).await,
        None => {
            let experiment = submit::submit(client, checked, console).await?;
            let (name, id) = (&experiment.name, experiment.experiment_id);
            console.note(format!("submitted {name} as {id}"));
            Ok(experiment)
        }
    }
}

/// The newest unfinished experiment called `name`, and how many other unfinished ones there are.
fn unfinished<'a>(
    existing: &'a [ExperimentRecord],
    name: &str,
) -> (Option<&'a ExperimentRecord>, usize) {
    let mut same: Option<&ExperimentRecord> = None;
    let mut unfinished = 0;
    for experiment in existing {
        if experiment.state.is_final() {
            continue;
        }
        unfinished += 1;
        let newest = same.map_or(i64::MIN, |same| same.created_unix_ms);
        if experiment.name == name && experiment.created_unix_ms >= newest {
            same = Some(experiment);
        }
    }
    (same, unfinished - usize::from(same.is_some()))
}

/// Goes on with `same` if it is what the file says.
async fn go_on(
    client: &Client,
    same: &ExperimentRecord,
    checked: &Checked,
    console: &Console,
) -> Result<ExperimentRecord, Failure> {
    let id = same.experiment_id.to_string();
    let stored = client.get(&id).await?;
    if !group::is_what_the_file_says(&stored, checked) {
        return Err(Failure::usage(format!("run `{}`", stored.name))
            .because(format!(
                "an unfinished experiment of this name with other settings is in the data folder \
                 ({id})"
            ))
            .next(concat!(
                "change `name` in the file, use another --data DIR, or end the old one: ",
                "`grokctl up`, then `grokctl cancel` with its id"
            )));
    }
    console.note(format!(
        "going on with {} ({id}), which is {} at iteration {}",
        stored.name, stored.state, stored.iteration
    ));
    // Otherwise it would wait for somebody who asked for it to run just now.
    if stored.state == ExperimentState::Paused {
        return client.control(&id, Control::Resume).await;
    }
    Ok(stored)
}

#[cfg(test)]
mod tests {
    use groklab_domain::ExperimentId;
    use uuid::Uuid;

    use super::*;
    use crate::sample;

    #[test]
    fn the_newest_unfinished_one_of_the_name_is_gone_on_with() {
        let experiment = |number, name: &str, state, created| ExperimentRecord {
            experiment_id: ExperimentId(Uuid::from_u128(number)),
            state,
            created_unix_ms: created,
            ..sample::experiment(name)
        };
        let existing = [
            experiment(1, "q", ExperimentState::Completed, 9),
            experiment(2, "q", ExperimentState::Paused, 1),
            experiment(3, "q", ExperimentState::Running, 2),
            experiment(4, "r", ExperimentState::Queued, 3),
        ];
        let (same, others) = unfinished(&existing, "q");
        assert_eq!((same, others), (Some(&existing[2]), 2));
        assert_eq!(unfinished(&existing[..1], "q"), (None, 0));
    }
}
