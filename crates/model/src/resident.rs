//! The one model that a worker keeps in memory between jobs.

use std::path::PathBuf;

use groklab_domain::Digest;

use crate::{
    chat::ChatTokenizer,
    device::Placement,
    error::{Error, Result},
    model::{Model, load},
};

/// Loads models by their source, one at a time.
pub struct Resident {
    cache: PathBuf,
    placement: Placement,
    loaded: Option<(String, Model, ChatTokenizer)>,
}

impl Resident {
    /// Nothing is loaded yet; models with a hub id are kept in `cache`, all computed at `placement`.
    pub fn new(cache: PathBuf, placement: Placement) -> Self {
        Self { cache, placement, loaded: None }
    }

    /// Whether `source` is what is loaded.
    pub fn holds(&self, source: &str) -> bool {
        self.loaded.as_ref().is_some_and(|(loaded, ..)| loaded == source)
    }

    /// The model of `source`, loaded if it is not the last one.
    ///
    /// # Errors
    /// Loading, or [`Error::OtherWeights`] when its digest is not the `expected` one.
    pub fn get(&mut self, source: &str, expected: Option<Digest>) -> Result<(&Model, &ChatTokenizer)> {
        if !self.holds(source) {
            self.loaded = None;
            let (model, tokenizer) = load(source, &self.cache, self.placement)?;
            self.loaded = Some((source.to_owned(), model, tokenizer));
        }
        let (_, model, tokenizer) = self.loaded.as_ref().expect("it was just loaded");
        match expected.filter(|expected| *expected != model.base_digest()) {
            Some(expected) => Err(Error::OtherWeights { source_text: source.to_owned(), expected, found: model.base_digest() }),
            None => Ok((model, tokenizer)),
        }
    }
}
