//! What is asked of a generation, and what it answers.

use std::collections::BTreeSet;

use groklab_domain::candidate::Candidate;

use crate::chat::ChatTokenizer;

/// One completion to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub prompt_ids: Vec<i64>,
    /// The row's own stream of random numbers, one per token; unused when greedy.
    pub seed: u64,
    /// The function that the completion is to define, where its code is wanted: it ends behind that
    /// code, and its candidate is named.
    pub entry: Option<String>,
}

/// How tokens are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// 0 is greedy.
    pub temperature: f64,
    /// The smallest set of tokens with at least this probability is drawn from; 1 is all.
    pub top_p: f64,
    pub max_new_tokens: usize,
}

/// When a completion ends before `max_new_tokens`.
#[derive(Clone, Default)]
pub struct Stop<'a> {
    pub end_tokens: BTreeSet<i64>,
    /// Gives the completions their bytes; without it they are empty.
    pub tokenizer: Option<&'a ChatTokenizer>,
}

impl<'a> Stop<'a> {
    /// At the model's end tokens.
    pub fn at_end_tokens(tokenizer: &'a ChatTokenizer) -> Self {
        Self {
            end_tokens: tokenizer.end_tokens().clone(),
            tokenizer: Some(tokenizer),
        }
    }
}

/// What [`super::generate`] does.
#[derive(Clone)]
pub struct Request<'a> {
    pub rows: &'a [Row],
    pub sampling: Sampling,
    pub stop: Stop<'a>,
    /// Compute what prompts have in common once; without it every distinct prompt is computed from
    /// its first token.
    pub share_prefixes: bool,
}

/// Why a completion ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// At an end token, which is the last of its ids.
    End,
    /// Behind the code that was wanted; its ids hold no end token.
    Code,
    /// At `max_new_tokens`.
    Length,
}

/// What the model wrote for a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Completion {
    /// The drawn ids, with the end token where there was one.
    pub ids: Vec<i64>,
    /// What they stand for; special tokens give nothing.
    pub bytes: Vec<u8>,
    /// Which of the bytes are the code, where an entry was named.
    pub candidate: Option<Candidate>,
    pub finish: Finish,
    /// Mean log-probability of the drawn ids under the model at temperature 1.
    pub mean_logprob: f64,
}

/// How far a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub finished_rows: usize,
    pub total_rows: usize,
    /// Tokens drawn so far.
    pub new_tokens: u64,
}
