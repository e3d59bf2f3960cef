//! Ctrl-C and SIGTERM: the first asks for an orderly stop, the second for an end at once. Stops
//! nothing itself.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::failure::{Exit, Failure};

/// How long a command may take to end after the second signal: it must still kill the processes it
/// started.
const KILL_GRACE: Duration = Duration::from_secs(4);

/// What the user's signals ask for.
#[derive(Debug, Clone, Default)]
pub struct Interrupt {
    /// Cancelled by the first signal: stop in order.
    pub stop: CancellationToken,
    /// Cancelled by the second: kill what is left.
    pub kill: CancellationToken,
}

impl Interrupt {
    /// Starts to listen. Call inside the runtime.
    pub fn listen() -> Result<Self, Failure> {
        let failed = |error| Failure::other("listen for signals").because(error);
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        // The task outlives this call, and so has handles of its own.
        let own = Self::default();
        let tokens = own.clone();
        tokio::spawn(async move {
            next_of(&mut interrupt, &mut terminate).await;
            tokens.stop.cancel();
            next_of(&mut interrupt, &mut terminate).await;
            tokens.kill.cancel();
            tokio::time::sleep(KILL_GRACE).await;
            // The command hangs, and whoever sent two signals does not want to wait for it.
            std::process::exit(Exit::Interrupted as i32);
        });
        Ok(own)
    }

    /// Runs `work` unless the first signal comes before its end. `work` must be safe to drop at any
    /// await.
    pub async fn unless_stopped<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        tokio::select! {
            () = self.stop.cancelled() => Err(Failure::interrupted()),
            outcome = work => outcome,
        }
    }
}

async fn next_of(a: &mut Signal, b: &mut Signal) {
    tokio::select! {
        _ = a.recv() => {}
        _ = b.recv() => {}
    }
}
