//! The commands that need no coordinator: lines on stdin, lines on stdout. Everything that can be refused is refused before weights are read.

mod generate;
mod input;
mod score;
mod source;

pub use generate::generate;
pub use score::score;

use std::io::{self, BufWriter, StdoutLock, Write as _};

use groklab_model::Error;
use groklab_runtime::tool::{self, Failure, output};
use serde::Serialize;

/// Stdout, a line of JSON at a time.
struct Lines(BufWriter<StdoutLock<'static>>);

impl Lines {
    fn new() -> Self {
        Self(BufWriter::new(io::stdout().lock()))
    }

    fn write(&mut self, line: &impl Serialize) -> Result<(), Failure> {
        serde_json::to_writer(&mut self.0, line).map_err(|error| output(error.into()))?;
        self.0.write_all(b"\n").map_err(output)
    }

    /// Hands on what was written so far.
    fn flush(&mut self) -> Result<(), Failure> {
        self.0.flush().map_err(output)
    }
}

fn failure(error: Error) -> Failure {
    match error {
        Error::Cancelled => Failure::interrupted("what was done is on stdout"),
        error if error.is_callers() => Failure::usage(error),
        error => Failure::other(error),
    }
}

/// A line of JSON on stderr.
fn say(line: &impl Serialize) {
    tool::say(serde_json::to_string(line).expect("plain structures are JSON"));
}

/// Seconds, to the hundredth.
fn rounded(seconds: f64) -> f64 {
    (seconds * 100.0).round() / 100.0
}
