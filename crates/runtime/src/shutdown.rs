//! When to stop: SIGINT, SIGTERM, or the end of the pipe a parent holds. A second signal ends the process at once.

use std::{env, fs::File, os::fd::FromRawFd, time::Duration};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use tokio::{
    io::AsyncReadExt,
    net::unix::pipe,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

/// Names the file descriptor of an inherited pipe whose end means "drain".
pub const DRAIN_FD: &str = "GROKLAB_DRAIN_FD";

/// Exit code after a second Ctrl-C.
pub const INTERRUPTED: i32 = 130;

/// A token cancelled by the first SIGINT or SIGTERM, or when the drain pipe ends.
pub fn token() -> std::io::Result<CancellationToken> {
    let token = CancellationToken::new();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let drain = drain_pipe()?;
    let cancel = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => tracing::info!("stopping: interrupted"),
            _ = terminate.recv() => tracing::info!("stopping: asked to terminate"),
            () = ended(drain) => tracing::info!("stopping: the parent has gone or asked to drain"),
        }
        cancel.cancel();
        tokio::select! {
            _ = interrupt.recv() => {},
            _ = terminate.recv() => {},
        }
        tracing::warn!("a second signal: ending at once");
        std::process::exit(INTERRUPTED);
    });
    Ok(token)
}

fn drain_pipe() -> std::io::Result<Option<pipe::Receiver>> {
    let Some(fd) = env::var(DRAIN_FD)
        .ok()
        .and_then(|text| text.parse::<i32>().ok())
    else {
        return Ok(None);
    };
    // SAFETY: the parent names a descriptor that it opened for this process alone.
    let file = unsafe { File::from_raw_fd(fd) };
    // Not for this process's own children.
    fcntl(&file, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    pipe::Receiver::from_file(file).map(Some)
}

async fn ended(drain: Option<pipe::Receiver>) {
    let Some(mut pipe) = drain else {
        return std::future::pending().await;
    };
    let mut byte = [0];
    while matches!(pipe.read(&mut byte).await, Ok(n) if n > 0) {}
}

/// Waits for `duration` or until `stop` is cancelled; true when it was the latter.
pub async fn stopped_within(stop: &CancellationToken, duration: Duration) -> bool {
    tokio::time::timeout(duration, stop.cancelled())
        .await
        .is_ok()
}
