//! What the frames of one run say, put beside the cases. Draws no conclusion: `rules.rs` does.

use crate::{
    judge::{outcome::Failure, submission::Case},
    sandbox::RawRun,
    wire::{
        frame::{Fault, Frame, Frames},
        reader::Flaw,
        shorten::shorten,
    },
};

/// Characters of a value or an error that are kept.
pub(crate) const MAX_SHOWN_CHARS: usize = 200;

/// The frames of a run. Of the values themselves nothing is kept: they can be large.
#[derive(Default)]
pub(crate) struct Story {
    /// The second frame, if it says that there will be no answers.
    pub opening: Option<Frame>,
    /// Whether the answers to cases 0, 1, … are right, for as long as they come in order right
    /// after the first frame.
    pub passed: Vec<bool>,
    /// The first answer of these that is not right.
    pub failed: Option<FailedCase>,
    /// Well-formed frames in all.
    pub frames: usize,
    /// Whether the last of them was `End`.
    pub ended: bool,
    pub flaw: Option<Flaw>,
}

pub(crate) struct FailedCase {
    pub case: usize,
    pub answer: WrongAnswer,
    /// The answer as Python shows it, shortened.
    pub got: String,
}

/// What a case was answered with instead of the expected value.
pub(crate) enum WrongAnswer {
    OtherValue,
    TooLarge,
    Raised(Fault),
}

impl Story {
    pub fn read(raw: &RawRun, cases: &[Case]) -> Self {
        let mut story = Self::default();
        let mut in_order = true;
        for frame in Frames::new(&raw.nonce, &raw.results) {
            match frame {
                Ok(frame) => in_order = story.add(frame, cases, in_order),
                // Nothing comes after it.
                Err(flaw) => story.flaw = Some(flaw),
            }
        }
        story
    }

    /// Takes the next frame. Returns whether the one after it can still be an answer in order.
    fn add(&mut self, frame: Frame, cases: &[Case], in_order: bool) -> bool {
        self.frames += 1;
        self.ended = frame == Frame::End;
        if self.frames == 1 {
            // The runner's own: it says that the candidate is about to begin.
            return true;
        }
        let place = self.passed.len();
        match cases.get(place) {
            Some(case) if in_order && answered_case(&frame) == Some(place) => {
                let passes = is_right(&frame, case);
                self.passed.push(passes);
                if !passes && self.failed.is_none() {
                    self.failed = failed_case(place, frame);
                }
                true
            }
            // An answer out of order, or no answer: from here on the cases can't be trusted.
            _ => {
                if self.frames == 2 {
                    self.opening = Some(frame);
                }
                false
            }
        }
    }

    /// The first case that failed, or else the first that was not answered.
    pub fn first_failure(self, cases: &[Case]) -> Option<Failure> {
        let (case, got) = match self.failed {
            Some(failed) => (failed.case, Some(failed.got)),
            None => (self.passed.len(), None),
        };
        let expected = cases.get(case)?.expected.python();
        Some(Failure {
            case,
            got,
            expected: shorten(&expected, MAX_SHOWN_CHARS),
        })
    }
}

/// The case that the frame is an answer to.
fn answered_case(frame: &Frame) -> Option<usize> {
    match frame {
        Frame::Returned { case, .. } | Frame::Raised { case, .. } | Frame::TooLarge { case } => {
            Some(*case as usize)
        }
        _ => None,
    }
}

fn is_right(frame: &Frame, case: &Case) -> bool {
    matches!(frame, Frame::Returned { value, .. } if value.answers(&case.expected))
}

/// What is kept of an answer that is not right; nothing if the frame is no answer.
fn failed_case(case: usize, frame: Frame) -> Option<FailedCase> {
    let (answer, got) = match frame {
        Frame::Returned { value, .. } => (WrongAnswer::OtherValue, value.describe(MAX_SHOWN_CHARS)),
        Frame::TooLarge { .. } => (
            WrongAnswer::TooLarge,
            "a value too large to show".to_owned(),
        ),
        Frame::Raised { fault, .. } => {
            let got = shorten(&fault.text(), MAX_SHOWN_CHARS);
            (WrongAnswer::Raised(fault), got)
        }
        _ => return None,
    };
    Some(FailedCase { case, answer, got })
}
