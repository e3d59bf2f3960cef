//! What a worker knows of itself from moment to moment, for its readiness and its metrics. Decides
//! nothing about work.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use groklab_runtime::admin::{NotReady, Readiness};

/// How long a worker counts as ready after a coordinator last answered it. It is longer than a
/// lease call waits for work, and longer than a coordinator takes to start again.
const READY_AFTER_ANSWER: Duration = Duration::from_secs(60);

/// The status of one worker; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Status(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    registered: bool,
    /// When a coordinator last answered, whatever it said.
    answered: Option<Instant>,
    /// Whether the last call was answered.
    coordinator_up: bool,
    /// Time spent on jobs that have ended.
    busy: Duration,
    /// When the present job began.
    busy_since: Option<Instant>,
}

impl Status {
    /// Whether the coordinator knows this worker.
    pub fn set_registered(&self, registered: bool) {
        self.state().registered = registered;
    }

    pub fn call_answered(&self) {
        let mut state = self.state();
        state.answered = Some(Instant::now());
        state.coordinator_up = true;
    }

    pub fn call_unanswered(&self) {
        self.state().coordinator_up = false;
    }

    pub fn job_started(&self) {
        self.state().busy_since = Some(Instant::now());
    }

    pub fn job_ended(&self) {
        let mut state = self.state();
        if let Some(since) = state.busy_since.take() {
            state.busy += since.elapsed();
        }
    }

    pub fn is_coordinator_up(&self) -> bool {
        self.state().coordinator_up
    }

    /// Time spent on jobs, the present one included.
    pub fn busy(&self) -> Duration {
        let state = self.state();
        match state.busy_since {
            Some(since) => state.busy + since.elapsed(),
            None => state.busy,
        }
    }

    /// Each change is whole, so a thread that panicked has left nothing half done.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Readiness for Status {
    fn check(&self) -> Result<(), NotReady> {
        let state = self.state();
        let Some(answered) = state.answered.filter(|_| state.registered) else {
            return Err(NotReady::because("not registered with a coordinator"));
        };
        let silent = answered.elapsed();
        // One lost call says little; only a silence that lasts makes a worker unready.
        if silent < READY_AFTER_ANSWER {
            return Ok(());
        }
        let seconds = silent.as_secs();
        Err(NotReady(format!(
            "no coordinator has answered for {seconds} s"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_ready_once_it_is_registered_and_while_it_is_answered() {
        let status = Status::default();
        status.call_answered();
        assert!(status.check().is_err(), "an answer is no registration");
        status.set_registered(true);
        status.check().unwrap();
        status.call_unanswered();
        status.check().expect("one lost call is not an outage");
        let long_ago = Instant::now().checked_sub(READY_AFTER_ANSWER);
        status.state().answered = Some(long_ago.unwrap());
        let reason = status.check().unwrap_err().to_string();
        assert_eq!(reason, "no coordinator has answered for 60 s");
        status.call_answered();
        status.check().unwrap();
    }

    #[test]
    fn a_running_job_counts_as_busy_time() {
        let status = Status::default();
        assert_eq!(status.busy(), Duration::ZERO);
        status.job_started();
        std::thread::sleep(Duration::from_millis(2));
        let during = status.busy();
        assert!(during >= Duration::from_millis(2));
        status.job_ended();
        let after = status.busy();
        assert!(after >= during && after == status.busy());
    }
}
