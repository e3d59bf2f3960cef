//! Sampling completions: a fixed width of rows decoded together, finished ones leaving and waiting ones entering, prompts computed once.
//! What a row draws depends only on its prompt, its seed and the model, up to float ties; never on when or beside whom it runs.

mod attention;
mod batch;
mod cache;
mod decode;
mod fence;
mod lanes;
mod prefill;
mod prefixes;
mod prompts;
mod sampling;

use std::{collections::BTreeSet, ops::ControlFlow};

use crate::{
    chat::ChatTokenizer,
    error::{Error, Result, guard},
    forward::weights::Weights,
    lora::Applied,
    model::Model,
};

/// One completion to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub prompt_ids: Vec<i64>,
    /// The row's own stream of random numbers, one per token; unused when greedy.
    pub seed: u64,
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
    /// End behind the line that closes the block that verification takes; needs a tokenizer.
    pub closing_fence: bool,
}

impl<'a> Stop<'a> {
    /// At the model's end tokens and behind the closed code block that verification takes: what code generation wants.
    pub fn at_code_end(tokenizer: &'a ChatTokenizer) -> Self {
        Self { end_tokens: tokenizer.end_tokens().clone(), tokenizer: Some(tokenizer), closing_fence: true }
    }
}

/// What [`generate`] shall do.
#[derive(Clone)]
pub struct Request<'a> {
    pub rows: &'a [Row],
    pub sampling: Sampling,
    pub stop: Stop<'a>,
}

/// Why a completion ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// At an end token, which is the last of its ids.
    End,
    /// Behind a closing fence; its ids hold no end token.
    Fence,
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

/// How the work is done; changes results by float ties only. For benchmarks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuning {
    /// Threads that decode batches of their own, at most; `None` is one for each thread that libtorch has.
    pub lanes: Option<usize>,
    /// Whether what prompts have in common is computed once.
    pub share_prefixes: bool,
}

impl Default for Tuning {
    fn default() -> Self {
        Self { lanes: None, share_prefixes: true }
    }
}

/// Writes a completion for every row of `request`, in its order. `progress` is called at least once per token step and may
/// end the work.
///
/// # Errors
/// [`Error::Request`] for a request without sense, [`Error::Cancelled`] when `progress` breaks, [`Error::OutOfMemory`].
pub fn generate(
    model: &Model,
    applied: Option<&Applied>,
    request: &Request<'_>,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Vec<Completion>> {
    generate_tuned(model, applied, request, Tuning::default(), progress)
}

/// [`generate`] with a [`Tuning`] of the caller's choice.
///
/// # Errors
/// As [`generate`].
pub fn generate_tuned(
    model: &Model,
    applied: Option<&Applied>,
    request: &Request<'_>,
    tuning: Tuning,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Vec<Completion>> {
    check(model, request)?;
    lanes::run(model, applied, request, tuning, progress)
}

fn check(model: &Model, request: &Request<'_>) -> Result<()> {
    let refuse = |reason: String| Err(Error::Request(reason));
    let Sampling { temperature, top_p, max_new_tokens } = request.sampling;
    if !(temperature.is_finite() && temperature >= 0.0) {
        return refuse(format!("temperature {temperature} is not 0 or more"));
    }
    if !(top_p > 0.0 && top_p <= 1.0) {
        return refuse(format!("top_p {top_p} is not in (0, 1]"));
    }
    if max_new_tokens == 0 {
        return refuse("max_new_tokens is 0".into());
    }
    if request.stop.closing_fence && request.stop.tokenizer.is_none() {
        return refuse("stopping at a closing fence needs a tokenizer".into());
    }
    for (index, row) in request.rows.iter().enumerate() {
        let length = row.prompt_ids.len() + max_new_tokens;
        if row.prompt_ids.is_empty() || length > model.config.max_positions as usize {
            return refuse(format!(
                "row {index}: {} prompt tokens and {max_new_tokens} new ones; the model takes 1 to {}",
                row.prompt_ids.len(),
                model.config.max_positions
            ));
        }
        if let Some(id) = row.prompt_ids.iter().find(|id| !(0..model.config.vocab_size).contains(*id)) {
            return refuse(format!("row {index}: id {id} is outside the vocabulary of {}", model.config.vocab_size));
        }
    }
    Ok(())
}

/// The logits behind the last token of each of `prompts`, `[prompt][vocab]`. For parity with other implementations.
pub fn last_logits(model: &Model, applied: Option<&Applied>, prompts: &[Vec<i64>]) -> Result<Vec<Vec<f32>>> {
    guard("computing logits", "use fewer or shorter prompts", || {
        let _no_grad = tch::no_grad_guard();
        let distinct: BTreeSet<&[i64]> = prompts.iter().map(Vec::as_slice).collect();
        let distinct: Vec<&[i64]> = distinct.into_iter().collect();
        let computed = prefill::run(Weights { model, applied, one_thread: false }, &distinct, true, &mut || Ok(()))?;
        let of = |prompt: &Vec<i64>| distinct.binary_search(&prompt.as_slice()).expect("it was put in");
        Ok(prompts.iter().map(|prompt| sampling::floats(&computed[of(prompt)].logits)).collect())
    })
}
