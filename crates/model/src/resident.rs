//! The one model that a worker keeps in memory between jobs.

use std::path::PathBuf;

use groklab_domain::{Digest, experiment::Chat};

use crate::{
    chat::ChatTokenizer,
    device::Placement,
    error::{Error, Result},
    load::Source,
    model::{Model, load_for},
};

/// Loads models by their source, one at a time.
pub struct Resident {
    cache: PathBuf,
    placement: Placement,
    loaded: Option<Loaded>,
}

struct Loaded {
    name: String,
    revision: Option<String>,
    chat: Chat,
    model: Model,
    tokenizer: ChatTokenizer,
}

impl Loaded {
    /// The name of a branch becomes a commit once the first result has come: it is still the same
    /// model.
    fn is(&self, source: Source<'_>) -> bool {
        let same = self.revision.as_deref() == source.revision;
        let commit = || {
            let commit = self.model.base_commit()?;
            Some(source.revision? == commit.to_string())
        };
        self.name == source.name && (same || commit().unwrap_or(false))
    }
}

impl Resident {
    /// Nothing is loaded yet; models with a hub id are kept in `cache`, all computed at
    /// `placement`.
    pub fn new(cache: PathBuf, placement: Placement) -> Self {
        Self {
            cache,
            placement,
            loaded: None,
        }
    }

    /// Where its models are computed.
    pub fn placement(&self) -> Placement {
        self.placement
    }

    /// Whether `source`, with prompts as `chat` says, is what is loaded.
    pub fn holds(&self, source: Source<'_>, chat: &Chat) -> bool {
        let loaded = self.loaded.as_ref();
        loaded.is_some_and(|loaded| loaded.is(source) && loaded.chat == *chat)
    }

    /// The model of `source`, loaded if it is not the last one, and its tokenizer with prompts as
    /// `chat` says.
    ///
    /// # Errors
    /// Loading, or [`Error::OtherWeights`] when its digest is not the `expected` one.
    pub fn get(
        &mut self,
        source: Source<'_>,
        chat: &Chat,
        expected: Option<Digest>,
    ) -> Result<(&Model, &ChatTokenizer)> {
        // Weights and tokenizer are always of one reading: their digest covers both.
        if !self.holds(source, chat) {
            // The old one goes first: memory may not suffice for two.
            self.loaded = None;
            let (model, tokenizer) = load_for(source, &self.cache, self.placement, chat)?;
            self.loaded = Some(Loaded {
                name: source.name.to_owned(),
                revision: source.revision.map(str::to_owned),
                chat: chat.clone(),
                model,
                tokenizer,
            });
        }
        let Loaded {
            model, tokenizer, ..
        } = self.loaded.as_ref().expect("it was just loaded");
        match expected.filter(|expected| *expected != model.base_digest()) {
            Some(expected) => Err(Error::OtherWeights {
                source_text: source.name.to_owned(),
                expected,
                found: model.base_digest(),
            }),
            None => Ok((model, tokenizer)),
        }
    }
}
