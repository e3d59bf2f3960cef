//! Nudges: they shorten a wait and carry nothing. Whoever misses one looks again by its own clock.

use std::sync::Arc;

use groklab_domain::JobKind;
use tokio::sync::{Notify, futures::Notified, watch};

/// A cheap handle that tells loops of this process to look again.
#[derive(Debug, Clone)]
pub struct Nudge {
    /// One per kind of job: a new job wakes one who waits for its kind, not all.
    work: Arc<[Notify; 3]>,
    state: watch::Sender<u64>,
}

impl Default for Nudge {
    fn default() -> Self {
        Self {
            work: Arc::default(),
            state: watch::Sender::new(0),
        }
    }
}

impl Nudge {
    /// There is one new job of this kind.
    pub fn work(&self, kind: JobKind) {
        self.work[kind as usize].notify_one();
    }

    /// Something stored has changed: the scheduler and those who watch should look.
    pub fn state(&self) {
        self.state.send_modify(|n| *n = n.wrapping_add(1));
    }

    /// Anything may have changed.
    pub fn all(&self) {
        self.work.iter().for_each(Notify::notify_waiters);
        self.state();
    }

    /// Must be made before looking, so that no nudge in between is missed.
    pub fn on_work(&self, kind: JobKind) -> Notified<'_> {
        self.work[kind as usize].notified()
    }

    pub fn on_state(&self) -> watch::Receiver<u64> {
        self.state.subscribe()
    }
}
