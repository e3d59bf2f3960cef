//! Where a model's tokenizer comes from, without its weights.

use std::path::{Path, PathBuf};

use super::{
    gguf::Gguf,
    gguf_tokenizer,
    hub::{self, FileSet},
    source::Source,
    tokenizer_folder,
};
use crate::{
    chat::Parts,
    error::{Error, Result},
};

/// The tokenizer's files, or the GGUF that carries it.
pub(crate) enum TokenizerFiles<'a> {
    Folder(PathBuf),
    Gguf(&'a Gguf),
    OwnGguf(Box<Gguf>),
}

impl TokenizerFiles<'_> {
    /// Those of `source`; of a hub id they are fetched, and nothing else.
    pub(crate) fn open(source: Source<'_>, cache: &Path) -> Result<Self> {
        let (path, is_on_hub) = (Path::new(source.name), source.is_on_hub()?);
        if path.is_dir() {
            return Ok(Self::Folder(path.into()));
        }
        if source.name.ends_with(".gguf") {
            return Ok(Self::OwnGguf(Box::new(Gguf::open(path)?)));
        }
        if is_on_hub {
            let snapshot = hub::fetch(source.name, source.revision, cache, FileSet::Tokenizer)?;
            return Ok(Self::Folder(snapshot.folder));
        }
        Err(Error::Source {
            source_text: source.name.into(),
            reason: "no such folder or file".into(),
        })
    }

    pub(crate) fn parts(&self) -> Result<Parts> {
        match self {
            Self::Folder(folder) => tokenizer_folder::parts(folder),
            Self::Gguf(gguf) => gguf_tokenizer::parts(gguf),
            Self::OwnGguf(gguf) => gguf_tokenizer::parts(gguf),
        }
    }
}
