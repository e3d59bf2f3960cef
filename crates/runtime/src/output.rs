//! Standard output: the one way to write to it. Every piece is handed on at once and checked, so a
//! full disk or a closed output is an error and never a file that was cut off in silence. Knows
//! nothing of what is written.

use std::{
    io::{self, IsTerminal, Write},
    sync::atomic::{AtomicBool, Ordering},
};

use nix::{
    fcntl::{FcntlArg, FdFlag, fcntl},
    libc,
};
use serde::Serialize;

/// Why nothing more can be written to standard output.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Whoever read it has seen enough, as `head` has after its lines: nobody is at fault.
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
    /// Where standard output is closed, Rust opens /dev/null in its place before `main`, and what
    /// is written is lost unnoticed. So this looks before Rust does. Of the standard library it
    /// uses only an atomic, as nothing else is ready yet.
    #[ctor(unsafe)]
    fn look_before_main() {
        // SAFETY: asking for a descriptor's flags touches no memory, open or not.
        let flags = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) };
        CLOSED.store(flags < 0, Ordering::Relaxed);
    }
}

/// Fails where there is nothing to write to. For work whose only result is what it writes: call
/// this before it begins.
///
/// # Errors
/// [`Error::Closed`].
pub fn require() -> Result<(), Error> {
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
    require()?;
    let whole = format!("{}\n", text.as_ref());
    let mut out = io::stdout().lock();
    out.write_all(whole.as_bytes())?;
    Ok(out.flush()?)
}

/// Writes `value` as a line of JSON.
///
/// # Errors
/// It is no JSON, or not all of it could be written.
pub fn json_line(value: &impl Serialize) -> Result<(), Error> {
    match serde_json::to_string(value) {
        Ok(text) => line(text),
        Err(error) => Err(Error::Write(error.into())),
    }
}

/// Standard output for what writes by itself; its errors are [`Error`]s within.
pub struct Writer(io::StdoutLock<'static>);

/// # Errors
/// [`Error::Closed`].
pub fn writer() -> Result<Writer, Error> {
    require()?;
    Ok(Writer(io::stdout().lock()))
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(wrap)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(wrap)
    }
}

/// Keeps an [`Error`] inside, so that [`is_reader_gone`] finds it in a chain.
fn wrap(error: io::Error) -> io::Error {
    io::Error::new(error.kind(), Error::from(error))
}

/// Whether `error`, one of a chain, says that nobody reads on.
pub fn is_reader_gone(error: &(dyn std::error::Error + 'static)) -> bool {
    let error = match error.downcast_ref::<io::Error>() {
        Some(error) => error.get_ref().and_then(|inner| inner.downcast_ref()),
        None => error.downcast_ref(),
    };
    matches!(error, Some(Error::ReaderGone))
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

/// Prints the help or version that `asked` is; the exit code.
pub(crate) fn show_help(name: &str, asked: &clap::Error) -> i32 {
    match print_help(asked) {
        Ok(()) | Err(Error::ReaderGone) => 0,
        Err(error) => {
            complain(format!("{name}: error: {:#}", anyhow::Error::new(error)));
            1
        }
    }
}

fn print_help(asked: &clap::Error) -> Result<(), Error> {
    require()?;
    asked.print()?;
    Ok(io::stdout().flush()?)
}
