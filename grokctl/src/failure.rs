//! What went wrong, for a person: what failed, why, and the next command to try; and the exit code
//! of each kind.

use std::{fmt, io, path::Path};

use groklab_runtime::output;
use tonic::{Code, Status};

/// The documented exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done; a watched experiment completed. Also where nobody reads on, as with `| head`.
    Ok = 0,
    /// Anything that no other code names; also where standard output is full or closed.
    Other = 1,
    /// A wrong command line or experiment file.
    Usage = 2,
    /// No such experiment or file.
    NotFound = 3,
    /// No coordinator answers.
    Unreachable = 4,
    /// The watched experiment failed, was cancelled, or is paused.
    Unfinished = 5,
    /// The coordinator wants another token.
    Refused = 6,
    /// Stopped by Ctrl-C or SIGTERM.
    Interrupted = 130,
}

impl Exit {
    /// The first of the two that says something went wrong.
    pub fn or(self, later: Self) -> Self {
        if self == Self::Ok { later } else { self }
    }
}

const TOKEN_ADVICE: &str = "give its clients' token by --token-file FILE or GROKLAB_TOKEN; \
    `grokctl up` keeps it in DATA/tokens/client";

/// One failed command. Built up as `Failure::other("read `x`").because(error).next("…")`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub exit: Exit,
    what: String,
    why: Option<String>,
    next: Option<String>,
}

impl Failure {
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self {
            exit,
            what: what.into(),
            why: None,
            next: None,
        }
    }

    pub fn other(what: impl Into<String>) -> Self {
        Self::new(Exit::Other, what)
    }

    pub fn usage(what: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what)
    }

    pub fn interrupted() -> Self {
        Self::new(Exit::Interrupted, "interrupted")
    }

    /// Adds the reason: for an error its whole chain.
    pub fn because(mut self, why: impl fmt::Display) -> Self {
        self.why = Some(why.to_string());
        self
    }

    /// Adds what to try next.
    pub fn next(mut self, command: impl Into<String>) -> Self {
        self.next = Some(command.into());
        self
    }

    /// What the coordinator at `url` answered to `what`.
    pub fn from_status(what: impl Into<String>, status: &Status, url: &str) -> Self {
        // A status that the transport made has a source; a server of another kind may send
        // anything, which the transport reports as one of these codes.
        let transport_codes = [Code::Unknown, Code::Internal, Code::Cancelled];
        let broken =
            transport_codes.contains(&status.code()) && std::error::Error::source(status).is_some();
        let exit = if broken {
            Exit::Unreachable
        } else {
            exit_of(status.code())
        };
        let failure = Self::new(exit, what).because(reason(status));
        match exit {
            Exit::NotFound => failure.next("`grokctl list` shows the experiments there are"),
            Exit::Refused => failure.next(TOKEN_ADVICE),
            Exit::Unreachable if broken && url.starts_with("http://") => {
                let secure = url.replace("http://", "https://");
                failure.next(format!(
                    "if it serves with TLS, name it {secure} and its authority by --tls-ca FILE"
                ))
            }
            Exit::Unreachable => failure.next(format!(
                "is the coordinator at {url} up? `grokctl up` starts one here"
            )),
            _ => failure,
        }
    }

    /// The text for standard error.
    pub fn report(&self) -> String {
        let mut text = format!("error: {}", self.what);
        for (label, part) in [("why", &self.why), ("try", &self.next)] {
            if let Some(part) = part {
                // Further lines stand under the first one.
                let part = part.trim_end().replace('\n', "\n       ");
                text.push_str(&format!("\n  {label}: {part}"));
            }
        }
        text
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Some(why) => write!(f, "{}: {why}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

impl std::error::Error for Failure {}

/// Nobody reads on: nothing went wrong, and nothing more is wanted.
impl From<output::Error> for Failure {
    fn from(error: output::Error) -> Self {
        match &error {
            output::Error::ReaderGone => Self::new(Exit::Ok, error.to_string()),
            output::Error::Closed => Self::other("write to standard output").because(error),
            output::Error::Write(source) => Self::other(error.to_string()).because(source),
        }
    }
}

/// The outcome of one step with a file or folder; the failure says what was done with which.
pub fn file_step<T>(what: &str, path: &Path, outcome: io::Result<T>) -> Result<T, Failure> {
    outcome.map_err(|error| Failure::other(format!("{what} `{}`", path.display())).because(error))
}

/// An error and its sources, each once.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        // Many errors of libraries repeat their source.
        if !text.ends_with(&inner_text) {
            text.push_str(&format!(": {inner_text}"));
        }
        source = inner.source();
    }
    text
}

fn exit_of(code: Code) -> Exit {
    match code {
        Code::Ok => Exit::Ok,
        Code::InvalidArgument | Code::OutOfRange => Exit::Usage,
        Code::NotFound => Exit::NotFound,
        Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted => Exit::Unreachable,
        Code::Unauthenticated | Code::PermissionDenied => Exit::Refused,
        _ => Exit::Other,
    }
}

fn reason(status: &Status) -> String {
    let text = if status.message().is_empty() {
        status.code().description()
    } else {
        status.message()
    };
    // Only these codes have a source that says more than the text does.
    let source = match status.code() {
        Code::Unavailable | Code::Unknown => std::error::Error::source(status),
        _ => None,
    };
    match source.map(chain) {
        Some(rest) if rest.starts_with(text) => rest,
        Some(rest) => format!("{text}: {rest}"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_the_documented_ones() {
        let table = [
            (Code::InvalidArgument, 2),
            (Code::NotFound, 3),
            (Code::Unavailable, 4),
            (Code::DeadlineExceeded, 4),
            (Code::FailedPrecondition, 1),
            (Code::Internal, 1),
            (Code::Unauthenticated, 6),
            (Code::PermissionDenied, 6),
        ];
        for (code, exit) in table {
            assert_eq!(
                Failure::from_status("x", &Status::new(code, "y"), "http://h").exit as u8,
                exit,
                "{code:?}"
            );
        }
        assert_eq!(
            (
                Exit::Ok as u8,
                Exit::Unfinished as u8,
                Failure::interrupted().exit as u8
            ),
            (0, 5, 130)
        );
    }

    #[test]
    fn a_report_says_what_why_and_next() {
        let failure = Failure::usage("read `a.toml`")
            .because("line 1: no\nline 2: neither")
            .next("grokctl validate a.toml");
        assert_eq!(
            failure.report(),
            concat!(
                "error: read `a.toml`\n  why: line 1: no\n       line 2: neither\n",
                "  try: grokctl validate a.toml"
            )
        );
        let missing = Failure::from_status(
            "show `x`",
            &Status::not_found("no experiment `x`"),
            "http://h",
        );
        assert_eq!(
            missing.report(),
            concat!(
                "error: show `x`\n  why: no experiment `x`\n",
                "  try: `grokctl list` shows the experiments there are"
            )
        );
    }
}
