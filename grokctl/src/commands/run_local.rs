//! `run --local`: everything up, one experiment to its end, its export, everything down.
//! An unfinished experiment of the same name and content in the data folder is gone on with, never started twice.

use groklab_domain::{ExperimentState, experiment};
use groklab_proto::v1::Experiment;

use super::{Context, submit, up};
use crate::{
    cli::RunArgs,
    client::{Client, Control},
    console::Console,
    experiment_file::{self, Checked},
    failure::{Exit, Failure},
    up::{Stack, StackOptions},
};

pub async fn run(context: &Context, args: RunArgs) -> Result<Exit, Failure> {
    // A bad file should be refused before anything is started.
    let checked = experiment_file::check(&args.file.file)?;
    let (console, interrupt) = (&context.console, &context.interrupt);
    let options = StackOptions {
        connect: context.global.connect.clone(),
        data: context.data.clone(),
        up: args.up,
        port: 0,
    };
    console.note(format!(
        "starting coordinator and workers on {}",
        context.data.path().display()
    ));
    let mut stack = Stack::start(&options, interrupt, console).await?;
    stack
        .started()
        .iter()
        .for_each(|component| console.note(up::line(component)));
    let client = stack.client().clone();
    let outcome = tokio::select! {
        outcome = experiment(&client, &checked, args.out, console) => outcome,
        () = interrupt.stop.cancelled() => Err(Failure::interrupted()),
        failure = stack.given_up() => Err(failure),
    };
    if interrupt.stop.is_cancelled() {
        console.note(farewell(
            &checked.experiment.name,
            &args.file.file.display().to_string(),
            &context.data.path().display().to_string(),
        ));
    }
    console.note("stopping what was started");
    stack.stop().await;
    outcome
}

fn farewell(name: &str, file: &str, data: &str) -> String {
    format!(
        "interrupted; what `{name}` has done so far is kept in {data}: `grokctl --data {data} run --local {file}` goes on with it"
    )
}

async fn experiment(
    client: &Client,
    checked: &Checked,
    out: Option<std::path::PathBuf>,
    console: &Console,
) -> Result<Exit, Failure> {
    let existing = client.list("").await?;
    let (same, others) = unfinished(&existing, &checked.experiment.name);
    if others > 0 {
        console.note(format!("{others} other unfinished experiment(s) in this data folder run too; `grokctl list` shows them"));
    }
    let experiment = match same {
        Some(same) => go_on(client, same, checked, console).await?,
        None => {
            let experiment = submit::submit(client, checked, console).await?;
            console.note(format!(
                "submitted {} as {}",
                experiment.name, experiment.experiment_id
            ));
            experiment
        }
    };
    submit::finish(client, &experiment, out, console).await
}

/// The newest unfinished experiment called `name`, and how many other unfinished ones there are.
fn unfinished<'a>(existing: &'a [Experiment], name: &str) -> (Option<&'a Experiment>, usize) {
    let open: Vec<_> = existing
        .iter()
        .filter(|e| !e.state.parse().is_ok_and(ExperimentState::is_final))
        .collect();
    let same = open
        .iter()
        .copied()
        .filter(|e| e.name == name)
        .max_by_key(|e| e.created_unix_ms);
    (same, open.len() - usize::from(same.is_some()))
}

/// Goes on with `same` if it is what the file says.
async fn go_on(
    client: &Client,
    same: &Experiment,
    checked: &Checked,
    console: &Console,
) -> Result<Experiment, Failure> {
    let stored = client.get(&same.experiment_id).await?;
    let config: Option<experiment::Experiment> = serde_json::from_str(&stored.config_json).ok();
    if config.as_ref() != Some(&checked.experiment) {
        return Err(Failure::usage(format!("run `{}`", stored.name))
            .because(format!("an unfinished experiment of this name with other settings is in the data folder ({})", stored.experiment_id))
            .next(
                "change `name` in the file, use another --data DIR, or end the old one: `grokctl up`, then `grokctl cancel` with its id",
            ));
    }
    console.note(format!(
        "going on with {} ({}), which is {} at iteration {}",
        stored.name, stored.experiment_id, stored.state, stored.iteration
    ));
    if stored.state == ExperimentState::Paused.as_str() {
        return client.control(&stored.experiment_id, Control::Resume).await;
    }
    Ok(stored)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_unfinished_one_of_the_name_is_gone_on_with() {
        let experiment = |id: &str, name: &str, state: &str, created| Experiment {
            experiment_id: id.into(),
            name: name.into(),
            state: state.into(),
            created_unix_ms: created,
            ..Experiment::default()
        };
        let existing = [
            experiment("a", "q", "completed", 9),
            experiment("b", "q", "paused", 1),
            experiment("c", "q", "running", 2),
            experiment("d", "r", "queued", 3),
        ];
        let (same, others) = unfinished(&existing, "q");
        assert_eq!(
            (same.map(|e| e.experiment_id.as_str()), others),
            (Some("c"), 2)
        );
        assert_eq!(unfinished(&existing[..1], "q"), (None, 0));
    }
}
