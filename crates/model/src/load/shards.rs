//! Weights in safetensors files: one, or several with an index. The files are mapped, not read; a
//! damaged one is refused.

use std::{
    collections::{BTreeSet, HashMap},
    ops::Range,
    path::{Path, PathBuf},
};

use safetensors::{Dtype, SafeTensors};
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
        for path in shard_paths(folder)? {
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

fn shard_paths(folder: &Path) -> Result<Vec<PathBuf>> {
    let index = folder.join("model.safetensors.index.json");
    if !index.exists() {
        return Ok(vec![folder.join("model.safetensors")]);
    }
    let json = read_json(&index)?;
    let map = json["weight_map"]
        .as_object()
        .ok_or_else(|| Error::Corrupt {
            path: index.clone(),
            reason: "no `weight_map`".into(),
        })?;
    let names: BTreeSet<&str> = map.values().filter_map(|name| name.as_str()).collect();
    let inside = |name: &&str| Path::new(name).components().count() == 1 && !name.starts_with("..");
    if let Some(outside) = names.iter().find(|name| !inside(name)) {
        return Err(Error::Corrupt {
            path: index,
            reason: format!("it names `{outside}`, which is not a file beside it"),
        });
    }
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}
