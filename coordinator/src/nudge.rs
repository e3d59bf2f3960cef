//! Nudges: they shorten a wait and carry nothing. Whoever misses one looks again by its own clock.

use tokio::sync::watch;

/// A cheap handle that tells loops of this process to look again.
#[derive(Debug, Clone)]
pub struct Nudge {
    work: watch::Sender<u64>,
    state: watch::Sender<u64>,
}

impl Default for Nudge {
    fn default() -> Self {
        Self { work: watch::Sender::new(0), state: watch::Sender::new(0) }
    }
}

impl Nudge {
    /// There may be a job to claim.
    pub fn work(&self) {
        self.work.send_modify(|n| *n = n.wrapping_add(1));
    }

    /// Something stored has changed: the scheduler and those who watch should look.
    pub fn state(&self) {
        self.state.send_modify(|n| *n = n.wrapping_add(1));
    }

    /// Both.
    pub fn all(&self) {
        self.work();
        self.state();
    }

    pub fn on_work(&self) -> watch::Receiver<u64> {
        self.work.subscribe()
    }

    pub fn on_state(&self) -> watch::Receiver<u64> {
        self.state.subscribe()
    }
}
