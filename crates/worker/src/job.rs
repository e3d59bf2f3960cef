//! One job on the worker's side: what the compute thread gets, and how it ends.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use groklab_domain::{Fence, JobId};
use groklab_proto::v1;

use crate::{
    artifacts::Artifacts,
    failure::{Cancelled, Failure},
};

/// The results a job may have, as [`Executor::execute`] returns them.
pub use groklab_proto::v1::complete_request::Result as Outcome;
/// The work of a job.
pub use groklab_proto::v1::job::Work;

/// Does one kind of work. Runs on a thread of its own and may block it for as long as it reports
/// progress.
pub trait Executor: Send + 'static {
    /// Does the whole job or fails; the result depends on the job alone.
    fn execute(&mut self, work: Work, context: &Context) -> Result<Outcome, Failure>;
}

/// What a running job has of the world: a progress counter, the word to stop, and the store.
#[derive(Clone)]
pub struct Context {
    pub artifacts: Artifacts,
    /// Where the job's time goes in traces.
    pub span: tracing::Span,
    pub(crate) signal: Arc<Signal>,
}

#[derive(Debug, Default)]
pub(crate) struct Signal {
    units_done: AtomicU64,
    units_total: AtomicU64,
    /// Any sign of life, also within one unit.
    ticks: AtomicU64,
    dropped: AtomicBool,
}

impl Signal {
    pub(crate) fn drop_job(&self) {
        self.dropped.store(true, Ordering::Relaxed);
    }

    pub(crate) fn dropped(&self) -> bool {
        self.dropped.load(Ordering::Relaxed)
    }

    pub(crate) fn units_done(&self) -> u64 {
        self.units_done.load(Ordering::Relaxed)
    }

    pub(crate) fn units_total(&self) -> u64 {
        self.units_total.load(Ordering::Relaxed)
    }

    pub(crate) fn ticks(&self) -> u64 {
        self.ticks.load(Ordering::Relaxed)
    }
}

impl Context {
    /// Reports `units` (rollouts or steps) as done. An error means: stop at once.
    pub fn progress(&self, units: u64) -> Result<(), Cancelled> {
        self.signal.units_done.store(units, Ordering::Relaxed);
        self.alive()
    }

    /// Says how many units there are, where the job does not.
    pub fn expect(&self, units: u64) {
        self.signal.units_total.store(units, Ordering::Relaxed);
    }

    /// Turns true when the job was dropped; for work that watches a flag rather than asks.
    pub fn dropped(&self) -> &AtomicBool {
        &self.signal.dropped
    }

    /// A sign of life within a unit. An error means: stop at once.
    pub fn alive(&self) -> Result<(), Cancelled> {
        self.signal.ticks.fetch_add(1, Ordering::Relaxed);
        if self.signal.dropped() {
            Err(Cancelled)
        } else {
            Ok(())
        }
    }
}

/// A leased job, parsed.
pub(crate) struct Leased {
    pub job: JobId,
    pub fence: Fence,
    pub experiment: String,
    pub attempt: u32,
    pub traceparent: String,
    pub work: Work,
}

impl TryFrom<v1::Job> for Leased {
    type Error = tonic::Status;

    fn try_from(wire: v1::Job) -> Result<Self, tonic::Status> {
        let Some(work) = wire.work else {
            let reason = format!("job `{}` has no work", wire.job_id);
            return Err(tonic::Status::invalid_argument(reason));
        };
        Ok(Self {
            job: groklab_proto::convert::field("job_id", &wire.job_id)?,
            fence: Fence(wire.fence),
            experiment: wire.experiment_id,
            attempt: wire.attempt,
            traceparent: wire.traceparent,
            work,
        })
    }
}
