//! Progress for programs: one JSON value a line on standard output per update.

use groklab_domain::records::ExperimentUpdate;
use serde_json::{Value, json};

use super::{json::objects, progress_view::ProgressView};
use crate::{console::Console, failure::Failure};

pub struct JsonLines(Console);

impl JsonLines {
    pub fn new(console: Console) -> Self {
        Self(console)
    }
}

impl ProgressView for JsonLines {
    fn update(&mut self, update: &ExperimentUpdate) -> Result<(), Failure> {
        self.0.print_json(&update_value(update))
    }

    fn finish(&mut self) {}
}

fn update_value(update: &ExperimentUpdate) -> Value {
    let mut value = json!({
        "experiment": update.experiment,
        "events": update.events,
        "metrics": objects(&update.metrics),
        "iterations": objects(&update.iterations),
    });
    // The configuration does not change, and would be most of every line.
    if let Some(experiment) = value["experiment"].as_object_mut() {
        experiment.remove("config");
    }
    value
}

#[cfg(test)]
mod tests {
    use groklab_domain::records::JsonLine;

    use super::*;
    use crate::sample;

    #[test]
    fn an_update_is_one_value() {
        let update = ExperimentUpdate {
            experiment: sample::experiment("quick"),
            events: vec![sample::event(1)],
            metrics: vec![JsonLine::from_text(r#"{"iteration":0}"#)],
            iterations: Vec::new(),
        };
        let value = update_value(&update);
        assert_eq!(value["experiment"]["state"], "running");
        assert_eq!(value["experiment"].get("config"), None);
        assert_eq!(value["events"][0]["kind"], "job_returned");
        assert_eq!(value["metrics"][0]["iteration"], 0);
    }
}
