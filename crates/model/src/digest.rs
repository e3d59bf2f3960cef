//! The digest of a base: what its weight files and configuration contain, wherever they lie.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use groklab_domain::Digest;
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};

/// SHA-256 over names, lengths and contents of `files`, in the order of their names.
pub(crate) fn of_files(files: &[PathBuf]) -> Result<Digest> {
    let mut files: Vec<(&str, &Path)> = files
        .iter()
        .map(|path| {
            (
                path.file_name()
                    .and_then(|n| n.to_str())
                    .unwrap_or_default(),
                path.as_path(),
            )
        })
        .collect();
    // By name and not by path: the same files in another folder are the same base.
    files.sort();
    let mut hasher = Sha256::new();
    // The number changes with the way of hashing, so that digests made in another way differ.
    hasher.update(b"groklab base 1");
    for (name, path) in files {
        // A single file is known by its content alone, so that renaming a .gguf does not make it
        // another base.
        if !name.ends_with(".gguf") {
            hasher.update((name.len() as u64).to_le_bytes());
            hasher.update(name);
        }
        add_file(&mut hasher, path).map_err(|source| Error::Read {
            path: path.into(),
            source,
        })?;
    }
    Ok(Digest(hasher.finalize().into()))
}

/// SHA-256 of the contents of one file.
pub(crate) fn of_file(path: &Path) -> std::io::Result<Digest> {
    let mut hasher = Sha256::new();
    add_contents(&mut hasher, File::open(path)?)?;
    Ok(Digest(hasher.finalize().into()))
}

/// SHA-256 over length-prefixed `parts`.
pub(crate) fn of_parts(label: &[u8], parts: &[&[u8]]) -> Digest {
    let mut hasher = Sha256::new();
    hasher.update(label);
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    Digest(hasher.finalize().into())
}

fn add_file(hasher: &mut Sha256, path: &Path) -> std::io::Result<()> {
    let file = File::open(path)?;
    // Lengths before contents, so that no two lists of files give the same bytes.
    hasher.update(file.metadata()?.len().to_le_bytes());
    add_contents(hasher, file)
}

fn add_contents(hasher: &mut Sha256, mut file: File) -> std::io::Result<()> {
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(()),
            n => hasher.update(&buffer[..n]),
        }
    }
}
