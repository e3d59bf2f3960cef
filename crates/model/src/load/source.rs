//! What names a model.

use std::path::Path;

use groklab_domain::{Commit, experiment::is_hub_id};

use crate::error::{Error, Result};

/// A Hugging Face folder, a `.gguf` file, or a hub id with the revision that is wanted of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source<'a> {
    pub name: &'a str,
    /// A branch, tag or commit of a hub id; None: `main`.
    pub revision: Option<&'a str>,
}

impl Source<'_> {
    /// Whether it is a hub id, and nothing of that name is here: what is here goes first.
    ///
    /// # Errors
    /// A revision is wanted of what has none.
    pub(super) fn is_on_hub(&self) -> Result<bool> {
        let is_on_hub = is_hub_id(self.name) && !Path::new(self.name).exists();
        match self.revision.filter(|_| !is_on_hub) {
            None => Ok(is_on_hub),
            Some(revision) => Err(Error::Source {
                source_text: self.name.into(),
                reason: format!("only a hub id has revisions, such as `{revision}`: leave it out"),
            }),
        }
    }
}

impl<'a> From<&'a str> for Source<'a> {
    fn from(name: &'a str) -> Self {
        Self {
            name,
            revision: None,
        }
    }
}

/// What the hub calls a model: the name that an adapter's files give their base, good on every
/// machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HubName {
    pub id: String,
    /// None where files name the id alone.
    pub commit: Option<Commit>,
}

impl HubName {
    /// What a model's own files say of it, where that is a hub id and no path.
    pub(super) fn declared(text: Option<&str>) -> Option<Self> {
        let id = text.filter(|text| is_hub_id(text))?;
        Some(Self {
            id: id.to_owned(),
            commit: None,
        })
    }
}
