//! The only room that speaks SQL. Functions take a connection, so that their caller decides what is
//! one transaction, and return domain types. Decides nothing.

pub mod adapter;
pub mod artifact;
pub mod attempt;
mod connect;
pub mod deletion;
pub mod event;
pub mod experiment;
pub mod iteration;
pub mod job;
pub mod label;
pub mod lease;
pub mod metric;
pub mod problem;
pub mod problem_copy;
pub mod queue;
pub mod rollout;
pub mod rollout_line;
mod session;
pub mod verdict;
pub mod worker;

use std::str::FromStr;

use sqlx::{
    PgConnection, PgPool, Postgres, Transaction, migrate::MigrateError, pool::PoolConnection,
    postgres::PgConnectOptions,
};

use crate::error::{Error, Result};

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../migrations");

const OTHER_SCHEMA: &str = concat!(
    "the database holds the schema of another version of groklab, which this one cannot bring up ",
    "to date: use the version that made it or a later one, or an empty data folder (`--data`) or \
        database"
);

/// The channel of `notify` between coordinators.
pub const CHANNEL: &str = "groklab";

/// A cheap handle on the database.
#[derive(Debug, Clone)]
pub struct Store {
    pool: PgPool,
}

impl Store {
    /// Connects and brings the schema up to date.
    pub async fn open(options: PgConnectOptions) -> Result<Self> {
        let pool = connect::pool(options).await?;
        MIGRATIONS.run(&pool).await.map_err(migration_error)?;
        Ok(Self { pool })
    }

    pub async fn connection(&self) -> Result<PoolConnection<Postgres>> {
        Ok(self.pool.acquire().await?)
    }

    pub async fn begin(&self) -> Result<Transaction<'static, Postgres>> {
        Ok(self.pool.begin().await?)
    }

    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// A database that a later version made, or one whose files were others, is refused by name.
fn migration_error(error: MigrateError) -> Error {
    match error {
        // The file's checksum differs, or the database has a migration that is not here.
        MigrateError::VersionMismatch(_) | MigrateError::VersionMissing(_) => {
            Error::internal(OTHER_SCHEMA, error)
        }
        _ => Error::internal("migrate the database", error),
    }
}

/// Tells every coordinator, once the transaction commits, that there is something to do.
pub async fn notify(db: &mut PgConnection) -> Result<()> {
    // Delivered at the commit: who is woken by it sees what was changed.
    sqlx::query!("select pg_notify($1, '')", CHANNEL)
        .execute(db)
        .await?;
    Ok(())
}

/// Reads a stored word. Columns' CHECKs and the domain's words are the same sets.
fn word<T: FromStr>(text: &str) -> Result<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text.parse()
        .map_err(|error| Error::internal(format!("stored word `{text}`"), error))
}

fn optional_word<T: FromStr>(text: Option<&str>) -> Result<Option<T>>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text.map(word).transpose()
}

/// Counts and ordinals are far below 2³¹ (checked at submit), and every column refuses negative
/// ones.
fn ints(numbers: &[u32]) -> Vec<i32> {
    numbers.iter().map(|n| n.cast_signed()).collect()
}

fn uints(numbers: &[i32]) -> Vec<u32> {
    numbers.iter().map(|n| n.cast_unsigned()).collect()
}
