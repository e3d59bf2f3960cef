//! `list`.

use super::Context;
use crate::{
    cli::ListArgs,
    failure::{Exit, Failure},
    view::{json, tables, words::now_unix_ms},
};

pub async fn run(context: &Context, args: ListArgs) -> Result<Exit, Failure> {
    let state = args.state.map_or("", |state| state.as_str());
    let experiments = context.client().await?.list(state).await?;
    if context.console.json() {
        experiments
            .iter()
            .try_for_each(|experiment| context.console.print_json(&json::experiment(experiment)))?;
    } else if experiments.is_empty() {
        context
            .console
            .note("no experiments; `grokctl submit FILE` makes one");
    } else {
        context
            .console
            .print(tables::experiments(&experiments, now_unix_ms()).trim_fmt())?;
    }
    Ok(Exit::Ok)
}
