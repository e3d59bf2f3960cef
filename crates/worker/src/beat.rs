//! Heartbeats: extend the lease from another thread than the work, for as long as the work moves.

use std::{sync::Arc, time::Duration};

use groklab_domain::job::Claim;
use groklab_proto::v1;
use tokio::time::Instant;

use crate::{
    client::{Client, within},
    job::Signal,
};

/// The longest time between two heartbeats.
const SLOWEST: Duration = Duration::from_secs(3);

/// The work has not moved for the stall limit and a lease.
pub(crate) struct Hung;

/// Extends the lease of one job until it is dropped by the caller of this future.
pub(crate) struct Heart {
    pub client: Client,
    pub claim: Claim,
    pub signal: Arc<Signal>,
    pub lease: Duration,
    pub stall: Duration,
}

impl Heart {
    /// Beats three times a lease, and every few seconds at least so that a cancellation is soon heard of, for as long as the work moves. Ends when the work has hung: its lease has then run out.
    pub async fn beat(mut self) -> Hung {
        let mut moved = (self.signal.ticks(), Instant::now());
        loop {
            tokio::time::sleep((self.lease / 3).min(SLOWEST)).await;
            let ticks = self.signal.ticks();
            if ticks != moved.0 {
                moved = (ticks, Instant::now());
            }
            let still = moved.1.elapsed();
            if still > self.stall + self.lease {
                return Hung;
            }
            // A job that does not move gets no more time, but may still move before its lease has run out.
            if still <= self.stall && !self.signal.dropped() && self.once().await {
                self.signal.drop_job();
            }
        }
    }

    /// One heartbeat; true when the job is no longer ours.
    async fn once(&mut self) -> bool {
        let job_id = self.claim.job.to_string();
        let held = v1::Held {
            job_id: job_id.clone(),
            fence: self.claim.fence.0,
            units_done: self.signal.units_done(),
            units_total: self.signal.units_total(),
        };
        let deadline = self.lease / 3;
        let request = v1::HeartbeatRequest {
            worker_id: self.claim.worker.to_string(),
            held: vec![held],
        };
        let answer = self.client.call(|client| async move {
            client.workers().heartbeat(within(deadline, request)).await
        });
        match answer.await {
            Ok(answer) => answer.into_inner().dropped.contains(&job_id),
            Err(status) => {
                // A late holder whom nobody has replaced may still finish, so the work goes on.
                tracing::warn!(code = ?status.code(), message = status.message(), "heartbeat failed");
                false
            }
        }
    }
}
