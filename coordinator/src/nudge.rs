//! Nudges: they shorten a wait and carry nothing. A loop that misses one looks again by its own
//! clock, so nothing depends on them; a nudge that said what has changed would split every loop
//! into a path that trusts it and one that cannot.

use std::sync::Arc;

use enum_map::EnumMap;
use groklab_domain::JobKind;
use tokio::sync::{Notify, futures::Notified, watch};

/// A cheap handle that tells loops of this process to look again.
#[derive(Debug, Clone)]
pub struct Nudge {
    /// One per kind of job: a new job wakes one who waits for its kind, not all.
    work: Arc<EnumMap<JobKind, Notify>>,
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
        // With nobody waiting one nudge is kept for the next who does; more than one are not.
        self.work[kind].notify_one();
    }

    /// Something stored has changed: the scheduler and those who watch should look.
    pub fn state(&self) {
        // The number says nothing: a watch channel tells each reader only that it has changed.
        self.state.send_modify(|n| *n = n.wrapping_add(1));
    }

    /// Anything may have changed.
    pub fn all(&self) {
        for notify in self.work.values() {
            // All of them: how many jobs there are now, and of which kind, is not known here.
            notify.notify_waiters();
        }
        self.state();
    }

    /// Must be made before looking, so that no nudge in between is missed.
    pub fn on_work(&self, kind: JobKind) -> Notified<'_> {
        self.work[kind].notified()
    }

    pub fn on_state(&self) -> watch::Receiver<u64> {
        self.state.subscribe()
    }
}
