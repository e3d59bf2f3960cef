//! The model against what other implementations computed: one binary, so that libtorch is linked once.

mod adapters;
mod chat;
mod common;
mod parity;
mod training;
