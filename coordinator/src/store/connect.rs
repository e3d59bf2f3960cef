//! Opens the database: agrees on TLS, refuses a pooler whose sessions do not stay, and prepares
//! every connection.

use std::{io, time::Duration};

use sqlx::{
    Connection as _, Executor as _, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions, PgSslMode},
};

use super::session::{self, MAX_CONNECTIONS};
use crate::{database_url::is_near, error::Result};

/// How long a server may take to let anybody in. One that starts or recovers says so at once.
const ENTRY: Duration = Duration::from_secs(20);

/// A statement is planned once per connection and not at every call, for planning takes longer than
/// most statements. A plan may thus be made while the tables are still empty, where reading them
/// whole is best, and is kept while they grow. So these settings make plans use the indexes. Set
/// after connecting, as a pooler refuses or passes over what comes with the connection.
const PLANNING: &str = "set plan_cache_mode = force_generic_plan; set enable_seqscan = off; set \
    enable_hashjoin = off; \
    set enable_mergejoin = off; set jit = off";

/// The connections that everything stored goes through.
pub async fn pool(options: PgConnectOptions) -> Result<PgPool> {
    // Numbers travel in binary: how many digits their text would have does not matter, and poolers
    // refuse to be told.
    let options = options.extra_float_digits(None);
    let options = match options.get_application_name() {
        Some(_) => options,
        None => options.application_name("groklab-coordinator"),
    };
    let options = agreed(options).await?;
    // Before anything is prepared or set: a pooler would hand what is left behind to strangers.
    session::must_stay(&options).await?;
    let pool = PgPoolOptions::new()
        .max_connections(MAX_CONNECTIONS)
        .acquire_timeout(Duration::from_secs(10))
        .after_connect(|connection, _| {
            Box::pin(async move { connection.execute(PLANNING).await.map(drop) })
        });
    Ok(pool.connect_with(options).await?)
}

/// Connects once (a pool would try again until its time is up, and then say only that) and settles
/// what `allow` means there, which sqlx does not: TLS where the server takes nothing else.
async fn agreed(options: PgConnectOptions) -> Result<PgConnectOptions> {
    match options.get_ssl_mode() {
        PgSslMode::Allow => {
            let (plain, tls) = (
                options.clone().ssl_mode(PgSslMode::Disable),
                options.ssl_mode(PgSslMode::Require),
            );
            match try_once(&plain).await {
                // The server answered and refused, as a `hostssl` line makes it do in plain text.
                // If TLS fails too, that first refusal is the one to report.
                Err(sqlx::Error::Database(refusal)) => {
                    let over_tls = try_once(&tls).await;
                    over_tls
                        .map(|()| tls)
                        .map_err(|_| sqlx::Error::Database(refusal).into())
                }
                outcome => Ok(outcome.map(|()| plain)?),
            }
        }
        // On this machine nobody listens in between, so there is nothing to warn of.
        PgSslMode::Prefer if !is_near(&options) => {
            if matches!(
                try_once(&options.clone().ssl_mode(PgSslMode::Require)).await,
                Err(sqlx::Error::Tls(_))
            ) {
                try_once(&options).await?;
                tracing::warn!(
                    "the database offers no TLS: passwords and results cross the network in plain \
                        text; sslmode=require refuses that"
                );
                return Ok(options);
            }
            Ok(try_once(&options).await.map(|()| options)?)
        }
        _ => Ok(try_once(&options).await.map(|()| options)?),
    }
}

async fn try_once(options: &PgConnectOptions) -> Result<(), sqlx::Error> {
    let connected = tokio::time::timeout(ENTRY, PgConnection::connect_with(options)).await;
    let silent = |_| {
        io::Error::new(
            io::ErrorKind::TimedOut,
            format!(
                "something takes connections there and says nothing for {} s",
                ENTRY.as_secs()
            ),
        )
    };
    connected.map_err(silent)??.close().await
}
