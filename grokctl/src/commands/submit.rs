//! `submit`, and `run` on a coordinator that is there already.

use groklab_proto::v1::Experiment;
use uuid::Uuid;

use super::{Context, export, watch};
use crate::{
    cli::{RunArgs, SubmitArgs},
    client::Client,
    console::Console,
    experiment_file::{self, Checked},
    failure::{Exit, Failure},
    view::json,
};

pub async fn run(context: &Context, args: SubmitArgs) -> Result<Exit, Failure> {
    let checked = experiment_file::check(&args.file.file)?;
    let client = context.client().await?;
    let experiment = submit(&client, &checked, &context.console).await?;
    let printed = match (args.watch, context.console.json()) {
        // The id comes first in any case: a watch that is interrupted can be taken up again with it.
        (false, true) => context.console.print_json(&json::experiment(&experiment)),
        (true, true) => Ok(()),
        (_, false) => context.console.print(&experiment.experiment_id),
    };
    printed.map_err(|failure| {
        failure.next(format!(
            "it was submitted: `grokctl watch {}` follows it",
            experiment.experiment_id
        ))
    })?;
    if args.watch {
        watch::to_the_end(&client, &experiment.experiment_id, &context.console).await
    } else {
        Ok(Exit::Ok)
    }
}

/// Submits, watches, exports. Safe to drop at any await: the experiment goes on without its watcher.
pub async fn run_remote(context: &Context, args: RunArgs) -> Result<Exit, Failure> {
    let checked = experiment_file::check(&args.file.file)?;
    let client = context.client().await?;
    let experiment = submit(&client, &checked, &context.console).await?;
    let id = &experiment.experiment_id;
    context.console.note(format!(
        "submitted {} as {id}; Ctrl-C leaves it running, `grokctl watch {id}` comes back to it",
        experiment.name
    ));
    finish(&client, &experiment, args.out, &context.console).await
}

/// Watches `experiment` to its end and exports it.
pub async fn finish(
    client: &Client,
    experiment: &Experiment,
    out: Option<std::path::PathBuf>,
    console: &Console,
) -> Result<Exit, Failure> {
    let exit = watch::to_the_end(client, &experiment.experiment_id, console).await?;
    let out = out.unwrap_or_else(|| export::default_folder(&experiment.name));
    export::to_folder(client, &experiment.experiment_id, &out, false, console).await?;
    Ok(exit)
}

/// Submits what was checked; the warnings of both sides are noted once.
pub async fn submit(
    client: &Client,
    checked: &Checked,
    console: &Console,
) -> Result<Experiment, Failure> {
    let config = serde_json::to_string(&checked.experiment)
        .map_err(|error| Failure::other("write the configuration as JSON").because(error))?;
    let answer = client.submit(Uuid::new_v4().to_string(), config).await?;
    let mut warnings = checked.warnings.clone();
    warnings.extend(answer.warnings);
    warnings.sort_unstable();
    warnings.dedup();
    warnings
        .iter()
        .for_each(|warning| console.note(format!("warning: {warning}")));
    answer.experiment.ok_or_else(|| {
        Failure::other("submit the experiment").because("the coordinator's answer names none")
    })
}
