//! From a source (a Hugging Face folder, a `.gguf` file, or a hub id) to a checkpoint: configuration, weights by name, tokenizer parts.

mod gguf;
mod gguf_tokenizer;
mod hub;
mod quant;
mod shards;

pub use hub::default_cache;
pub(crate) use shards::kind_of;

use std::path::{Path, PathBuf};

use serde_json::Value;
use tch::Tensor;

use crate::{
    chat::Parts,
    config::{self, Config},
    error::{Error, Result},
};

/// Files beside the weights that decide on prompts, ids and end tokens.
const TEXT_FILES: [&str; 4] = ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json"];

/// A model's files, opened: what [`crate::Model`] and [`crate::ChatTokenizer`] are made from.
pub(crate) struct Checkpoint {
    pub config: Config,
    /// The files that the base digest covers.
    pub files: Vec<PathBuf>,
    weights: Weights,
    folder: Option<PathBuf>,
}

enum Weights {
    Shards(shards::Shards),
    Gguf(Box<gguf::Gguf>),
}

impl Checkpoint {
    /// Opens `source`; a hub id is first fetched into `cache`.
    pub(crate) fn open(source: &str, cache: &Path) -> Result<Self> {
        let path = Path::new(source);
        if path.is_dir() {
            return Self::open_folder(path);
        }
        if source.ends_with(".gguf") {
            return Self::open_gguf(path);
        }
        if hub::is_id(source) && !path.exists() {
            return Self::open_folder(&hub::fetch(source, cache)?);
        }
        let reason =
            if path.exists() { "a file that is not a .gguf" } else { "no such folder or file, and not a hub id of the form org/name" };
        Err(Error::Source { source_text: source.into(), reason: reason.into() })
    }

    fn open_folder(folder: &Path) -> Result<Self> {
        let json = read_json(&folder.join("config.json"))?;
        let mut config = Config::from_json(&json)?;
        if let Ok(generation) = read_json(&folder.join("generation_config.json")) {
            config.end_tokens.extend(config::ids(&generation["eos_token_id"]));
        }
        config.end_tokens.sort_unstable();
        config.end_tokens.dedup();
        let shards = shards::Shards::open(folder)?;
        let mut files = shards.files();
        // Whatever decides on ids and end tokens belongs to the digest: two workers must never sample and train on different ones.
        files.push(folder.join("config.json"));
        files.extend(TEXT_FILES.iter().map(|name| folder.join(name)).filter(|path| path.exists()));
        Ok(Self { config, files, weights: Weights::Shards(shards), folder: Some(folder.into()) })
    }

    fn open_gguf(path: &Path) -> Result<Self> {
        let gguf = gguf::Gguf::open(path)?;
        Ok(Self { config: gguf.config()?, files: vec![path.into()], weights: Weights::Gguf(Box::new(gguf)), folder: None })
    }

    /// The weight with this Hugging Face name on the CPU, in the kind it is stored in (dequantised to float32).
    pub(crate) fn tensor(&self, name: &str, shape: &[i64]) -> Result<Tensor> {
        let tensor = match &self.weights {
            Weights::Shards(shards) => shards.tensor(name)?,
            Weights::Gguf(gguf) => gguf.tensor(name, &self.config)?,
        };
        if tensor.size() != shape {
            return Err(Error::Weight {
                name: name.into(),
                reason: format!("has shape {:?}, the configuration says {shape:?}", tensor.size()),
            });
        }
        Ok(tensor)
    }

    /// What the tokenizer is made from.
    pub(crate) fn tokenizer_parts(&self) -> Result<Parts> {
        match (&self.weights, &self.folder) {
            (Weights::Gguf(gguf), _) => gguf_tokenizer::parts(gguf),
            (_, Some(folder)) => folder_parts(folder),
            (_, None) => unreachable!("shards always come from a folder"),
        }
    }
}

fn folder_parts(folder: &Path) -> Result<Parts> {
    let path = folder.join("tokenizer.json");
    let json = std::fs::read(&path).map_err(|source| Error::Read { path, source })?;
    let config = read_json(&folder.join("tokenizer_config.json")).unwrap_or(Value::Null);
    let file = std::fs::read_to_string(folder.join("chat_template.jinja")).ok();
    Ok(Parts {
        tokenizer_json: json,
        template: file.or_else(|| template_of(&config["chat_template"])),
        bos_token: token_text(&config["bos_token"]),
        eos_token: token_text(&config["eos_token"]),
        end_tokens: Vec::new(),
    })
}

/// A template is a text, or a list of named ones, of which `default` counts.
fn template_of(value: &Value) -> Option<String> {
    let named = || value.as_array()?.iter().find(|item| item["name"] == "default")?["template"].as_str();
    value.as_str().or_else(named).map(str::to_owned)
}

/// A token is a text, or an object with its content.
fn token_text(value: &Value) -> Option<String> {
    value.as_str().or_else(|| value["content"].as_str()).map(str::to_owned)
}

fn read_json(path: &Path) -> Result<Value> {
    let bytes = std::fs::read(path).map_err(|source| Error::Read { path: path.into(), source })?;
    serde_json::from_slice(&bytes).map_err(|error| Error::Corrupt { path: path.into(), reason: error.to_string() })
}
