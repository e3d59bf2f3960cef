//! The timeline of an experiment: what happened, as a kind and its fields.

use groklab_domain::{
    ExperimentId,
    records::{Event, EventLine},
};
use serde_json::Value as Json;
use sqlx::PgConnection;

use super::word;
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

/// Adds to the timeline, unless the same is there already.
pub async fn insert_once(
    db: &mut PgConnection,
    experiment: ExperimentId,
    event: &Event,
) -> Result<()> {
    let (kind, fields) = event.to_parts();
    let there = sqlx::query_scalar!(
        r#"select exists (select from event where experiment_id = $1 and kind = $2 and fields = $3)
           as "there!""#,
        experiment.0,
        kind,
        fields.to_string()
    )
    .fetch_one(&mut *db)
    .await?;
    if there {
        return Ok(());
    }
    insert(db, experiment, event).await
}

/// Events after `after`, at most `limit`, in order.
pub async fn since(
    db: &mut PgConnection,
    experiment: ExperimentId,
    after: i64,
    limit: u32,
) -> Result<Vec<EventLine>> {
    let rows = sqlx::query!(
        r#"select event_id, (extract(epoch from at) * 1000)::bigint as "unix_ms!", level, kind,
                  fields
           from event where experiment_id = $1 and event_id > $2 order by event_id limit $3"#,
        experiment.0,
        after,
        i64::from(limit)
    )
    .fetch_all(db)
    .await?;
    let mut events = Vec::with_capacity(rows.len());
    for row in rows {
        let fields = read_fields(&row.kind, &row.fields)?;
        events.push(match Event::from_parts(&row.kind, &fields) {
            Ok(event) => EventLine::new(row.event_id, row.unix_ms, &event),
            // A newer coordinator on the same database wrote it: its kind and fields are shown.
            Err(_) => EventLine {
                event_id: row.event_id,
                unix_ms: row.unix_ms,
                level: word(&row.level)?,
                message: format!("{} {fields}", row.kind),
                kind: row.kind,
                fields,
            },
        });
    }
    Ok(events)
}

fn read_fields(kind: &str, fields: &str) -> Result<Json> {
    serde_json::from_str(fields)
        .map_err(|error| Error::internal(format!("stored event `{kind}`"), error))
}
