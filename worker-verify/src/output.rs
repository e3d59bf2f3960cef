//! Standard output, or an error where there is none: nobody would get what is written, and it would look as if all were well.

use std::{
    io::{self, StdoutLock, Write},
    sync::atomic::{AtomicBool, Ordering},
};

use nix::libc;

/// Whether this process was started without standard output.
static CLOSED: AtomicBool = AtomicBool::new(false);

/// Runs before the standard library opens `/dev/null` in the place of what is closed; from then on there is no telling.
#[used]
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = look;

extern "C" fn look() {
    // SAFETY: F_GETFD takes an integer and touches no memory of ours.
    CLOSED.store(unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) } < 0, Ordering::Relaxed);
}

/// Standard output, whose errors say that they are its.
pub struct Output(StdoutLock<'static>);

/// Standard output.
///
/// # Errors
/// If it is closed.
pub fn open() -> io::Result<Output> {
    if CLOSED.load(Ordering::Relaxed) {
        return Err(io::Error::other("standard output is closed"));
    }
    Ok(Output(io::stdout().lock()))
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(named)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(named)
    }
}

fn named(error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("standard output: {error}"))
}
