//! Parsing and checking results: they must be exactly those of the job, made with the adapter it named. What does not fit is
//! refused as a whole.

use std::collections::BTreeMap;

use groklab_domain::{Digest, Verdict, Verification, experiment::Experiment};
use groklab_proto::{
    convert::{self, AdapterRef, field, optional_field},
    v1,
};

use crate::store::{
    iteration::Step,
    job::Batch,
    rollout::Rollout,
    verdict::{Failure, Judged},
};

/// Why results are refused, in words for the attempt's record.
pub type Refused = String;

/// The longest text kept of a failure or an error, in bytes; workers keep them shorter.
const LONGEST: usize = 16 << 10;

fn parsed<T>(result: Result<T, tonic::Status>) -> Result<T, Refused> {
    result.map_err(|status| status.message().to_owned())
}

/// Every (problem, sample) of the batch once, in order.
fn covering<T>(
    batch: &Batch,
    results: Vec<T>,
    key: fn(&T) -> (u32, u32),
) -> Result<Vec<T>, Refused> {
    let count = results.len();
    let mut by_key: BTreeMap<(u32, u32), T> = results
        .into_iter()
        .map(|result| (key(&result), result))
        .collect();
    let ordered: Vec<T> = batch
        .rollouts()
        .filter_map(|rollout| by_key.remove(&rollout))
        .collect();
    if count == batch.len() && ordered.len() == count {
        return Ok(ordered);
    }
    Err(format!(
        "{count} results, {} of them the job's, for a job of {} rollouts",
        ordered.len(),
        batch.len()
    ))
}

/// The base digest a generation was made with, and its rollouts in order.
pub fn generated(
    wire: v1::GenerateResult,
    batch: &Batch,
    adapter: Option<Digest>,
    config: &Experiment,
) -> Result<(Digest, Vec<Rollout>), Refused> {
    let base = parsed(field("base_digest", &wire.base_digest))?;
    let made_with: Option<Digest> = parsed(optional_field("adapter_id", &wire.adapter_id))?;
    if made_with != adapter {
        let name = |adapter: Option<Digest>| {
            adapter.map_or_else(|| "no adapter".to_owned(), |digest| digest.to_string())
        };
        return Err(format!(
            "made with {}, the job names {}",
            name(made_with),
            name(adapter)
        ));
    }
    let rollouts = covering(batch, wire.rollouts, |r| (r.problem, r.sample))?;
    let rollouts = rollouts
        .into_iter()
        .map(|r| rollout(r, config))
        .collect::<Result<_, _>>()?;
    Ok((base, rollouts))
}

fn rollout(wire: v1::Rollout, config: &Experiment) -> Result<Rollout, Refused> {
    let most = config.generate.max_new_tokens as usize;
    if wire.token_ids.len() > most {
        return Err(format!(
            "rollout of {} tokens, at most {most} were asked for",
            wire.token_ids.len()
        ));
    }
    if !wire.mean_logprob.is_finite() || wire.prompt_tokens > 1 << 24 {
        return Err(format!(
            "mean_logprob = {}, prompt_tokens = {}",
            wire.mean_logprob, wire.prompt_tokens
        ));
    }
    let candidate = wire
        .candidate
        .as_ref()
        .map(|range| parsed(convert::candidate(range, wire.text.len())))
        .transpose()?;
    Ok(Rollout {
        candidate,
        problem: wire.problem,
        sample: wire.sample,
        token_ids: wire.token_ids,
        text: wire.text,
        finish: parsed(field("finish", &wire.finish))?,
        prompt_tokens: wire.prompt_tokens,
        mean_logprob: wire.mean_logprob,
    })
}

/// The verdicts on the rollouts with these `ids`, in order. An infrastructure error among them refuses them all: the job is tried again.
pub fn judged(
    wire: v1::VerifyResult,
    batch: &Batch,
    ids: &[i64],
    config: &Experiment,
) -> Result<Vec<Judged>, Refused> {
    let verdicts = covering(batch, wire.verdicts, |v| (v.problem, v.sample))?;
    if verdicts.len() != ids.len() {
        return Err(format!(
            "{} verdicts on {} rollouts",
            verdicts.len(),
            ids.len()
        ));
    }
    verdicts
        .into_iter()
        .zip(ids)
        .map(|(wire, id)| verdict(wire, *id, config))
        .collect()
}

fn verdict(
    wire: v1::RolloutVerdict,
    rollout_id: i64,
    config: &Experiment,
) -> Result<Judged, Refused> {
    let verification = parsed(Verification::try_from(&wire))?;
    let (visible, hidden) = (verification.visible, verification.hidden);
    if verification.verdict == Verdict::InfrastructureError {
        return Err(format!(
            "infrastructure error on problem {}, sample {}: {}",
            wire.problem, wire.sample, wire.error
        ));
    }
    let whole = visible.total == config.problems.visible && hidden.total == config.problems.hidden;
    let all = whole && visible.all() && hidden.all();
    // Who answered every case may still have been ended after it, by time or by too much output: only the converse is a contradiction.
    if !whole || (verification.verdict == Verdict::Passed && !all) {
        let (v, h) = (visible, hidden);
        return Err(format!(
            "verdict {} with {}/{} visible and {}/{} hidden cases",
            verification.verdict, v.passed, v.total, h.passed, h.total
        ));
    }
    if !(wire.cpu_ms.is_finite() && wire.wall_ms.is_finite())
        || i64::try_from(wire.peak_memory_kb).is_err()
    {
        return Err(format!(
            "cpu_ms = {}, wall_ms = {}, peak_memory_kb = {}",
            wire.cpu_ms, wire.wall_ms, wire.peak_memory_kb
        ));
    }
    let failure = |f: v1::FirstFailure| Failure {
        case: f.case.min(1 << 20),
        got: shorten(f.got),
        expected: shorten(f.expected),
    };
    Ok(Judged {
        rollout_id,
        verification,
        first_failure: wire.first_failure.map(failure),
        error: shorten(wire.error),
        code: wire.code,
        cpu_ms: wire.cpu_ms,
        wall_ms: wire.wall_ms,
        peak_memory_kb: wire.peak_memory_kb,
    })
}

fn shorten(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(LONGEST));
    text
}

/// What training made.
#[derive(Debug)]
pub struct Trained {
    pub base: Digest,
    pub adapter: AdapterRef,
    pub optimiser: Option<Digest>,
    pub examples: u32,
    pub tokens: u64,
    pub steps: Vec<Step>,
}

/// A training's result; `examples` is what it was given.
pub fn trained(wire: v1::TrainResult, examples: u32) -> Result<Trained, Refused> {
    let adapter = wire
        .adapter
        .as_ref()
        .ok_or("no adapter in the result of training")?;
    if wire.examples != examples {
        return Err(format!(
            "trained on {} examples of {examples}",
            wire.examples
        ));
    }
    if wire.steps.is_empty() || i64::try_from(wire.tokens).is_err() {
        return Err(format!(
            "{} steps, {} tokens",
            wire.steps.len(),
            wire.tokens
        ));
    }
    let steps = (0..).zip(wire.steps).map(|(i, step)| {
        if !(step.loss.is_finite() && step.grad_norm.is_finite() && step.learning_rate.is_finite())
        {
            return Err(format!(
                "step {}: loss {}, gradient norm {}: training diverged",
                step.step, step.loss, step.grad_norm
            ));
        }
        Ok(Step {
            step: i,
            loss: step.loss,
            grad_norm: step.grad_norm,
            learning_rate: step.learning_rate,
            tokens: step.tokens & (u64::MAX >> 1),
        })
    });
    Ok(Trained {
        base: parsed(field("base_digest", &wire.base_digest))?,
        adapter: parsed(AdapterRef::try_from(adapter))?,
        optimiser: parsed(optional_field("optimiser_digest", &wire.optimiser_digest))?,
        examples: wire.examples,
        tokens: wire.tokens,
        steps: steps.collect::<Result<_, _>>()?,
    })
}
