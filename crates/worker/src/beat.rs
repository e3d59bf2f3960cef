//! Heartbeats: extend the lease from another thread than the work, for as long as the work moves.

use std::{sync::Arc, time::Duration};

use groklab_proto::{convert::Claim, v1};
use tokio::time::Instant;

use crate::{
    client::{Client, within},
    job::Signal,
};

/// Extends the lease of one job until it is dropped by the caller of this future.
pub(crate) struct Heart {
    pub client: Client,
    pub claim: Claim,
    pub signal: Arc<Signal>,
    pub lease: Duration,
    pub stall: Duration,
}

impl Heart {
    /// Beats three times a lease. Ends only when the coordinator has dropped the job; then the work is told to stop.
    pub async fn beat(mut self) {
        let mut moved = (self.signal.ticks(), Instant::now());
        loop {
            tokio::time::sleep(self.lease / 3).await;
            let ticks = self.signal.ticks();
            if ticks != moved.0 {
                moved = (ticks, Instant::now());
            } else if moved.1.elapsed() > self.stall {
                tracing::error!(stall_seconds = self.stall.as_secs(), "the work does not move: its lease is left to expire");
                return std::future::pending().await;
            }
            if self.once().await {
                self.signal.drop_job();
                return;
            }
        }
    }

    /// One heartbeat; true when the job is no longer ours.
    async fn once(&mut self) -> bool {
        let job_id = self.claim.job.to_string();
        let held = v1::Held { job_id: job_id.clone(), fence: self.claim.fence.0, units_done: self.signal.units_done() };
        let request = v1::HeartbeatRequest { worker_id: self.claim.worker.to_string(), held: vec![held] };
        match self.client.workers.heartbeat(within(self.lease / 3, request)).await {
            Ok(answer) => answer.into_inner().dropped.contains(&job_id),
            Err(status) => {
                // A late holder whom nobody has replaced may still finish, so the work goes on.
                tracing::warn!(code = ?status.code(), message = status.message(), "heartbeat failed");
                false
            }
        }
    }
}
