//! Which view suits where the output goes.

use super::{bars::Bars, json_lines::JsonLines, plain::Plain, progress_view::ProgressView};
use crate::console::Console;

/// Bars on a terminal, one JSON value a line for programs, plain lines elsewhere.
pub fn progress_view(console: &Console) -> Box<dyn ProgressView> {
    match console.bars() {
        Some(bars) => Box::new(Bars::new(bars.clone(), console.clone())),
        None if console.json() => Box::new(JsonLines::new(console.clone())),
        None => Box::new(Plain::new(console.clone())),
    }
}
