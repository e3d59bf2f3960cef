//! `workers`.

use super::Context;
use crate::{
    failure::{Exit, Failure},
    view::{json, tables, words::now_unix_ms},
};

pub async fn run(context: &Context) -> Result<Exit, Failure> {
    let workers = context.client().await?.workers().await?;
    if context.console.json() {
        workers
            .iter()
            .try_for_each(|worker| context.console.print_json(&json::worker(worker)))?;
    } else if workers.is_empty() {
        context
            .console
            .note("no workers; `grokctl up` starts one of each kind on this machine");
    } else {
        context
            .console
            .print(tables::workers(&workers, now_unix_ms()).trim_fmt())?;
    }
    Ok(Exit::Ok)
}
