//! From a source (a Hugging Face folder, a `.gguf` file, or a hub id) to a checkpoint:
//! configuration, weights by name, tokenizer parts.

mod checkpoint;
mod gguf;
mod gguf_config;
mod gguf_names;
mod gguf_scored;
mod gguf_tokenizer;
mod gguf_tokens;
mod hub;
mod json;
mod mapped;
mod quant;
mod shards;
mod source;
mod stored;
mod text_files;
mod tokenizer_folder;
mod tokenizer_source;

pub(crate) use checkpoint::Checkpoint;
#[cfg(test)]
pub(crate) use gguf::Gguf;
pub(crate) use gguf::permute;
pub(crate) use gguf_names::stored_name;
pub use hub::default_cache;
pub(crate) use shards::{INDEX, kind_of};
pub(crate) use source::HubName;
pub use source::Source;
pub(crate) use stored::Stored;
pub(crate) use tokenizer_source::TokenizerFiles;
