//! Which part of a completion is the candidate, decided in one place: a [`Reader`] follows a
//! completion while it is written, says when nothing that could still come changes the choice
//! (generation stops there), and names the candidate, which verification runs.
//!
//! The candidate is the first block that defines the entry function; else code beside the blocks
//! that does; else the first block marked python, the first without a mark, the first of any kind;
//! else the whole text, which counts as no code if it does not compile. What a model thinks aloud
//! (`<think>…</think>`) holds no candidate. Works on bytes as the model wrote them and runs
//! nothing.

mod code;
mod fence;
mod indent;
mod reader;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

pub use reader::Reader;

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
    /// The candidate of a whole completion. Whether its prompt had opened a thought is told from a
    /// `</think>` that nothing opens.
    pub fn of(text: &[u8], entry: &str) -> Self {
        Reader::new(entry, reader::ends_a_foreign_thought(text)).finish(text)
    }

    /// Whether it is text that nothing marks as code.
    pub fn is_bare(&self) -> bool {
        self.reason == Reason::WholeText
    }

    /// # Errors
    /// It lies outside of a completion of `length` bytes.
    pub fn checked(self, length: usize) -> Result<Self, OutOfRange> {
        let fits = self.start <= self.end
            && self.end <= length
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

#[cfg(test)]
mod tests;
