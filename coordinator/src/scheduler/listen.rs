//! Nudges from other coordinators, by the database's notifications.

use sqlx::postgres::PgListener;
use tokio_util::sync::CancellationToken;

use super::reconcile::RETRY_AFTER_ERROR;
use crate::{
    nudge::Nudge,
    store::{self, Store},
};

/// Passes what other coordinators say on to this one's loops, until `stop`. Losing the connection
/// only lengthens waits.
pub async fn listen(store: Store, nudge: Nudge, stop: CancellationToken) -> anyhow::Result<()> {
    while !stop.is_cancelled() {
        let heard = async {
            let mut listener = PgListener::connect_with(store.pool()).await?;
            listener.listen(store::CHANNEL).await?;
            loop {
                listener.recv().await?;
                // It does not say what has changed. This coordinator's own notifications come back
                // too, which costs one look.
                nudge.all();
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            outcome = heard => {
                let outcome: Result<(), sqlx::Error> = outcome;
                if let Err(error) = outcome {
                    tracing::warn!(%error, "no notifications from the database, trying again");
                }
                // sqlx mends a broken connection by itself; where it could not, trying again at
                // once would fail too.
                tokio::time::sleep(RETRY_AFTER_ERROR).await;
            }
        }
    }
    Ok(())
}
