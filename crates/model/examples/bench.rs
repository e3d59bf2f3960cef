//! Speed of generation and training on fixed prompts, each against a baseline of the same run: `make bench-model`, or
//! `OMP_WAIT_POLICY=passive GOMP_SPINCOUNT=0 target/debug/examples/bench MODEL [greedy|sample|table|train]`.
//! Prints one JSON line per measurement. CPU seconds tell how busy the machine was with other things.

use std::{collections::BTreeSet, ops::ControlFlow, path::Path, time::Instant};

use anyhow::{Context, Result};
use groklab_model::{
    Applied, ChatTokenizer, Example, LoraSpec, Model, Request, Row, Sampling, Settings, Start, Stop, Target, Trainer, Tuning,
    generate_tuned, load,
};
use serde_json::{Value, json};

const WORKLOAD: &str = include_str!("data/workload.jsonl");
const SFT: &str = include_str!("data/sft.jsonl");

/// What is compared; the last is the baseline.
const VARIANTS: [(&str, Tuning); 4] = [
    ("lanes", Tuning { lanes: None, share_prefixes: true }),
    ("lanes, nothing shared", Tuning { lanes: None, share_prefixes: false }),
    ("one lane", Tuning { lanes: Some(1), share_prefixes: true }),
    ("one lane, nothing shared", Tuning { lanes: Some(1), share_prefixes: false }),
];

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let source = arguments.next().context("usage: bench MODEL [greedy|sample|table|train]")?;
    let what = arguments.next().unwrap_or_default();
    let start = Instant::now();
    let (model, tokenizer) = load(&source, Path::new("/tmp"))?;
    println!("{}", json!({"load_seconds": seconds(start), "device": model.device_description(), "base": model.base_digest()}));
    let wanted = |name: &str| what.is_empty() || what == name;
    if wanted("greedy") {
        greedy(&model, &tokenizer)?;
    }
    if wanted("sample") {
        sampled(&model, &tokenizer)?;
    }
    if wanted("table") {
        table(&model)?;
    }
    if wanted("train") {
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
    compare("greedy 64x64", model, &Request { rows: &rows, sampling, stop })
}

/// 64 prompts with 4 samples each, up to 128 tokens, ending at the end token.
fn sampled(model: &Model, tokenizer: &ChatTokenizer) -> Result<()> {
    let rows = rows(tokenizer, 4)?;
    let stop = Stop { end_tokens: tokenizer.end_tokens().clone(), tokenizer: Some(tokenizer), closing_fence: false };
    let sampling = Sampling { temperature: 0.8, top_p: 1.0, max_new_tokens: 128 };
    compare("sampled 64x4x128", model, &Request { rows: &rows, sampling, stop })
}

/// 16 new tokens for random prompts that share nothing: over the number of rows, then over the length of the prompts.
fn table(model: &Model) -> Result<()> {
    let batches = [1, 2, 4, 8, 16, 32, 64, 128].map(|batch| (batch, 100));
    let lengths = [50, 200, 500, 1000].map(|length| (32, length));
    for (batch, length) in batches.into_iter().chain(lengths) {
        let rows: Vec<Row> = (0..batch).map(|row| Row { prompt_ids: noise(model, row, length), seed: row }).collect();
        let sampling = Sampling { temperature: 0.0, top_p: 1.0, max_new_tokens: 16 };
        let request = Request { rows: &rows, sampling, stop: Stop::default() };
        let measured = measure(model, &request, Tuning::default())?;
        println!("{}", json!({"measured": "table", "rows": batch, "prompt_tokens": length, "figures": measured.to_json()}));
    }
    Ok(())
}

/// Ids from a linear congruence, the same in every run.
fn noise(model: &Model, seed: u64, length: usize) -> Vec<i64> {
    let mut state = seed + 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as i64 % model.config().vocab_size
    };
    (0..length).map(|_| next()).collect()
}

fn compare(name: &str, model: &Model, request: &Request<'_>) -> Result<()> {
    let mut speeds = Vec::new();
    for (variant, tuning) in VARIANTS {
        let measured = measure(model, request, tuning)?;
        println!("{}", json!({"measured": name, "variant": variant, "figures": measured.to_json()}));
        speeds.push(measured.tokens_per_second());
    }
    let baseline = speeds[VARIANTS.len() - 1];
    let times: serde_json::Map<String, Value> =
        VARIANTS.iter().zip(&speeds).map(|((variant, _), speed)| ((*variant).to_owned(), rounded(speed / baseline).into())).collect();
    println!("{}", json!({"measured": name, "times_baseline": times}));
    Ok(())
}

struct Measured {
    tokens: usize,
    seconds: f64,
    cpu_seconds: f64,
    /// Until the first step behind the first prompts: all of the prefill where all rows fit.
    prefill_seconds: f64,
    prefill_cpu_seconds: f64,
}

impl Measured {
    fn tokens_per_second(&self) -> f64 {
        self.tokens as f64 / self.seconds
    }

    fn to_json(&self) -> Value {
        json!({
            "tokens": self.tokens, "tokens_per_second": rounded(self.tokens_per_second()), "seconds": rounded(self.seconds),
            "prefill_seconds": rounded(self.prefill_seconds), "decode_seconds": rounded(self.seconds - self.prefill_seconds),
            "prefill_cpu_seconds": rounded(self.prefill_cpu_seconds), "decode_cpu_seconds": rounded(self.cpu_seconds - self.prefill_cpu_seconds),
            "tokens_per_cpu_second": rounded(self.tokens as f64 / self.cpu_seconds),
        })
    }
}

fn measure(model: &Model, request: &Request<'_>, tuning: Tuning) -> Result<Measured> {
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let mut prefill = None;
    let completions = generate_tuned(model, None, request, tuning, &mut |progress| {
        if progress.new_tokens > 0 && prefill.is_none() {
            prefill = Some((start.elapsed().as_secs_f64(), cpu_seconds() - cpu));
        }
        ControlFlow::Continue(())
    })?;
    let (prefill_seconds, prefill_cpu_seconds) = prefill.context("a token was drawn")?;
    let tokens = completions.iter().map(|completion| completion.ids.len()).sum();
    Ok(Measured { tokens, seconds: start.elapsed().as_secs_f64(), cpu_seconds: cpu_seconds() - cpu, prefill_seconds, prefill_cpu_seconds })
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
    rounded(start.elapsed().as_secs_f64())
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
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
