//! Speed of generation and training on fixed inputs; `make bench-model` runs it on the quickstart's
//! model. Every figure is the median of three runs and stands beside a baseline of the same
//! process: one prompt at a time for generation, one example a step for training. Prints one JSON
//! line per measurement; `busy` is this machine's load beside this process, which a figure worth
//! keeping has near 0.
//!
//! `bench MODEL [load|generate|sample|train|batches|lengths|wide [DEVICE]]`, with
//! OMP_WAIT_POLICY=passive. `wide` is for a GPU and runs only when it is named.

use std::{collections::BTreeSet, ops::ControlFlow, path::Path, time::Instant};

use anyhow::{Context, Result};
use groklab_model::{
    Adapter, Applied, ChatTokenizer, DeviceSetting, Example, KindSetting, LoraSpec, Model,
    Placement, Request, Row, Sampling, Settings, Start, Stop, Target, Trainer, generate, load,
    load_cuda,
};
use serde_json::{Value, json};

const WORKLOAD: &str = include_str!("data/workload.jsonl");
const SFT: &str = include_str!("data/sft.jsonl");
const RUNS: usize = 3;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let source = arguments
        .next()
        .context("usage: bench MODEL [load|generate|sample|train|batches|lengths|wide [DEVICE]]")?;
    let what = arguments.next().unwrap_or_default();
    let device: DeviceSetting = match arguments.next() {
        Some(device) => device.parse()?,
        None => DeviceSetting::Cpu,
    };
    load_cuda(device);
    let placement = Placement::of(device, KindSetting::Auto)?;
    let start = Instant::now();
    let (model, tokenizer) = load(source.as_str(), Path::new("/nonexistent"), placement)?;
    println!(
        "{}",
        json!({
            "load_seconds": seconds(start), "device": model.device_description(),
            "base": model.base_digest(),
        })
    );
    let bench = Bench {
        source: &source,
        model: &model,
        tokenizer: &tokenizer,
    };
    let parts: [(&str, Part); 7] = [
        ("load", |bench| bench.load()),
        ("generate", |bench| bench.greedy()),
        ("sample", |bench| bench.sampled()),
        ("train", |bench| bench.train()),
        ("batches", |bench| bench.batches()),
        ("lengths", |bench| bench.lengths()),
        ("wide", |bench| bench.wide()),
    ];
    let wanted = |name: &str| what == name || (what.is_empty() && name != "wide");
    for (_, part) in parts.iter().filter(|(name, _)| wanted(name)) {
        part(&bench)?;
    }
    println!("{}", json!({"peak_memory_mb": peak_memory_mb()}));
    Ok(())
}

type Part = fn(&Bench<'_>) -> Result<()>;

struct Bench<'a> {
    source: &'a str,
    model: &'a Model,
    tokenizer: &'a ChatTokenizer,
}

/// A measured run: tokens, and what they took.
#[derive(Clone, Copy)]
struct Run {
    tokens: usize,
    seconds: f64,
    cpu_seconds: f64,
}

impl Run {
    fn speed(self) -> f64 {
        self.tokens as f64 / self.seconds
    }
}

/// The median of three runs by speed, printed with its ratio to `baseline`.
fn median(name: &str, baseline: Option<f64>, mut run: impl FnMut() -> Result<Run>) -> Result<f64> {
    let before = (Instant::now(), cpu_seconds(), busy_seconds());
    let mut runs = (0..RUNS).map(|_| run()).collect::<Result<Vec<_>>>()?;
    let (wall, own) = (before.0.elapsed().as_secs_f64(), cpu_seconds() - before.1);
    let others = ((busy_seconds() - before.2 - own) / wall).max(0.0);
    runs.sort_by(|a, b| a.speed().total_cmp(&b.speed()));
    let Run {
        tokens,
        seconds,
        cpu_seconds,
    } = runs[RUNS / 2];
    let speed = runs[RUNS / 2].speed();
    let ratio = baseline.map(|baseline| rounded(speed / baseline));
    println!(
        "{}",
        json!({
            "measured": name, "tokens": tokens, "seconds": rounded(seconds),
            "cpu_seconds": rounded(cpu_seconds), "tokens_per_second": rounded(speed),
            "times_the_baseline": ratio, "busy": rounded(others),
        })
    );
    Ok(speed)
}

impl Bench<'_> {
    fn generated(
        &self,
        rows: &[Row],
        sampling: Sampling,
        ends: bool,
        share_prefixes: bool,
    ) -> Result<Run> {
        self.generated_with(None, rows, sampling, ends, share_prefixes)
    }

    fn generated_with(
        &self,
        applied: Option<&Applied>,
        rows: &[Row],
        sampling: Sampling,
        ends: bool,
        share_prefixes: bool,
    ) -> Result<Run> {
        let end_tokens = if ends {
            self.tokenizer.end_tokens().clone()
        } else {
            BTreeSet::new()
        };
        let stop = Stop {
            end_tokens,
            tokenizer: Some(self.tokenizer),
        };
        let (start, cpu) = (Instant::now(), cpu_seconds());
        let request = Request {
            rows,
            sampling,
            stop,
            share_prefixes,
        };
        let completions = generate(self.model, applied, &request, &mut |_| {
            ControlFlow::Continue(())
        })?;
        let tokens = completions
            .iter()
            .map(|completion| completion.ids.len())
            .sum();
        Ok(Run {
            tokens,
            seconds: start.elapsed().as_secs_f64(),
            cpu_seconds: cpu_seconds() - cpu,
        })
    }

    /// The first four prompts one at a time.
    fn one_at_a_time(&self, sampling: Sampling, ends: bool) -> Result<f64> {
        let rows = rows(self.tokenizer, 1)?;
        median("baseline: one prompt at a time", None, || {
            let runs = rows[..4]
                .chunks(1)
                .map(|row| self.generated(row, sampling, ends, true))
                .collect::<Result<Vec<_>>>()?;
            let sum = |of: fn(&Run) -> f64| runs.iter().map(of).sum::<f64>();
            Ok(Run {
                tokens: sum(|run| run.tokens as f64) as usize,
                seconds: sum(|run| run.seconds),
                cpu_seconds: sum(|run| run.cpu_seconds),
            })
        })
    }

    /// 64 prompts, 64 new tokens each, end tokens ignored.
    fn greedy(&self) -> Result<()> {
        let rows = rows(self.tokenizer, 1)?;
        let baseline = self.one_at_a_time(greedily(64), false)?;
        median("greedy 64x64", Some(baseline), || {
            self.generated(&rows, greedily(64), false, true)
        })?;
        median("greedy 64x64, no prefix sharing", Some(baseline), || {
            self.generated(&rows, greedily(64), false, false)
        })?;
        Ok(())
    }

    /// 64 prompts with 4 samples each, up to 128 tokens, ending at the end token.
    fn sampled(&self) -> Result<()> {
        let rows = rows(self.tokenizer, 4)?;
        let sampling = Sampling {
            temperature: 0.8,
            top_p: 0.95,
            max_new_tokens: 128,
        };
        let baseline = self.one_at_a_time(sampling, true)?;
        median("sampled 64x4x128", Some(baseline), || {
            self.generated(&rows, sampling, true, true)
        })?;
        median(
            "sampled 64x4x128, no prefix sharing",
            Some(baseline),
            || self.generated(&rows, sampling, true, false),
        )?;
        Ok(())
    }

    /// Speed against the number of rows, 32 new tokens each.
    fn batches(&self) -> Result<()> {
        let rows = rows(self.tokenizer, 2)?;
        let baseline = self.one_at_a_time(greedily(32), false)?;
        for count in [1, 2, 4, 8, 16, 32, 64, 128] {
            median(&format!("{count} rows"), Some(baseline), || {
                self.generated(&rows[..count], greedily(32), false, true)
            })?;
        }
        Ok(())
    }

    /// What a GPU is given: many rows of 128 sampled tokens, end tokens ignored, with an adapter
    /// and without.
    fn wide(&self) -> Result<()> {
        let spec = LoraSpec::plain(16, 32.0, 0.0, Target::ALL.to_vec());
        let trainer = Trainer::new(
            self.model,
            spec,
            Settings::default(),
            Start::Fresh { seed: 0 },
        )?;
        let adapter = Applied::new(self.model, &trainer.adapter())?;
        let rows = rows(self.tokenizer, 16)?;
        for (with, applied) in [("base", None), ("adapter", Some(&adapter))] {
            let mut baseline = None;
            for (count, top_p) in [(64, 1.0), (256, 1.0), (1024, 1.0), (256, 0.95)] {
                let name = format!("{with}, {count} rows, top_p {top_p}");
                let sampling = Sampling {
                    temperature: 0.8,
                    top_p,
                    max_new_tokens: 128,
                };
                let speed = median(&name, baseline, || {
                    self.generated_with(applied, &rows[..count], sampling, false, true)
                })?;
                baseline.get_or_insert(speed);
            }
        }
        Ok(())
    }

    /// Speed against the length of the prompts: 16 rows that share nothing, 16 new tokens each;
    /// prompt tokens count as tokens.
    fn lengths(&self) -> Result<()> {
        let text: Vec<i64> = self.tokenizer.encode_text(&WORKLOAD.repeat(8))?;
        let mut baseline = None;
        for length in [50, 100, 200, 400, 700, 1000] {
            let row = |n: usize| Row {
                prompt_ids: text[n * 300..n * 300 + length].to_vec(),
                seed: 0,
                entry: None,
            };
            let rows: Vec<Row> = (0..16).map(row).collect();
            let run = || {
                let run = self.generated(&rows, greedily(16), false, false)?;
                Ok(Run {
                    tokens: run.tokens + 16 * length,
                    ..run
                })
            };
            let speed = median(&format!("prompts of {length} tokens"), baseline, run)?;
            baseline.get_or_insert(speed);
        }
        Ok(())
    }

    /// Steps of 8 examples, behind one that is not counted.
    fn train(&self) -> Result<()> {
        let examples = SFT
            .lines()
            .map(|line| example(self.tokenizer, line))
            .collect::<Result<Vec<_>>>()?;
        let spec = LoraSpec::plain(16, 32.0, 0.0, Target::ALL.to_vec());
        let mut trainer = Trainer::new(
            self.model,
            spec,
            Settings::default(),
            Start::Fresh { seed: 0 },
        )?;
        let mut step = |batch: &[Example]| -> Result<Run> {
            let (start, cpu) = (Instant::now(), cpu_seconds());
            let report = trainer.step(batch, &mut || ControlFlow::Continue(()))?;
            Ok(Run {
                tokens: report.tokens,
                seconds: start.elapsed().as_secs_f64(),
                cpu_seconds: cpu_seconds() - cpu,
            })
        };
        step(&examples[..8])?;
        let mut at = 0;
        let mut next = |size: usize| {
            at = (at + size) % (examples.len() - 8);
            examples[at..at + size].to_vec()
        };
        let baseline = median("baseline: one example a step", None, || step(&next(1)))?;
        median("train 8 a step", Some(baseline), || step(&next(8)))?;
        Ok(())
    }

    /// Loading the model, and going from one adapter in use to another, files in memory to weights
    /// ready.
    fn load(&self) -> Result<()> {
        let mut loads = Vec::new();
        for _ in 0..RUNS {
            let start = Instant::now();
            load(self.source, Path::new("/nonexistent"), Placement::CPU)?;
            loads.push(start.elapsed().as_secs_f64());
        }
        let spec = LoraSpec::plain(16, 32.0, 0.0, Target::ALL.to_vec());
        let fresh = |seed| {
            Trainer::new(
                self.model,
                spec.clone(),
                Settings::default(),
                Start::Fresh { seed },
            )
            .map(|trainer| trainer.adapter())
        };
        let adapters = [fresh(1)?, fresh(2)?];
        let read = |adapter: &Adapter| {
            Adapter::from_files(
                adapter.config_file().to_vec(),
                adapter.weights_file().to_vec(),
            )
        };
        let mut used = Applied::new(self.model, &adapters[1])?;
        let mut swaps = Vec::new();
        for swap in 0..RUNS {
            let start = Instant::now();
            drop(used);
            used = Applied::new(self.model, &read(&adapters[swap % 2])?)?;
            swaps.push(start.elapsed().as_secs_f64());
        }
        drop(used);
        for (name, mut runs) in [("load the model", loads), ("swap an adapter", swaps)] {
            runs.sort_by(f64::total_cmp);
            println!(
                "{}",
                json!({"measured": name, "seconds": rounded(runs[RUNS / 2])})
            );
        }
        Ok(())
    }
}

fn greedily(max_new_tokens: usize) -> Sampling {
    Sampling {
        temperature: 0.0,
        top_p: 1.0,
        max_new_tokens,
    }
}

fn rows(tokenizer: &ChatTokenizer, samples: u64) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (prompt, line) in WORKLOAD.lines().enumerate() {
        let json: Value = serde_json::from_str(line)?;
        let prompt_ids = tokenizer.encode_prompt(json["prompt"].as_str().context("prompt")?)?;
        rows.extend((0..samples).map(|sample| Row {
            prompt_ids: prompt_ids.clone(),
            seed: prompt as u64 * 1000 + sample,
            entry: None,
        }));
    }
    Ok(rows)
}

fn example(tokenizer: &ChatTokenizer, line: &str) -> Result<Example> {
    let json: Value = serde_json::from_str(line)?;
    let mut completion_ids =
        tokenizer.encode_text(json["completion"].as_str().context("completion")?)?;
    tokenizer.close(&mut completion_ids);
    Ok(Example {
        prompt_ids: tokenizer.encode_prompt(json["prompt"].as_str().context("prompt")?)?,
        completion_ids,
    })
}

fn seconds(start: Instant) -> f64 {
    rounded(start.elapsed().as_secs_f64())
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// CPU time that all processes of this machine have used.
fn busy_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields: Vec<f64> = stat
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(1)
        .map(|f| f.parse().unwrap_or(0.0))
        .collect();
    // User, nice and system; then idle and waiting, which are not work.
    fields.iter().take(3).sum::<f64>() / 100.0
}

/// CPU time of this process, which other work on the machine disturbs less than it does the clock.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<f64> = stat
        .rsplit(") ")
        .next()
        .unwrap_or_default()
        .split(' ')
        .map(|field| field.parse().unwrap_or(0.0))
        .collect();
    (fields.get(11).unwrap_or(&0.0) + fields.get(12).unwrap_or(&0.0)) / 100.0
}

/// The most memory this process has had, in MB.
fn peak_memory_mb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    line.split_whitespace()
        .nth(1)?
        .parse::<u64>()
        .ok()
        .map(|kilobytes| kilobytes / 1024)
}
