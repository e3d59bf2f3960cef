//! The model against what other implementations computed: one binary, so that libtorch is linked once.

#![expect(clippy::unwrap_used, reason = "a test's helpers may fail the test")]

mod adapters;
mod chat;
mod common;
mod export;
mod files;
mod gguf;
mod parity;
mod peft;
mod prompts;
mod refused;
mod scored;
mod training;
mod traps;
