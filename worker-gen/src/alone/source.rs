//! From the command line to a model that can be used, in the order of cost: files opened, adapter read, weights loaded, adapter applied.

use std::time::Instant;

use groklab_model::{Adapter, Applied, ChatTokenizer, Checkpoint, Model};
use groklab_runtime::tool::Failure;

use super::failure;
use crate::config::Source;

/// A model whose weights have not been read.
pub(super) struct Opened {
    pub checkpoint: Checkpoint,
    /// None only where `needs_text` was false and the model has none that can be read.
    pub tokenizer: Option<ChatTokenizer>,
    adapter: Option<Adapter>,
    since: Instant,
}

/// A model in use.
pub(super) struct Loaded {
    pub model: Model,
    pub applied: Option<Applied>,
    pub seconds: f64,
}

impl Opened {
    pub(super) fn new(source: &Source, needs_text: bool) -> Result<Self, Failure> {
        let since = Instant::now();
        let adapter = source.adapter.as_deref().map(Adapter::open).transpose().map_err(failure)?;
        let checkpoint = Checkpoint::open(&source.model, &source.models).map_err(failure)?;
        let tokenizer = match checkpoint.tokenizer() {
            Ok(tokenizer) => Some(tokenizer),
            Err(error) if needs_text => return Err(failure(error)),
            Err(_) => None,
        };
        Ok(Self { checkpoint, tokenizer, adapter, since })
    }

    /// Reads the weights.
    pub(super) fn load(&self) -> Result<Loaded, Failure> {
        let model = self.checkpoint.model().map_err(failure)?;
        let applied = self.adapter.as_ref().map(|adapter| Applied::new(&model, adapter)).transpose().map_err(failure)?;
        Ok(Loaded { model, applied, seconds: self.since.elapsed().as_secs_f64() })
    }
}
