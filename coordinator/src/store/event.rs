//! The timeline of an experiment, for people.

use groklab_domain::ExperimentId;
use sqlx::PgConnection;

use crate::error::Result;

#[derive(Debug, Clone)]
pub struct Event {
    pub id: i64,
    pub unix_ms: i64,
    pub level: String,
    pub message: String,
}

/// How much an event matters.
#[derive(Debug, Clone, Copy)]
pub enum Level {
    Info,
    Warn,
    Error,
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// Adds to the timeline; what a worker wrote may hold NUL, which Postgres' text may not.
pub async fn insert(
    db: &mut PgConnection,
    experiment: ExperimentId,
    level: Level,
    message: &str,
) -> Result<()> {
    let message = message.replace('\0', "\\0");
    sqlx::query!(
        "insert into event (experiment_id, level, message) values ($1, $2, $3)",
        experiment.0,
        level.as_str(),
        message
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
) -> Result<Vec<Event>> {
    let rows = sqlx::query!(
        r#"select event_id, (extract(epoch from at) * 1000)::bigint as "unix_ms!", level, message
           from event where experiment_id = $1 and event_id > $2 order by event_id limit $3"#,
        experiment.0,
        after,
        i64::from(limit)
    )
    .fetch_all(db)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Event {
            id: row.event_id,
            unix_ms: row.unix_ms,
            level: row.level,
            message: row.message,
        })
        .collect())
}
