//! Waiting for something with a deadline.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Polls `condition` until it gives a value.
///
/// # Panics
/// With `what` when `deadline` passes first.
pub fn until<T>(what: &str, deadline: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(
            started.elapsed() < deadline,
            "waited {deadline:?} in vain: {what}"
        );
        thread::sleep(Duration::from_millis(50));
    }
}
