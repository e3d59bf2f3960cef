//! Whether a process can do its duty just now. It lives as long as it answers at all.

use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

/// Why a process cannot do its duty just now, for a person to read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotReady(pub String);

impl NotReady {
    pub fn because(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// What a service needs beside itself, and whether that was there when it last looked. Answers at
/// once: probes are frequent and have short deadlines.
pub trait Readiness: Send + Sync + 'static {
    /// # Errors
    /// What is missing.
    fn check(&self) -> Result<(), NotReady>;
}

/// The readiness of one process; cheap to clone.
#[derive(Clone)]
pub struct Health {
    stop: CancellationToken,
    readiness: Arc<OnceLock<Box<dyn Readiness>>>,
}

impl Health {
    /// Not ready until a service says what its readiness depends on, nor once `stop` is cancelled.
    pub fn new(stop: CancellationToken) -> Self {
        Self {
            stop,
            readiness: Arc::default(),
        }
    }

    /// From now on the process is as ready as `readiness` says. Only the first call counts.
    pub fn depends_on(&self, readiness: impl Readiness) {
        let first = self.readiness.set(Box::new(readiness)).is_ok();
        debug_assert!(first, "a process runs one service");
    }

    /// # Errors
    /// What keeps this process from its duty.
    pub fn ready(&self) -> Result<(), NotReady> {
        // Work that comes after the signal would be lost or would have to be given back.
        if self.stop.is_cancelled() {
            return Err(NotReady::because("stopping"));
        }
        match self.readiness.get() {
            Some(readiness) => readiness.check(),
            None => Err(NotReady::because("starting")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Always(Result<(), NotReady>);

    impl Readiness for Always {
        fn check(&self) -> Result<(), NotReady> {
            self.0.clone()
        }
    }

    #[test]
    fn a_process_is_ready_between_its_start_and_its_stop() {
        let stop = CancellationToken::new();
        let health = Health::new(stop.clone());
        assert_eq!(health.ready(), Err(NotReady::because("starting")));
        health.depends_on(Always(Ok(())));
        assert_eq!(health.ready(), Ok(()));
        stop.cancel();
        assert_eq!(health.ready(), Err(NotReady::because("stopping")));
    }

    #[test]
    fn what_is_missing_is_named() {
        let health = Health::new(CancellationToken::new());
        health.depends_on(Always(Err(NotReady::because("no database"))));
        assert_eq!(health.ready().unwrap_err().to_string(), "no database");
    }
}
