//! Weights in safetensors files: one, or several with an index. The files are mapped, not read; a
//! damaged one is refused.

use std::{
    collections::{BTreeSet, HashMap},
    ops::Range,
    path::{Path, PathBuf},
};

use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use tch::{Kind, Tensor};

use super::{json::read_json, mapped::Mapped};
use crate::error::{Error, Result};

pub(crate) struct Shards {
    files: Vec<Mapped>,
    entries: HashMap<String, Entry>,
}

struct Entry {
    file: usize,
    /// Or the name of a type that is not computed with.
    kind: Result<Kind, String>,
    shape: Vec<i64>,
    bytes: Range<usize>,
}

impl Shards {
    /// Opens `model.safetensors` or the files that `model.safetensors.index.json` lists.
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let mut shards = Self {
            files: Vec::new(),
            entries: HashMap::new(),
        };
        for path in paths(folder)? {
            shards.add(&path)?;
        }
        Ok(shards)
    }

    pub(crate) fn files(&self) -> Vec<PathBuf> {
        self.files.iter().map(|file| file.path().into()).collect()
    }

    /// A copy of the weight `name`.
    pub(crate) fn tensor(&self, name: &str) -> Result<Tensor> {
        let entry = self.entries.get(name).ok_or_else(|| Error::Weight {
            name: name.into(),
            reason: "is in none of the weight files".into(),
        })?;
        let kind = entry
            .kind
            .clone()
            .map_err(|value| unsupported(name, &value))?;
        let (file, place) = (&self.files[entry.file], entry.bytes.clone());
        let copy = Tensor::from_data_size(&file[place.clone()], &entry.shape, kind);
        file.let_go(place);
        Ok(copy)
    }

    /// Kind and shape of the weight `name`.
    pub(crate) fn describe(&self, name: &str) -> Result<(Kind, Vec<i64>)> {
        let entry = &self.entries[name];
        let kind = entry.kind.clone();
        let kind = kind.map_err(|value| unsupported(name, &value))?;
        Ok((kind, entry.shape.clone()))
    }

    /// The names of all weights, in no order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    fn add(&mut self, path: &Path) -> Result<()> {
        let file = Mapped::open(path)?;
        let (header, metadata) =
            SafeTensors::read_metadata(&file).map_err(|error| Error::Corrupt {
                path: path.into(),
                reason: error.to_string(),
            })?;
        // Offsets count from the end of the header, before which stand 8 bytes with its length.
        let start = 8 + header;
        for (name, info) in metadata.tensors() {
            let kind = kind_of(info.dtype).ok_or_else(|| format!("{:?}", info.dtype));
            let shape = info.shape.iter().map(|&n| n as i64).collect();
            let bytes = start + info.data_offsets.0..start + info.data_offsets.1;
            self.entries.insert(
                name,
                Entry {
                    file: self.files.len(),
                    kind,
                    shape,
                    bytes,
                },
            );
        }
        self.files.push(file);
        Ok(())
    }
}

fn unsupported(name: &str, kind: &str) -> Error {
    Error::Unsupported {
        what: "type of weights",
        value: format!("{kind} (`{name}`)"),
        supported: "F32, F16, BF16, or a .gguf",
    }
}

/// The kinds of weights that are read.
pub(crate) fn kind_of(dtype: Dtype) -> Option<Kind> {
    match dtype {
        Dtype::F32 => Some(Kind::Float),
        Dtype::F16 => Some(Kind::Half),
        Dtype::BF16 => Some(Kind::BFloat16),
        _ => None,
    }
}

/// The file that names the others.
pub(crate) const INDEX: &str = "model.safetensors.index.json";

/// The weight files of `folder`, whether they are there or not.
pub(super) fn paths(folder: &Path) -> Result<Vec<PathBuf>> {
    let index = folder.join(INDEX);
    if !index.exists() {
        return Ok(vec![folder.join("model.safetensors")]);
    }
    let names = named(&index, &read_json(&index)?)?;
    Ok(names.iter().map(|name| folder.join(name)).collect())
}

/// The files that the index at `path` names.
pub(super) fn named(path: &Path, index: &Value) -> Result<BTreeSet<String>> {
    let corrupt = |reason: String| Error::Corrupt {
        path: path.into(),
        reason,
    };
    let map = index["weight_map"]
        .as_object()
        .ok_or_else(|| corrupt("no `weight_map`".into()))?;
    let mut names = BTreeSet::new();
    for name in map.values() {
        let name = name.as_str().unwrap_or_default();
        let inside = Path::new(name).components().count() == 1 && !name.starts_with("..");
        if !inside {
            return Err(corrupt(format!(
                "it names `{name}`, which is not a file beside it"
            )));
        }
        names.insert(name.to_owned());
    }
    Ok(names)
}
