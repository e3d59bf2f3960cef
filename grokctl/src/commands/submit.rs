//! `submit`, and `run` on a coordinator that is there already.

use std::path::PathBuf;

use groklab_domain::records::ExperimentRecord;
use uuid::Uuid;

use super::{context::Context, export::Export, export_folder, group, watch};
use crate::{
    cli::{Forms, RunArgs, SubmitArgs},
    client::Client,
    console::Console,
    experiment_file::Checked,
    failure::{Exit, Failure},
    view::json::sorted,
};

pub async fn run(context: &Context, args: SubmitArgs) -> Result<Exit, Failure> {
    let members = group::check(context, &args.inputs, &args.sweep)?;
    let client = context.client().await?;
    let console = &context.console;
    let mut submitted = Vec::with_capacity(members.checked.len());
    for checked in &members.checked {
        let tag = members.tag.as_ref();
        let experiment = submit_member(&client, checked, tag, console).await?;
        let id = experiment.experiment_id.to_string();
        let printed = match (args.watch, console.json()) {
            // The id comes first in any case: a watch that is interrupted can be taken up again
            // with it.
            (_, false) => console.print(&id),
            (false, true) => console.print_json(&sorted(&experiment)?),
            // Every line of a watch has the id.
            (true, true) => Ok(()),
        };
        printed.map_err(|failure| {
            failure.next(format!("it was submitted: `grokctl watch {id}` follows it"))
        })?;
        submitted.push(id);
    }
    if let Some(tag) = &members.tag {
        let number = submitted.len();
        console.note(format!(
            "a group of {number}: `grokctl group {tag}` shows what they gained"
        ));
    }
    let mut exit = Exit::Ok;
    if args.watch {
        for id in &submitted {
            exit = exit.or(watch::to_the_end(&client, id, console).await?);
        }
    }
    Ok(exit)
}

/// Submits, watches, exports. Safe to drop at any await: the experiment goes on without its
/// watcher.
pub async fn run_remote(context: &Context, args: RunArgs) -> Result<Exit, Failure> {
    let members = group::check(context, &args.inputs, &args.sweep)?;
    members.require_one_folder(args.out.as_ref())?;
    let client = context.client().await?;
    let mut submitted = Vec::with_capacity(members.checked.len());
    for checked in &members.checked {
        let tag = members.tag.as_ref();
        let experiment = submit_member(&client, checked, tag, &context.console).await?;
        let (name, id) = (&experiment.name, experiment.experiment_id);
        context.console.note(format!(
            "submitted {name} as {id}; Ctrl-C leaves it running, `grokctl watch {id}` comes back \
             to it"
        ));
        submitted.push(experiment);
    }
    let mut exit = Exit::Ok;
    for experiment in &submitted {
        exit = exit.or(finish(&client, experiment, args.out.clone(), &context.console).await?);
    }
    members.conclude(&client, &context.console).await?;
    Ok(exit)
}

/// Submits a member, unless it is there already, and gives it the group's tag.
async fn submit_member(
    client: &Client,
    checked: &Checked,
    tag: Option<&String>,
    console: &Console,
) -> Result<ExperimentRecord, Failure> {
    let experiment = match group::find(client, checked, tag).await? {
        Some(there) => {
            let (name, state) = (&there.name, there.state);
            console.note(format!("{name} is there already, and is {state}"));
            there
        }
        None => submit(client, checked, console).await?,
    };
    group::join(client, experiment, tag).await
}

/// Watches `experiment` to its end and exports it.
pub async fn finish(
    client: &Client,
    experiment: &ExperimentRecord,
    out: Option<PathBuf>,
    console: &Console,
) -> Result<Exit, Failure> {
    let id = experiment.experiment_id.to_string();
    let exit = watch::to_the_end(client, &id, console).await?;
    // Chosen only now, for another run may have taken the name meanwhile.
    let out = out.unwrap_or_else(|| export_folder::default_folder(&experiment.name));
    let export = Export {
        out: &out,
        force: false,
        forms: Forms::default(),
    };
    export.run(client, &id, console).await?;
    Ok(exit)
}

/// Submits what was checked; the warnings of both sides are noted once.
pub async fn submit(
    client: &Client,
    checked: &Checked,
    console: &Console,
) -> Result<ExperimentRecord, Failure> {
    let config = serde_json::to_string(&checked.experiment)
        .map_err(|error| Failure::other("write the configuration as JSON").because(error))?;
    // A fresh key for each command: the same file may be submitted twice on purpose.
    let submitted = client.submit(Uuid::new_v4().to_string(), config).await?;
    let mut warnings = checked.warnings.clone();
    warnings.extend(submitted.warnings);
    // Both sides check the same file.
    warnings.sort_unstable();
    warnings.dedup();
    for warning in &warnings {
        console.note(format!("warning: {warning}"));
    }
    Ok(submitted.experiment)
}
