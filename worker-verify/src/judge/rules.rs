//! Which verdict follows from what was seen; the only place that says so. Believes nothing but
//! well-formed frames, and never lets a failure of ours look like the candidate's.
//!
//! The first row that applies decides:
//!
//! | what was seen | verdict |
//! |---|---|
//! | the sandbox failed, was ended from outside, or was cancelled | `infrastructure_error` |
//! | no code in the text | `no_code` |
//! | more output or results than allowed | `output_limit` |
//! | more CPU or elapsed time than allowed | `timeout` |
//! | ended by SIGSYS | `forbidden` |
//! | ended by a SIGKILL that nothing explains, in each of three runs | `runtime_error` |
//! | ended for memory | `out_of_memory` |
//! | does not compile | `syntax_error`; bare text: `no_code` |
//! | executing the module raised | `runtime_error`; a MemoryError: `out_of_memory` |
//! | no callable of the entry's name | `missing_function` |
//! | frames malformed, repeated, out of order, missing or too many | `runtime_error` |
//! | no clean exit | `runtime_error` |
//! | the first case that failed raised | `runtime_error`; a MemoryError: `out_of_memory` |
//! | the first case that failed returned a value too large | `output_limit` |
//! | the first case that failed returned another value | `wrong_answer` |
//! | every case returned exactly what is expected | `passed` |
//!
//! A winner that the sandbox wants a second opinion on has passed only if it passes there too.
//! The tallies count the cases whose frames came in order before anything went wrong, whatever the
//! verdict is.

use groklab_domain::Verdict;

use crate::{
    judge::story::{FailedCase, Story, WrongAnswer},
    sandbox::{Ended, RawRun},
    wire::frame::{Fault, Frame},
};

/// A SIGKILL that nothing explains comes from outside, but hardly in this many runs of one
/// candidate.
pub(crate) const MAX_UNEXPLAINED_KILLS: u32 = 3;
/// The runner's exit status when memory ran out where it could not even say so.
const OUT_OF_MEMORY_STATUS: i32 = 77;
const SIGSYS: i32 = 31;

/// A verdict, and why, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    pub verdict: Verdict,
    pub reason: Option<String>,
}

impl Ruling {
    fn new(verdict: Verdict, reason: impl Into<String>) -> Self {
        Self {
            verdict,
            reason: Some(reason.into()),
        }
    }

    /// One that needs no explanation.
    fn plain(verdict: Verdict) -> Self {
        Self {
            verdict,
            reason: None,
        }
    }

    pub fn no_code_in_text() -> Self {
        Self::new(Verdict::NoCode, "there is no code in the text")
    }

    pub fn killed_in_every_run() -> Self {
        let reason = format!("killed in each of {MAX_UNEXPLAINED_KILLS} runs");
        Self::new(Verdict::RuntimeError, reason)
    }

    /// On a run that came to an end. `is_bare_text` if the code was a text without any block.
    pub fn on_run(raw: &RawRun, story: &Story, case_count: usize, is_bare_text: bool) -> Self {
        // The order is that of the table.
        on_end(raw.ended)
            .or_else(|| on_opening(story.opening.as_ref()?, is_bare_text))
            .or_else(|| on_frames(raw.ended, story, case_count))
            .or_else(|| story.failed.as_ref().map(on_failed_case))
            .unwrap_or_else(|| Self::plain(Verdict::Passed))
    }
}

/// On an end that decides whatever the frames say.
fn on_end(ended: Ended) -> Option<Ruling> {
    let (verdict, reason) = match ended {
        Ended::Cancelled => (Verdict::InfrastructureError, "cancelled"),
        Ended::OutputLimit => (Verdict::OutputLimit, "it wrote more than is allowed"),
        Ended::CpuLimit => (Verdict::Timeout, "it used more CPU time than is allowed"),
        Ended::WallLimit => (Verdict::Timeout, "it took longer than is allowed"),
        Ended::Signalled(SIGSYS) => (Verdict::Forbidden, "it made a forbidden system call"),
        Ended::MemoryLimit => (
            Verdict::OutOfMemory,
            "its processes together used more memory than is allowed",
        ),
        Ended::Exited(OUT_OF_MEMORY_STATUS) => return Some(Ruling::plain(Verdict::OutOfMemory)),
        Ended::Exited(_) | Ended::Signalled(_) => return None,
    };
    Some(Ruling::new(verdict, reason))
}

/// On a frame in place of the first answer.
fn on_opening(frame: &Frame, is_bare_text: bool) -> Option<Ruling> {
    match frame {
        // A text that is no Python was never meant as code.
        Frame::Syntax(fault) if is_bare_text => Some(Ruling::new(Verdict::NoCode, fault.text())),
        Frame::Syntax(fault) => Some(Ruling::new(Verdict::SyntaxError, fault.text())),
        Frame::Load(fault) => Some(on_exception(fault)),
        Frame::Missing => Some(Ruling::plain(Verdict::MissingFunction)),
        _ => None,
    }
}

/// On anything but exactly the expected frames and a clean end.
fn on_frames(ended: Ended, story: &Story, count: usize) -> Option<Ruling> {
    let got = story.passed.len();
    // One frame before the answers says that the runner is up, one behind them that it is done.
    let all_frames = got == count && story.frames == count + 2 && story.ended;
    let reason = match (ended, story.flaw) {
        (Ended::Exited(0), None) if all_frames => return None,
        // The runner writes no such bytes, so somebody else did.
        (_, Some(flaw)) => format!("its results were tampered with: {flaw}"),
        (Ended::Signalled(signal), _) => {
            format!("ended by signal {signal} after {got} of {count} cases")
        }
        (Ended::Exited(status), _) if got < count => {
            format!("exited with status {status} after {got} of {count} cases")
        }
        _ => "its results were tampered with: more frames than cases".to_owned(),
    };
    Some(Ruling::new(Verdict::RuntimeError, reason))
}

fn on_failed_case(failed: &FailedCase) -> Ruling {
    match &failed.answer {
        WrongAnswer::OtherValue => Ruling::plain(Verdict::WrongAnswer),
        WrongAnswer::TooLarge => Ruling::new(Verdict::OutputLimit, "a value is too large"),
        WrongAnswer::Raised(fault) => on_exception(fault),
    }
}

fn on_exception(fault: &Fault) -> Ruling {
    let verdict = if fault.out_of_memory {
        Verdict::OutOfMemory
    } else {
        Verdict::RuntimeError
    };
    Ruling::new(verdict, fault.text())
}
