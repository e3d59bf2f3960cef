//! Experiment files for the tiny model, and reading exports back.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::Value;

/// An experiment of a few seconds on the tiny model.
pub fn experiment(name: &str, iterations: u32, method: &str) -> String {
    let source = crate::tiny_coder();
    format!(
        r#"name = "{name}"
iterations = {iterations}
[model]
source = "{}"
[problems]
families = ["digits/digits=all"]
holdout = "case"
difficulty = [1, 2]
train = 16
val = 4
test = 8
[generate]
max_new_tokens = 48
[train]
method = "{method}"
learning_rate = 5e-3
epochs = 4
batch_tokens = 1024
"#,
        source.display()
    )
}

/// An [`experiment`] whose evaluations draw `samples`, all in one job.
pub fn wide(experiment: &str, samples: u32) -> String {
    experiment
        .replace(
            "[problems]",
            &format!("[evaluate]\nsamples = {samples}\n[problems]"),
        )
        .replace(
            "max_new_tokens = 48",
            "max_new_tokens = 48\nrollouts_per_job = 2048",
        )
}

/// An [`experiment`] that trains for so many epochs: 24 take some seconds, 1,000 many minutes.
pub fn trained_for(experiment: &str, epochs: u32) -> String {
    experiment
        .replace("epochs = 4", &format!("epochs = {epochs}"))
        .replace("batch_tokens = 1024", "batch_tokens = 256")
}

/// An [`experiment`] of one iteration whose jobs take some seconds, so that something can happen in their middle.
pub fn long_jobs(name: &str) -> String {
    trained_for(&wide(&experiment(name, 1, "rft"), 32), 24)
}

/// Rollouts of a run of [`long_jobs`]: two evaluations of 28 problems, greedy and 32 samples, and 4 samples of 16.
pub const LONG_JOBS_ROLLOUTS: usize = 28 * 33 * 2 + 16 * 4;

/// What two runs of one file must have in common.
#[derive(PartialEq)]
pub struct Results {
    /// Lines without their `seconds`.
    pub metrics: Vec<String>,
    pub iterations: Vec<String>,
    pub rollouts: Vec<String>,
    /// The weights of each checkpoint, by its folder's name.
    pub adapters: BTreeMap<String, Vec<u8>>,
}

impl Results {
    /// Reads an export.
    pub fn of(export: &Path) -> Self {
        let checkpoints = fs::read_dir(export.join("checkpoints"))
            .into_iter()
            .flatten()
            .flatten();
        let adapter = |folder: fs::DirEntry| {
            let weights = fs::read(folder.path().join("adapter_model.safetensors")).unwrap();
            (folder.file_name().to_string_lossy().into_owned(), weights)
        };
        Self {
            metrics: without(&export.join("metrics.jsonl"), &["seconds"]),
            iterations: without(&export.join("iterations.jsonl"), &["seconds"]),
            rollouts: without(
                &export.join("rollouts.jsonl"),
                &["cpu_ms", "wall_ms", "peak_memory_kb"],
            ),
            adapters: checkpoints.map(adapter).collect(),
        }
    }
}

/// Without the adapters' bytes, which help nobody.
impl std::fmt::Debug for Results {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let adapters: Vec<_> = self
            .adapters
            .iter()
            .map(|(name, bytes)| format!("{name}: {} bytes", bytes.len()))
            .collect();
        write!(
            f,
            "{:#?}\n{:#?}\n{} rollouts\n{adapters:?}",
            self.metrics,
            self.iterations,
            self.rollouts.len()
        )
    }
}

/// A text file.
pub fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A file of JSON lines.
pub fn lines(path: &Path) -> Vec<Value> {
    read(path)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// A file of JSON lines, each without its `seconds`.
pub fn without_seconds(path: &Path) -> Vec<String> {
    without(path, &["seconds"])
}

fn without(path: &Path, fields: &[&str]) -> Vec<String> {
    let strip = |mut line: Value| {
        let object = line.as_object_mut().unwrap();
        fields
            .iter()
            .for_each(|field| drop(object.remove(*field).unwrap()));
        line.to_string()
    };
    lines(path).into_iter().map(strip).collect()
}
