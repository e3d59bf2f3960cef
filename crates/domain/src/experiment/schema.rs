//! The tables of an experiment file. Every key has its default here; `config.json` is this
//! structure with them filled in.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{method::MethodName, states::Holdout, words::words};

/// One experiment file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// Letters, digits, `-`, `_` and `.`; begins with neither `-` nor `.`. Also the name of the
    /// export's folder.
    pub name: String,
    #[serde(default)]
    pub seed: u64,
    /// Turns of the loop; 0 evaluates the untrained model only.
    #[serde(default = "three")]
    pub iterations: u32,
    /// Iterations whose adapters are kept, the newest ones; absent: all. What was measured with the
    /// others stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_checkpoints: Option<u32>,
    pub model: Model,
    #[serde(default)]
    pub problems: Problems,
    #[serde(default)]
    pub generate: Generate,
    #[serde(default)]
    pub verify: Verify,
    #[serde(default)]
    pub train: Train,
    #[serde(default)]
    pub evaluate: Evaluate,
    #[serde(default)]
    pub stop: Stop,
}

fn three() -> u32 {
    3
}

/// The model to start from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// A Hugging Face folder, a `.gguf` file (both relative to the experiment file) or a hub id
    /// `organisation/name`.
    pub source: String,
    #[serde(default, skip_serializing_if = "Chat::is_default")]
    pub chat: Chat,
}

/// How prompts are put to a chat model, alike for generation and training. Keys beside `system` and
/// `template` are variables of the template, such as `enable_thinking`; one that the template does
/// not know is refused.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Chat {
    /// The text of a system message before every prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// A jinja template in place of the model's own: in an experiment file the path of its file,
    /// afterwards its text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    // Beside `flatten` serde cannot refuse unknown keys: the worker that renders the template does.
    #[serde(flatten)]
    pub variables: BTreeMap<String, serde_json::Value>,
}

/// Whether `text` is a jinja template rather than the path of one: a template that writes nothing
/// of a message is none.
pub fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%")
}

impl Chat {
    /// Whether the model's own template is used as it is.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What is asked, and how much of it in each split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Problems {
    pub families: Vec<String>,
    /// Lowest and highest difficulty, 1 to 10.
    #[serde(deserialize_with = "super::exactly_two")]
    pub difficulty: [u8; 2],
    pub train: u32,
    pub val: u32,
    pub test: u32,
    /// Problems of the held-out rules or families; 0 unless `held_out` names some.
    pub ood: u32,
    /// Cases shown in the prompt.
    pub visible: u32,
    /// Cases that decide together with the visible ones and are never shown.
    pub hidden: u32,
    /// Level at which val and test are held out.
    pub holdout: Holdout,
    /// Rules (`family/rule`) or families that training never sees.
    pub held_out: Vec<String>,
}

impl Default for Problems {
    fn default() -> Self {
        Self {
            families: ["arithmetic", "rpn", "parentheses"]
                .map(String::from)
                .to_vec(),
            difficulty: [1, 5],
            train: 48,
            val: 32,
            test: 64,
            ood: 0,
            visible: 2,
            hidden: 6,
            holdout: Holdout::Case,
            held_out: Vec::new(),
        }
    }
}

/// How training rollouts are sampled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Generate {
    /// Samples per train problem and iteration.
    pub samples: u32,
    pub temperature: f64,
    pub top_p: f64,
    /// Also the limit of evaluation's completions, in tokens.
    pub max_new_tokens: u32,
    /// Rollouts of one generate job. A job is run again whole, so its results never depend on who
    /// runs it.
    pub rollouts_per_job: u32,
}

impl Default for Generate {
    fn default() -> Self {
        Self {
            samples: 4,
            temperature: 0.8,
            top_p: 1.0,
            max_new_tokens: 256,
            rollouts_per_job: 128,
        }
    }
}

/// What one candidate may use, over all its cases.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Verify {
    /// CPU time; five times as much wall time is the backstop.
    pub cpu_seconds: f64,
    pub memory_mb: u32,
}

impl Default for Verify {
    fn default() -> Self {
        Self {
            cpu_seconds: 2.0,
            memory_mb: 256,
        }
    }
}

words! {
    /// Where an iteration's training starts: from the base, or from the last adapter and optimiser
    /// state.
    pub enum Start {
        Restart = "restart",
        Continue = "continue",
    }
}

words! {
    /// Which correct rollouts are trained on: this iteration's, or those of all so far.
    pub enum History {
        Iteration = "iteration",
        All = "all",
    }
}

words! {
    /// The learning rate's course after warm-up.
    pub enum Schedule {
        Constant = "constant",
        Linear = "linear",
        Cosine = "cosine",
    }
}

/// The linears of a block, by their names in Hugging Face and PEFT.
pub const TARGETS: [&str; 7] = [
    "q_proj",
    "k_proj",
    "v_proj",
    "o_proj",
    "gate_proj",
    "up_proj",
    "down_proj",
];

/// The LoRA training of one iteration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Train {
    pub method: MethodName,
    pub start: Start,
    pub history: History,
    pub rank: u32,
    pub alpha: f64,
    pub dropout: f64,
    pub targets: Vec<String>,
    pub learning_rate: f64,
    pub schedule: Schedule,
    pub warmup_steps: u32,
    pub weight_decay: f64,
    pub max_grad_norm: f64,
    pub epochs: u32,
    /// Tokens (prompt and completion) of one optimiser step.
    pub batch_tokens: u32,
    /// Compute layers again for their gradients instead of keeping what they computed: less memory,
    /// more time, the same adapter up to rounding.
    pub gradient_checkpointing: bool,
    /// Correct rollouts per problem to train on, at most.
    pub max_per_problem: u32,
}

impl Default for Train {
    fn default() -> Self {
        Self {
            method: MethodName::Rft,
            start: Start::Restart,
            history: History::Iteration,
            rank: 16,
            alpha: 32.0,
            dropout: 0.0,
            targets: TARGETS.map(String::from).to_vec(),
            learning_rate: 2e-4,
            schedule: Schedule::Constant,
            warmup_steps: 0,
            weight_decay: 0.0,
            max_grad_norm: 1.0,
            epochs: 2,
            batch_tokens: 2048,
            gradient_checkpointing: false,
            max_per_problem: 4,
        }
    }
}

/// When and how accuracy is measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Evaluate {
    /// Iterations between evaluations; 0 and the last are always evaluated.
    pub every: u32,
    /// Sampled completions per problem beside the greedy one; 0: greedy only.
    pub samples: u32,
    pub temperature: f64,
    pub top_p: f64,
    /// The k of pass@k, each at most `samples`; by default 1 and `samples`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pass_at: Option<Vec<u32>>,
}

impl Default for Evaluate {
    fn default() -> Self {
        Self {
            every: 1,
            samples: 4,
            temperature: 0.8,
            top_p: 1.0,
            pass_at: None,
        }
    }
}

/// When to stop before `iterations`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Stop {
    /// Evaluations in a row without a better val accuracy, or iterations in a row with nothing to
    /// train on; 0: never.
    pub patience: u32,
    /// Stop once greedy val accuracy reaches this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_accuracy: Option<f64>,
    /// Stop once the model has grokked.
    pub on_grokking: bool,
}

impl Evaluate {
    /// The k of pass@k, in order; none without samples.
    pub fn pass_at(&self) -> Vec<u32> {
        let mut ks = self
            .pass_at
            .clone()
            .unwrap_or_else(|| vec![1, self.samples]);
        ks.retain(|k| (1..=self.samples).contains(k));
        ks.sort_unstable();
        ks.dedup();
        ks
    }
}

impl Experiment {
    /// Whether the adapter of `iteration` is evaluated: the first, every `every`-th, and the last.
    pub fn evaluates(&self, iteration: u32) -> bool {
        iteration.is_multiple_of(self.evaluate.every) || iteration == self.iterations
    }

    /// How many evaluations the whole experiment makes.
    pub fn evaluations(&self) -> u32 {
        self.iterations.div_ceil(self.evaluate.every) + 1
    }
}
