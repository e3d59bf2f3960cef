//! Heartbeats: extend the lease from another thread than the work, for as long as the work moves.

use std::{sync::Arc, time::Duration};

use groklab_domain::job::Claim;
use tokio::time::Instant;

use crate::{
    client::{Client, within},
    signal::Signal,
    wire,
};

/// The longest time between two heartbeats: a cancellation is heard of by their answers.
const BEAT_AT_LEAST_EVERY: Duration = Duration::from_secs(3);

/// The work has not moved for the stall limit and a lease.
pub(crate) struct Hung;

/// Extends the lease of one job for as long as [`Heartbeat::run`] is polled.
pub(crate) struct Heartbeat {
    pub client: Client,
    pub claim: Claim,
    pub signal: Arc<Signal>,
    pub lease: Duration,
    pub stall: Duration,
}

impl Heartbeat {
    /// Beats three times a lease while the work moves. Ends when the work has hung: its lease has
    /// then run out.
    pub async fn run(mut self) -> Hung {
        let mut seen_ticks = self.signal.ticks();
        let mut moved_at = Instant::now();
        loop {
            tokio::time::sleep((self.lease / 3).min(BEAT_AT_LEAST_EVERY)).await;
            let ticks = self.signal.ticks();
            if ticks != seen_ticks {
                seen_ticks = ticks;
                moved_at = Instant::now();
            }
            let still = moved_at.elapsed();
            // The lease was extended last when the work had been still for `stall`, so by now it
            // has run out.
            if still > self.stall + self.lease {
                return Hung;
            }
            // A job that stands still gets no more time, but may still move before its lease has
            // run out.
            let is_moving = still <= self.stall;
            if is_moving && !self.signal.dropped() && self.is_refused().await {
                self.signal.drop_job();
            }
        }
    }

    /// Sends one heartbeat; true when the job is no longer ours.
    async fn is_refused(&mut self) -> bool {
        let job_id = self.claim.job.to_string();
        let request = wire::heartbeat(self.claim, &self.signal);
        // The next heartbeat is due by then.
        let request = within(self.lease / 3, request);
        let call = async |client: Client| client.workers().heartbeat(request).await;
        match self.client.call(call).await {
            Ok(answer) => answer.into_inner().dropped.contains(&job_id),
            Err(status) => {
                // A late holder whom nobody has replaced may still finish, so the work goes on.
                let (code, message) = (status.code(), status.message());
                tracing::warn!(?code, message, "heartbeat failed");
                false
            }
        }
    }
}
