//! A process that replaces its program by itself, to give back what only a program's end surely
//! does, such as a card's memory. The process stays the same one, so its supervisor sees no end.

use std::{
    env, io,
    os::{
        fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
        unix::process::CommandExt,
    },
    process::Command,
    sync::{Arc, Mutex, PoisonError},
};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use tokio_util::sync::CancellationToken;

use crate::{config, output};

/// Names the descriptor that the new program closes.
const KEPT_FD: &str = "GROKLAB_KEPT_FD";

/// The wish to start again.
#[derive(Debug, Clone, Default)]
pub struct StartAgain(Arc<Mutex<Option<OwnedFd>>>);

impl StartAgain {
    /// Ends the service in order and then starts the program anew. `kept`, a lock for instance,
    /// stays open until the new program begins: by then all else of the old one is gone.
    pub fn request(&self, kept: OwnedFd, stop: &CancellationToken) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
        stop.cancel();
    }

    /// Starts again if that was asked for; comes back where it was not, or could not be done.
    pub(crate) fn carry_out(&self) -> io::Result<()> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        match kept {
            Some(kept) => Err(replace(&kept)),
            None => Ok(()),
        }
    }
}

fn replace(kept: &OwnedFd) -> io::Error {
    if let Err(error) = inherit(kept.as_raw_fd()) {
        return error;
    }
    // The parent's pipe goes on saying when to drain.
    if let Some(drain) = config::drain_fd()
        && let Err(error) = inherit(drain)
    {
        return error;
    }
    let executable = match env::current_exe() {
        Ok(executable) => executable,
        Err(error) => return error,
    };
    output::hand_over();
    Command::new(executable)
        .args(env::args_os().skip(1))
        .env(KEPT_FD, kept.as_raw_fd().to_string())
        .exec()
}

fn inherit(fd: i32) -> io::Result<()> {
    // SAFETY: the caller names a descriptor that stays open for the call.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty()))?;
    Ok(())
}

/// Closes what the program before this one kept open. Call once, before anything else is opened.
pub(crate) fn release() {
    let Some(fd) = env::var(KEPT_FD).ok().and_then(|fd| fd.parse().ok()) else {
        return;
    };
    // SAFETY: the program before this one named a descriptor that it left to this one alone.
    drop(unsafe { OwnedFd::from_raw_fd(fd) });
}
