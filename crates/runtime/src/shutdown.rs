//! When to stop: SIGINT, SIGTERM, or the end of the pipe a parent holds. A second signal ends the
//! process at once.

use std::{fs::File, os::fd::BorrowedFd, time::Duration};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use tokio::{
    io::AsyncReadExt,
    net::unix::pipe,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

/// Exit code after a second Ctrl-C, as shells give it.
const INTERRUPTED_EXIT_CODE: i32 = 130;

/// A token cancelled by the first SIGINT or SIGTERM, or when the inherited pipe `drain_fd` ends.
pub fn token(drain_fd: Option<i32>) -> std::io::Result<CancellationToken> {
    let token = CancellationToken::new();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let drain = drain_fd.map(drain_pipe).transpose()?;
    let cancel = token.clone();
    // Outside of every task group: a second signal must be heard while the groups drain.
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => tracing::info!("stopping: interrupted"),
            _ = terminate.recv() => tracing::info!("stopping: asked to terminate"),
            () = ended(drain) => tracing::info!("stopping: the parent has gone or asked to drain"),
        }
        cancel.cancel();
        // Whoever asks again does not want to wait for the order.
        tokio::select! {
            _ = interrupt.recv() => {},
            _ = terminate.recv() => {},
        }
        tracing::warn!("a second signal: ending at once");
        std::process::exit(INTERRUPTED_EXIT_CODE);
    });
    Ok(token)
}

fn drain_pipe(fd: i32) -> std::io::Result<pipe::Receiver> {
    // Stays open as long as the process, for a program that takes it over (`start_again`).
    // SAFETY: the parent names a descriptor that it opened for this process alone.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    // Not for this process's own children: they would keep it open.
    fcntl(fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    pipe::Receiver::from_file(File::from(fd.try_clone_to_owned()?))
}

async fn ended(drain: Option<pipe::Receiver>) {
    let Some(mut pipe) = drain else {
        return std::future::pending().await;
    };
    // The parent writes nothing; the pipe ends when it closes its end, or dies.
    let mut byte = [0];
    while matches!(pipe.read(&mut byte).await, Ok(n) if n > 0) {}
}

/// Waits for `duration` or until `stop` is cancelled; true when it was the latter.
pub async fn stopped_within(stop: &CancellationToken, duration: Duration) -> bool {
    tokio::time::timeout(duration, stop.cancelled())
        .await
        .is_ok()
}
