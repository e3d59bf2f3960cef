//! What the compute thread and the thread of the heartbeats tell each other.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

// `Relaxed` suffices throughout: these are counters and a flag, and no other memory is read because
// of them.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    units_done: AtomicU64,
    units_total: AtomicU64,
    /// Any sign of life, also within one unit.
    ticks: AtomicU64,
    dropped: AtomicBool,
}

impl Signal {
    pub(crate) fn set_done(&self, units: u64) {
        self.units_done.store(units, Ordering::Relaxed);
    }

    pub(crate) fn set_total(&self, units: u64) {
        self.units_total.store(units, Ordering::Relaxed);
    }

    pub(crate) fn tick(&self) {
        self.ticks.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn dropped_flag(&self) -> &AtomicBool {
        &self.dropped
    }

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
