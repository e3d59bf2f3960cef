//! `list`.

use super::context::Context;
use crate::{
    cli::ListArgs,
    failure::{Exit, Failure},
    view::{json::sorted, tables, words::now_unix_ms},
};

pub async fn run(context: &Context, args: ListArgs) -> Result<Exit, Failure> {
    let experiments = context.client().await?.list(args.state, &args.tags).await?;
    let console = &context.console;
    if console.json() {
        for experiment in &experiments {
            console.print_json(&sorted(experiment)?)?;
        }
    } else if experiments.is_empty() && !args.tags.is_empty() {
        console.note("no experiments with these tags; `grokctl tag ID +TAG` adds one");
    } else if experiments.is_empty() {
        console.note("no experiments; `grokctl submit FILE` makes one");
    } else {
        console.print(tables::experiments(&experiments, now_unix_ms()).trim_fmt())?;
    }
    Ok(Exit::Ok)
}
