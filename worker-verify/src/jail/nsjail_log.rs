//! Reads nsjail's log, which no candidate can reach: how its child ended, and what went wrong
//! before.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _},
};

use nix::libc;

use crate::sandbox::Ended;

/// Most bytes of the log that are read; nsjail writes about 4 KiB.
const MAX_LOG_BYTES: u64 = 1 << 20;
/// Most characters of an explanation.
const MAX_EXPLANATION_CHARS: usize = 2000;

/// The log's text.
pub fn read(mut log: &File) -> io::Result<String> {
    let mut text = Vec::new();
    // nsjail and this process share the file's position.
    log.rewind()?;
    log.take(MAX_LOG_BYTES).read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// What nsjail complained of and what was printed, on one line.
pub fn explanation(log: &File, output: &[u8]) -> String {
    let log = read(log).unwrap_or_default();
    let output = String::from_utf8_lossy(output);
    // Lines of this level say what nsjail always does, which explains no failure.
    let complaints = log.lines().filter(|line| !line.starts_with("[I]"));
    let lines = complaints.chain(output.lines());
    let words: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
    if words.is_empty() {
        return "it left no log".to_owned();
    }
    let text = words.join(" ");
    text.chars().take(MAX_EXPLANATION_CHARS).collect()
}

/// How a process ended, by its raw wait status.
pub fn ended(status: i32) -> Ended {
    if libc::WIFSIGNALED(status) {
        Ended::Signalled(libc::WTERMSIG(status))
    } else {
        Ended::Exited(libc::WEXITSTATUS(status))
    }
}

/// The last word of nsjail's log on its child.
pub fn logged_end(log: &str) -> Option<Ended> {
    let lines = log.lines().rev();
    lines
        // Its child is reported at this level; other levels may quote anything.
        .filter(|line| line.starts_with("[I]"))
        .find_map(end_on_line)
}

/// `… exited with status: 3, (…` or `… terminated with signal: SIGSYS (31), (…`
fn end_on_line(line: &str) -> Option<Ended> {
    if let Some((_, rest)) = line.rsplit_once(") exited with status: ") {
        let (status, _) = rest.split_once(',')?;
        return status.parse().ok().map(Ended::Exited);
    }
    let (_, rest) = line.rsplit_once(") terminated with signal: ")?;
    let (_, number) = rest.split_once(" (")?;
    let (number, _) = number.split_once(')')?;
    number.parse().ok().map(Ended::Signalled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_end_in_the_log_counts() {
        let log = "[I][now] Mode: STANDALONE_ONCE\n\
                   [W][now] pid=1 (x) exited with status: 1, (\n\
                   [I][now] pid=7 ([STANDALONE MODE]) ";
        assert_eq!(logged_end(log), None);
        assert_eq!(
            logged_end(&format!("{log}exited with status: 159, (PIDs left: 0)\n")),
            Some(Ended::Exited(159))
        );
        let signal =
            format!("{log}terminated with signal: SIGSYS (31), (PIDs left: 0)\n[I][now] Exiting\n");
        assert_eq!(logged_end(&signal), Some(Ended::Signalled(31)));
    }
}
