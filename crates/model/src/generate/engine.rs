//! Generation: refuses requests without sense, then hands them to the CPU's own kernels or to
//! libtorch.

use std::{collections::BTreeSet, ops::ControlFlow};

#[cfg(target_arch = "x86_64")]
use super::native;
use super::{
    batch, prefill,
    request::{Completion, Progress, Request, Sampling},
};
use crate::{
    error::{Error, Result, guard},
    forward::Weights,
    lora::Applied,
    memory,
    model::Model,
    tensors,
};

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
        model.tactics.decoded_rows,
        1,
        &mut |most| {
            guard(DOING, FIX, || {
                let _no_grad = tch::no_grad_guard();
                // After memory has run out all rows begin anew, half as many at a time, and their
                // streams of random numbers with them.
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
        // The prefix tree is built over distinct prompts.
        let distinct: BTreeSet<&[i64]> = prompts.iter().map(Vec::as_slice).collect();
        let distinct: Vec<&[i64]> = distinct.into_iter().collect();
        let weights = Weights { model, applied };
        let rows = model.tactics.decoded_rows;
        let computed = prefill::run(weights, &distinct, true, rows, &mut || Ok(()))?;
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
    use super::{
        super::{Row, Stop},
        *,
    };
    use crate::{ChatTokenizer, Placement, load, testing};

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
            let wave = tch::no_grad(|| prefill::run(weights, &texts, share, 64, &mut || Ok(())));
            wave.unwrap().logits
        };
        let apart = (logits(true) - logits(false)).abs().max();
        assert!(apart.double_value(&[]) < 1e-4);
    }
}
