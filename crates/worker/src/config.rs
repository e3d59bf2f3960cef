//! The settings that every worker takes.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use groklab_domain::{
    JobKind, WorkerId,
    experiment::{Chat, is_template},
};
use groklab_runtime::offline::wrong;
use serde_json::Value;

/// Flags of every worker's `work` command.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Address of the coordinator; of several that share one database, separated by commas, the
    /// next is asked when one does not answer.
    #[arg(
        long,
        env = "GROKLAB_COORDINATOR",
        default_value = "http://127.0.0.1:7070"
    )]
    pub coordinator: String,
    #[command(flatten)]
    pub connect: groklab_runtime::connect::Args,
    #[command(flatten)]
    pub process: groklab_runtime::config::Args,
    /// Folder in which fetched adapters and training sets are kept.
    #[arg(
        long,
        env = "GROKLAB_CACHE",
        default_value_os_t = std::env::temp_dir().join("groklab-cache")
    )]
    pub cache: PathBuf,
    /// Bytes that are kept there at most; what was used longest ago goes first.
    #[arg(long, env = "GROKLAB_CACHE_BYTES", default_value_t = 10 << 30)]
    pub cache_bytes: u64,
    /// Seconds that a running job may go on after the worker was told to stop; then it is given
    /// back.
    #[arg(long, env = "GROKLAB_GRACE_SECONDS", default_value_t = 5)]
    pub grace_seconds: u64,
    /// Seconds without progress after which a job counts as hung and its lease is no longer
    /// extended.
    #[arg(long, env = "GROKLAB_STALL_SECONDS", default_value_t = 900)]
    pub stall_seconds: u64,
}

impl Args {
    pub(crate) fn grace(&self) -> Duration {
        Duration::from_secs(self.grace_seconds)
    }

    pub(crate) fn stall(&self) -> Duration {
        Duration::from_secs(self.stall_seconds)
    }
}

/// How prompts are put to a chat model, for commands that need no coordinator; `[model.chat]` in an
/// experiment file.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ChatArgs {
    /// A system message before every prompt that has none.
    #[arg(long, value_name = "TEXT")]
    pub system: Option<String>,
    /// A jinja chat template in place of the model's own.
    #[arg(long, value_name = "FILE")]
    pub chat_template: Option<PathBuf>,
    /// A variable of the chat template, such as enable_thinking=false; repeatable. What is not
    /// JSON is a text.
    #[arg(long = "chat", value_name = "KEY=VALUE")]
    pub variables: Vec<String>,
}

impl ChatArgs {
    /// # Errors
    /// The template's file cannot be read or holds none; a variable is not `KEY=VALUE`.
    pub fn chat(&self) -> anyhow::Result<Chat> {
        let variables = self.variables.iter().map(String::as_str);
        let template = self.chat_template.as_deref();
        Ok(Chat {
            system: self.system.clone(),
            template: template.map(read_template).transpose()?,
            variables: variables.map(parse_variable).collect::<Result<_, _>>()?,
        })
    }
}

fn read_template(path: &Path) -> anyhow::Result<String> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("read the chat template `{}`", path.display()))?;
    if is_template(&text) {
        return Ok(text);
    }
    Err(wrong(format!(
        "`{}` holds no `{{{{` or `{{%`: it is no template",
        path.display()
    )))
}

fn parse_variable(text: &str) -> anyhow::Result<(String, Value)> {
    let Some((key, value)) = text.split_once('=') else {
        return Err(wrong(format!("--chat {text}: write KEY=VALUE")));
    };
    // These two have flags of their own, and would not be seen among the variables.
    if ["system", "template"].contains(&key) {
        return Err(wrong(format!(
            "--chat {text}: use --system or --chat-template"
        )));
    }
    // `true` and `3` are meant as such, and a word without quotes as a text.
    let value = match serde_json::from_str(value) {
        Ok(value) => value,
        Err(_) => value.into(),
    };
    Ok((key.to_owned(), value))
}

/// Who this worker is, as the coordinator shows it.
#[derive(Debug, Clone)]
pub struct Description {
    pub id: WorkerId,
    pub kind: JobKind,
    /// `cpu`, `cuda:0 NVIDIA H100 bf16`, …
    pub device: String,
    /// What identifies the GPU on its machine; none on a CPU.
    pub gpu: Option<String>,
    pub threads: u32,
    /// The version of the interpreter that judges; empty where none does.
    pub python: String,
}
