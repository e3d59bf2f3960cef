//! What is handed in to be judged.

use std::borrow::Cow;

use groklab_domain::{
    Value,
    candidate::{Candidate, Reason},
};

use crate::sandbox::Limits;

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
        match &self.candidate {
            Some(candidate) => candidate.code(&self.text),
            None => Cow::Borrowed(&self.text),
        }
    }

    /// Whether the text was searched for code and has none.
    pub fn lacks_code(&self) -> bool {
        // Code as it stands is never searched: an empty file is a candidate that lacks its
        // function.
        matches!(&self.candidate, Some(candidate) if candidate.reason == Reason::Nothing)
    }

    /// Whether the code is a text without any block, taken for code because nothing better is
    /// there.
    pub fn is_bare_text(&self) -> bool {
        self.candidate.is_some_and(|candidate| candidate.is_bare())
    }
}
