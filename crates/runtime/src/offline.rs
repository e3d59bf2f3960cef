//! A worker's commands that need no coordinator: JSON lines in and out, a progress bar on a
//! terminal, documented exit codes.

use std::{
    fmt,
    io::{BufRead, IsTerminal},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Serialize, de::DeserializeOwned};
use tracing_subscriber::{EnvFilter, layer::SubscriberExt};

use crate::{output, process::USAGE, procfs};

/// What `--help` says about exit codes.
pub const EXIT_CODES: &str = "Exit codes: 0 done, or nobody reads on (as with `| head`); 1 failed, \
    also where standard output is full or closed; 2 the command line, the configuration or a line \
    of the input is wrong.";

/// How often a progress bar is drawn anew.
const REDRAW_EVERY: Duration = Duration::from_millis(500);

/// What the caller gave is wrong: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Wrong(pub String);

/// Runs `command` and prints its error, with all its causes, once. Nothing is begun where standard
/// output is closed, and a reader who has gone ends it quietly.
pub fn run(name: &'static str, command: impl FnOnce() -> anyhow::Result<()>) -> ExitCode {
    say_what_takes_long();
    let outcome = match output::require() {
        Ok(()) => command(),
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(name, &error),
    }
}

/// Prints the lines that a model on its way from the hub gives, which has no bar where standard
/// error is no terminal.
fn say_what_takes_long() {
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .without_time()
        .with_level(false)
        .with_target(false);
    let subscriber = tracing_subscriber::registry()
        .with(EnvFilter::new("groklab_model=info"))
        .with(lines);
    // Another one only is there where a program runs two commands, and does the same.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Prints what ended a command, unless it is a reader who has gone; the exit code.
pub fn failed(name: &'static str, error: &anyhow::Error) -> ExitCode {
    if error.chain().any(output::is_reader_gone) {
        return ExitCode::SUCCESS;
    }
    output::complain(format!("{name}: error: {error:#}"));
    if error.downcast_ref::<Wrong>().is_some() {
        ExitCode::from(USAGE)
    } else {
        ExitCode::FAILURE
    }
}

/// Reads an object from each line of `input`; empty lines are passed over. `check` may refuse one.
///
/// # Errors
/// [`Wrong`], with the number of the line (from 1); or reading fails.
pub fn read_lines<T: DeserializeOwned>(
    input: impl BufRead,
    check: impl Fn(&T) -> Result<(), String>,
) -> anyhow::Result<Vec<T>> {
    let mut values = Vec::new();
    // Bytes rather than `lines`: a line that is not UTF-8 is to be named by its number as well.
    for (at, line) in input.split(b'\n').enumerate() {
        let number = at + 1;
        let line = line.with_context(|| format!("read line {number}"))?;
        match checked_object(&line, &check) {
            Ok(value) => values.extend(value),
            Err(reason) => return Err(Wrong(format!("line {number}: {reason}")).into()),
        }
    }
    Ok(values)
}

/// The object in a line, if `check` lets it pass; none in an empty line.
fn checked_object<T: DeserializeOwned>(
    line: &[u8],
    check: impl Fn(&T) -> Result<(), String>,
) -> Result<Option<T>, String> {
    let value = parse_object(line)?;
    if let Some(value) = &value {
        check(value)?;
    }
    Ok(value)
}

fn parse_object<T: DeserializeOwned>(line: &[u8]) -> Result<Option<T>, String> {
    let text = match str::from_utf8(line) {
        Ok(text) => text.trim_end(),
        Err(error) => {
            let byte = error.valid_up_to() + 1;
            return Err(format!(
                "not UTF-8 from byte {byte} on; save the file as UTF-8"
            ));
        }
    };
    match text.trim_start().chars().next() {
        None => return Ok(None),
        Some('\u{feff}') => {
            return Err("it begins with a byte-order mark; save the file without one".into());
        }
        // serde would take the elements of a list for the fields in their order.
        Some('[') => {
            return Err("an object is wanted, {\"name\": value, …}, and this is a list".into());
        }
        Some(_) => {}
    }
    match serde_json::from_str(text) {
        Ok(value) => Ok(Some(value)),
        // The text of a line is line 1 to its parser.
        Err(error) => Err(error
            .to_string()
            .replace(" at line 1 column ", " at column ")),
    }
}

/// Writes one line to standard output and hands it on at once.
pub fn write_line(value: &impl Serialize) -> anyhow::Result<()> {
    Ok(output::json_line(value)?)
}

/// The same where the line only tells how far the work is: a reader who has gone does not end it.
pub fn report_line(value: &impl Serialize) -> anyhow::Result<()> {
    match output::json_line(value) {
        Err(output::Error::ReaderGone) => Ok(()),
        written => Ok(written?),
    }
}

/// A bar over `total` units on standard error; invisible where that is no terminal.
pub fn bar(total: u64, unit: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let template = format!("{{wide_bar}} {{pos}}/{{len}} {unit} {{msg}} {{elapsed}}, {{eta}} left");
    let bar = ProgressBar::new(total);
    // A unit that spoils the template must not spoil the work.
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(REDRAW_EVERY);
    bar
}

/// The most memory that this process has had, in MB; none where the system does not say.
pub fn peak_memory_mb() -> Option<u64> {
    Some(procfs::status_number("VmHWM:")? / 1024)
}

/// An error of the caller's making.
pub fn wrong(reason: impl fmt::Display) -> anyhow::Error {
    Wrong(format!("{reason:#}")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn even(n: &u32) -> Result<(), String> {
        if n.is_multiple_of(2) {
            Ok(())
        } else {
            Err(format!("{n} is odd"))
        }
    }

    #[test]
    fn a_wrong_line_is_named_by_its_number() {
        assert_eq!(read_lines("2\n\n4".as_bytes(), even).unwrap(), [2, 4]);
        let message = |text: &str| {
            read_lines(text.as_bytes(), even)
                .unwrap_err()
                .downcast::<Wrong>()
                .unwrap()
                .0
        };
        assert_eq!(message("2\n\n3"), "line 3: 3 is odd");
        assert_eq!(message("2\nx"), "line 2: expected value at column 1");
        assert_eq!(
            message("2\r\n\r\n x\r\n"),
            "line 3: expected value at column 2"
        );
        assert_eq!(
            message("\u{feff}2"),
            "line 1: it begins with a byte-order mark; save the file without one"
        );
        assert_eq!(
            message("[2]"),
            "line 1: an object is wanted, {\"name\": value, …}, and this is a list"
        );
    }

    #[test]
    fn a_line_that_is_not_utf8_is_named_like_any_other() {
        let error = read_lines(&b"2\n4 \xff\n"[..], even).unwrap_err();
        assert_eq!(
            error.downcast::<Wrong>().unwrap().0,
            "line 2: not UTF-8 from byte 3 on; save the file as UTF-8"
        );
    }

    #[test]
    fn input_that_cannot_be_read_is_no_fault_of_its_lines() {
        let folder = std::fs::File::open(std::env::temp_dir()).unwrap();
        let error = read_lines(std::io::BufReader::new(folder), even).unwrap_err();
        assert!(
            !error.is::<Wrong>() && error.to_string() == "read line 1",
            "{error:#}"
        );
    }

    #[test]
    fn this_process_has_used_memory() {
        assert!(peak_memory_mb().is_some_and(|megabytes| megabytes > 0));
    }
}
