//! Log-probabilities of given sequences: every token under the model, without sampling anything.

use tch::Tensor;

use crate::{
    error::{Error, Result, guard},
    forward::{self, Heads, Packed, Pass, Rotation, Weights},
    lora::Applied,
    memory,
    model::Model,
    tensors,
};

/// What the model thinks of one sequence.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// The log-probability of every token but the first, given those before it.
    pub logprobs: Vec<f32>,
    /// The log-probability of the likeliest token in the place of each of these.
    pub best_logprobs: Vec<f32>,
    /// The logits behind the last token, `[vocab]`.
    pub last_logits: Vec<f32>,
}

/// Rows of logits in memory at once.
const LOGIT_ROWS: i64 = 256;

/// Scores every sequence, in their order; `done` is told how many are finished.
///
/// # Errors
/// [`Error::Row`] for an empty or too long sequence or a foreign id.
pub fn score(
    model: &Model,
    applied: Option<&Applied>,
    sequences: &[Vec<i64>],
    done: &mut dyn FnMut(usize),
) -> Result<Vec<Scored>> {
    let (mut longest, mut all) = (0, 0);
    for (row, ids) in sequences.iter().enumerate() {
        if let Some(reason) = model.config.refuse(ids, 0) {
            return Err(Error::Row { row, reason });
        }
        longest = longest.max(ids.len());
        all += ids.len();
    }
    let mut scored = Vec::with_capacity(sequences.len());
    memory::halving(
        model.placement,
        model.tactics.pass_tokens.min(all),
        longest.div_ceil(2),
        &mut |most| {
            guard("scoring", "use shorter sequences", || {
                let _no_grad = tch::no_grad_guard();
                // What was scored before memory ran out is kept.
                while scored.len() < sequences.len() {
                    let rest = &sequences[scored.len()..];
                    scored.extend(pass(
                        Weights { model, applied },
                        &rest[..fitting(rest, most)],
                    ));
                    done(scored.len());
                }
                Ok(())
            })
        },
    )?;
    Ok(scored)
}

/// How many of `sequences` make a pass of at most `most` tokens, at least one.
fn fitting(sequences: &[Vec<i64>], most: usize) -> usize {
    let mut tokens = 0;
    let fitting = sequences.iter().take_while(|ids| {
        tokens += ids.len();
        tokens <= most
    });
    fitting.count().max(1)
}

fn pass(weights: Weights<'_>, sequences: &[Vec<i64>]) -> Vec<Scored> {
    let model = weights.model;
    let tensor = |values: &[i64]| Tensor::from_slice(values).to_device(model.placement.device);
    let ids = tensor(&sequences.concat());
    let (mut lengths, mut positions) = (Vec::new(), Vec::new());
    for sequence in sequences {
        lengths.push(sequence.len() as i64);
        positions.extend(0..sequence.len() as i64);
    }
    let positions = tensor(&positions);
    let sequences = Packed::new(model, lengths.clone());
    let pass = Pass {
        model,
        rotation: &Rotation::new(model, &positions),
        linears: &weights,
    };
    let mut attend = |_: usize, heads: &Heads| sequences.attend(heads);
    let hidden = pass.hidden_states(&ids, &mut attend);
    let (mut scored, mut start) = (Vec::new(), 0);
    for length in lengths {
        let (hidden, ids) = (
            hidden.narrow(0, start, length),
            ids.narrow(0, start, length),
        );
        scored.push(of_sequence(model, &hidden, &ids));
        start += length;
    }
    scored
}

fn of_sequence(model: &Model, hidden: &Tensor, ids: &Tensor) -> Scored {
    let length = ids.size()[0];
    let mut scored = Scored {
        logprobs: Vec::new(),
        best_logprobs: Vec::new(),
        last_logits: Vec::new(),
    };
    for first in (0..length).step_by(LOGIT_ROWS as usize) {
        let count = LOGIT_ROWS.min(length - first);
        let logits = forward::logits(model, &hidden.narrow(0, first, count));
        // Behind the last token there is none to judge.
        let judged = count.min(length - 1 - first);
        if judged > 0 {
            let next = ids.narrow(0, first + 1, judged).unsqueeze(1);
            // The chosen logit less the logarithm of the sum: a log-softmax would fill a second
            // matrix as wide as the vocabulary.
            let judged = logits.narrow(0, 0, judged);
            let sum = judged.logsumexp([-1_i64].as_slice(), false);
            let chosen = judged.gather(1, &next, false).squeeze_dim(1);
            scored.logprobs.extend(tensors::floats(&(chosen - &sum)));
            let best = judged.amax([-1_i64].as_slice(), false);
            scored.best_logprobs.extend(tensors::floats(&(best - &sum)));
        }
        if first + count == length {
            scored.last_logits = tensors::floats(&logits.get(count - 1));
        }
    }
    scored
}
