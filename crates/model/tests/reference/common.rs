//! The fixtures: tiny models with what transformers and peft computed for them.

use std::path::{Path, PathBuf};

use groklab_model::{Adapter, Model, Placement};
use serde_json::Value;

pub const ARCHITECTURES: [&str; 3] = ["llama", "qwen2", "qwen3"];

pub struct Fixture {
    pub folder: PathBuf,
    pub model: Model,
    pub reference: Value,
}

pub fn fixture(architecture: &str) -> Fixture {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/tiny-{architecture}"));
    let model = Model::open(folder.to_str().unwrap(), Path::new("/nonexistent"), Placement::CPU).unwrap();
    let reference = serde_json::from_slice(&std::fs::read(folder.join("reference.json")).unwrap()).unwrap();
    Fixture { folder, model, reference }
}

impl Fixture {
    pub fn adapter(&self, name: &str) -> Adapter {
        let file = |file: &str| std::fs::read(self.folder.join(name).join(file)).unwrap();
        Adapter::from_files(file("adapter_config.json"), file("adapter_model.safetensors")).unwrap()
    }

    /// The rows of the batch without their padding.
    pub fn rows(&self) -> Vec<Vec<i64>> {
        let lengths = integers(&self.reference["lengths"]);
        let rows = self.reference["input_ids"].as_array().unwrap();
        rows.iter().zip(lengths).map(|(row, length)| integers(row)[..length as usize].to_vec()).collect()
    }
}

pub fn integers(value: &Value) -> Vec<i64> {
    value.as_array().unwrap().iter().map(|v| v.as_i64().unwrap()).collect()
}

pub fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

/// The largest difference between computed rows and a reference.
pub fn distance(computed: &[Vec<f32>], reference: &Value) -> f64 {
    let rows = computed.iter().zip(reference.as_array().unwrap());
    rows.flat_map(|(row, want)| row.iter().zip(numbers(want)).map(|(a, b)| (f64::from(*a) - b).abs()).collect::<Vec<_>>())
        .fold(0.0, f64::max)
}
