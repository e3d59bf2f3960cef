//! Children in a process group of their own: asked to end, given a grace time, then killed, and
//! always reaped.

use std::{io, time::Duration};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::process::Child;

/// Sends `signal` to the child's group; a group that has gone is not an error.
pub fn signal_group(child: &Child, signal: Signal) {
    // None: it was reaped.
    if let Some(id) = child.id() {
        // The only possible failure is that the group has ended already.
        let _ = killpg(Pid::from_raw(id.cast_signed()), signal);
    }
}

/// Ends a child started with `process_group(0)`: `polite` first, SIGKILL to the whole group after
/// `grace`. Returns its status.
pub async fn end(
    child: &mut Child,
    polite: Signal,
    grace: Duration,
) -> io::Result<std::process::ExitStatus> {
    signal_group(child, polite);
    if let Ok(status) = tokio::time::timeout(grace, child.wait()).await {
        return status;
    }
    // The whole group again: what the child started itself must not stay behind.
    signal_group(child, Signal::SIGKILL);
    child.wait().await
}
