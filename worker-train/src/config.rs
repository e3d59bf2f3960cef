//! The command line of worker-train.

use std::{num::NonZeroUsize, path::PathBuf};

use groklab_model::{DeviceSetting, KindSetting, Placement, Source};
use groklab_runtime::{
    admin::HealthArgs,
    offline::EXIT_CODES,
    paths::{expanded, expanded_path},
};

/// Trains LoRA adapters, for a Groklab coordinator or alone.
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
    /// Ask a running worker on this machine whether it can do its duty.
    #[command(after_help = "Example:\n  worker-train health --admin-listen 127.0.0.1:9090")]
    Health(HealthArgs),
    /// Train an adapter on a file of examples; one JSON line per step on standard output.
    #[command(after_help = format!(
        "Data: {{\"prompt\", \"completion\"}} or {{\"input_ids\", \"prompt_length\"}}, one example \
            a line\n\
         Out:  {{\"step\", \"loss\", \"grad_norm\", \"tokens_per_second\", \"peak_memory_mb\", \
         ...}}\n\n{EXIT_CODES}\n\n\
         Example:\n  worker-train fit --model model.gguf --data sft.jsonl --out adapter"
    ))]
    Fit(Fit),
    /// Write base and adapter as one Hugging Face folder, in the base's kind of numbers.
    #[command(after_help = format!(
        "Out:  {{\"files\", \"weights\", \"changed\", \"bytes\", \"lost_in_rounding\"}}: \
            the last is the part of the adapter's change that rounding to the base's kind of \
            numbers took away\n\n\
         {EXIT_CODES}\n\n\
         Example:\n  worker-train merge --model org/name --adapter adapter --out merged"
    ))]
    Merge(Merge),
    /// Write an adapter as a GGUF, which llama.cpp adds to a GGUF of the base by --lora.
    #[command(after_help = format!(
        "Out:  {{\"file\", \"bytes\"}}\n\n{EXIT_CODES}\n\n\
         Example:\n  worker-train gguf-lora --model org/name --adapter adapter --out adapter.gguf"
    ))]
    GgufLora(GgufLora),
    /// Write a model's tokenizer and chat template into a folder, as for what lies beside an
    /// adapter; of a hub id nothing else is fetched.
    #[command(after_help = format!(
        "Out:  {{\"files\"}}\n\n{EXIT_CODES}\n\n\
         Example:\n  worker-train tokenizer --model org/name --out adapter"
    ))]
    Tokenizer(Tokenizer),
}

impl Command {
    /// Where the command computes; none where it does not.
    pub fn device(&self) -> Option<DeviceSetting> {
        match self {
            Self::Work(args) => Some(args.computing.device),
            Self::Fit(args) => Some(args.computing.device),
            // Computed on the CPU, where every machine rounds alike.
            Self::Merge(_) | Self::GgufLora(_) | Self::Tokenizer(_) | Self::Health(_) => None,
        }
    }
}

/// Where and how to compute.
#[derive(Debug, clap::Args)]
pub struct Computing {
    /// Where to compute: auto (the first GPU where there is one), cpu, cuda or cuda:N.
    #[arg(long, env = "GROKLAB_DEVICE", default_value_t)]
    pub device: DeviceSetting,
    /// Kind of numbers: auto (bfloat16 on a GPU, float32 on the CPU), float32 or bfloat16.
    #[arg(long, env = "GROKLAB_KIND", default_value_t)]
    pub kind: KindSetting,
    /// On a GPU: take the algorithms that give the same bytes every time, at some cost of speed.
    /// On the CPU it is always so.
    #[arg(
        long,
        env = "GROKLAB_DETERMINISTIC",
        value_name = "BOOL",
        default_value_t = true,
        action = clap::ArgAction::Set
    )]
    pub deterministic: bool,
}

impl Computing {
    /// The place that was asked for, where this process computes as was asked from here on.
    ///
    /// # Errors
    /// That GPU is not here, or cannot be used.
    pub fn place(&self) -> groklab_model::Result<Placement> {
        let placement = Placement::of(self.device, self.kind)?;
        if self.deterministic {
            placement.compute_repeatably();
        }
        Ok(placement)
    }
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
    #[command(flatten)]
    pub computing: Computing,
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

/// A model by its name.
#[derive(Debug, clap::Args)]
pub struct Base {
    /// A Hugging Face folder, a .gguf file, or a hub id org/name.
    #[arg(long, value_parser = expanded)]
    pub model: String,
    /// A branch, tag or commit of a hub id; by default main.
    #[arg(long, value_name = "REVISION")]
    pub revision: Option<String>,
    /// Folder in which models fetched by their hub id are kept.
    #[arg(
        long,
        env = "GROKLAB_MODELS",
        default_value_os_t = groklab_model::default_cache(),
        value_parser = expanded_path
    )]
    pub models: PathBuf,
}

#[derive(Debug, clap::Args)]
pub struct Fit {
    #[command(flatten)]
    pub base: Base,
    #[command(flatten)]
    pub chat: groklab_worker::ChatArgs,
    /// The examples.
    #[arg(long, value_name = "FILE")]
    pub data: PathBuf,
    /// Where the adapter and the optimiser's state go.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Start from this adapter; with `start = "continue"` in the configuration also from its
    /// optimiser's state.
    #[arg(long, value_name = "DIR", value_parser = expanded_path)]
    pub init_adapter: Option<PathBuf>,
    /// A TOML file with the keys of an experiment's [train] and: betas, eps, steps, batch_size,
    /// micro_batch_tokens, seed.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Examples that are not trained on; their loss is printed before the first and behind the last
    /// step.
    #[arg(long, value_name = "FILE")]
    pub held_out: Option<PathBuf>,
    /// Threads to compute with; by default one per core.
    #[arg(long, env = "GROKLAB_THREADS")]
    pub threads: Option<NonZeroUsize>,
    #[command(flatten)]
    pub computing: Computing,
}

impl Base {
    /// What names the model.
    pub fn source(&self) -> Source<'_> {
        Source {
            name: &self.model,
            revision: self.revision.as_deref(),
        }
    }
}

#[derive(Debug, clap::Args)]
pub struct Merge {
    #[command(flatten)]
    pub base: Base,
    /// A folder with adapter_config.json and adapter_model.safetensors.
    #[arg(long, value_name = "DIR", value_parser = expanded_path)]
    pub adapter: PathBuf,
    /// The folder to make.
    #[arg(long, value_name = "DIR", value_parser = expanded_path)]
    pub out: PathBuf,
    /// The weights come in several files where one would be larger.
    #[arg(
        long,
        value_name = "BYTES",
        default_value_t = 5_000_000_000,
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    pub max_file_bytes: u64,
}

#[derive(Debug, clap::Args)]
pub struct GgufLora {
    #[command(flatten)]
    pub base: Base,
    /// A folder with adapter_config.json and adapter_model.safetensors.
    #[arg(long, value_name = "DIR", value_parser = expanded_path)]
    pub adapter: PathBuf,
    /// The file to make.
    #[arg(long, value_name = "FILE", value_parser = expanded_path)]
    pub out: PathBuf,
}

#[derive(Debug, clap::Args)]
pub struct Tokenizer {
    #[command(flatten)]
    pub base: Base,
    /// A folder that is there; files of the same names are replaced.
    #[arg(long, value_name = "DIR", value_parser = expanded_path)]
    pub out: PathBuf,
}
