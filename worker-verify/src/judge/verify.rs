//! Makes verdicts: runs a candidate in a sandbox and compares, outside it, what came back with what is expected.
//! Believes nothing but well-formed frames; never lets a failure of ours look like the candidate's.
//!
//! The first row that applies decides:
//!
//! | what was seen | verdict |
//! |---|---|
//! | the sandbox failed before the candidate's first step or was ended from outside, or the run was cancelled | `infrastructure_error` |
//! | no code in the text | `no_code` |
//! | more output or results than allowed | `output_limit` |
//! | more CPU or elapsed time than allowed | `timeout` |
//! | ended by SIGSYS | `forbidden` |
//! | ended by a SIGKILL that nothing explains, in each of three runs | `runtime_error` |
//! | ended for memory | `out_of_memory` |
//! | does not compile | `syntax_error`; bare text: `no_code` |
//! | executing the module raised | `runtime_error`; a MemoryError: `out_of_memory` |
//! | no callable of the entry's name | `missing_function` |
//! | frames that are malformed, repeated, out of order, missing or too many; or no clean exit | `runtime_error` |
//! | the first case that failed: raised, raised MemoryError, value too large, another value | `runtime_error`, `out_of_memory`, `output_limit`, `wrong_answer` |
//! | every case returned exactly what is expected | `passed` |
//!
//! A winner that the sandbox wants a second opinion on has passed only if it passes there too.
//!
//! The tallies count the cases whose frames came in order before anything went wrong, whatever the verdict is.

use std::{
    borrow::Cow,
    error::Error as _,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use groklab_domain::{
    Tally, Value, Verdict, Verification,
    candidate::{self, Candidate},
};

use crate::metrics::METRICS;
use crate::sandbox::{Ended, InfrastructureError, Limits, Raw, Request, Sandbox};
use crate::wire::frame::{Fault, Flaw, Frame, Frames};
use crate::wire::seen::shorten;

/// Characters of a value or an error that are kept.
const SHOWN: usize = 200;
/// Runs of one candidate that a SIGKILL which nothing explains may end: one comes from outside, but hardly as often as this.
const KILLS: u32 = 3;
/// The runner's exit status when memory ran out where it could not even say so.
const MEMORY_EXIT: i32 = 77;
const SIGSYS: i32 = 31;

/// One call and what it must return.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    pub args: Vec<Value>,
    pub expected: Value,
    /// Whether the prompt shows it.
    pub visible: bool,
}

/// One candidate with everything needed to judge it.
#[derive(Debug, Clone)]
pub struct Submission {
    /// A rollout's text, or code alone.
    pub text: Vec<u8>,
    /// Which part of `text` is the code; none: `text` is code as it stands.
    pub candidate: Option<Candidate>,
    pub entry: String,
    pub cases: Vec<Case>,
    pub limits: Limits,
}

impl Submission {
    /// The code that is run.
    pub fn code(&self) -> Cow<'_, [u8]> {
        self.candidate
            .map_or(Cow::Borrowed(self.text.as_slice()), |candidate| {
                candidate.code(&self.text)
            })
    }
}

/// The first case that was not passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Its position among the cases, from 0.
    pub case: usize,
    /// What was returned or raised, as Python shows it, shortened; nothing if no answer came.
    pub got: Option<String>,
    pub expected: String,
}

/// A verdict and what it rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub verdict: Verdict,
    pub visible: Tally,
    pub hidden: Tally,
    pub first_failure: Option<Failure>,
    pub error: Option<String>,
    pub cpu: Duration,
    pub wall: Duration,
    /// See [`Raw::peak_memory_bytes`]: an upper bound, good for comparing only above the size of an interpreter.
    pub peak_memory_bytes: u64,
}

impl Outcome {
    /// The part that the domain keeps.
    pub fn verification(&self) -> Verification {
        Verification {
            verdict: self.verdict,
            visible: self.visible,
            hidden: self.hidden,
        }
    }

    fn new(verdict: Verdict, error: Option<String>, cases: &[Case]) -> Self {
        let [visible, hidden] = tallies(cases, &[]);
        Self {
            verdict,
            visible,
            hidden,
            first_failure: None,
            error,
            cpu: Duration::ZERO,
            wall: Duration::ZERO,
            peak_memory_bytes: 0,
        }
    }

    #[cfg(test)]
    pub(crate) fn empty() -> Self {
        Self::new(Verdict::NoCode, None, &[])
    }

    /// A failure of ours, with the whole chain of reasons.
    pub fn infrastructure(error: &InfrastructureError, cases: &[Case]) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        Self::new(Verdict::InfrastructureError, Some(text), cases)
    }
}

/// Runs and judges one candidate. Failures of the sandbox come out as [`Verdict::InfrastructureError`], with the reason.
pub fn verify(sandbox: &dyn Sandbox, submission: &Submission, cancelled: &AtomicBool) -> Outcome {
    let cases = &submission.cases;
    if submission
        .candidate
        .is_some_and(|candidate| candidate.reason == candidate::Reason::Nothing)
    {
        return Outcome::new(
            Verdict::NoCode,
            Some("there is no code in the text".to_owned()),
            cases,
        );
    }
    let (code, is_bare) = (
        submission.code(),
        submission
            .candidate
            .is_some_and(|candidate| candidate.is_bare()),
    );
    let code = code.as_ref();
    let arguments: Vec<&[Value]> = cases.iter().map(|case| case.args.as_slice()).collect();
    let request = Request {
        code,
        entry: &submission.entry,
        cases: &arguments,
        limits: submission.limits,
        cancelled,
    };
    let outcome = verdict(sandbox, &request, cases, is_bare);
    match sandbox.second_opinion(code) {
        Some(second) if outcome.verdict == Verdict::Passed => {
            confirm(second, &request, cases, outcome)
        }
        _ => outcome,
    }
}

fn verdict(sandbox: &dyn Sandbox, request: &Request<'_>, cases: &[Case], is_bare: bool) -> Outcome {
    let (mut runs, mut killed) = (0, 0);
    loop {
        let error = match sandbox.run(request) {
            Ok(raw) => return judge(&raw, cases, is_bare),
            Err(error) => error,
        };
        runs += 1;
        // What never began is not to blame.
        killed += u32::from(matches!(error, InfrastructureError::CandidateKilled(_)));
        if killed == KILLS {
            return Outcome::new(
                Verdict::RuntimeError,
                Some(format!("killed in each of {KILLS} runs")),
                cases,
            );
        }
        if runs == KILLS || !error.is_a_kill() {
            return Outcome::infrastructure(&error, cases);
        }
        tracing::warn!(%error, "a candidate runs again");
    }
}

/// Runs a winner once more elsewhere. Only what passes both times has passed: anything else is the verdict, and an alarm unless it
/// says nothing about the candidate.
fn confirm(second: &dyn Sandbox, request: &Request<'_>, cases: &[Case], first: Outcome) -> Outcome {
    METRICS.second_opinions.fetch_add(1, Ordering::Relaxed);
    let outcome = verdict(second, request, cases, false);
    match outcome.verdict {
        Verdict::Passed => first,
        Verdict::InfrastructureError => outcome,
        verdict => {
            METRICS.disagreements.fetch_add(1, Ordering::Relaxed);
            let (code, error) = (
                blake3::hash(request.code).to_hex(),
                outcome.error.as_deref().unwrap_or_default(),
            );
            tracing::error!(%verdict, error, code_blake3 = code.as_str(), "a candidate that passed warm does not pass cold");
            outcome
        }
    }
}

fn judge(raw: &Raw, cases: &[Case], is_bare: bool) -> Outcome {
    let story = Story::read(raw, cases);
    let (verdict, error) = disturbance(raw, &story, is_bare)
        .or_else(|| incomplete(raw, &story, cases.len()))
        .or_else(|| story.failed.as_ref().map(|failed| failed.reason.clone()))
        .unwrap_or((Verdict::Passed, None));
    let [visible, hidden] = tallies(cases, &story.passed);
    Outcome {
        verdict,
        visible,
        hidden,
        first_failure: if matches!(verdict, Verdict::Passed | Verdict::InfrastructureError) {
            None
        } else {
            story.first_failure(cases)
        },
        error: error.map(|text| shorten(&text, SHOWN)),
        cpu: raw.cpu,
        wall: raw.wall,
        peak_memory_bytes: raw.peak_memory_bytes,
    }
}

/// What the frames of a run say. Of the values themselves nothing is kept.
#[derive(Default)]
struct Story {
    /// The second frame, if it says that there will be no answers.
    opening: Option<Frame>,
    /// Whether the answers to cases 0, 1, … are right, for as long as they come in order right after the first frame.
    passed: Vec<bool>,
    /// The first answer of these that is not.
    failed: Option<Failed>,
    /// Well-formed frames in all.
    frames: usize,
    /// Whether the last of them was `End`.
    ended: bool,
    flaw: Option<Flaw>,
}

struct Failed {
    case: usize,
    reason: Reason,
    got: String,
}

impl Story {
    fn read(raw: &Raw, cases: &[Case]) -> Self {
        let mut story = Self::default();
        let mut in_order = true;
        for frame in Frames::new(&raw.nonce, &raw.results) {
            match frame {
                Ok(frame) => in_order = story.add(frame, cases, in_order),
                Err(flaw) => story.flaw = Some(flaw),
            }
        }
        story
    }

    /// Takes the next frame; the answer is whether the one after it can still be an answer in order.
    fn add(&mut self, frame: Frame, cases: &[Case], in_order: bool) -> bool {
        self.frames += 1;
        self.ended = frame == Frame::End;
        if self.frames == 1 {
            return true;
        }
        let place = self.passed.len();
        match cases.get(place) {
            Some(case) if in_order && case_of(&frame) == Some(place) => {
                self.passed.push(passes(&frame, case));
                if !self.passed[place] && self.failed.is_none() {
                    self.failed = Some(Failed {
                        case: place,
                        reason: case_verdict(&frame),
                        got: got(&frame),
                    });
                }
                true
            }
            _ => {
                if self.frames == 2 {
                    self.opening = Some(frame);
                }
                false
            }
        }
    }

    /// The first case that failed, or else the first that was not answered.
    fn first_failure(self, cases: &[Case]) -> Option<Failure> {
        let (case, got) = self.failed.map_or((self.passed.len(), None), |failed| {
            (failed.case, Some(failed.got))
        });
        let expected = shorten(&cases.get(case)?.expected.python(), SHOWN);
        Some(Failure {
            case,
            got,
            expected,
        })
    }
}

/// The case that the frame is an answer to.
fn case_of(frame: &Frame) -> Option<usize> {
    match frame {
        Frame::Returned { case, .. } | Frame::Raised { case, .. } | Frame::TooLarge { case } => {
            Some(*case as usize)
        }
        _ => None,
    }
}

fn passes(frame: &Frame, case: &Case) -> bool {
    matches!(frame, Frame::Returned { value, .. } if value.answers(&case.expected))
}

type Reason = (Verdict, Option<String>);

/// What ended the run before its cases could decide.
fn disturbance(raw: &Raw, story: &Story, is_bare: bool) -> Option<Reason> {
    let why = |text: &str| Some(text.to_owned());
    match raw.ended {
        Ended::Cancelled => return Some((Verdict::InfrastructureError, why("cancelled"))),
        Ended::OutputLimit => {
            return Some((Verdict::OutputLimit, why("it wrote more than is allowed")));
        }
        Ended::CpuLimit => {
            return Some((
                Verdict::Timeout,
                why("it used more CPU time than is allowed"),
            ));
        }
        Ended::WallLimit => return Some((Verdict::Timeout, why("it took longer than is allowed"))),
        Ended::Signalled(SIGSYS) => {
            return Some((Verdict::Forbidden, why("it made a forbidden system call")));
        }
        Ended::MemoryLimit => {
            return Some((
                Verdict::OutOfMemory,
                why("its processes together used more memory than is allowed"),
            ));
        }
        Ended::Exited(MEMORY_EXIT) => return Some((Verdict::OutOfMemory, None)),
        Ended::Exited(_) | Ended::Signalled(_) => {}
    }
    match story.opening.as_ref()? {
        Frame::Syntax(fault) if is_bare => Some((Verdict::NoCode, Some(fault.text()))),
        Frame::Syntax(fault) => Some((Verdict::SyntaxError, Some(fault.text()))),
        Frame::Load(fault) => Some(raised(fault)),
        Frame::Missing => Some((Verdict::MissingFunction, None)),
        _ => None,
    }
}

/// Anything but exactly the expected frames and a clean end.
fn incomplete(raw: &Raw, story: &Story, count: usize) -> Option<Reason> {
    let got = story.passed.len();
    let whole = story.flaw.is_none() && got == count && story.frames == count + 2 && story.ended;
    let text = match (raw.ended, story.flaw) {
        (Ended::Exited(0), None) if whole => return None,
        (_, Some(flaw)) => format!("its results were tampered with: {flaw}"),
        (Ended::Signalled(signal), _) => {
            format!("ended by signal {signal} after {got} of {count} cases")
        }
        (Ended::Exited(status), _) if got < count => {
            format!("exited with status {status} after {got} of {count} cases")
        }
        _ => "its results were tampered with: more frames than cases".to_owned(),
    };
    Some((Verdict::RuntimeError, Some(text)))
}

fn case_verdict(frame: &Frame) -> Reason {
    match frame {
        Frame::Raised { fault, .. } => raised(fault),
        Frame::TooLarge { .. } => (
            Verdict::OutputLimit,
            Some("a value is too large".to_owned()),
        ),
        _ => (Verdict::WrongAnswer, None),
    }
}

fn raised(fault: &Fault) -> Reason {
    let verdict = if fault.out_of_memory {
        Verdict::OutOfMemory
    } else {
        Verdict::RuntimeError
    };
    (verdict, Some(fault.text()))
}

/// What the frame says was returned or raised, shortened.
fn got(frame: &Frame) -> String {
    match frame {
        Frame::Returned { value, .. } => value.describe(SHOWN),
        Frame::Raised { fault, .. } => shorten(&fault.text(), SHOWN),
        _ => "a value too large to show".to_owned(),
    }
}

/// Visible and hidden, from the cases and the leading part of them that was answered.
fn tallies(cases: &[Case], passed: &[bool]) -> [Tally; 2] {
    let answered = passed.iter().copied().chain(std::iter::repeat(false));
    let mut tallies = [Tally::default(); 2];
    for (case, passed) in cases.iter().zip(answered) {
        let tally = &mut tallies[usize::from(!case.visible)];
        tally.total += 1;
        tally.passed += u32::from(passed);
    }
    tallies
}
