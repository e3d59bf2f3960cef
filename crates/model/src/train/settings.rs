//! What training is told, what it learns from, and what it reports.

use super::Schedule;
use crate::{device::Placement, lora::Adapter};

/// What the model should learn to write behind a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    pub prompt_ids: Vec<i64>,
    /// With the end token, if the model should learn to stop.
    pub completion_ids: Vec<i64>,
}

impl Example {
    /// Tokens that go through the model.
    pub fn tokens(&self) -> usize {
        self.prompt_ids.len() + self.completion_ids.len()
    }
}

/// Tokens of a step that are in memory at once: what two cores need for full speed, and what a GPU
/// needs to be busy longer than it takes to tell it what to do. A smaller GPU halves its own.
const CPU_PART_TOKENS: usize = 256;
const GPU_PART_TOKENS: usize = 16_384;

/// How training steps are made.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub learning_rate: f64,
    pub betas: (f64, f64),
    pub eps: f64,
    pub weight_decay: f64,
    /// Gradients are scaled down to this global norm.
    pub max_grad_norm: f64,
    /// Steps over which the learning rate rises from zero.
    pub warmup_steps: u64,
    /// Steps of this run: where the schedule ends, unless it goes on over further runs.
    pub total_steps: u64,
    /// Runs over which the schedule goes on, this one among them, each taken to have as many steps;
    /// warm-up and schedule then begin with the optimiser's first step. 0: they are this run's own.
    pub runs_left: u64,
    pub schedule: Schedule,
    /// Tokens that are in memory at once; a step's examples are split into parts of at most this
    /// size (or one example).
    pub micro_batch_tokens: usize,
    /// Keep only the input of every layer and compute the rest again when its gradient is due: less
    /// memory, about a third more work.
    pub checkpointing: bool,
    /// Seed of dropout.
    pub seed: u64,
}

impl Settings {
    /// The defaults for a device.
    pub fn on(placement: Placement) -> Self {
        let micro_batch_tokens = if placement.is_cpu() {
            CPU_PART_TOKENS
        } else {
            GPU_PART_TOKENS
        };
        Self {
            micro_batch_tokens,
            ..Self::default()
        }
    }
}

impl Default for Settings {
    /// AdamW as torch has it, at a learning rate of 2e-4, constant, on a CPU.
    fn default() -> Self {
        Self {
            learning_rate: 2e-4,
            betas: (0.9, 0.999),
            eps: 1e-8,
            weight_decay: 0.01,
            max_grad_norm: 1.0,
            warmup_steps: 0,
            total_steps: 1,
            runs_left: 0,
            schedule: Schedule::Constant,
            micro_batch_tokens: CPU_PART_TOKENS,
            checkpointing: false,
            seed: 0,
        }
    }
}

/// Where training begins.
#[derive(Clone, Copy)]
pub enum Start<'a> {
    /// A drawn from the seed (Kaiming-uniform, as peft), B zero.
    Fresh { seed: u64 },
    /// An adapter, with the state of its optimiser where that was kept.
    From {
        adapter: &'a Adapter,
        optimiser: Option<&'a [u8]>,
    },
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// Counted from 1.
    pub step: u64,
    /// Mean over the step's completion tokens, before the update.
    pub loss: f64,
    /// Global norm before clipping.
    pub grad_norm: f64,
    pub learning_rate: f64,
    /// Tokens of prompts and completions.
    pub tokens: usize,
    pub completion_tokens: usize,
}
