//! `logs`: the timeline of an experiment.

use groklab_proto::v1::Event;
use serde_json::json;

use super::Context;
use crate::{
    cli::LogsArgs,
    client::Client,
    failure::{Exit, Failure},
    view::{code::printable, words::timestamp},
};

pub async fn run(context: &Context, args: &LogsArgs) -> Result<Exit, Failure> {
    let client = context.client().await?;
    let id = &args.experiment.experiment;
    if args.follow {
        return follow(context, &client, id, &args.level).await;
    }
    let mut events = client.events(id).await?;
    while let Some(event) = events.next().await? {
        show(context, &event, &args.level)?;
    }
    Ok(Exit::Ok)
}

/// Shows events as they come; ends with the experiment.
async fn follow(
    context: &Context,
    client: &Client,
    id: &str,
    level: &str,
) -> Result<Exit, Failure> {
    let lost = |status: &tonic::Status| {
        Failure::from_status(format!("follow `{id}`"), status, client.url())
    };
    let mut updates = client.watch(id).await.map_err(|status| lost(&status))?;
    while let Some(update) = updates.message().await.map_err(|status| lost(&status))? {
        update
            .events
            .iter()
            .try_for_each(|event| show(context, event, level))?;
    }
    Ok(Exit::Ok)
}

fn show(context: &Context, event: &Event, level: &str) -> Result<(), Failure> {
    if rank(&event.level) < rank(level) {
        return Ok(());
    }
    if context.console.json() {
        let value = json!({"event_id": event.event_id, "unix_ms": event.unix_ms, "level": event.level, "message": event.message});
        return context.console.print_json(&value);
    }
    context.console.print(line(event))
}

fn rank(level: &str) -> u8 {
    match level {
        "error" => 2,
        "warn" => 1,
        _ => 0,
    }
}

fn line(event: &Event) -> String {
    let message = printable(&event.message).replace('\n', "\n                             ");
    format!(
        "{}  {:<5}  {message}",
        timestamp(event.unix_ms),
        event.level
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_a_line_with_its_date() {
        let event = Event {
            event_id: 1,
            unix_ms: 1_700_000_000_000,
            level: "warn".into(),
            message: "paused: \u{1b}[31mx".into(),
            ..Event::default()
        };
        assert_eq!(
            line(&event),
            "2023-11-14 22:13:20Z  warn   paused: \\u{1b}[31mx"
        );
        assert!(rank("warn") > rank("info") && rank("error") > rank("warn"));
    }
}
