//! Speed of generation and training on fixed prompts:
//! `OMP_WAIT_POLICY=passive GOMP_SPINCOUNT=0 cargo run -p groklab-model --example bench -- MODEL [generate|sample|train]`.
//! Prints one JSON line per measurement.

use std::{collections::BTreeSet, ops::ControlFlow, path::Path, time::Instant};

use anyhow::{Context, Result};
use groklab_model::{
    Applied, ChatTokenizer, Example, LoraSpec, Model, Request, Row, Sampling, Settings, Start, Stop, Target, Trainer, generate, load,
};
use serde_json::{Value, json};

const WORKLOAD: &str = include_str!("data/workload.jsonl");
const SFT: &str = include_str!("data/sft.jsonl");

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let source = arguments.next().context("usage: bench MODEL [generate|sample|train]")?;
    let what = arguments.next().unwrap_or_default();
    let start = Instant::now();
    let (model, tokenizer) = load(&source, Path::new("/tmp"))?;
    println!("{}", json!({"load_seconds": seconds(start), "device": model.device_description(), "base": model.base_digest()}));
    if what.is_empty() || what == "generate" {
        greedy(&model, &tokenizer)?;
    }
    if what.is_empty() || what == "sample" {
        sampled(&model, &tokenizer)?;
    }
    if what.is_empty() || what == "train" {
        train(&model, &tokenizer)?;
    }
    println!("{}", json!({"peak_memory_mb": peak_memory_mb()}));
    Ok(())
}

/// 64 prompts, 64 new tokens each, end tokens ignored.
fn greedy(model: &Model, tokenizer: &ChatTokenizer) -> Result<()> {
    let rows = rows(tokenizer, 1)?;
    let stop = Stop { end_tokens: BTreeSet::new(), tokenizer: Some(tokenizer), closing_fence: false };
    let sampling = Sampling { temperature: 0.0, top_p: 1.0, max_new_tokens: 64 };
    measure("greedy 64x64", model, &Request { rows: &rows, sampling, stop })
}

/// 64 prompts with 4 samples each, up to 128 tokens, ending at the end token.
fn sampled(model: &Model, tokenizer: &ChatTokenizer) -> Result<()> {
    let rows = rows(tokenizer, 4)?;
    let stop = Stop { end_tokens: tokenizer.end_tokens().clone(), tokenizer: Some(tokenizer), closing_fence: false };
    let sampling = Sampling { temperature: 0.8, top_p: 0.95, max_new_tokens: 128 };
    measure("sampled 64x4x128", model, &Request { rows: &rows, sampling, stop })
}

fn measure(name: &str, model: &Model, request: &Request<'_>) -> Result<()> {
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let mut prefill = None;
    let completions = generate(model, None, request, &mut |progress| {
        if progress.new_tokens > 0 && prefill.is_none() {
            prefill = Some((seconds(start), cpu_seconds() - cpu));
        }
        ControlFlow::Continue(())
    })?;
    let (tokens, total) = (completions.iter().map(|completion| completion.ids.len()).sum::<usize>(), seconds(start));
    println!(
        "{}",
        json!({"measured": name, "tokens": tokens, "seconds": total, "first_prefill_seconds_and_cpu": prefill, "cpu_seconds": cpu_seconds() - cpu, "tokens_per_second": tokens as f64 / total,
               "first": String::from_utf8_lossy(&completions[0].bytes)})
    );
    Ok(())
}

/// 8 steps of 8 examples behind one that is not counted.
fn train(model: &Model, tokenizer: &ChatTokenizer) -> Result<()> {
    let examples = SFT.lines().map(|line| example(tokenizer, line)).collect::<Result<Vec<_>>>()?;
    let spec = LoraSpec { rank: 16, alpha: 32.0, dropout: 0.0, targets: Target::ALL.to_vec() };
    let mut trainer = Trainer::new(model, spec, Settings::default(), Start::Fresh { seed: 0 })?;
    let (mut start, mut cpu, mut tokens, mut losses) = (Instant::now(), cpu_seconds(), 0, Vec::new());
    for (step, batch) in examples.iter().cycle().cloned().collect_chunks(8).take(9).enumerate() {
        if step == 1 {
            (start, cpu, tokens) = (Instant::now(), cpu_seconds(), 0);
        }
        let report = trainer.step(&batch)?;
        tokens += report.tokens;
        losses.push((report.loss * 1e4).round() / 1e4);
    }
    let total = seconds(start);
    println!(
        "{}",
        json!({"measured": "train 8x8", "tokens": tokens, "seconds": total, "cpu_seconds": cpu_seconds() - cpu, "tokens_per_second": tokens as f64 / total, "losses": losses})
    );
    let start = Instant::now();
    drop(Applied::new(model, &trainer.adapter())?);
    println!("{}", json!({"measured": "apply an adapter", "seconds": seconds(start)}));
    Ok(())
}

fn rows(tokenizer: &ChatTokenizer, samples: u64) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (prompt, line) in WORKLOAD.lines().enumerate() {
        let json: Value = serde_json::from_str(line)?;
        let prompt_ids = tokenizer.encode_prompt(json["prompt"].as_str().context("prompt")?)?;
        rows.extend((0..samples).map(|sample| Row { prompt_ids: prompt_ids.clone(), seed: prompt as u64 * 1000 + sample }));
    }
    Ok(rows)
}

fn example(tokenizer: &ChatTokenizer, line: &str) -> Result<Example> {
    let json: Value = serde_json::from_str(line)?;
    let mut completion_ids = tokenizer.encode_text(json["completion"].as_str().context("completion")?)?;
    tokenizer.close(&mut completion_ids);
    Ok(Example { prompt_ids: tokenizer.encode_prompt(json["prompt"].as_str().context("prompt")?)?, completion_ids })
}

trait Chunks: Iterator<Item = Example> + Sized {
    /// Batches of `size`, for ever where the iterator is endless.
    fn collect_chunks(mut self, size: usize) -> impl Iterator<Item = Vec<Example>> {
        std::iter::from_fn(move || Some(self.by_ref().take(size).collect::<Vec<_>>()).filter(|batch| !batch.is_empty()))
    }
}

impl<T: Iterator<Item = Example>> Chunks for T {}

fn seconds(start: Instant) -> f64 {
    (start.elapsed().as_secs_f64() * 100.0).round() / 100.0
}

/// CPU time of this process, which other work on the machine disturbs less than it does the clock.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<f64> = stat.rsplit(") ").next().unwrap_or_default().split(' ').map(|field| field.parse().unwrap_or(0.0)).collect();
    (fields.get(11).unwrap_or(&0.0) + fields.get(12).unwrap_or(&0.0)) / 100.0
}

/// The most memory this process has had, in MB.
fn peak_memory_mb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kilobytes| kilobytes / 1024)
}
