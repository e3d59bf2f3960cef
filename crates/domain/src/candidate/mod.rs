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
mod range;
mod reader;

pub use range::{Candidate, OutOfRange, Reason};
pub use reader::Reader;

#[cfg(test)]
mod tests;
