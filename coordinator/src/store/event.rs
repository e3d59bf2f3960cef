//! The timeline of an experiment: what happened, as a kind and its fields.

use groklab_domain::{
    ExperimentId,
    records::{Event, EventLine},
};
use serde_json::Value as Json;
use sqlx::PgConnection;

use crate::error::{Error, Result};

/// Adds to the timeline.
pub async fn insert(db: &mut PgConnection, experiment: ExperimentId, event: &Event) -> Result<()> {
    let (kind, fields) = event.to_parts();
    sqlx::query!(
        "insert into event (experiment_id, level, kind, fields) values ($1, $2, $3, $4)",
        experiment.0,
        event.level().as_str(),
        kind,
        // JSON writes NUL as an escape, which Postgres' text may hold.
        fields.to_string()
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Events after `after`, at most `limit`, in order.
pub async fn since(
    db: &mut PgConnection,
    experiment: ExperimentId,
    after: i64,
    limit: u32,
) -> Result<Vec<EventLine>> {
    let rows = sqlx::query!(
        r#"select event_id, (extract(epoch from at) * 1000)::bigint as "unix_ms!", kind, fields
           from event where experiment_id = $1 and event_id > $2 order by event_id limit $3"#,
        experiment.0,
        after,
        i64::from(limit)
    )
    .fetch_all(db)
    .await?;
    let mut events = Vec::with_capacity(rows.len());
    for row in rows {
        let event = read(&row.kind, &row.fields)?;
        events.push(EventLine::new(row.event_id, row.unix_ms, &event));
    }
    Ok(events)
}

fn read(kind: &str, fields: &str) -> Result<Event> {
    let fields: Json = serde_json::from_str(fields)
        .map_err(|error| Error::internal(format!("stored event `{kind}`"), error))?;
    Event::from_parts(kind, &fields).map_err(|error| Error::internal("stored event", error))
}
