//! Progress for programs: one JSON value a line on standard output per update.

use groklab_proto::v1::WatchUpdate;

use super::{View, json};
use crate::{console::Console, failure::Failure};

pub struct JsonLines(Console);

impl JsonLines {
    pub fn new(console: Console) -> Self {
        Self(console)
    }
}

impl View for JsonLines {
    fn update(&mut self, update: &WatchUpdate) -> Result<(), Failure> {
        self.0.print_json(&json::update(update))
    }

    fn finish(&mut self) {}
}
