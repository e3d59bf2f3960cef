//! `cancel`, `pause` and `resume`.

use super::context::Context;
use crate::{
    client::Control,
    failure::{Exit, Failure},
    view::{json::sorted, sentences::state_line},
};

pub async fn run(context: &Context, id: &str, control: Control) -> Result<Exit, Failure> {
    let experiment = context.client().await?.control(id, control).await?;
    // The answer is the state afterwards, not merely "done".
    if context.console.json() {
        context.console.print_json(&sorted(&experiment)?)?;
    } else {
        context.console.print(state_line(&experiment))?;
    }
    Ok(Exit::Ok)
}
