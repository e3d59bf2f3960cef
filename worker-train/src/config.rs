//! The command line of worker-train.

use std::path::PathBuf;

use groklab_runtime::tool::EXIT_CODES;

/// Trains LoRA adapters: for a Groklab coordinator, or alone.
#[derive(Debug, clap::Parser)]
#[command(name = "worker-train", version)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Work for a coordinator until told to stop.
    #[command(after_help = "Example:\n  worker-train work --coordinator http://127.0.0.1:7070")]
    Work(Work),
    /// Train an adapter on the examples of a file, without any coordinator.
    ///
    /// A line of the data is {"prompt", "completion"} (the prompt becomes one message of the user, the completion ends with the model's end
    /// token) or {"input_ids", "prompt_length"} (taken as they are; the loss is that of the tokens behind the prompt). Every optimiser step
    /// writes a line {"step", "loss", "grad_norm", "tokens_per_second", "peak_memory_mb", "learning_rate", "tokens"} to stdout. The folder
    /// appears when it is whole: a run that is interrupted leaves nothing.
    #[command(after_help = fit_help())]
    Fit(Fit),
}

fn fit_help() -> String {
    format!(
        "The keys of --config, all optional, are those of an experiment's [train] table and betas, eps, steps (instead of epochs), batch_size\n\
         (instead of batch_tokens: so many examples a step, in the order of the file and round again) and seed:\n  \
         rank = 16, alpha = 32.0, dropout = 0.0, targets = [\"q_proj\", …] (where absent, an adapter to start from decides)\n  \
         learning_rate = 2e-4, betas = [0.9, 0.999], eps = 1e-8, weight_decay = 0.0, max_grad_norm = 1.0\n  \
         schedule = \"constant\", \"linear\" or \"cosine\", warmup_steps = 0, epochs = 2, batch_tokens = 2048, seed = 0\n  \
         start = \"continue\" keeps the optimiser's state in DIR/optimiser.safetensors and takes it from --init-adapter\n\n\
         Example:\n  worker-train fit --model model.gguf --data sft.jsonl --out adapter > steps.jsonl\n\n{EXIT_CODES}"
    )
}

#[derive(Debug, clap::Args)]
pub struct Work {
    #[command(flatten)]
    pub worker: groklab_worker::Args,
    /// Folder in which models fetched by their hub id are kept; by default the one that other Hugging Face software uses.
    #[arg(long, env = "GROKLAB_MODELS", default_value_os_t = groklab_model::default_cache())]
    pub models: PathBuf,
}

#[derive(Debug, clap::Args)]
pub struct Fit {
    /// A Hugging Face folder, a .gguf file, or a hub id (organisation/name).
    #[arg(long)]
    pub model: String,
    /// The examples, one JSON object per line.
    #[arg(long)]
    pub data: PathBuf,
    /// The folder to make: a PEFT adapter. It must not exist, or be empty.
    #[arg(long)]
    pub out: PathBuf,
    /// A PEFT folder to go on from.
    #[arg(long)]
    pub init_adapter: Option<PathBuf>,
    /// A TOML file with settings; see below.
    #[arg(long)]
    pub config: Option<PathBuf>,
    /// Examples like those of --data that are not trained on: their mean loss per completion token, before and after, is reported on stderr.
    #[arg(long)]
    pub held_out: Option<PathBuf>,
    /// Folder in which models fetched by their hub id are kept; by default the one that other Hugging Face software uses.
    #[arg(long, env = "GROKLAB_MODELS", default_value_os_t = groklab_model::default_cache())]
    pub models: PathBuf,
}
