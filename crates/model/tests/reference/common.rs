//! The fixtures: tiny models with what transformers and peft computed for them. `tiny-*` are of the usual shape; `odd-*` have heads whose
//! widths do not add up to the hidden size, one key head for all or three for six, heads of their own for the output,
//! prompts over several passes; `*-rope` have scaled rotations.

use std::path::{Path, PathBuf};

use groklab_model::{Adapter, Example, Model, Placement};
use serde_json::Value;

/// The names of all fixtures: whatever folder has a reference.
pub fn models() -> Vec<String> {
    let folders = std::fs::read_dir(fixtures())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut names: Vec<String> = folders
        .filter(|folder| folder.join("reference.json").exists())
        .map(|folder| folder.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort_unstable();
    assert!(names.len() >= 10, "{names:?}");
    names
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

pub struct Fixture {
    pub folder: PathBuf,
    pub model: Model,
    pub reference: Value,
}

pub fn fixture(name: &str) -> Fixture {
    let folder = fixtures().join(name);
    let model = Model::open(
        folder.to_str().unwrap(),
        Path::new("/nonexistent"),
        Placement::CPU,
    )
    .unwrap();
    let reference =
        serde_json::from_slice(&std::fs::read(folder.join("reference.json")).unwrap()).unwrap();
    Fixture {
        folder,
        model,
        reference,
    }
}

impl Fixture {
    pub fn adapter(&self, name: &str) -> Adapter {
        let file = |file: &str| std::fs::read(self.folder.join(name).join(file)).unwrap();
        Adapter::from_files(
            file("adapter_config.json"),
            file("adapter_model.safetensors"),
        )
        .unwrap()
    }

    /// The rows of the batch without their padding.
    pub fn rows(&self) -> Vec<Vec<i64>> {
        let lengths = integers(&self.reference["lengths"]);
        let rows = self.reference["input_ids"].as_array().unwrap();
        rows.iter()
            .zip(lengths)
            .map(|(row, length)| integers(row)[..length as usize].to_vec())
            .collect()
    }

    /// The rows as prompts and completions.
    pub fn examples(&self) -> Vec<Example> {
        let cut = |(row, length): (Vec<i64>, i64)| {
            let (prompt, completion) = row.split_at(length as usize);
            Example {
                prompt_ids: prompt.to_vec(),
                completion_ids: completion.to_vec(),
            }
        };
        self.rows()
            .into_iter()
            .zip(integers(&self.reference["prompt_lengths"]))
            .map(cut)
            .collect()
    }
}

pub fn integers(value: &Value) -> Vec<i64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_i64().unwrap())
        .collect()
}

pub fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_f64().unwrap())
        .collect()
}

/// The largest difference between computed rows and a reference.
pub fn distance(computed: &[Vec<f32>], reference: &Value) -> f64 {
    let rows = computed.iter().zip(reference.as_array().unwrap());
    rows.flat_map(|(row, want)| {
        row.iter()
            .zip(numbers(want))
            .map(|(a, b)| (f64::from(*a) - b).abs())
            .collect::<Vec<_>>()
    })
    .fold(0.0, f64::max)
}
