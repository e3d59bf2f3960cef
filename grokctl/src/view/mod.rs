//! How results and progress look: tables, bars, plain lines, JSON. Asks the coordinator nothing.

pub mod accuracy;
mod bars;
mod choose;
pub mod code;
pub mod group;
pub mod json;
mod json_lines;
mod plain;
mod progress_view;
pub mod sentences;
pub mod tables;
pub mod words;

pub use choose::progress_view;
pub use progress_view::ProgressView;
