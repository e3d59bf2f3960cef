//! Sampling completions: a fixed width of rows decoded together, finished ones leaving and waiting
//! ones entering, prompts computed once. What a row draws depends only on its prompt, its seed and
//! the model, up to float ties; never on when or beside whom it runs.

mod batch;
mod cache;
#[cfg(target_arch = "x86_64")]
mod native;
mod prefill;
mod prefixes;
mod sampling;
mod step;
mod writing;

use std::{collections::BTreeSet, ops::ControlFlow};

use groklab_domain::candidate::Candidate;

use crate::{
    chat::ChatTokenizer,
    error::{Error, Result, guard},
    forward::Weights,
    lora::Applied,
    memory,
    model::Model,
    tensors,
};

/// One completion to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub prompt_ids: Vec<i64>,
    /// The row's own stream of random numbers, one per token; unused when greedy.
    pub seed: u64,
    /// The function that the completion shall define, where its code is wanted: it ends behind that
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

/// What [`generate`] shall do.
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

/// Writes a completion for every row of `request`, in its order. `progress` is called at least once
/// per token step and may end the work.
///
/// # Errors
/// [`Error::Request`] and [`Error::Row`] for a request without sense, [`Error::Cancelled`] when
/// `progress` breaks, [`Error::OutOfMemory`].
pub fn generate(
    model: &Model,
    applied: Option<&Applied>,
    request: &Request<'_>,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Vec<Completion>> {
    check(model, request)?;
    let weights = Weights { model, applied };
    #[cfg(target_arch = "x86_64")]
    if let Some(completions) = guard(DOING, FIX, || {
        native::run(&weights, request, progress).transpose()
    })? {
        return Ok(completions);
    }
    memory::halving(
        model.placement,
        model.tactics.decoded_rows.min(request.rows.len()),
        1,
        &mut |most| {
            guard(DOING, FIX, || {
                let _no_grad = tch::no_grad_guard();
                batch::run(weights, request, most, progress)
            })
        },
    )
}

const DOING: &str = "generating";
const FIX: &str = "lower max_new_tokens or the prompts' length";

fn check(model: &Model, request: &Request<'_>) -> Result<()> {
    let refuse = |reason: String| Err(Error::Request(reason));
    let Sampling {
        temperature,
        top_p,
        max_new_tokens,
    } = request.sampling;
    if !(temperature.is_finite() && temperature >= 0.0) {
        return refuse(format!("temperature {temperature} is not 0 or more"));
    }
    if !(top_p > 0.0 && top_p <= 1.0) {
        return refuse(format!("top_p {top_p} is not in (0, 1]"));
    }
    if max_new_tokens == 0 {
        return refuse("max_new_tokens is 0".into());
    }
    if request.stop.tokenizer.is_none() && request.rows.iter().any(|row| row.entry.is_some()) {
        return refuse("stopping behind code needs a tokenizer".into());
    }
    for (index, row) in request.rows.iter().enumerate() {
        if let Some(reason) = model.config.refuse(&row.prompt_ids, max_new_tokens) {
            return Err(Error::Row { row: index, reason });
        }
    }
    Ok(())
}

/// The logits behind the last token of each of `prompts`, `[prompt][vocab]`. For parity with other
/// implementations.
pub fn last_logits(
    model: &Model,
    applied: Option<&Applied>,
    prompts: &[Vec<i64>],
) -> Result<Vec<Vec<f32>>> {
    guard("computing logits", "use fewer or shorter prompts", || {
        let _no_grad = tch::no_grad_guard();
        let distinct: BTreeSet<&[i64]> = prompts.iter().map(Vec::as_slice).collect();
        let distinct: Vec<&[i64]> = distinct.into_iter().collect();
        let computed = prefill::run(Weights { model, applied }, &distinct, true, &mut || Ok(()))?;
        let mut logits = Vec::with_capacity(prompts.len());
        for prompt in prompts {
            let found = distinct.binary_search(&prompt.as_slice());
            let row = found.expect("it was put in") as i64;
            logits.push(tensors::floats(&computed.logits.get(row)));
        }
        Ok(logits)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Placement, load, testing};

    fn model_and_rows(folder: &std::path::Path) -> (Model, ChatTokenizer, Vec<Row>) {
        testing::write_tiny_model(folder, 1).unwrap();
        let (model, tokenizer) = load(folder.to_str().unwrap(), folder, Placement::CPU).unwrap();
        let mut rows = Vec::new();
        for n in 0..30 {
            let prompt = "count the letters of this ".repeat(1 + n % 4);
            rows.push(Row {
                prompt_ids: tokenizer.encode_prompt(&prompt).unwrap(),
                seed: n as u64,
                entry: Some("count".into()),
            });
        }
        (model, tokenizer, rows)
    }

    fn by_libtorch(model: &Model, request: &Request<'_>) -> Vec<Completion> {
        let weights = Weights {
            model,
            applied: None,
        };
        let mut go_on = |_: Progress| ControlFlow::Continue(());
        tch::no_grad(|| batch::run(weights, request, 16, &mut go_on)).unwrap()
    }

    /// The libtorch engine is what a GPU runs; here it runs on the CPU, in its own way and in a
    /// GPU's.
    #[test]
    fn both_engines_write_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let (mut model, tokenizer, rows) = model_and_rows(folder.path());
        let gpu = Placement {
            device: tch::Device::Cuda(0),
            ..Placement::CPU
        };
        for (temperature, top_p) in [(0.0, 1.0), (0.8, 1.0), (0.8, 0.9)] {
            let request = Request {
                rows: &rows,
                sampling: Sampling {
                    temperature,
                    top_p,
                    max_new_tokens: 20,
                },
                stop: Stop::at_end_tokens(&tokenizer),
                share_prefixes: true,
            };
            let ours =
                generate(&model, None, &request, &mut |_| ControlFlow::Continue(())).unwrap();
            for tactics in [Placement::CPU.tactics(), gpu.tactics()] {
                model.tactics = tactics;
                for (ours, theirs) in ours.iter().zip(&by_libtorch(&model, &request)) {
                    assert_eq!((&ours.ids, ours.finish), (&theirs.ids, theirs.finish));
                    assert!((ours.mean_logprob - theirs.mean_logprob).abs() < 1e-4);
                }
            }
        }
    }

    #[test]
    fn prompts_of_a_wave_are_computed_together_whatever_they_share() {
        let folder = tempfile::tempdir().unwrap();
        let (model, _, rows) = model_and_rows(folder.path());
        let texts: BTreeSet<&[i64]> = rows.iter().map(|row| row.prompt_ids.as_slice()).collect();
        let texts: Vec<&[i64]> = texts.into_iter().collect();
        let weights = Weights {
            model: &model,
            applied: None,
        };
        let logits = |share| {
            let wave = tch::no_grad(|| prefill::run(weights, &texts, share, &mut || Ok(())));
            wave.unwrap().logits
        };
        let apart = (logits(true) - logits(false)).abs().max();
        assert!(apart.double_value(&[]) < 1e-4);
    }
}
