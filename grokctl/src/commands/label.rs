//! `rename` and `tag`.

use groklab_domain::records::ExperimentRecord;

use super::context::Context;
use crate::{
    cli::{RenameArgs, TagArgs},
    failure::{Exit, Failure},
    view::json::sorted,
};

pub async fn rename(context: &Context, args: &RenameArgs) -> Result<Exit, Failure> {
    let client = context.client().await?;
    let id = &args.experiment.experiment;
    let experiment = client.rename(id, &args.name).await?;
    let line = format!("{} is called {}", experiment.experiment_id, experiment.name);
    print(context, &experiment, line)
}

pub async fn tag(context: &Context, args: &TagArgs) -> Result<Exit, Failure> {
    let id = &args.experiment.experiment;
    let (mut add, mut remove) = (Vec::new(), Vec::new());
    for change in &args.changes {
        match (change.strip_prefix('+'), change.strip_prefix('-')) {
            (Some(tag), _) => add.push(tag.to_owned()),
            (_, Some(tag)) if !tag.starts_with('-') => remove.push(tag.to_owned()),
            (_, Some(_)) => {
                return Err(Failure::usage(format!("tag `{id}`"))
                    .because(format!("`{change}` is no change of a tag"))
                    .next("write flags before the experiment: grokctl --json tag ID +TAG"));
            }
            _ => {
                return Err(Failure::usage(format!("tag `{id}`"))
                    .because(format!("`{change}` does not say whether to add it"))
                    .next(format!(
                        "grokctl tag {id} +{change}, or -{change} to take it off"
                    )));
            }
        }
    }
    let experiment = context.client().await?.tag(id, add, remove).await?;
    let line = match experiment.tags[..] {
        [] => format!("{} has no tags", experiment.name),
        _ => format!(
            "{} is tagged {}",
            experiment.name,
            experiment.tags.join(", ")
        ),
    };
    print(context, &experiment, line)
}

fn print(context: &Context, experiment: &ExperimentRecord, line: String) -> Result<Exit, Failure> {
    if context.console.json() {
        context.console.print_json(&sorted(experiment)?)?;
    } else {
        context.console.print(line)?;
    }
    Ok(Exit::Ok)
}
