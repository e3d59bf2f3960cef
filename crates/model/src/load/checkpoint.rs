//! A model's files, opened: its configuration, its weights by name, and what its tokenizer is made
//! from.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use groklab_domain::Commit;
use tch::{Kind, Tensor};

use super::{
    gguf, gguf_config,
    hub::{self, FileSet},
    json::read_json,
    shards,
    source::{HubName, Source},
    stored::{Stored, is_buffer},
    text_files::TEXT_FILES,
    tokenizer_source::TokenizerFiles,
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
    /// What the hub calls it: as it was asked for, else as the files say.
    pub hub_name: Option<HubName>,
    /// Where it was asked for by a hub id.
    pub commit: Option<Commit>,
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
    pub(crate) fn open(source: Source<'_>, cache: &Path) -> Result<Self> {
        let Source { name, revision } = source;
        let path = Path::new(name);
        let is_on_hub = source.is_on_hub()?;
        // A folder counts before the hub: `org/name` may be either.
        if path.is_dir() {
            return Self::open_folder(path);
        }
        if name.ends_with(".gguf") {
            return Self::open_gguf(path);
        }
        if is_on_hub {
            let snapshot = hub::fetch(name, revision, cache, FileSet::Model)?;
            let commit = Some(snapshot.commit);
            let hub_name = Some(HubName {
                id: name.to_owned(),
                commit,
            });
            let opened = Self::open_folder(&snapshot.folder)?;
            return Ok(Self {
                hub_name,
                commit,
                ..opened
            });
        }
        let reason = if path.exists() {
            "a file that is not a .gguf"
        } else {
            "no such folder or file, and not a hub id of the form org/name"
        };
        Err(Error::Source {
            source_text: name.into(),
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
            hub_name: HubName::declared(json["_name_or_path"].as_str()),
            commit: None,
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
            hub_name: HubName::declared(gguf.text("general.name")?),
            commit: None,
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
            Weights::Gguf(gguf) => gguf.has(name, &self.config),
        }
    }

    /// What the weights of norms are stored without: llama.cpp's files have it added.
    pub(crate) fn norm_offset(&self) -> f64 {
        match self.weights {
            Weights::Shards(_) => self.config.norm_offset(),
            Weights::Gguf(_) => 0.0,
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

    /// All weights by their Hugging Face names, in no order; those of a GGUF in float32.
    pub(crate) fn weights(&self) -> Result<Vec<Stored>> {
        let mut weights = Vec::new();
        match &self.weights {
            Weights::Shards(shards) => {
                for name in shards.names().filter(|name| !is_buffer(name)) {
                    let (kind, shape) = shards.describe(name)?;
                    let name = name.to_owned();
                    weights.push(Stored { name, shape, kind });
                }
            }
            Weights::Gguf(gguf) => {
                for (name, shape) in gguf.weights(&self.config) {
                    let kind = Kind::Float;
                    weights.push(Stored { name, shape, kind });
                }
            }
        }
        Ok(weights)
    }

    /// Where the tokenizer comes from.
    pub(crate) fn tokenizer_files(&self) -> TokenizerFiles<'_> {
        match (&self.weights, &self.folder) {
            (Weights::Gguf(gguf), _) => TokenizerFiles::Gguf(gguf),
            (_, Some(folder)) => TokenizerFiles::Folder(folder.clone()),
            (_, None) => unreachable!("shards always come from a folder"),
        }
    }

    /// What the tokenizer is made from.
    pub(crate) fn tokenizer_parts(&self) -> Result<Parts> {
        self.tokenizer_files().parts()
    }

    /// Whether it is a folder, and no single file.
    pub(crate) fn is_folder(&self) -> bool {
        self.folder.is_some()
    }

    /// The contents of a file of the folder, if it is there.
    pub(crate) fn text_file(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let Some(path) = self.folder.as_ref().map(|folder| folder.join(name)) else {
            return Ok(None);
        };
        if !path.exists() {
            return Ok(None);
        }
        let read = std::fs::read(&path);
        read.map(Some)
            .map_err(|source| Error::Read { path, source })
    }
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
