//! The tables of an experiment file. Every key has its default here, its comment is what
//! `docs/experiment-file.md` and an editor say of it, and its `range` is what `check` refuses;
//! `config.json` is this structure with the defaults filled in.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::training::{Curriculum, Train};
use crate::states::Holdout;

/// An experiment: what is asked of which model, how it is trained, and how that is measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// The experiment's name, also that of the export's folder: 1 to 64 letters, digits, `-`, `_`
    /// and `.`, beginning with neither `-` nor `.`.
    #[schemars(
        length(min = 1, max = 64),
        regex(pattern = "^[A-Za-z0-9_][A-Za-z0-9_.-]*$"),
        example = "my-experiment"
    )]
    pub name: String,
    /// What every random draw is derived from: problems, completions, the order of training. The
    /// same file with the same seed gives the same results.
    #[serde(default)]
    #[schemars(range(min = 0, max = 9_223_372_036_854_775_807_i64))]
    pub seed: u64,
    /// Turns of the loop: each samples solutions, verifies them and trains on the correct ones. 0
    /// evaluates the untrained model only.
    #[serde(default = "three")]
    #[schemars(range(min = 0, max = 100_000))]
    pub iterations: u32,
    /// Iterations whose adapters are kept, the newest ones; by default all. What was measured with
    /// the others stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000), example = 2)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// A Hugging Face folder, a `.gguf` file, or a hub id `organisation/name`. A path is relative
    /// to the file that says it; `~`, `$NAME` and `${NAME}` in it are filled in.
    #[schemars(length(min = 1), example = "Qwen/Qwen2.5-Coder-1.5B-Instruct")]
    pub source: String,
    /// A branch, tag or commit of a hub id; absent: `main`. Once the first result has come, it is
    /// the commit that all workers use.
    #[schemars(example = &"main")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    #[serde(default, skip_serializing_if = "Chat::is_default")]
    pub chat: Chat,
}

impl Model {
    /// The source, and which revision of it where one is known.
    pub fn named(&self) -> String {
        match &self.revision {
            Some(revision) => format!("{} at {revision}", self.source),
            None => self.source.clone(),
        }
    }
}

/// How prompts are put to a chat model, alike for generation and training. Keys beside `system` and
/// `template` are variables of the template, such as `enable_thinking`; one that the template does
/// not know is refused.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(extend("additionalProperties" = json!({
    "description": "A variable of the model's chat template, such as `enable_thinking`: a text, a \
        number, true or false, or a list of these.",
    "type": ["string", "number", "boolean", "array"],
})))]
pub struct Chat {
    /// The text of a system message before every prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "You write Python.")]
    pub system: Option<String>,
    /// A jinja template in place of the model's own: the path of its file, as for `source`, or its
    /// text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "chat.jinja")]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Problems {
    /// What to ask: families, or some of a family's rules as `family/rule`, where `parameter=*`
    /// stands for any value, as in `letters/letters=*,case=any`; parameters that a rule does not
    /// name have their usual value. `docs/families.md` lists the families.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub families: Vec<String>,
    /// The lowest and the highest difficulty, 1 to 10.
    #[serde(deserialize_with = "super::exactly_two")]
    #[schemars(inner(range(min = 1, max = 10)))]
    pub difficulty: [u8; 2],
    /// Problems to train on; at least 1 unless `train.method` is `none`.
    #[schemars(range(min = 0, max = 100_000))]
    pub train: u32,
    /// Problems of the split `val`, which decides about stopping; 0: none.
    #[schemars(range(min = 0, max = 100_000))]
    pub val: u32,
    /// Problems of the split `test`, which decides nothing.
    #[schemars(range(min = 1, max = 100_000))]
    pub test: u32,
    /// Problems of the split `ood`: of what `held_out` names, else of rules that no other split
    /// asks. With `holdout = "case"`, 0 unless `held_out` names some.
    #[schemars(range(min = 0, max = 100_000))]
    pub ood: u32,
    /// The rules of each family that may be asked, at most; by default all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 20_000), example = 200)]
    pub rules: Option<u32>,
    /// Problems of a rule before the next one has its turn. When all rules had theirs they are
    /// asked again, with other cases.
    #[schemars(range(min = 1, max = 10_000))]
    pub problems_per_rule: u32,
    /// Decides which rules are asked and what their cases are; by default the experiment's `seed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9_223_372_036_854_775_807_i64), example = 7)]
    pub seed: Option<u64>,
    /// Cases of a problem that its prompt shows.
    #[schemars(range(min = 0, max = 16))]
    pub visible: u32,
    /// Cases of a problem that decide together with the visible ones and are never shown.
    #[schemars(range(min = 1, max = 64))]
    pub hidden: u32,
    /// What training never sees of the problems that val and test ask.
    pub holdout: Holdout,
    /// What training never sees, as `family/rule` or `family`: `ood` asks it, and with
    /// `holdout = "family"` val and test do too.
    pub held_out: Vec<String>,
    /// What training asks of its rules, by default all: a file that `grokctl pilot` wrote means the
    /// rules that are learnable by it, a list names them as `family/rule`. Val, test and ood stay
    /// as they are, but with `holdout = "case"` every split asks what training asks, and with
    /// `"composition"` what has values that training sees.
    #[serde(
        deserialize_with = "super::one_or_many",
        skip_serializing_if = "Vec::is_empty"
    )]
    #[schemars(
        title = "the path of a pilot's file, or a list, each: `family/rule`",
        extend("type" = json!(["string", "array"]), "uniqueItems" = true),
        example = "pilot.json"
    )]
    pub learnable: Vec<String>,
    /// The version of each family, filled in at submit. A build that makes another version refuses
    /// the file.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("additionalProperties" = json!({
        "description": "The version of the family of this name.",
        "type": "integer", "minimum": 1, "maximum": u32::MAX,
    })))]
    pub versions: BTreeMap<String, u32>,
}

impl Default for Problems {
    fn default() -> Self {
        Self {
            families: ["letters", "digits", "bases"].map(String::from).to_vec(),
            difficulty: [1, 5],
            train: 48,
            val: 32,
            test: 64,
            ood: 0,
            rules: None,
            problems_per_rule: 1,
            seed: None,
            visible: 2,
            hidden: 6,
            holdout: Holdout::Rule,
            held_out: Vec::new(),
            learnable: Vec::new(),
            versions: BTreeMap::new(),
        }
    }
}

/// How training rollouts are sampled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Generate {
    /// Samples per train problem and iteration.
    #[schemars(range(min = 1, max = 1_024))]
    pub samples: u32,
    /// Train problems that an iteration samples, at most `problems.train`; by default all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000), example = 24)]
    pub problems: Option<u32>,
    /// Which ones, where these are not all. They are drawn anew for each iteration; evaluations
    /// always ask all problems.
    pub curriculum: Curriculum,
    /// The sampling temperature; 0: always the likeliest token.
    #[schemars(range(min = 0, max = 10))]
    pub temperature: f64,
    /// Draw from the likeliest tokens whose probabilities reach this together; 1: from all.
    #[schemars(range(min = 0.01, max = 1))]
    pub top_p: f64,
    /// The longest completion, in tokens; evaluation's too.
    #[schemars(range(min = 1, max = 32_768))]
    pub max_new_tokens: u32,
    /// Rollouts of one generate job. A job is run again whole, so its results never depend on who
    /// runs it.
    #[schemars(range(min = 1, max = 4_096))]
    pub rollouts_per_job: u32,
}

impl Default for Generate {
    fn default() -> Self {
        Self {
            samples: 4,
            problems: None,
            curriculum: Curriculum::Uniform,
            temperature: 0.8,
            top_p: 1.0,
            max_new_tokens: 256,
            rollouts_per_job: 128,
        }
    }
}

/// What one candidate may use, over all its cases.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Verify {
    /// CPU time in seconds; five times as much wall time is the backstop.
    #[schemars(range(min = 0.1, max = 60))]
    pub cpu_seconds: f64,
    /// Memory in MiB.
    #[schemars(range(min = 64, max = 16_384))]
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

/// When and how accuracy is measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Evaluate {
    /// Evaluate every so many iterations; iteration 0 and the last are always evaluated.
    #[schemars(range(min = 1, max = 100_000))]
    pub every: u32,
    /// Sampled completions per problem beside the greedy one; 0: greedy only.
    #[schemars(range(min = 0, max = 1_024))]
    pub samples: u32,
    /// The temperature of the sampled completions.
    #[schemars(range(min = 0.01, max = 10))]
    pub temperature: f64,
    /// The `top_p` of the sampled completions, as for `generate.top_p`.
    #[schemars(range(min = 0.01, max = 1))]
    pub top_p: f64,
    /// The k of pass@k, each at most `samples`; by default 1 and `samples`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(inner(range(min = 1, max = 1_024)), extend("examples" = json!([[1, 4]])))]
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
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Stop {
    /// Evaluations in a row without a better val accuracy, or iterations in a row with nothing to
    /// train on; 0: never.
    #[schemars(range(min = 0, max = 100_000))]
    pub patience: u32,
    /// Stop once greedy val accuracy reaches this; by default never.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.01, max = 1), example = 0.95)]
    pub target_accuracy: Option<f64>,
    /// Stop once the model has generalised late (`delayed` or `grokked`) and held it: confirmed,
    /// not provisional.
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

    /// The seed that the problems are made from.
    pub fn problems_seed(&self) -> u64 {
        self.problems.seed.unwrap_or(self.seed)
    }

    /// How many evaluations the whole experiment makes.
    pub fn evaluations(&self) -> u32 {
        self.iterations.div_ceil(self.evaluate.every) + 1
    }
}
