//! The command line of worker-gen.

use std::path::PathBuf;

use clap::value_parser;
use groklab_runtime::tool::EXIT_CODES;

/// Samples completions from a language model: for a Groklab coordinator, or alone.
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
    /// Write completions of the prompts on stdin, without any coordinator.
    ///
    /// A line of the input is {"id", "prompt"}, {"id", "messages": [{"role", "content"}]} or {"id", "input_ids"}; a prompt is one message
    /// of the user, and ids are taken as they are. A line of the output is {"id", "sample", "text", "tokens", "finish", "mean_logprob"},
    /// in the order of the input: `tokens` are the ids that were drawn, `finish` is "stop" (at an end token, the last of them) or "length".
    /// What a sample draws depends on the seed, its line's id and its number, not on the lines beside it. One line of JSON on stderr sums up.
    #[command(after_help = after_help(
        "worker-gen generate --model model.gguf --samples 4 --temperature 0.8 < prompts.jsonl > completions.jsonl"))]
    Generate(Generate),
    /// Write the log-probability of every token of the texts on stdin.
    ///
    /// A line of the input is {"id", "input_ids"} or {"id", "text"}; a line of the output is {"id", "logprobs", "last_logits"}: logprobs[i]
    /// is that of token i+1 given those before it, so one less than tokens; last_logits, those behind the last token, only with --logits.
    #[command(after_help = after_help("worker-gen score --model Qwen/Qwen2.5-Coder-1.5B-Instruct < texts.jsonl > scores.jsonl"))]
    Score(Score),
}

fn after_help(example: &str) -> String {
    format!("Example:\n  {example}\n\n{EXIT_CODES}")
}

#[derive(Debug, clap::Args)]
pub struct Work {
    #[command(flatten)]
    pub worker: groklab_worker::Args,
    /// Folder in which models fetched by their hub id are kept; by default the one that other Hugging Face software uses.
    #[arg(long, env = "GROKLAB_MODELS", default_value_os_t = groklab_model::default_cache())]
    pub models: PathBuf,
}

/// A model, with or without an adapter.
#[derive(Debug, clap::Args)]
pub struct Source {
    /// A Hugging Face folder, a .gguf file, or a hub id (organisation/name).
    #[arg(long)]
    pub model: String,
    /// A PEFT folder: adapter_config.json and adapter_model.safetensors.
    #[arg(long)]
    pub adapter: Option<PathBuf>,
    /// Folder in which models fetched by their hub id are kept; by default the one that other Hugging Face software uses.
    #[arg(long, env = "GROKLAB_MODELS", default_value_os_t = groklab_model::default_cache())]
    pub models: PathBuf,
}

#[derive(Debug, clap::Args)]
pub struct Generate {
    #[command(flatten)]
    pub source: Source,
    /// Completions of each prompt.
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u32).range(1..=65_536))]
    pub samples: u32,
    /// 0 is greedy.
    #[arg(long, default_value_t = 0.0, value_parser = temperature, allow_negative_numbers = true)]
    pub temperature: f64,
    /// Draw from the smallest set of tokens with at least this probability.
    #[arg(long, default_value_t = 1.0, value_parser = top_p, allow_negative_numbers = true)]
    pub top_p: f64,
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Tokens of a completion, at most.
    #[arg(long, default_value_t = 256, value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub max_new_tokens: u32,
    /// Go on behind end tokens, up to the limit.
    #[arg(long)]
    pub ignore_eos: bool,
    /// Completions made together, in groups that wait for each other. By default rows that are finished leave and waiting ones enter, 64 at
    /// a time, which is the fastest; a smaller number takes less memory.
    #[arg(long, value_parser = value_parser!(u32).range(1..))]
    pub batch: Option<u32>,
}

#[derive(Debug, clap::Args)]
pub struct Score {
    #[command(flatten)]
    pub source: Source,
    /// Write the logits behind the last token too.
    #[arg(long)]
    pub logits: bool,
}

fn temperature(text: &str) -> Result<f64, String> {
    let value = text.parse::<f64>().ok().filter(|value| (0.0..=100.0).contains(value));
    value.ok_or_else(|| "use 0 (greedy) to 100".into())
}

fn top_p(text: &str) -> Result<f64, String> {
    let value = text.parse::<f64>().ok().filter(|&value| value > 0.0 && value <= 1.0);
    value.ok_or_else(|| "use a number above 0 and up to 1".into())
}
