//! Whether a connection keeps its session. A pooler in transaction or statement mode hands each
//! transaction to any of its connections: prepared statements then meet those of others, settings
//! wander, and notifications reach nobody. Nothing is set here before it is known.

use std::time::Duration;

use sqlx::{
    Executor, PgPool, Postgres, Row as _,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};
use uuid::Uuid;

use crate::error::{Error, Result};

/// Connections of one coordinator.
pub const MAX_CONNECTIONS: u32 = 16;

/// How long two connections have for a handful of short questions.
const ANSWER: Duration = Duration::from_secs(10);
const MOVES: &str = "a pooler before the database does not keep sessions: set it to session mode \
    (PgBouncer: pool_mode = session) for this \
    database and user, or let the database URL name the server itself";

/// Refuses a database whose sessions do not stay.
pub async fn must_stay(options: &PgConnectOptions) -> Result<()> {
    let pool = PgPoolOptions::new()
        // One to stay and one that tries to take its place.
        .max_connections(2)
        // Longer than the wait below, which says what is wrong where a pool says only that time ran
        // out.
        .acquire_timeout(ANSWER * 2)
        .connect_with(options.clone())
        .await?;
    let stays = tokio::time::timeout(ANSWER, stays(&pool)).await;
    let closed = tokio::time::timeout(ANSWER, pool.close());
    match stays {
        Ok(Ok(true)) => closed.await.map_err(|_| no_room()),
        Ok(Ok(false)) => Err(Error::broken(MOVES)),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(no_room()),
    }
}

fn no_room() -> Error {
    Error::broken(format!(
        "the database, or a pooler before it, does not serve two connections within {} s: it must \
            have room for {MAX_CONNECTIONS} of each \
         coordinator",
        ANSWER.as_secs()
    ))
}

/// `other` opens a transaction, which pins a server process to it; `one` must still be answered by
/// the process that it had. And a notification of `other` must reach `one`: a pooler that has more
/// processes than clients may pass the first test, but not this one.
async fn stays(pool: &PgPool) -> Result<bool> {
    let mut one = PgListener::connect_with(pool).await?;
    let mut other = pool.acquire().await?;
    let own = process(&mut one).await?;
    // In statement mode a pooler refuses just this.
    let begun = other.execute("begin").await;
    if let Err(sqlx::Error::Database(refusal)) = begun {
        return Err(Error::internal(MOVES, sqlx::Error::Database(refusal)));
    }
    begun?;
    let held = process(&mut *other).await?;
    if held == own || process(&mut one).await? != own {
        return Ok(false);
    }
    let channel = format!("groklab_{}", Uuid::new_v4().simple());
    one.listen(&channel).await?;
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("notify {channel}; commit")))
        .execute(&mut *other)
        .await?;
    // A notification comes with the first answer after its commit.
    let kept = process(&mut one).await? == own;
    Ok(kept
        && one
            .next_buffered()
            .is_some_and(|heard| heard.channel() == channel))
}

/// The server's process that answers. Asked in plain text: a prepared statement would stay behind
/// with a stranger.
async fn process(connection: impl Executor<'_, Database = Postgres>) -> Result<i32> {
    Ok(sqlx::raw_sql("select pg_backend_pid()")
        .fetch_one(connection)
        .await?
        .try_get(0)?)
}
