//! From a source (a Hugging Face folder, a `.gguf` file, or a hub id) to a checkpoint:
//! configuration, weights by name, tokenizer parts.

mod checkpoint;
mod gguf;
mod gguf_config;
mod gguf_tokenizer;
mod hub;
mod json;
mod mapped;
mod quant;
mod shards;
mod text_files;
mod tokenizer_folder;

pub(crate) use checkpoint::Checkpoint;
pub use hub::default_cache;
pub(crate) use shards::kind_of;
