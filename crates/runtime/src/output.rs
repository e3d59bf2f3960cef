//! Standard output: the one way to write to it. Every piece is handed on at once and checked, so a full disk or a closed output is an
//! error and never a file that was cut off in silence. Knows nothing of what is written.

use std::{
    io::{self, IsTerminal, Write},
    process,
    sync::atomic::{AtomicBool, Ordering},
};

use nix::{
    fcntl::{FcntlArg, FdFlag, fcntl},
    libc,
};
use serde::Serialize;

use crate::secret;

/// Why nothing more can be written to standard output.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Whoever read it has seen enough, as `head` has after its lines: no fault of anybody's.
    #[error("the reader of standard output has gone")]
    ReaderGone,
    #[error("write to standard output")]
    Write(#[source] io::Error),
    #[error("standard output is closed; send it to a file, or to /dev/null where it is not wanted")]
    Closed,
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::ReaderGone
        } else {
            Self::Write(error)
        }
    }
}

/// Whether standard output was closed when the process began.
static CLOSED: AtomicBool = AtomicBool::new(false);

ctor::declarative::ctor! {
    /// Before `main`, Rust opens /dev/null in the place of a standard output that is closed, and what is written gets lost unnoticed. So it
    /// is looked at before that. Nothing of the standard library is used here but an atomic.
    #[ctor(unsafe)]
    fn look_before_main() {
        // SAFETY: asking for a descriptor's flags touches no memory, whether the descriptor is open or not.
        let flags = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) };
        CLOSED.store(flags < 0, Ordering::Relaxed);
    }
}

/// Whether there is anything to write to. To be asked before work whose only result is what is written.
///
/// # Errors
/// [`Error::Closed`].
pub fn open() -> Result<(), Error> {
    if CLOSED.load(Ordering::Relaxed) {
        Err(Error::Closed)
    } else {
        Ok(())
    }
}

/// Lets a program that takes this process over find standard output closed as well.
pub(crate) fn hand_over() {
    if CLOSED.load(Ordering::Relaxed) {
        // Where it fails the next program writes to /dev/null, which harms nobody.
        let _ = fcntl(io::stdout(), FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC));
    }
}

/// Writes `text` and a line end.
///
/// # Errors
/// Not all of it could be written.
pub fn line(text: impl AsRef<str>) -> Result<(), Error> {
    open()?;
    let whole = format!("{}\n", text.as_ref());
    let mut out = io::stdout().lock();
    Ok(out.write_all(whole.as_bytes()).and_then(|()| out.flush())?)
}

/// Writes `value` as a line of JSON.
///
/// # Errors
/// It is no JSON, or not all of it could be written.
pub fn json_line(value: &impl Serialize) -> Result<(), Error> {
    line(serde_json::to_string(value).map_err(|error| Error::Write(error.into()))?)
}

/// Standard output for what writes by itself; its errors are [`Error`]s within.
pub struct Writer(io::StdoutLock<'static>);

/// # Errors
/// [`Error::Closed`].
pub fn writer() -> Result<Writer, Error> {
    open().map(|()| Writer(io::stdout().lock()))
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(within)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(within)
    }
}

fn within(error: io::Error) -> io::Error {
    io::Error::new(error.kind(), Error::from(error))
}

/// Whether `error`, one of a chain, says that nobody reads on.
pub fn is_reader_gone(error: &(dyn std::error::Error + 'static)) -> bool {
    let inner = error
        .downcast_ref::<io::Error>()
        .and_then(|error| error.get_ref())
        .and_then(|inner| inner.downcast_ref());
    matches!(error.downcast_ref().or(inner), Some(Error::ReaderGone))
}

/// Whether a person reads standard output.
pub fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// One line for the person who called, on standard error.
pub fn complain(text: impl AsRef<str>) {
    // Standard error that cannot be written to leaves nobody to tell; `eprintln!` would panic.
    let _ = writeln!(io::stderr(), "{}", text.as_ref());
}

/// Reads the command line. Where it cannot be used, or asks for help or the version, this ends the process as clap does, but for one thing:
/// help that could not be written is an error, and nothing that may be a database URL is repeated.
pub fn parse<C: clap::Parser>() -> C {
    C::try_parse().unwrap_or_else(|error| {
        if error.use_stderr() {
            secret::refuse(&error);
        }
        process::exit(shown(C::command().get_name(), &error))
    })
}

/// Prints the help or version that `asked` is; the exit code.
fn shown(name: &str, asked: &clap::Error) -> i32 {
    let printed = open().and_then(|()| Ok(asked.print().and_then(|()| io::stdout().flush())?));
    match printed {
        Ok(()) | Err(Error::ReaderGone) => 0,
        Err(error) => {
            complain(format!("{name}: error: {:#}", anyhow::Error::new(error)));
            1
        }
    }
}
