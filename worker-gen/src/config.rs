//! The command line of worker-gen.

use std::{num::NonZeroUsize, path::PathBuf};

use groklab_model::{DeviceSetting, KindSetting};
use groklab_runtime::{
    admin::HealthArgs,
    offline::EXIT_CODES,
    paths::{expanded, expanded_path},
};

/// Samples completions from a language model, for a Groklab coordinator or alone.
#[derive(Debug, clap::Parser)]
#[command(name = "worker-gen", version)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Work for a coordinator until told to stop.
    #[command(after_help = "Example:\n  worker-gen work --coordinator http://127.0.0.1:7070")]
    Work(Work),
    /// Ask a running worker on this machine whether it can do its duty.
    #[command(after_help = "Example:\n  worker-gen health --admin-listen 127.0.0.1:9090")]
    Health(HealthArgs),
    /// Write completions for prompts: JSON lines in and out, one summary line on standard error.
    #[command(after_help = format!(
        "In:  {{\"id\", \"prompt\"}}, {{\"id\", \"messages\": [{{\"role\", \"content\"}}]}} or \
            {{\"id\", \"input_ids\"}}\n\
         Out: {{\"id\", \"sample\", \"text\", \"tokens\", \"finish\": \"stop|length\", \
         \"mean_logprob\", \"token_ids\"}}\n\n{EXIT_CODES}\n\n\
         Example:\n  worker-gen generate --model model.gguf --samples 4 --temperature 0.8 < \
         prompts.jsonl > completions.jsonl"
    ))]
    Generate(Generate),
    /// Write the log-probability of every token of given texts: JSON lines in and out.
    #[command(after_help = format!(
        "In:  {{\"id\", \"input_ids\"}} or {{\"id\", \"text\"}}\nOut: {{\"id\", \"logprobs\": [of \
            every token but the first]}}\n\n{EXIT_CODES}\n\n\
         Example:\n  worker-gen score --model model.gguf --adapter out < texts.jsonl"
    ))]
    Score(Score),
    /// Look at what there is to compute with, and what is missing for a GPU.
    #[command(after_help = "Exit codes: 0 a worker can start here, 1 it cannot\n\n\
            Example:\n  worker-gen doctor")]
    Doctor(Doctor),
}

impl Command {
    /// Where the command computes; none where it does not.
    pub fn device(&self) -> Option<DeviceSetting> {
        match self {
            Self::Work(args) => Some(args.device),
            Self::Generate(args) => Some(args.source.device),
            Self::Score(args) => Some(args.source.device),
            Self::Doctor(args) => Some(args.device),
            Self::Health(_) => None,
        }
    }
}

#[derive(Debug, clap::Args)]
pub struct Doctor {
    /// Print an object a line instead of text.
    #[arg(long)]
    pub json: bool,
    /// Where to compute: auto (the first GPU where there is one), cpu, cuda or cuda:N.
    #[arg(long, env = "GROKLAB_DEVICE", default_value_t)]
    pub device: DeviceSetting,
    /// Kind of numbers: auto (bfloat16 on a GPU, float32 on the CPU), float32 or bfloat16.
    #[arg(long, env = "GROKLAB_KIND", default_value_t)]
    pub kind: KindSetting,
}

#[derive(Debug, clap::Args)]
pub struct Work {
    #[command(flatten)]
    pub worker: groklab_worker::Args,
    #[command(flatten)]
    pub sharing: groklab_worker::SharingArgs,
    /// Threads to compute with; by default one per core, or as many as a container's CPU limit
    /// pays for.
    #[arg(long, env = "GROKLAB_THREADS", value_name = "N")]
    pub threads: Option<NonZeroUsize>,
    /// Where to compute: auto (the first GPU where there is one), cpu, cuda or cuda:N.
    #[arg(long, env = "GROKLAB_DEVICE", default_value_t)]
    pub device: DeviceSetting,
    /// Kind of numbers: auto (bfloat16 on a GPU, float32 on the CPU), float32 or bfloat16.
    #[arg(long, env = "GROKLAB_KIND", default_value_t)]
    pub kind: KindSetting,
    /// Folder in which models fetched by their hub id are kept; by default the one that other
    /// Hugging Face software uses.
    #[arg(
        long,
        env = "GROKLAB_MODELS",
        default_value_os_t = groklab_model::default_cache(),
        value_parser = expanded_path
    )]
    pub models: PathBuf,
}

/// What to compute with.
#[derive(Debug, clap::Args)]
pub struct Source {
    /// A Hugging Face folder, a .gguf file, or a hub id org/name.
    #[arg(long, value_parser = expanded)]
    pub model: String,
    /// A branch, tag or commit of a hub id; by default main.
    #[arg(long, value_name = "REVISION")]
    pub revision: Option<String>,
    #[command(flatten)]
    pub chat: groklab_worker::ChatArgs,
    /// A folder with adapter_config.json and adapter_model.safetensors.
    #[arg(long, value_name = "DIR", value_parser = expanded_path)]
    pub adapter: Option<PathBuf>,
    /// Threads to compute with; by default one per core.
    #[arg(long, env = "GROKLAB_THREADS")]
    pub threads: Option<NonZeroUsize>,
    /// Where to compute: auto (the first GPU where there is one), cpu, cuda or cuda:N.
    #[arg(long, env = "GROKLAB_DEVICE", default_value_t)]
    pub device: DeviceSetting,
    /// Kind of numbers: auto (bfloat16 on a GPU, float32 on the CPU), float32 or bfloat16.
    #[arg(long, env = "GROKLAB_KIND", default_value_t)]
    pub kind: KindSetting,
    /// Folder in which models fetched by their hub id are kept.
    #[arg(
        long,
        env = "GROKLAB_MODELS",
        default_value_os_t = groklab_model::default_cache(),
        value_parser = expanded_path
    )]
    pub models: PathBuf,
}

impl Source {
    /// What names the model.
    pub fn named(&self) -> groklab_model::Source<'_> {
        groklab_model::Source {
            name: &self.model,
            revision: self.revision.as_deref(),
        }
    }
}

#[derive(Debug, clap::Args)]
pub struct Generate {
    #[command(flatten)]
    pub source: Source,
    /// Completions per prompt.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub samples: u32,
    /// 0 is greedy.
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true)]
    pub temperature: f64,
    /// Draw from the smallest set of tokens with at least this probability.
    #[arg(long, default_value_t = 1.0)]
    pub top_p: f64,
    /// The same seed gives the same completions.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    #[arg(long, default_value_t = 256)]
    pub max_new_tokens: usize,
    /// Go on behind end tokens until --max-new-tokens.
    #[arg(long)]
    pub ignore_eos: bool,
    /// Compute every prompt from its first token, also what prompts have in common; for
    /// measurements.
    #[arg(long)]
    pub no_prefix_sharing: bool,
}

#[derive(Debug, clap::Args)]
pub struct Score {
    #[command(flatten)]
    pub source: Source,
    /// Add `best_logprobs`: of the likeliest token in the place of each that has a log-probability.
    #[arg(long)]
    pub best: bool,
    /// Add `last_logits`: the logits behind the last token.
    #[arg(long)]
    pub logits: bool,
}
