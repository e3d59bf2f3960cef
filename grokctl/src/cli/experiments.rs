//! The arguments of commands on experiments and their files.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use groklab_domain::{ExperimentState, Purpose, Split, Verdict, records::Level};

use super::{
    Experiment,
    words::{level_help, level_parser, one_of, shown_verdicts, state_help},
};
use crate::experiment_file::{Inputs, Sweep};

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print an experiment file with every key, what it does, and its default.
    #[command(after_help = "Example: grokctl config defaults > my.toml")]
    Defaults,
    /// Print the JSON Schema of experiment files, by which an editor completes and explains their
    /// keys.
    #[command(
        after_help = "For editors with taplo, such as VS Code with Even Better TOML, write \
            `#:schema ./groklab.schema.json` in the first line of an experiment file.\n\n\
            Example: grokctl config schema > groklab.schema.json"
    )]
    Schema,
    /// Print every key with its type, default, range and meaning, as Markdown.
    #[command(after_help = "Example: grokctl config reference > docs/experiment-file.md")]
    Reference,
    /// Print what experiment files and settings say together, all defaults filled in: what `submit`
    /// would send.
    #[command(
        after_help = "Example: grokctl config show examples/quickstart.toml --set train.rank=8"
    )]
    Show(Inputs),
}

#[derive(Debug, Args)]
pub struct DetectArgs {
    /// The curves (JSON lines, or CSV).
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The accuracy of guessing, out of which emergence must come.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
    pub chance: f64,
    /// Take every second unit of val for a test split, where the file has none.
    #[arg(long)]
    pub test_from_val: bool,
}

#[derive(Debug, Args)]
pub struct SubmitArgs {
    #[command(flatten)]
    pub inputs: Inputs,
    #[command(flatten)]
    pub sweep: Sweep,
    /// Go on as `watch`; of a group one member after the other.
    #[arg(long)]
    pub watch: bool,
}

#[derive(Debug, Args)]
pub struct GroupArgs {
    /// The tag of its experiments: the file's name, where `submit --sweep` or `--seeds` made them.
    #[arg(value_name = "TAG")]
    pub tag: String,
    #[arg(
        long,
        value_name = "SPLIT",
        default_value = Split::Test.as_str(),
        help = one_of(Split::ALL)
    )]
    pub split: Split,
}

#[derive(Debug, Args)]
pub struct ListArgs {
    #[arg(long, value_name = "STATE", help = state_help())]
    pub state: Option<ExperimentState>,
    /// Only those with this tag; given several times, those that have all of them.
    #[arg(long = "tag", value_name = "TAG")]
    pub tags: Vec<String>,
}

#[derive(Debug, Args)]
pub struct DeleteArgs {
    #[command(flatten)]
    pub experiment: Experiment,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
    /// Cancel it first where it has not ended.
    #[arg(long)]
    pub cancel: bool,
}

#[derive(Debug, Args)]
pub struct RenameArgs {
    #[command(flatten)]
    pub experiment: Experiment,
    /// 1 to 64 letters, digits, `-`, `_` or `.`.
    #[arg(value_name = "NAME")]
    pub name: String,
}

#[derive(Debug, Args)]
pub struct TagArgs {
    #[command(flatten)]
    pub experiment: Experiment,
    /// +TAG adds it, -TAG takes it off.
    #[arg(value_name = "+TAG|-TAG", required = true, allow_hyphen_values = true)]
    pub changes: Vec<String>,
}

#[derive(Debug, Args)]
pub struct ForkArgs {
    /// The parent: an id, a unique beginning of it, or a name; `@N` after it means the adapter that
    /// iteration N starts from instead of the newest one, `@0` the parent's own start.
    #[arg(value_name = "ID[@ITERATION]")]
    pub parent: String,
    /// By default the parent's name with `-fork` behind it.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Another value than the parent's, as in train.rank=8; may be given several times. `seed`,
    /// `model` and `problems` stay as they are.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
}

#[derive(Debug, Args)]
pub struct RolloutsArgs {
    #[command(flatten)]
    pub experiment: Experiment,
    #[arg(long, value_name = "N")]
    pub iteration: Option<u32>,
    #[arg(long, value_name = "SPLIT", help = one_of(Split::ALL))]
    pub split: Option<Split>,
    #[arg(long, value_name = "NAME")]
    pub family: Option<String>,
    #[arg(long, value_name = "VERDICT", help = one_of(&shown_verdicts()))]
    pub verdict: Option<Verdict>,
    #[arg(long, value_name = "PURPOSE", help = one_of(Purpose::ALL))]
    pub purpose: Option<Purpose>,
    /// The problem's number.
    #[arg(long, value_name = "N")]
    pub problem: Option<u32>,
    /// How many to show at most; 0: all. By default 10 for a person, all with --json.
    #[arg(long, value_name = "N")]
    pub limit: Option<u32>,
    /// Show the whole completion rather than the code taken out of it.
    #[arg(long)]
    pub full: bool,
}

#[derive(Debug, Args)]
pub struct ProblemsArgs {
    #[command(flatten)]
    pub inputs: Inputs,
    #[arg(long, value_name = "SPLIT", help = one_of(Split::ALL))]
    pub split: Option<Split>,
    #[arg(long, value_name = "NAME")]
    pub family: Option<String>,
    /// How many to show at most; 0: all. By default 3 for a person, all with --json.
    #[arg(long, value_name = "N")]
    pub limit: Option<u32>,
}

#[derive(Debug, Args)]
pub struct CompareArgs {
    /// The one before: an id, a unique beginning of it, or a name; `@N` after it means iteration N
    /// instead of the last evaluated one.
    #[arg(value_name = "BEFORE")]
    pub before: String,
    /// The one after.
    #[arg(value_name = "AFTER")]
    pub after: String,
    #[arg(
        long,
        value_name = "SPLIT",
        default_value = Split::Test.as_str(),
        help = one_of(Split::ALL)
    )]
    pub split: Split,
}

#[derive(Debug, Args)]
pub struct LogsArgs {
    #[command(flatten)]
    pub experiment: Experiment,
    #[arg(
        long,
        value_name = "LEVEL",
        default_value = Level::Info.as_str(),
        value_parser = level_parser(),
        help = level_help()
    )]
    pub level: Level,
    /// Go on as new events come, until the experiment has ended.
    #[arg(long)]
    pub follow: bool,
}

#[derive(Debug, Args)]
pub struct ExportArgs {
    #[command(flatten)]
    pub experiment: Experiment,
    /// The folder to make.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Replace the folder if it exists.
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub forms: Forms,
}

/// Other forms of one adapter, beside what every export has. The model has to be on this machine,
/// or on the hub.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Forms {
    /// Write base and adapter as one Hugging Face folder, DIR/merged.
    #[arg(long)]
    pub merged: bool,
    /// Write the adapter as DIR/lora.gguf, which llama.cpp adds to a GGUF of the base.
    #[arg(long)]
    pub gguf_lora: bool,
    /// Of the adapter of this iteration; by default the best one on val, else the newest.
    #[arg(long, value_name = "N")]
    pub checkpoint: Option<u32>,
}

/// Reads 0 to 1.
fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "no number".to_owned())?;
    if (0.0..=1.0).contains(&share) {
        Ok(share)
    } else {
        Err("use 0 to 1".to_owned())
    }
}
