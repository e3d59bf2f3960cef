//! The one model that a worker keeps in memory between jobs.

use std::path::PathBuf;

use groklab_domain::{Digest, experiment::Chat};

use crate::{
    chat::ChatTokenizer,
    device::Placement,
    error::{Error, Result},
    model::{Model, load_for},
};

/// Loads models by their source, one at a time.
pub struct Resident {
    cache: PathBuf,
    placement: Placement,
    loaded: Option<Loaded>,
}

struct Loaded {
    source: String,
    chat: Chat,
    model: Model,
    tokenizer: ChatTokenizer,
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
    pub fn holds(&self, source: &str, chat: &Chat) -> bool {
        self.loaded
            .as_ref()
            .is_some_and(|loaded| loaded.source == source && loaded.chat == *chat)
    }

    /// The model of `source`, loaded if it is not the last one, and its tokenizer with prompts as
    /// `chat` says.
    ///
    /// # Errors
    /// Loading, or [`Error::OtherWeights`] when its digest is not the `expected` one.
    pub fn get(
        &mut self,
        source: &str,
        chat: &Chat,
        expected: Option<Digest>,
    ) -> Result<(&Model, &ChatTokenizer)> {
        // Weights and tokenizer are always of one reading: their digest covers both.
        if !self.holds(source, chat) {
            // The old one goes first: memory may not suffice for two.
            self.loaded = None;
            let (model, tokenizer) = load_for(source, &self.cache, self.placement, chat)?;
            self.loaded = Some(Loaded {
                source: source.to_owned(),
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
                source_text: source.to_owned(),
                expected,
                found: model.base_digest(),
            }),
            None => Ok((model, tokenizer)),
        }
    }
}
