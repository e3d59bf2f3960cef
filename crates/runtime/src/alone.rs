//! A worker's commands that need no coordinator: JSON lines in and out, a progress bar on a terminal, documented exit codes.

use std::{
    fmt,
    io::{BufRead, IsTerminal},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Serialize, de::DeserializeOwned};

use crate::output;

/// What `--help` says about exit codes.
pub const EXIT_CODES: &str = "Exit codes: 0 done, or nobody reads on (as with `| head`); 1 failed, also where standard output is full or closed; \
2 the command line, the configuration or a line of the input is wrong.";

/// What the caller gave is wrong: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Wrong(pub String);

/// Runs `command` and prints its error, with all its causes, once. Nothing is begun where standard output is closed, and a reader who
/// has gone ends it quietly.
pub fn run(name: &'static str, command: impl FnOnce() -> anyhow::Result<()>) -> ExitCode {
    let done = output::open().map_err(anyhow::Error::from).and_then(|()| command());
    let Err(error) = done else { return ExitCode::SUCCESS };
    if matches!(error.downcast_ref(), Some(output::Error::ReaderGone)) {
        return ExitCode::SUCCESS;
    }
    output::complain(format!("{name}: error: {error:#}"));
    if error.downcast_ref::<Wrong>().is_some() { ExitCode::from(crate::process::USAGE) } else { ExitCode::FAILURE }
}

/// Reads a value from each line of `input`; empty lines are passed over. `check` may refuse one.
///
/// # Errors
/// [`Wrong`], with the number of the line (from 1); or reading fails.
pub fn read_lines<T: DeserializeOwned>(input: impl BufRead, check: impl Fn(&T) -> Result<(), String>) -> anyhow::Result<Vec<T>> {
    let mut values = Vec::new();
    for (at, line) in input.lines().enumerate() {
        let line = line.with_context(|| format!("read line {}", at + 1))?;
        if line.trim().is_empty() {
            continue;
        }
        // The text of a line is line 1 to its parser.
        let parsed = serde_json::from_str(&line).map_err(|error| error.to_string().replace(" at line 1 column ", " at column "));
        let checked = parsed.and_then(|value| check(&value).map(|()| value));
        values.push(checked.map_err(|reason| Wrong(format!("line {}: {reason}", at + 1)))?);
    }
    Ok(values)
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
    bar.set_style(ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

/// The most memory that this process has had, in MB; none where the system does not say.
pub fn peak_memory_mb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kilobytes| kilobytes / 1024)
}

/// An error of the caller's making.
pub fn wrong(reason: impl fmt::Display) -> anyhow::Error {
    Wrong(format!("{reason:#}")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn even(n: &u32) -> Result<(), String> {
        if n.is_multiple_of(2) { Ok(()) } else { Err(format!("{n} is odd")) }
    }

    #[test]
    fn a_wrong_line_is_named_by_its_number() {
        assert_eq!(read_lines("2\n\n4".as_bytes(), even).unwrap(), [2, 4]);
        let message = |text: &str| read_lines(text.as_bytes(), even).unwrap_err().downcast::<Wrong>().unwrap().0;
        assert_eq!(message("2\n\n3"), "line 3: 3 is odd");
        assert_eq!(message("2\nx"), "line 2: expected value at column 1");
    }

    #[test]
    fn this_process_has_used_memory() {
        assert!(peak_memory_mb().is_some_and(|megabytes| megabytes > 0));
    }
}
