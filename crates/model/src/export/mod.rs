//! A trained model in the forms that other software takes: one Hugging Face folder of base and
//! adapter, the adapter as a GGUF for llama.cpp, and the tokenizer's files for what lies beside it.

mod folder_config;
mod gguf_lora;
mod gguf_writer;
mod merge;
mod tokenizer_files;
mod weights_file;

pub use gguf_lora::gguf_lora;
pub use merge::{Merge, Merged};
pub use tokenizer_files::write_tokenizer;
