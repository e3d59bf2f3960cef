//! A model's files, opened: its configuration, its weights by name, and what its tokenizer is made
//! from.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use tch::Tensor;

use super::{
    gguf, gguf_config, gguf_tokenizer, hub, json::read_json, shards, text_files::TEXT_FILES,
    tokenizer_folder,
};
use crate::{
    chat::Parts,
    config::{Config, Fields},
    error::{Error, Result},
};

/// A model's files, opened: what [`crate::Model`] and [`crate::ChatTokenizer`] are made from.
pub(crate) struct Checkpoint {
    pub config: Config,
    /// The files that the base digest covers.
    pub files: Vec<PathBuf>,
    weights: Weights,
    folder: Option<PathBuf>,
    /// Names of the weights that were taken, as the files call them.
    taken: RefCell<BTreeSet<String>>,
}

enum Weights {
    Shards(shards::Shards),
    Gguf(Box<gguf::Gguf>),
}

impl Checkpoint {
    /// Opens `source`; a hub id is first fetched into `cache`.
    pub(crate) fn open(source: &str, cache: &Path) -> Result<Self> {
        let path = Path::new(source);
        // A folder counts before the hub: `org/name` may be either.
        if path.is_dir() {
            return Self::open_folder(path);
        }
        if source.ends_with(".gguf") {
            return Self::open_gguf(path);
        }
        if hub::is_id(source) && !path.exists() {
            return Self::open_folder(&hub::fetch(source, cache)?);
        }
        let reason = if path.exists() {
            "a file that is not a .gguf"
        } else {
            "no such folder or file, and not a hub id of the form org/name"
        };
        Err(Error::Source {
            source_text: source.into(),
            reason: reason.into(),
        })
    }

    fn open_folder(folder: &Path) -> Result<Self> {
        let json = read_json(&config_path(folder)?)?;
        let mut config = Config::from_json(&json)?;
        let generation = folder.join("generation_config.json");
        if generation.exists() {
            // Chat models often name more end tokens in this file, which transformers' own
            // generation obeys.
            config.end_tokens.extend(
                Fields::new("generation_config.json", &read_json(&generation)?)?
                    .ids("eos_token_id")?,
            );
        }
        config.end_tokens.sort_unstable();
        config.end_tokens.dedup();
        let shards = shards::Shards::open(folder)?;
        let mut files = shards.files();
        // Whatever decides on ids and end tokens belongs to the digest: two workers must never
        // sample and train on different ones.
        files.push(folder.join("config.json"));
        files.extend(
            TEXT_FILES
                .iter()
                .map(|name| folder.join(name))
                .filter(|path| path.exists()),
        );
        Ok(Self {
            config,
            files,
            weights: Weights::Shards(shards),
            folder: Some(folder.into()),
            taken: RefCell::default(),
        })
    }

    fn open_gguf(path: &Path) -> Result<Self> {
        let gguf = gguf::Gguf::open(path)?;
        let (config, files) = (gguf_config::config(&gguf)?, vec![path.into()]);
        Ok(Self {
            config,
            files,
            weights: Weights::Gguf(Box::new(gguf)),
            folder: None,
            // The configuration has it already.
            taken: RefCell::new(BTreeSet::from([gguf_config::ROPE_FACTORS.to_owned()])),
        })
    }

    /// The weight with this Hugging Face name on the CPU, in the kind it is stored in (dequantised
    /// to float32).
    pub(crate) fn tensor(&self, name: &str, shape: &[i64]) -> Result<Tensor> {
        let (stored, tensor) = match &self.weights {
            Weights::Shards(shards) => (name.to_owned(), shards.tensor(name)?),
            Weights::Gguf(gguf) => gguf.tensor(name, &self.config)?,
        };
        self.taken.borrow_mut().insert(stored);
        if tensor.size() != shape {
            return Err(Error::Weight {
                name: name.into(),
                reason: format!(
                    "has shape {:?}, the configuration says {shape:?}",
                    tensor.size()
                ),
            });
        }
        Ok(tensor)
    }

    /// Whether the files have a weight of this Hugging Face name.
    pub(crate) fn has(&self, name: &str) -> bool {
        match &self.weights {
            Weights::Shards(shards) => shards.names().any(|stored| stored == name),
            Weights::Gguf(gguf) => gguf.has(name),
        }
    }

    /// Refuses weights that nobody has taken: what they do would not be computed.
    pub(crate) fn refuse_others(&self) -> Result<()> {
        let taken = self.taken.borrow();
        let names: BTreeSet<&str> = match &self.weights {
            Weights::Shards(shards) => shards.names().filter(|name| !is_buffer(name)).collect(),
            Weights::Gguf(gguf) => gguf.names().collect(),
        };
        let other = names.into_iter().find(|name| !taken.contains(*name));
        other.map_or(Ok(()), |name| {
            let value = format!("{name} of a {}", self.config.architecture.as_str());
            Err(Error::Unsupported {
                what: "weight",
                value,
                supported: "those of its architecture as transformers has them",
            })
        })
    }

    /// What the tokenizer is made from.
    pub(crate) fn tokenizer_parts(&self) -> Result<Parts> {
        match (&self.weights, &self.folder) {
            (Weights::Gguf(gguf), _) => gguf_tokenizer::parts(gguf),
            (_, Some(folder)) => tokenizer_folder::parts(folder),
            (_, None) => unreachable!("shards always come from a folder"),
        }
    }
}

/// What older releases of transformers stored beside the weights and computes anew: rotations,
/// positions and masks.
fn is_buffer(name: &str) -> bool {
    [
        "rotary_emb.inv_freq",
        "rotary_emb.cos_cached",
        "rotary_emb.sin_cached",
        "position_ids",
        "attn.bias",
        "attn.masked_bias",
    ]
    .iter()
    .any(|end| {
        name.strip_suffix(end)
            .is_some_and(|before| before.is_empty() || before.ends_with('.'))
    })
}

/// A folder without a configuration may hold what somebody meant to name.
fn config_path(folder: &Path) -> Result<PathBuf> {
    let path = folder.join("config.json");
    if path.exists() {
        return Ok(path);
    }
    let files = std::fs::read_dir(folder).map_err(|source| Error::Read {
        path: folder.into(),
        source,
    })?;
    let gguf = files
        .filter_map(|file| Some(file.ok()?.path()))
        .filter(|file| file.extension().is_some_and(|end| end == "gguf"))
        .min();
    gguf.map_or(Ok(path), |gguf| {
        let reason = format!(
            "a folder without config.json; name the file itself: {}",
            gguf.display()
        );
        Err(Error::Source {
            source_text: folder.display().to_string(),
            reason,
        })
    })
}
