//! What a run shows: a line of JSON per step on stdout, a bar on a terminal's stderr, and a line that sums up.

use std::{
    io::{self, Write as _},
    time::Instant,
};

use groklab_model::StepReport;
use groklab_runtime::tool;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

/// A run being told about. A stdout that is closed ends the lines, not the run: the adapter is what was asked for.
pub(super) struct Report {
    bar: ProgressBar,
    begun: Instant,
    last: Instant,
    tokens: usize,
    steps: u64,
    is_heard: bool,
}

/// A line of stdout.
#[derive(Serialize)]
struct Line {
    step: u64,
    loss: f64,
    grad_norm: f64,
    tokens_per_second: f64,
    peak_memory_mb: Option<f64>,
    learning_rate: f64,
    tokens: usize,
}

/// The line that sums up.
#[derive(Serialize)]
struct Totals {
    examples: usize,
    steps: u64,
    tokens: usize,
    seconds: f64,
    tokens_per_second: f64,
    peak_memory_mb: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    held_out_loss: Option<HeldOut>,
}

/// Mean loss per completion token.
#[derive(Serialize)]
struct HeldOut {
    before: f64,
    after: f64,
}

impl Report {
    pub(super) fn new(steps: u64) -> Self {
        let style = ProgressStyle::with_template("{bar:30} step {pos}/{len} {msg} {eta} left").expect("the template is fixed and right");
        // Draws nothing where stderr is not a terminal.
        let bar = ProgressBar::new(steps).with_style(style);
        let now = Instant::now();
        Self { bar, begun: now, last: now, tokens: 0, steps: 0, is_heard: true }
    }

    pub(super) fn step(&mut self, done: &StepReport) {
        let speed = per_second(done.tokens, self.last);
        self.last = Instant::now();
        self.tokens += done.tokens;
        self.steps += 1;
        let line = Line {
            step: done.step,
            loss: done.loss,
            grad_norm: done.grad_norm,
            tokens_per_second: speed,
            peak_memory_mb: tool::peak_memory_mb(),
            learning_rate: done.learning_rate,
            tokens: done.tokens,
        };
        let line = serde_json::to_string(&line).expect("plain structures are JSON");
        if self.is_heard {
            let written = self.bar.suspend(|| writeln!(io::stdout(), "{line}").and_then(|()| io::stdout().flush()));
            self.is_heard = written.is_ok();
        }
        self.bar.set_message(format!("loss {:.4}, {speed} tokens/s,", done.loss));
        self.bar.inc(1);
    }

    /// Sums up on stderr. `held_out`: the mean loss before and after.
    pub(super) fn finish(&self, examples: usize, held_out: Option<(f64, f64)>) {
        self.bar.finish_and_clear();
        let seconds = (self.begun.elapsed().as_secs_f64() * 100.0).round() / 100.0;
        let totals = Totals {
            examples,
            steps: self.steps,
            tokens: self.tokens,
            seconds,
            tokens_per_second: per_second(self.tokens, self.begun),
            peak_memory_mb: tool::peak_memory_mb(),
            held_out_loss: held_out.map(|(before, after)| HeldOut { before, after }),
        };
        tool::say(serde_json::to_string(&totals).expect("plain structures are JSON"));
    }
}

fn per_second(tokens: usize, since: Instant) -> f64 {
    (tokens as f64 / since.elapsed().as_secs_f64().max(1e-9) * 10.0).round() / 10.0
}
