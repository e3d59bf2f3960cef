//! `logs`: the timeline of an experiment.

use groklab_domain::records::{EventLine, Level};

use super::context::Context;
use crate::{
    cli::LogsArgs,
    client::Client,
    failure::{Exit, Failure},
    view::{code::printable, json::sorted, words::timestamp},
};

/// Further lines of a message stand under its first one.
const MESSAGE_INDENT: &str = "\n                             ";

pub async fn run(context: &Context, args: &LogsArgs) -> Result<Exit, Failure> {
    let client = context.client().await?;
    let id = &args.experiment.experiment;
    if args.follow {
        return follow(context, &client, id, args.level).await;
    }
    let mut events = client.events(id).await?;
    while let Some(event) = events.next().await? {
        show(context, &event, args.level)?;
    }
    Ok(Exit::Ok)
}

/// Shows events as they come; ends with the experiment.
async fn follow(
    context: &Context,
    client: &Client,
    id: &str,
    level: Level,
) -> Result<Exit, Failure> {
    // Unlike `watch` it does not try again: what was printed cannot be joined without a gap.
    let lost = |status| Failure::from_status(format!("follow `{id}`"), &status, client.url());
    let mut updates = client.watch(id).await.map_err(lost)?;
    while let Some(update) = updates.next().await.map_err(lost)? {
        for event in &update.events {
            show(context, event, level)?;
        }
    }
    Ok(Exit::Ok)
}

fn show(context: &Context, event: &EventLine, level: Level) -> Result<(), Failure> {
    if event.level < level {
        return Ok(());
    }
    if context.console.json() {
        return context.console.print_json(&sorted(event)?);
    }
    context.console.print(line(event))
}

fn line(event: &EventLine) -> String {
    // A reason may quote what a worker or a model wrote.
    let message = printable(&event.message).replace('\n', MESSAGE_INDENT);
    format!(
        "{}  {:<5}  {message}",
        timestamp(event.unix_ms),
        event.level
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn an_event_is_a_line_with_its_date() {
        let event = EventLine {
            unix_ms: 1_700_000_000_000,
            message: "paused: \u{1b}[31mx".into(),
            ..sample::event(1)
        };
        assert_eq!(
            line(&event),
            "2023-11-14 22:13:20Z  warn   paused: \\u{1b}[31mx"
        );
        assert!(Level::Warn > Level::Info && Level::Error > Level::Warn);
    }
}
