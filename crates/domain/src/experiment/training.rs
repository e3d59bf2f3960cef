//! The table `[train]` of an experiment file, and the words that it and `[generate]` take.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{method::MethodName, words::words};

words! {
    /// Where an iteration's training starts.
    #[derive(JsonSchema)]
    pub enum Start {
        /// From the untrained model, with a fresh adapter.
        Restart = "restart",
        /// From the last iteration's adapter and the optimiser's state.
        Continue = "continue",
    }
}

words! {
    /// How the train problems of an iteration are drawn.
    #[derive(JsonSchema)]
    pub enum Curriculum {
        /// Each is as likely as any other.
        Uniform = "uniform",
        /// The likelier, the nearer to a half of its rule's latest samples were correct: what is
        /// always or never solved is asked seldom, but asked.
        Success = "success",
    }
}

words! {
    /// What an iteration trains on. All but `verified` are controls: they take as many examples as
    /// `verified` would take of the same rollouts, so that a gain can be held against what training
    /// does without verification. None takes what was cut at `max_new_tokens`.
    #[derive(JsonSchema)]
    pub enum Select {
        /// The rollouts that passed every case.
        Verified = "verified",
        /// Those that passed every case their prompt shows, whatever the hidden ones say: a weak
        /// verifier, which rewards shortcuts.
        Visible = "visible",
        /// Those whose code Python can read, right or wrong.
        Parses = "parses",
        /// Any of them, right or wrong.
        Any = "any",
        /// The greedy completions of the iteration's evaluation, right or wrong, at most one a
        /// problem.
        Greedy = "greedy",
        /// What `verified` takes, each under the prompt of a problem of another rule.
        Shuffled = "shuffled",
    }
}

words! {
    /// Of which iterations the rollouts are that an iteration trains on.
    #[derive(JsonSchema)]
    pub enum History {
        /// Those of this iteration.
        Iteration = "iteration",
        /// Those of all iterations so far.
        All = "all",
    }
}

words! {
    /// The learning rate's course after warm-up.
    #[derive(JsonSchema)]
    pub enum Schedule {
        /// It stays as it is.
        Constant = "constant",
        /// It falls to zero in a straight line.
        Linear = "linear",
        /// It falls to zero along half a cosine.
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Train {
    /// How the model is trained.
    pub method: MethodName,
    /// Where an iteration's training starts.
    pub start: Start,
    /// What an iteration trains on: what was verified, or, as a control, something else.
    pub select: Select,
    /// Of which iterations the rollouts are that an iteration trains on.
    pub history: History,
    /// The rank of the LoRA matrices: a larger one can learn more, and costs more.
    #[schemars(range(min = 1, max = 512))]
    pub rank: u32,
    /// What the adapter computes is scaled by `alpha / rank`.
    #[schemars(range(min = 0.001, max = 4096))]
    pub alpha: f64,
    /// Share of the inputs of the LoRA matrices that training drops at random.
    #[schemars(range(min = 0, max = 0.9))]
    pub dropout: f64,
    /// The linears of each block that get an adapter, by their names in Hugging Face and PEFT.
    #[schemars(
        length(min = 1),
        extend("items" = json!({"type": "string", "enum": TARGETS}), "uniqueItems" = true)
    )]
    pub targets: Vec<String>,
    /// The optimiser's (AdamW's) learning rate once the warm-up is over.
    #[schemars(range(min = 1e-8, max = 1))]
    pub learning_rate: f64,
    /// The learning rate's course after warm-up. With `start = "continue"` it goes on over all
    /// iterations, warm-up included; else it is each iteration's own.
    pub schedule: Schedule,
    /// Steps over which the learning rate rises to its value in a straight line.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub warmup_steps: u32,
    /// AdamW's weight decay.
    #[schemars(range(min = 0, max = 1))]
    pub weight_decay: f64,
    /// Gradients longer than this are shortened to it.
    #[schemars(range(min = 1e-6, max = 1_000_000))]
    pub max_grad_norm: f64,
    /// How often an iteration's training goes through its rollouts.
    #[schemars(range(min = 1, max = 1_000))]
    pub epochs: u32,
    /// Tokens (prompt and completion) of one optimiser step.
    #[schemars(range(min = 16, max = 16_777_216))]
    pub batch_tokens: u32,
    /// Compute layers again for their gradients instead of keeping what they computed: less memory,
    /// more time, the same adapter up to rounding.
    pub gradient_checkpointing: bool,
    /// Different rollouts per problem to train on, at most.
    #[schemars(range(min = 1, max = 1_024))]
    pub max_per_problem: u32,
}

impl Default for Train {
    fn default() -> Self {
        Self {
            method: MethodName::Rft,
            start: Start::Restart,
            select: Select::Verified,
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
