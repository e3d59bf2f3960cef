//! The model that an experiment began with, as `worker-train` reads it: grokctl itself knows
//! nothing of weights, and starts that program as a filter.

use std::{io, path::Path, process::Stdio};

use groklab_domain::{JobKind, experiment::Model};
use serde_json::Value;
use tokio::process::Command;

use crate::{
    failure::Failure,
    up::{beside, program},
};

/// A model by the name that the experiment gives it.
pub struct BaseModel<'a>(pub &'a Model);

impl BaseModel<'_> {
    /// Writes the tokenizer's files into `out`; their names.
    pub async fn tokenizer(&self, out: &Path) -> Result<Vec<String>, Failure> {
        let said = self.run("tokenizer", &[("--out", out)]).await?;
        let files = said["files"].as_array().into_iter().flatten();
        let names = files.filter_map(Value::as_str);
        Ok(names.map(str::to_owned).collect())
    }

    /// Writes base and adapter as one folder; what the program says of it.
    pub async fn merge(&self, adapter: &Path, out: &Path) -> Result<Value, Failure> {
        self.run("merge", &[("--adapter", adapter), ("--out", out)])
            .await
    }

    /// Writes the adapter as a GGUF.
    pub async fn gguf_lora(&self, adapter: &Path, out: &Path) -> Result<Value, Failure> {
        self.run("gguf-lora", &[("--adapter", adapter), ("--out", out)])
            .await
    }

    /// Runs the program, which says in a line of JSON what it has done. It ends with this command.
    async fn run(&self, verb: &str, paths: &[(&str, &Path)]) -> Result<Value, Failure> {
        let name = program(JobKind::Train);
        let what = || format!("run {name} {verb}");
        let mut command = Command::new(beside(name)?);
        command.arg(verb).arg("--model").arg(&self.0.source);
        if let Some(revision) = &self.0.revision {
            command.args(["--revision", revision]);
        }
        for (flag, path) in paths {
            command.arg(flag).arg(path);
        }
        // Where its standard error is a terminal, it shows how far a download is.
        let shows = std::io::IsTerminal::is_terminal(&std::io::stderr());
        let errors = if shows {
            Stdio::inherit()
        } else {
            Stdio::piped()
        };
        command
            .stdin(Stdio::null())
            .stderr(errors)
            .kill_on_drop(true);
        let failed = |error: io::Error| Failure::other(what()).because(error);
        let child = command.stdout(Stdio::piped()).spawn().map_err(failed)?;
        let done = child.wait_with_output().await.map_err(failed)?;
        if done.status.success() {
            return serde_json::from_slice(&done.stdout)
                .map_err(|error| Failure::other(what()).because(error));
        }
        let said = String::from_utf8_lossy(&done.stderr);
        let last = said
            .trim_end()
            .lines()
            .last()
            .unwrap_or("it says why above");
        let prefix = format!("{name}: error: ");
        Err(Failure::other(what()).because(last.strip_prefix(&prefix).unwrap_or(last)))
    }
}
