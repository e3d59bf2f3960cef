//! `cancel`, `pause` and `resume`.

use super::Context;
use crate::{
    client::Control,
    failure::{Exit, Failure},
    view::{json, plain_state},
};

pub async fn run(context: &Context, id: &str, control: Control) -> Result<Exit, Failure> {
    let experiment = context.client().await?.control(id, control).await?;
    if context.console.json() {
        context.console.print_json(&json::experiment(&experiment))?;
    } else {
        context.console.print(plain_state(&experiment))?;
    }
    Ok(Exit::Ok)
}
