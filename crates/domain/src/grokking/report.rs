//! What comes out of the search for grokking.

use serde::{Deserialize, Serialize};

use super::{plateau::Plateau, rise::Rise};
use crate::words::words;

words! {
    /// How far a series has come.
    pub enum Phase {
        None = "none",
        Memorised = "memorised",
        Plateau = "plateau",
        Grokked = "grokked",
        Emerged = "emerged",
    }
}

/// What a series shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub phase: Phase,
    /// The first iteration of the evaluations that count as memorised.
    pub memorised: Option<u32>,
    /// The plateau before the rise; before there is one, the latest plateau.
    pub plateau: Option<Plateau>,
    /// The first evaluated iteration of the higher level, for `grokked` and `emerged` alone.
    pub onset: Option<u32>,
    /// Iterations from memorising to onset, for `grokked` alone.
    pub delay: Option<u32>,
    /// Onset over the iteration of memorising: how many times as long generalising took.
    pub ratio: Option<f64>,
    /// The largest rise of val that the search found, whether or not it is enough.
    pub rise: Option<Rise>,
    /// In words: what was found, or why it is no more than this phase.
    pub reason: String,
}
