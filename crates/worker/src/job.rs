//! One job on the worker's side: what the compute thread gets, and how it ends.

use std::sync::{Arc, atomic::AtomicBool};

use crate::{
    artifacts::Artifacts,
    failure::{Cancelled, Failure},
    signal::Signal,
    wire::{Outcome, Work},
};

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

impl Context {
    /// Reports `units` (rollouts or steps) as done. An error means: stop at once.
    pub fn progress(&self, units: u64) -> Result<(), Cancelled> {
        self.signal.set_done(units);
        self.alive()
    }

    /// Says how many units there are, where the job does not.
    pub fn expect(&self, units: u64) {
        self.signal.set_total(units);
    }

    /// Turns true when the job was dropped; for work that watches a flag rather than asks.
    pub fn dropped(&self) -> &AtomicBool {
        self.signal.dropped_flag()
    }

    /// A sign of life within a unit. An error means: stop at once.
    pub fn alive(&self) -> Result<(), Cancelled> {
        self.signal.tick();
        if self.signal.dropped() {
            Err(Cancelled)
        } else {
            Ok(())
        }
    }
}
