//! How results and progress look: tables, bars, plain lines, JSON. Asks the coordinator nothing.

mod accuracy;
mod bars;
pub mod code;
pub mod json;
mod lines;
mod plain;
pub mod tables;
pub mod words;

pub use accuracy::{
    accuracy_table, comparison_lines, comparison_sentences, evaluation_line, evaluation_lines,
    iterations_table, ks, pass_at, phase,
};
pub use lines::JsonLines;
pub use plain::{Plain, state_line as plain_state};

use groklab_proto::v1::{WatchUpdate, Worker};

use crate::{console::Console, failure::Failure};

/// Something that shows updates as they come. Each holds only what was not shown before.
pub trait View: Send {
    fn update(&mut self, update: &WatchUpdate) -> Result<(), Failure>;
    /// What the workers do at the moment.
    fn workers(&mut self, _workers: &[Worker]) {}
    /// No more will come.
    fn finish(&mut self);
}

/// The view that suits where the output goes.
pub fn view(console: &Console) -> Box<dyn View> {
    match console.bars() {
        Some(bars) => Box::new(bars::Bars::new(bars.clone(), console.clone())),
        None if console.json() => Box::new(JsonLines::new(console.clone())),
        None => Box::new(Plain::new(console.clone())),
    }
}
