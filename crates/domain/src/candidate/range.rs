//! A candidate as what it is: a range of its completion, with the reason for it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::code;
use crate::words::words;

words! {
    /// Why a part of a completion is the candidate.
    pub enum Reason {
        /// The first block that defines the entry function.
        DefinesEntry = "defines_entry",
        /// Defines it too, before a closing fence that nothing had opened.
        BeforeFence = "before_fence",
        /// Defines it too, beside blocks none of which does.
        BesideBlocks = "beside_blocks",
        /// No block defines the entry function: the first marked python.
        PythonBlock = "python_block",
        /// None is marked python either: the first without a mark, else the first.
        FirstBlock = "first_block",
        /// There is no block: all of the answer.
        WholeText = "whole_text",
        /// Nothing but white space or an unfinished thought.
        Nothing = "nothing",
    }
}

/// A piece of a completion, as the worker that generates it records it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Bytes of the completion, from the first to the one behind the last.
    pub start: usize,
    pub end: usize,
    /// White space that is taken from the beginning of each line, bytes at most: that of a list
    /// item, for instance.
    pub indent: usize,
    pub reason: Reason,
}

/// A candidate that is no piece of its completion.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("candidate of the bytes {start} to {end} of a completion of {length}")]
pub struct OutOfRange {
    start: usize,
    end: usize,
    length: usize,
}

impl Candidate {
    /// Whether it is text that nothing marks as code.
    pub fn is_bare(&self) -> bool {
        self.reason == Reason::WholeText
    }

    /// # Errors
    /// It lies outside of a completion of `length` bytes.
    pub fn checked(self, length: usize) -> Result<Self, OutOfRange> {
        let fits = self.start <= self.end
            && self.end <= length
            // A worker's message could otherwise name code under a reason that says there is none.
            && (self.reason != Reason::Nothing || self.start == self.end);
        if fits {
            Ok(self)
        } else {
            Err(OutOfRange {
                start: self.start,
                end: self.end,
                length,
            })
        }
    }

    /// The code: the candidate's bytes of `text`, without the indentation of the whole.
    ///
    /// # Panics
    /// It is not one of `text`; see [`Self::checked`].
    pub fn code<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        code::unindented(&text[self.start..self.end], self.indent)
    }
}
