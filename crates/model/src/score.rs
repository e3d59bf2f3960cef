//! What a model thinks of given tokens: the log-probability of each behind those before it. Sequences are packed without padding.

use std::ops::ControlFlow;

use tch::{Kind, Tensor};

use crate::{
    error::{Error, Result, guard},
    forward::{self, weights::Weights},
    lora::Applied,
    model::Model,
    train::attend_each,
};

/// What a model thinks of one sequence.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// Of every token but the first, given those before it.
    pub logprobs: Vec<f32>,
    /// Behind the last token, `[vocab]`, where they were asked for.
    pub last_logits: Option<Vec<f32>>,
}

/// Tokens of one pass, unless one sequence has more.
const PASS_TOKENS: usize = 1024;
/// Positions whose logits are in memory at once.
const HEAD_ROWS: i64 = 128;

/// Scores every one of `sequences`, in their order. `progress` is told before every pass how many are done, and may end the work.
///
/// # Errors
/// [`Error::Request`] for an empty sequence, one longer than the model takes, or an id outside the vocabulary;
/// [`Error::Cancelled`] when `progress` breaks.
pub fn score(
    model: &Model,
    applied: Option<&Applied>,
    sequences: &[Vec<i64>],
    last_logits: bool,
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<Vec<Score>> {
    check(model, sequences)?;
    guard("scoring", "use shorter texts", || {
        let _no_grad = tch::no_grad_guard();
        let mut scores = Vec::with_capacity(sequences.len());
        while scores.len() < sequences.len() {
            if progress(scores.len()).is_break() {
                return Err(Error::Cancelled);
            }
            let first = scores.len();
            let pass = &sequences[first..first + pass_length(&sequences[first..])];
            scores.extend(score_pass(Weights { model, applied, one_thread: false }, pass, last_logits));
            if let Some(row) = scores[first..].iter().position(|score| score.logprobs.iter().any(|logprob| !logprob.is_finite())) {
                return Err(Error::Diverged { row: first + row });
            }
        }
        Ok(scores)
    })
}

fn check(model: &Model, sequences: &[Vec<i64>]) -> Result<()> {
    let (longest, vocabulary) = (model.config.max_positions as usize, model.config.vocab_size);
    for (index, ids) in sequences.iter().enumerate() {
        if ids.is_empty() || ids.len() > longest {
            return Err(Error::Request(format!("sequence {index} has {} tokens; the model takes 1 to {longest}", ids.len())));
        }
        if let Some(id) = ids.iter().find(|id| !(0..vocabulary).contains(*id)) {
            return Err(Error::Request(format!("sequence {index}: id {id} is outside the vocabulary of {vocabulary}")));
        }
    }
    Ok(())
}

/// How many sequences fit into one pass; at least one.
fn pass_length(sequences: &[Vec<i64>]) -> usize {
    let mut tokens = 0;
    let fitting = sequences.iter().take_while(|ids| {
        tokens += ids.len();
        tokens <= PASS_TOKENS
    });
    fitting.count().max(1)
}

fn score_pass(weights: Weights<'_>, sequences: &[Vec<i64>], last_logits: bool) -> Vec<Score> {
    let model = weights.model;
    let tensor = |values: &[i64]| Tensor::from_slice(values).to_device(model.placement.device);
    let lengths: Vec<i64> = sequences.iter().map(|ids| ids.len() as i64).collect();
    let positions: Vec<i64> = lengths.iter().flat_map(|&length| 0..length).collect();
    let project = |layer, fused, x: &Tensor| weights.project(layer, fused, x);
    let mut attend = |_layer: usize, heads: &forward::Heads| attend_each(heads, &lengths);
    let hidden = forward::hidden_states(model, &tensor(&sequences.concat()), &tensor(&positions), &project, &mut attend);
    let mut start = 0;
    let mut scores = Vec::with_capacity(sequences.len());
    for (ids, &length) in sequences.iter().zip(&lengths) {
        let own = hidden.narrow(0, start, length);
        start += length;
        let last = last_logits.then(|| floats(&forward::logits(model, &own.narrow(0, length - 1, 1))));
        scores.push(Score { logprobs: logprobs(model, &own, &tensor(ids)), last_logits: last });
    }
    scores
}

/// Of `ids[1..]`, from the hidden states of `ids`.
fn logprobs(model: &Model, hidden: &Tensor, ids: &Tensor) -> Vec<f32> {
    let count = ids.size()[0] - 1;
    let mut logprobs = Vec::with_capacity(count as usize);
    for start in (0..count).step_by(HEAD_ROWS as usize) {
        let rows = HEAD_ROWS.min(count - start);
        let logits = forward::logits(model, &hidden.narrow(0, start, rows)).to_kind(Kind::Float);
        let targets = ids.narrow(0, start + 1, rows).unsqueeze(1);
        let chosen = logits.gather(1, &targets, false).squeeze_dim(1);
        logprobs.extend(floats(&(chosen - logits.logsumexp([-1_i64].as_slice(), false))));
    }
    logprobs
}

fn floats(tensor: &Tensor) -> Vec<f32> {
    let tensor = tensor.to_device(tch::Device::Cpu).to_kind(Kind::Float).contiguous();
    let mut values = vec![0.0; tensor.numel()];
    tensor.copy_data(&mut values, tensor.numel());
    values
}
