//! Writes weights as Hugging Face folders hold them: one safetensors file, or several of limited
//! size with an index. One weight at a time is in memory.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};
use tch::{Kind, Tensor};

use crate::{
    error::{Error, Result},
    load::{INDEX, Stored},
};

/// Writes `weights` into `folder`, each as `tensor` gives it; the names of the files.
pub(super) fn write(
    folder: &Path,
    weights: &[Stored],
    max_file_bytes: u64,
    tensor: &mut dyn FnMut(&Stored) -> Result<Tensor>,
) -> Result<Vec<String>> {
    let parts = parts(weights, max_file_bytes);
    let name = |number: usize| match parts.len() {
        1 => "model.safetensors".to_owned(),
        count => format!("model-{number:05}-of-{count:05}.safetensors"),
    };
    let (mut names, mut places) = (Vec::new(), Map::new());
    for (part, number) in parts.iter().zip(1..) {
        let file = name(number);
        write_part(&folder.join(&file), part, tensor)?;
        for weight in *part {
            places.insert(weight.name.clone(), file.clone().into());
        }
        names.push(file);
    }
    if names.len() > 1 {
        let total: u64 = weights.iter().map(Stored::bytes).sum();
        let index = json!({"metadata": {"total_size": total}, "weight_map": places});
        let text = format!("{index:#}\n");
        write_file(&folder.join(INDEX), text.as_bytes())?;
        names.push(INDEX.to_owned());
    }
    Ok(names)
}

/// Files of at most `max_file_bytes`, but of one weight at least, in the order of the weights.
fn parts(weights: &[Stored], max_file_bytes: u64) -> Vec<&[Stored]> {
    let mut parts = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (at, weight) in weights.iter().enumerate() {
        if at > start && bytes + weight.bytes() > max_file_bytes {
            parts.push(&weights[start..at]);
            (start, bytes) = (at, 0);
        }
        bytes += weight.bytes();
    }
    parts.push(&weights[start..]);
    parts
}

fn write_part(
    path: &Path,
    weights: &[Stored],
    tensor: &mut dyn FnMut(&Stored) -> Result<Tensor>,
) -> Result<()> {
    let failed = |source| Error::Write {
        path: path.into(),
        source,
    };
    let mut file = BufWriter::new(File::create(path).map_err(failed)?);
    let header = header(weights);
    let length = header.len() as u64;
    file.write_all(&length.to_le_bytes()).map_err(failed)?;
    file.write_all(&header).map_err(failed)?;
    for weight in weights {
        let tensor = tensor(weight)?.contiguous();
        let mut bytes = vec![0; usize::try_from(weight.bytes()).unwrap_or(usize::MAX)];
        tensor.copy_data_u8(&mut bytes, tensor.numel());
        file.write_all(&bytes).map_err(failed)?;
    }
    file.flush().map_err(failed)
}

fn header(weights: &[Stored]) -> Vec<u8> {
    let mut entries = Map::new();
    entries.insert("__metadata__".to_owned(), json!({"format": "pt"}));
    let mut start = 0;
    for weight in weights {
        let end = start + weight.bytes();
        let dtype = dtype(weight.kind);
        let entry = json!({"dtype": dtype, "shape": weight.shape, "data_offsets": [start, end]});
        entries.insert(weight.name.clone(), entry);
        start = end;
    }
    let mut header = Value::Object(entries).to_string().into_bytes();
    // Blanks at its end are part of the format and align what follows.
    header.resize(header.len().next_multiple_of(8), b' ');
    header
}

fn dtype(kind: Kind) -> &'static str {
    match kind {
        Kind::Half => "F16",
        Kind::BFloat16 => "BF16",
        // The kinds that are read are these three.
        _ => "F32",
    }
}

/// Writes a small file whole.
pub(super) fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).map_err(|source| Error::Write {
        path: PathBuf::from(path),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_has_at_most_so_many_bytes_but_one_weight() {
        let weights: Vec<Stored> = [2, 2, 9, 1, 1]
            .iter()
            .map(|&numbers| Stored {
                name: String::new(),
                shape: vec![numbers],
                kind: Kind::Float,
            })
            .collect();
        let sizes = |most: u64| {
            let parts = parts(&weights, most);
            parts.iter().map(|part| part.len()).collect::<Vec<_>>()
        };
        assert_eq!(sizes(16), [2, 1, 2]);
        assert_eq!(sizes(60), [5]);
        assert_eq!(sizes(1), [1; 5]);
    }
}
